"""Several chunks in flight, each one step further than the next: one call of the model for all of them.

Row i of the batch is the chunk that came i calls ago, at step i; it has a KV cache of its own, which holds
what earlier chunks wrote at that step (StreamDiffusionV2, arXiv:2511.07399). The first chunk runs alone, and
so do those in flight when a chunk comes that cannot join them: one behind a reset, or of other steps.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from vacestream.denoise_state import DenoiseState
from vacestream.engine import Denoiser, Made
from vacestream.models.conditions import Condition, hints_at, led_away
from vacestream.models.kv_cache import Attend, KVCache
from vacestream.models.schedule import Noise, Schedule
from vacestream.models.transformer import Hints, Text
from vacestream.models.vace import ContextAdapter


@dataclass(frozen=True)
class InFlight:
    """A chunk on its way: the sample [c f h w] that its next step starts from."""

    condition: Condition
    text: Text
    schedule: Schedule
    step: int
    sample: Tensor

    @property
    def timestep(self) -> float:
        return self.schedule.timesteps[self.step]

    def bare(self) -> "InFlight":
        """The same chunk without references."""
        return replace(self, condition=replace(self.condition, references=None))

    def without(self, adapter: ContextAdapter) -> "InFlight":
        """The same chunk when an adapter has gone."""
        contexts = tuple(one for one in self.condition.contexts if one.adapter is not adapter)
        return replace(self, condition=replace(self.condition, contexts=contexts))


@dataclass(frozen=True)
class StepBatch:
    """The denoise stage for rows of `denoiser`, as many as it has steps."""

    denoiser: Denoiser

    @torch.inference_mode()
    def push(self, condition: Condition, state: DenoiseState, noise: Noise) -> list[Made]:
        """Take the next chunk; what is done by now."""
        chunk = condition.chunk
        if not state.num_before:
            made = self.denoiser.push(condition, state, noise)
            state.rows = [state.cache]
            self._fit_rows(state, len(self._steps(condition)[0].timesteps))
            return made
        if chunk.first_latent != state.next_latent:
            raise ValueError(f"{chunk} does not follow the {state.next_latent} latents before it")
        schedule, share = self._steps(condition)
        self._fit_rows(state, len(schedule.timesteps))
        self.denoiser.set_prompt(condition, state)
        assert state.text is not None
        shape = self.denoiser.latent_shape(state, chunk.num_latents)
        start = condition.noise(noise)(chunk.index, 0, shape)
        start = condition.source.noised(start, share) if condition.source else start
        sample = start.to(state.cache.device, state.cache.dtype)
        new = InFlight(condition, state.text, schedule, 0, sample)
        made = self._call([new, *state.in_flight], state, noise)
        state.next_latent += chunk.num_latents
        return made

    def flush(self, state: DenoiseState, noise: Noise, before: Condition | None = None) -> Iterator[Made]:
        """What is still to come when no chunk follows, or none that could join what is in flight."""
        if before is not None and self._joins(before, state):
            return
        while state.in_flight:
            yield from self._call(state.in_flight, state, noise)

    def _joins(self, condition: Condition, state: DenoiseState) -> bool:
        """Whether a chunk goes on from those in flight, in as many steps."""
        if condition.manner.reset is not None:
            return False
        return len(self._steps(condition)[0].timesteps) == len(state.rows)

    def _steps(self, condition: Condition) -> tuple[Schedule, float]:
        return self.denoiser.in_manner(condition.manner).steps_of(condition)

    @staticmethod
    def _fit_rows(state: DenoiseState, count: int) -> None:
        """As many caches as steps, of which the new ones have seen what the last has."""
        if len(state.rows) != count and state.in_flight:
            raise ValueError(f"{count} steps for the {len(state.rows)} rows of a step batch in flight")
        del state.rows[count:]
        state.rows += [state.rows[-1].copy() for _ in range(count - len(state.rows))]

    @torch.inference_mode()
    def _call(self, batch: list[InFlight], state: DenoiseState, noise: Noise) -> list[Made]:
        """One step for every chunk in flight; those that are done. A call that fails leaves all as it was."""
        rows, denoiser = [state.rows[one.step] for one in batch], self.denoiser
        with ExitStack() as stack:
            for one in batch:
                chunk = one.condition.chunk
                first = chunk.first_latent - state.origin
                stack.enter_context(state.rows[one.step].writing(first, chunk.num_latents))
            away, own = None, [denoiser.in_manner(one.condition.manner) for one in batch]
            if any(mine.guides(one.condition, one.step) for mine, one in zip(own, batch, strict=True)):
                away = self._flow([one.bare() for one in batch], rows)
                for row in rows:
                    row.repeat()
            flow = self._flow(batch, rows)
            weights = torch.tensor([mine.method.reference_guidance for mine in own], device=flow.device)
            flow = flow if away is None else led_away(away, flow, weights[:, None, None, None, None])
            moved = [self._stepped(one, flow[i], noise) for i, one in enumerate(batch)]
        state.in_flight = [one for one in moved if isinstance(one, InFlight)]
        if denoiser.trace is not None:
            denoiser.trace("step_batch", batch[0].condition.chunk.index, flow)
        return [one for one in moved if not isinstance(one, InFlight)]

    def _flow(self, batch: list[InFlight], rows: list[KVCache]) -> Tensor:
        """Flow [B c f h w] of all chunks in flight, each with a cache of its own."""
        x = torch.stack([one.sample for one in batch])
        times = [[one.timestep] * x.shape[2] for one in batch]
        text = JoinedText([one.text for one in batch])
        hints = JoinedHints([self._hints(one) for one in batch])
        made: Tensor | None = self.denoiser.model(
            x, torch.tensor(times, device=x.device), text, JoinedMemory(rows), [hints]
        )
        assert made is not None
        return made

    def _stepped(self, one: InFlight, flow: Tensor, noise: Noise) -> InFlight | Made:
        """The chunk behind this step: noised again for the next, or done."""
        x0, held = one.schedule.denoise(one.sample, flow, one.step), one.condition.held
        x0 = held.over(x0) if held else x0
        step, chunk = one.step + 1, one.condition.chunk
        if step == len(one.schedule.timesteps):
            return one.condition, x0
        fresh = one.condition.noise(noise)(chunk.index, step, tuple(x0.shape)).to(x0.device)
        return replace(one, step=step, sample=one.schedule.renoise(x0, fresh, step))

    def _hints(self, one: InFlight) -> list[Hints]:
        asked, model = one.condition, self.denoiser.model
        return [
            *hints_at(one.timestep, model, one.text, asked.contexts, asked.references, one.step, asked.ahead)
        ]


class JoinedText(Text):
    """The prompts of several rows."""

    def __init__(self, rows: list[Text]) -> None:
        super().__init__(rows[0].tokens)
        self.rows = rows

    def of(self, block: nn.Module) -> tuple[Tensor, Tensor]:
        """K/V [B L k d] in a block's cross-attention."""
        if all(row is self.rows[0] for row in self.rows):
            k, v = (x.expand(len(self.rows), -1, -1, -1) for x in self.rows[0].of(block))
            return k, v
        keys, values = zip(*(row.of(block) for row in self.rows), strict=True)
        return torch.cat(keys), torch.cat(values)


