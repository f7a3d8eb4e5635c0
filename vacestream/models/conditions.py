"""What one chunk is denoised under: encoded text, contexts for the adapters, references."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from torch import Tensor

from vacestream.models.context_memory import KV, ContextMemory
from vacestream.models.schedule import NUM_TRAIN_STEPS, Noise, seeded_noise
from vacestream.models.transformer import CausalWan, Text
from vacestream.models.vace import (
    ContextAdapter,
    ContextHints,
    References,
    encode_references,
    joined,
    later,
)
from vacestream.timeline import Chunk
from vacestream.vcu import AS_BEGUN, Manner

FARTHEST = 20
"""Latents between two tokens of the clips that the weights have seen."""


@dataclass(frozen=True)
class Context:
    """One encoded VCU for one adapter."""

    adapter: ContextAdapter
    latents: Tensor  # [ctx f h w]
    scale: float | Tensor = 1.0
    """Or [f], one a latent."""
    steps: tuple[int, int] | None = None
    """The denoising steps it acts in, from 1, both ends included; all when left out."""
    rest: bool = False
    """Acts only at the latents where no other context does."""
    place: int = 0
    """Among the contexts of the chunk, the same in every chunk."""

    def head(self, count: int) -> "Context":
        """Of the first latents alone."""
        scale = self.scale[:count] if isinstance(self.scale, Tensor) else self.scale
        return replace(self, latents=self.latents[:, :count], scale=scale)

    def weight(self, step: int | None) -> Tensor:
        """[f]: how much it acts at a step, counted from 0; None is all of them."""
        acts = self.steps is None or step is None or self.steps[0] <= step + 1 <= self.steps[1]
        scale = torch.as_tensor(self.scale, dtype=torch.float32) * acts
        return scale.expand(self.latents.shape[1])


@dataclass(frozen=True)
class Source:
    """The input's own latents, which a chunk starts from instead of pure noise."""

    latents: Tensor  # [c f h w]
    share: float
    """Of the noise that they are mixed with, 0..1, unless the row scales its steps instead."""
    timestep: float
    """What the first step is told, 1000 = pure noise."""

    def noised(self, noise: Tensor, share: float) -> Tensor:
        """The sample of this share of noise that the first step starts from, float32 like the noise."""
        return share * noise + (1 - share) * self.latents.to(noise)


@dataclass(frozen=True)
class Held:
    """Kept footage as latents, in the cells where all of its pixels are kept."""

    latents: Tensor  # [c f h w]
    cells: Tensor  # [1 f h w] bool
    is_all: bool
    """Whether that is every cell, told without asking the device."""

    def over(self, x0: Tensor) -> Tensor:
        """Clean latents [c f h w] with those that are held."""
        return torch.where(self.cells, self.latents.to(x0), x0)


@dataclass(frozen=True)
class Condition:
    """Everything that steers one chunk."""

    chunk: Chunk
    prompt: Tensor  # [L text_dim], zero behind the prompt; the same object for the same prompt
    contexts: tuple[Context, ...] = ()
    references: References | None = None
    source: Source | None = None
    negative: Tensor | None = None
    """What guidance leads away from, like `prompt`."""
    kept: tuple[Tensor, Tensor] | None = None
    """Pixels [T 3 H W], and the share [T 1 H W] of what is made in the output; where it is 0 they stay."""
    ahead: tuple[tuple[int, References], ...] = ()
    """Anchors to come: how many latents after the first of this chunk, and each as a reference."""
    held: Held | None = None
    anchor: Tensor | Literal["first"] | None = None
    """Latents [c s h w] that the attention sink is made anew of, or those that it was made of first."""
    is_plain: bool = False
    """Whether the footage that steers the chunk is all one colour, so that the output may be."""
    manner: Manner = AS_BEGUN

    def noise(self, streams: Noise) -> Noise:
        """The noise of its own seed, else the stream's."""
        return streams if self.manner.seed is None else seeded_noise(self.manner.seed)

    def refers(self, step: int | None = None) -> bool:
        """Whether references act at a step, counted from 0; None is in any."""
        return self.references is not None and any(bool(one.weight(step).any()) for one in self.contexts)


