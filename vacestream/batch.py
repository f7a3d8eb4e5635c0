"""Whole clips at once on a bidirectional base: many steps, guidance, references in the latents (2503.07598).

One chunk is the whole clip. Every latent sees every other; references stand in front of the video's latents,
are denoised with them and dropped. This is what VACE's context blocks were trained with.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Protocol

import torch
from diffusers import UniPCMultistepScheduler
from torch import Tensor

from vacestream.denoise_state import DenoiseState
from vacestream.engine import Made, Trace
from vacestream.method import PLAIN, Method
from vacestream.models.conditions import Condition, Context, hints_at
from vacestream.models.kv_cache import Attend
from vacestream.models.schedule import NUM_TRAIN_STEPS, Noise
from vacestream.models.transformer import CausalWan, Text
from vacestream.models.vace import self_attention
from vacestream.pipelines import Batch


class Sampler(Protocol):
    """From noise to a clip, in steps."""

    timesteps: list[float]

    def step(self, index: int, flow: Tensor, x: Tensor) -> Tensor:
        """The sample behind a step."""


class UniPC:
    """The multistep solver that Wan2.1 is sampled with (arXiv:2302.04867), from diffusers."""

    def __init__(self, batch: Batch, device: torch.device) -> None:
        self.scheduler = UniPCMultistepScheduler(
            num_train_timesteps=NUM_TRAIN_STEPS,
            prediction_type="flow_prediction",
            use_flow_sigmas=True,
            flow_shift=batch.shift,
        )
        self.scheduler.set_timesteps(batch.steps, device=device)
        self.timesteps = [float(t) for t in self.scheduler.timesteps]

    def step(self, index: int, flow: Tensor, x: Tensor) -> Tensor:
        """The sample behind a step."""
        after: Tensor = self.scheduler.step(flow, self.scheduler.timesteps[index], x).prev_sample
        return after


class Euler:
    """Straight steps on the shifted schedule."""

    def __init__(self, batch: Batch, device: torch.device) -> None:
        u = [1 - i / batch.steps for i in range(batch.steps + 1)]
        self.sigmas = [batch.shift * s / (1 + (batch.shift - 1) * s) for s in u]
        self.timesteps = [NUM_TRAIN_STEPS * sigma for sigma in self.sigmas[:-1]]

    def step(self, index: int, flow: Tensor, x: Tensor) -> Tensor:
        """The sample behind a step."""
        return x + (self.sigmas[index + 1] - self.sigmas[index]) * flow


SAMPLERS: dict[str, type[UniPC] | type[Euler]] = {"unipc": UniPC, "euler": Euler}


@dataclass(frozen=True)
class WithinClip:
    """Attention over the tokens of the call and nothing else."""

    grid: tuple[int, int]

    def layer(self, index: int) -> Attend:
        """Self-attention of one block."""
        return self_attention(self.grid, first=0)(index)


@dataclass(frozen=True)
class WholeClip:
    """The denoise stage of a row that makes a clip at once."""

    model: CausalWan
    batch: Batch
    trace: Trace | None = None
    method: Method = PLAIN
    """Its guidance acts beside `batch.guidance`."""

    @torch.inference_mode()
    def push(self, condition: Condition, state: DenoiseState, noise: Noise) -> list[Made]:
        """Take the clip, and make it."""
        chunk, cache = condition.chunk, state.cache
        if chunk.first_latent:
            raise ValueError(f"{chunk} is not the whole clip")
        asked = with_references(condition)
        extra = asked.chunk.num_latents - chunk.num_latents
        texts = self._texts(condition)
        h, w = cache.shape.grid
        patch, channels = self.model.config.patch_size, self.model.config.in_channels
        shape = channels, asked.chunk.num_latents, h * patch[1], w * patch[2]
        sampler = SAMPLERS[self.batch.sampler](self.batch, cache.device)
        x = condition.noise(noise)(chunk.index, 0, shape).to(cache.device)
        for index, timestep in enumerate(sampler.timesteps):
            flow = self._flow(x.to(cache.dtype), timestep, index, texts, condition, asked)
            if self.trace is not None:
                self.trace(f"step{index}", chunk.index, flow[None])
            x = sampler.step(index, flow, x)
        state.next_latent += chunk.num_latents
        return [(condition, x[:, extra:].to(cache.dtype))]

    def flush(self, state: DenoiseState, noise: Noise, before: Condition | None = None) -> Iterator[Made]:
        """Nothing is still to come."""
        yield from ()

    def _flow(
        self,
        x: Tensor,
        timestep: float,
        step: int,
        texts: tuple[Text, Text | None],
        condition: Condition,
        asked: Condition,
    ) -> Tensor:
        """Flow [c f h w] of a step, led away from the negative prompt and from no references.

        `asked` is the condition with references in front. The two ways are added (as in arXiv:2211.09800).
        """
        text, against = texts
        flow = found = whole_flow(self.model, x, timestep, text, asked.contexts, step)
        if against is not None:
            without = whole_flow(self.model, x, timestep, against, asked.contexts, step)
            flow = without + self.batch.guidance * (found - without)
        extra = asked.chunk.num_latents - condition.chunk.num_latents
        if not extra or self.method.reference_guidance == 1:
            return flow
        without = whole_flow(self.model, x[:, extra:], timestep, text, condition.contexts, step)
        pull = (self.method.reference_guidance - 1) * (found[:, extra:] - without)
        return torch.cat([flow[:, :extra], flow[:, extra:] + pull], dim=1)

    def _texts(self, condition: Condition) -> tuple[Text, Text | None]:
        """The prompt, and what guidance leads away from."""
        text = self.model.embed_text(condition.prompt[None])
        if self.batch.guidance == 1 or condition.negative is None:
            return text, None
        return text, self.model.embed_text(condition.negative[None])


def whole_flow(
    model: CausalWan,
    x: Tensor,
    timestep: float,
    text: Text,
    contexts: tuple[Context, ...],
    step: int | None = None,
) -> Tensor:
    """Flow [c f h w] of a clip x [c f h w], float32; references are among its latents."""
    patch = model.config.patch_size
    grid = x.shape[2] // patch[1], x.shape[3] // patch[2]
    times = torch.full((1, x.shape[1]), timestep, device=x.device)
    hints = list(hints_at(timestep, model, text, contexts, None, step))
    flow: Tensor = model(x[None], times, text, WithinClip(grid), hints)
    return flow[0].float()


def with_references(condition: Condition) -> Condition:
    """The same clip with the references in front, in every context and in the count of latents."""
    references, contexts = condition.references, condition.contexts
    if references is None or not condition.refers():
        return condition
    made = []
    for context in contexts:
        front = references.context(len(context.latents))[0].to(context.latents)
        latents, scale = torch.cat([front, context.latents], dim=1), context.scale
        if isinstance(scale, Tensor):
            scale = torch.cat([scale.max().expand(len(references)), scale])
        made.append(replace(context, latents=latents, scale=scale))
    chunk = replace(condition.chunk, num_latents=len(references) + condition.chunk.num_latents)
    return replace(condition, chunk=chunk, contexts=tuple(made))