@dataclass(frozen=True)
class JoinedMemory:
    """Each row of a batch attends to a cache of its own."""

    caches: list[KVCache]

    def layer(self, index: int) -> Attend:
        """Self-attention of one block, row by row."""
        rows = [cache.layer(index) for cache in self.caches]

        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            parts = zip(rows, q.split(1), k.split(1), v.split(1), strict=True)
            return torch.cat([attend(*part) for attend, *part in parts])

        return attention


@dataclass(frozen=True)
class JoinedHints:
    """Each row of a batch has hints of its own, perhaps none."""

    rows: list[list[Hints]]

    @property
    def layers(self) -> tuple[int, ...]:
        return tuple(sorted({layer for row in self.rows for source in row for layer in source.layers}))

    def __call__(self, x: Tensor, modulation: Tensor, text: Text) -> Iterator[Tensor]:
        """Patch tokens [B f n d] and modulation [B f 6 d] -> the rows' hints [B f n d], layer by layer."""
        assert isinstance(text, JoinedText)
        inputs = zip(self.rows, x.split(1), modulation.split(1), text.rows, strict=True)
        streams = [[(source.layers, source(*given)) for source in row] for row, *given in inputs]
        for layer in self.layers:
            none = torch.zeros_like(x[:1])
            yield torch.cat([sum((next(s) for at, s in row if layer in at), start=none) for row in streams])