def hints_at(
    timestep: float,
    model: CausalWan,
    text: Text,
    contexts: Sequence[Context],
    references: References | None,
    step: int | None = None,
    ahead: Sequence[tuple[int, References]] = (),
    memory: ContextMemory | None = None,
) -> Iterator[ContextHints]:
    """The hint streams of a model call at this timestep, without those of no weight.

    At each latent, references go with the first that acts there, so that they weigh once however many
    controls there are; their K/V are computed when first needed.
    """
    owed = torch.ones(contexts[0].latents.shape[1]) if contexts else torch.ones(0)
    for context, weight in zip(contexts, _weights(contexts, step), strict=True):
        if not weight.any():
            continue
        scale = float(weight[0]) if bool((weight == weight[0]).all()) else weight[:, None, None]
        scale = scale if isinstance(scale, float) else scale.to(context.latents.device)
        sets: list[list[KV]] = []
        count = 0
        if references is not None and (owed * weight).any():
            owed, count = owed * (weight == 0), len(references)
            sets.append(references_at(timestep, model, text, context.adapter, references))
        past = None if memory is None else memory.past.get(context.place)
        before = count + (past[0][0].shape[1] // _num_tokens(model, context.latents) if past else 0)
        for distance, anchor in ahead:
            kv = references_at(timestep, model, text, context.adapter, anchor)
            sets.append([later(one, before + min(distance, FARTHEST)) for one in kv])
        weights = references.weights(sets[0][0][0].shape[1]) if references is not None and count else None
        fresh = None if memory is None else memory.fresh.setdefault(context.place, {})
        yield ContextHints(
            context.adapter, context.latents[None], scale, joined(sets), count, weights, past, fresh
        )


def _num_tokens(model: CausalWan, latents: Tensor) -> int:
    """Of one latent of [c f h w]."""
    _, down, across = model.config.patch_size
    return (latents.shape[2] // down) * (latents.shape[3] // across)


def led_away(without: Tensor, flow: Tensor, weight: float | Tensor) -> Tensor:
    """Flow, `weight` times as far from that without references as it is; float32 (after arXiv:2211.09800)."""
    return torch.lerp(without.float(), flow.float(), weight)


def _weights(contexts: Sequence[Context], step: int | None) -> list[Tensor]:
    """[f] of each context at a step, on the host."""
    own = [(context, context.weight(step).cpu()) for context in contexts]
    free = torch.ones(len(own[0][1])) if own else torch.ones(0)
    for context, weight in own:
        free = free if context.rest else free * (weight == 0)
    return [weight * free if context.rest else weight for context, weight in own]


def references_at(
    timestep: float, model: CausalWan, text: Text, adapter: ContextAdapter, references: References
) -> "list[tuple[Tensor, Tensor]]":
    """K/V of the references in each context block at this timestep; cached until the text changes."""
    key = adapter, timestep
    references.under(text)
    if key not in references.kv:
        x = model.patchify(references.noised(timestep / NUM_TRAIN_STEPS))
        times = torch.full((1, len(references)), timestep, device=x.device)
        _, modulation = model.embed_time(times, x.dtype)
        patch = model.config.patch_size
        h, w = references.latents.shape[2] // patch[1], references.latents.shape[3] // patch[2]
        references.kv[key] = encode_references(adapter, references, x, modulation, text, (h, w))
    return references.kv[key]


def join(
    chunks: Sequence["tuple[Tensor, tuple[Context, ...]]"], count: int, step: int | None = None
) -> tuple[Context, ...]:
    """Contexts over the last `count` latents of several chunks, each (clean latents [c f h w], its contexts).

    A pass that one of the chunks lacks, or that has no weight in any, is left out.
    """
    joined = []
    for passes in zip(*(contexts for _, contexts in chunks), strict=False):
        adapter = passes[0].adapter
        scale = torch.cat([one.weight(step) for one in passes])
        if any(one.adapter is not adapter for one in passes) or not scale.any():
            continue
        latents = torch.cat([one.latents for one in passes], dim=1)
        one = passes[0]
        joined.append(Context(adapter, latents[:, -count:], scale[-count:], rest=one.rest, place=one.place))
    return tuple(joined)
