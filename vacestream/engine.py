"""Conditions -> clean latents, chunk by chunk, with a KV cache (Self Forcing, arXiv:2506.08009).

Each step predicts the clean chunk, which is noised again for the next step; one more pass over the clean
chunk leaves its keys and values in the cache for the chunks to come.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from vacestream.denoise_state import DenoiseState
from vacestream.method import PLAIN, Method
from vacestream.models.conditions import Condition, hints_at, join, led_away
from vacestream.models.context_memory import ContextMemory
from vacestream.models.kv_cache import KVCache
from vacestream.models.reference_frames import CLEAN, Frames, frames_at
from vacestream.models.schedule import NUM_TRAIN_STEPS, Noise, Schedule, make_schedule
from vacestream.models.transformer import CausalWan
from vacestream.pipelines import PipelineSpec
from vacestream.timeline import Chunk
from vacestream.vcu import Manner

Trace = Callable[[str, int, Tensor], None]
"""(what the call is for, chunk index, flow [1 c f h w]): sees every model call in full."""

Made = tuple[Condition, Tensor]
"""A chunk that is done: what it was asked to be, and its clean latents [c f h w]."""


@dataclass(frozen=True)
class Denoiser:
    """A causal transformer and the row it runs by."""

    model: CausalWan
    spec: PipelineSpec
    schedule: Schedule
    source_schedule: Schedule
    """For chunks that start from source latents."""
    method: Method = PLAIN
    trace: Trace | None = None
    as_still: Callable[[], Tensor] | None = None
    """Latent [c 1 h w] of a frame as a still: the last one that the oldest latent of a recompute held."""

    def __call__(self, conditions: Iterable[Condition], state: DenoiseState, noise: Noise) -> Iterator[Made]:
        """The chunks in order."""
        for condition in conditions:
            yield from self.push(condition, state, noise)
        yield from self.flush(state, noise)

    def in_manner(self, manner: Manner) -> "Denoiser":
        """The same for a chunk that is made in another manner."""
        spec, changed = self.spec, self
        if manner.steps or manner.source_steps:
            spec = replace(
                spec,
                steps=manner.steps or spec.steps,
                source_steps=manner.source_steps or spec.source_steps,
            )
            plain, source = schedules(spec)
            changed = replace(self, spec=spec, schedule=plain, source_schedule=source)
        return replace(changed, method=manner.method or self.method)

    def push(self, condition: Condition, state: DenoiseState, noise: Noise) -> list[Made]:
        """Take the next chunk; what is done by now."""
        return self.in_manner(condition.manner)._push(condition, state, condition.noise(noise))

    @torch.inference_mode()
    def _push(self, condition: Condition, state: DenoiseState, noise: Noise) -> list[Made]:
        chunk = condition.chunk
        if chunk.first_latent != state.next_latent:
            raise ValueError(f"{chunk} does not follow the {state.next_latent} latents before it")
        self.set_prompt(condition, state)
        first = state.num_before
        if condition.anchor is not None and first:
            self._reanchor(condition.anchor, condition, state)
        if self.spec.recompute_latents and first:
            first = self._recompute(condition, state)
        state.memory.begin()
        with state.cache.writing(first, chunk.num_latents):
            x0 = self._denoise(condition, state, noise)
        state.memory.commit(self._num_remembered(state))
        state.cache.file(first, partial(self._text_keys, state))
        state.remember(x0, condition.contexts)
        return [(condition, x0)]

    def flush(self, state: DenoiseState, noise: Noise, before: Condition | None = None) -> Iterator[Made]:
        """What is still to come when no chunk follows, or none that could join what is in flight."""
        yield from ()

    def steps_of(self, condition: Condition) -> tuple[Schedule, float]:
        """The steps of a chunk, and the share of noise that it starts from."""
        source, spec = condition.source, self.spec
        schedule, share = self.schedule, 1.0
        if source is not None and spec.source_scaled:
            schedule = make_schedule([source.share * step for step in spec.steps], spec.shift, warp=spec.warp)
            share = schedule.timesteps[0] / NUM_TRAIN_STEPS
        elif source is not None:
            schedule, share = self.source_schedule.from_source(source.share, source.timestep), source.share
        if condition.references is not None:
            condition.references.keep((*schedule.timesteps, spec.context_timestep, CLEAN))
        return schedule, share

    def _denoise(self, condition: Condition, state: DenoiseState, noise: Noise) -> Tensor:
        if condition.held is not None and condition.held.is_all:
            x0 = condition.held.latents.to(state.cache.device, state.cache.dtype)
            self._commit("context", x0, condition, state, state.memory)
            return x0
        (schedule, share), chunk = self.steps_of(condition), condition.chunk
        shape = self.latent_shape(state, chunk.num_latents)
        draws = [noise(chunk.index, step, shape) for step in range(len(schedule.timesteps))]
        # One copy a chunk: the loop never waits for the host.
        fresh = torch.stack(draws).to(state.cache.device)
        start = condition.source.noised(fresh[0], share) if condition.source else fresh[0]
        x = x0 = start.to(state.cache.dtype)
        for step, timestep in enumerate(schedule.timesteps):
            if step > 0:
                x = schedule.renoise(x0, fresh[step], step)
                state.cache.repeat()
            flow = self._flow(x, timestep, condition, state, step=step)
            x0 = schedule.denoise(x, flow, step)
            x0 = condition.held.over(x0) if condition.held else x0
        if self.spec.commit_pass:
            state.cache.repeat()
            self._commit("context", x0, condition, state, state.memory)
        return x0

    def guides(self, condition: Condition, step: int) -> bool:
        """Whether a step is made without references as well."""
        return self.method.reference_guidance != 1 and condition.refers(step)

    def _flow(
        self, x: Tensor, timestep: float, condition: Condition, state: DenoiseState, *, step: int
    ) -> Tensor:
        """Flow [c f h w] of a step; references come in the last call, so that its K/V stay in the cache."""
        away = None
        if self.guides(condition, step):
            bare = replace(condition, references=None)
            away = self._call(f"without{step}", x, timestep, bare, state, state.memory, step=step)
            state.cache.repeat()
        flow = self._call(f"denoise{step}", x, timestep, condition, state, state.memory, step=step)
        assert flow is not None
        return flow if away is None else led_away(away, flow, self.method.reference_guidance)

    @torch.inference_mode()
    def prefill(self, given: Tensor, condition: Condition, state: DenoiseState) -> None:
        """Take clean latents [c f h w] as what came before; they enter the cache, nothing is generated."""
        self.set_prompt(condition, state)
        while given.shape[1]:
            count = self.spec.chunk_latents if state.next_latent else self.spec.first_chunk_latents
            part, given = given[:, :count], given[:, count:]
            with state.cache.writing(state.next_latent, part.shape[1]):
                self._commit("prefill", part, condition, state)
            state.cache.file(state.next_latent, partial(self._text_keys, state))
            state.remember(part, condition.contexts)

    def set_prompt(self, condition: Condition, state: DenoiseState) -> None:
        """On a new prompt: new text K/V, and the last window of the cache made again under it."""
        old, new = state.prompt, condition.prompt
        switched = old is None or (old is not new and not torch.equal(old, new))
        if switched or state.text is None:
            ready, state.ready = state.ready, None
            known = ready is not None and torch.equal(ready[0], new)
            state.text = ready[1] if ready and known else self.model.embed_text(new[None])
        recaches = self.spec.recache != "none" and condition.manner.switch != "keep"
        if switched and recaches and state.recent:
            state.prompt = None  # a recache that fails is made again
            self._recache(condition, state)
        state.prompt = new

    def _reanchor(self, anchor: Tensor | Literal["first"], condition: Condition, state: DenoiseState) -> None:
        """Make the sink anew under the prompt of now, as near to the chunk as it was at first.

        From what it was made of first, or from latents [c s h w] that stand still.
        """
        chunk = condition.chunk
        clean, contexts = (anchor, ()) if isinstance(anchor, Tensor) else state.first[0]
        contexts = join([(clean, contexts)], clean.shape[1], self.last_step)
        place = Chunk(chunk.index, chunk.first_latent, clean.shape[1])
        references = condition.references if contexts else None
        again = Condition(place, condition.prompt, contexts, references)
        state.cache.renew_sink(state.num_before, chunk.num_latents)
        self._commit("reanchor", clean.to(state.cache.dtype), again, state)
        state.cache.commit()

    def _recompute(self, condition: Condition, state: DenoiseState) -> int:
        """Fill the empty cache from the last clean latents, under the prompt of now; the next free place.

        The oldest of them has lost what it hangs on: its last frame takes its place, encoded as a still.
        """
        count = self.spec.recompute_latents
        clean = torch.cat([x for x, _ in state.recent], dim=1)[:, -count:]
        if state.num_before > count and self.as_still is not None:
            clean = torch.cat([self.as_still().to(clean), clean[:, 1:]], dim=1)
        contexts = join(state.recent, count, self.last_step)
        state.cache.clear()
        chunk = Chunk(condition.chunk.index, 0, count)
        before = Condition(chunk, condition.prompt, contexts, condition.references)
        with state.cache.writing(0, count):
            self._commit("recompute", clean, before, state)
        return count

    def _recache(self, condition: Condition, state: DenoiseState) -> None:
        clean = torch.cat([x for x, _ in state.recent], dim=1)[:, -state.window :]
        count = clean.shape[1]
        contexts = join(state.recent, count, self.last_step)
        chunk = Chunk(condition.chunk.index, state.num_before - count, count)
        state.cache.rewrite(chunk.first_latent, count, sink=self.spec.recache)
        again, memory = Condition(chunk, condition.prompt, contexts, condition.references), ContextMemory()
        self._commit("recache", clean, again, state, memory)
        memory.commit(self._num_remembered(state))
        state.memory = memory
        state.cache.commit()

    def _num_remembered(self, state: DenoiseState) -> int:
        """Tokens of earlier control that the context blocks see."""
        h, w = state.cache.shape.grid
        return self.method.memory * h * w

    def _commit(
        self,
        kind: str,
        clean: Tensor,
        condition: Condition,
        state: DenoiseState,
        memory: ContextMemory | None = None,
    ) -> None:
        """A pass over clean latents, for the keys and values that it writes."""
        if not self.method.commit_hints:
            condition = Condition(condition.chunk, condition.prompt)
        cut_short = self.trace is None and not self.method.memory  # which the last context block may need
        timestep, step = self.spec.context_timestep, self.last_step
        self._call(kind, clean, timestep, condition, state, memory, step=step, write_only=cut_short)

    @property
    def last_step(self) -> int:
        return len(self.schedule.timesteps) - 1

    def _call(
        self,
        kind: str,
        x: Tensor,
        timestep: float,
        condition: Condition,
        state: DenoiseState,
        memory: ContextMemory | None,
        *,
        step: int,
        write_only: bool = False,
    ) -> Tensor | None:
        """Flow [c f h w] of the sample x [c f h w]."""
        assert state.text is not None
        times = torch.full((1, x.shape[1]), timestep, device=x.device)
        contexts, references = condition.contexts, condition.references
        memory = memory if self.method.memory else None
        hints = list(
            hints_at(timestep, self.model, state.text, contexts, references, step, condition.ahead, memory)
        )
        seen = self._seen(timestep, condition, state, step)
        flow = self.model(x[None], times, state.text, seen, hints, write_only=write_only)
        if self.trace is not None and flow is not None:
            self.trace(kind, condition.chunk.index, flow)
        return None if flow is None else flow[0]

    def _seen(
        self, timestep: float, condition: Condition, state: DenoiseState, step: int
    ) -> KVCache | Frames:
        """What the main blocks attend to: the cache, and references that are frames beside it."""
        references, when = condition.references, self.frame_time(timestep)
        if references is None or when is None or not condition.refers(step):
            return state.cache
        assert state.text is not None
        adapter = next(one.adapter for one in condition.contexts if one.weight(step).any())
        return frames_at(when, self.model, state.text, adapter, references, state.cache)

    def frame_time(self, timestep: float) -> float | None:
        """The timestep of references that a call at this one sees as frames; None: it sees none."""
        how = self.method.references or self.spec.references
        return {"hints": None, "sink": CLEAN, "prefix": timestep}[how]

    def _text_keys(self, state: DenoiseState, layer: int) -> Tensor:
        assert state.text is not None
        return state.text.of(self.model.blocks[layer])[0]

    def latent_shape(self, state: DenoiseState, num_latents: int) -> tuple[int, ...]:
        patch, grid = self.model.config.patch_size, state.cache.shape.grid
        return self.model.config.in_channels, num_latents, grid[0] * patch[1], grid[1] * patch[2]


def make_denoiser(
    model: CausalWan,
    spec: PipelineSpec,
    *,
    method: Method = PLAIN,
    trace: Trace | None = None,
    as_still: Callable[[], Tensor] | None = None,
) -> Denoiser:
    """The denoise stage of a pipeline, a chunk at a time."""
    return Denoiser(model, spec, *schedules(spec), method, trace, as_still)


def schedules(spec: PipelineSpec) -> tuple[Schedule, Schedule]:
    """The steps of a row, and those of a chunk that starts from source latents."""
    plain, source = (
        make_schedule(steps, spec.shift, warp=spec.warp)
        for steps in (spec.steps, spec.source_steps or spec.steps)
    )
    return plain, source
