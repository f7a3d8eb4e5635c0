"""What one chunk is denoised under: encoded text, contexts for the adapters, references."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from vacestream.models.schedule import NUM_TRAIN_STEPS
from vacestream.models.transformer import CausalWan, Text
from vacestream.models.vace import ContextAdapter, ContextHints, References, encode_references
from vacestream.timeline import Chunk


@dataclass(frozen=True)
class Context:
    """One encoded VCU for one adapter."""

    adapter: ContextAdapter
    latents: Tensor  # [ctx f h w]
    scale: Any = 1.0
    """A float, or [f], one a latent."""


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
    """Pixels [T 3 H W] that the output keeps where their masks [T 1 H W] are 0."""
    is_plain: bool = False
    """Whether the footage that steers the chunk is all one colour, so that the output may be."""


def hints_at(
    timestep: float, model: CausalWan, text: Text, contexts: Sequence[Context], references: References | None
) -> Iterator[ContextHints]:
    """The hint streams of a model call at this timestep, without those of no weight.

    References go with the first, so that they weigh once however many controls there are; their K/V are
    computed when first needed.
    """
    weighty = [one for one in contexts if isinstance(one.scale, Tensor) or one.scale != 0]
    for index, context in enumerate(weighty):
        scale = context.scale[:, None, None] if isinstance(context.scale, Tensor) else context.scale
        if index == 0 and references is not None:
            kv = references_at(timestep, model, text, context.adapter, references)
            yield ContextHints(context.adapter, context.latents[None], scale, kv, len(references))
        else:
            yield ContextHints(context.adapter, context.latents[None], scale)


def references_at(
    timestep: float, model: CausalWan, text: Text, adapter: ContextAdapter, references: References
) -> "list[tuple[Tensor, Tensor]]":
    """K/V of the references in each context block at this timestep; cached until the text changes."""
    key = adapter, timestep
    if references.text is not text:
        references.text, references.kv = text, {}
    if key not in references.kv:
        x = model.patchify(references.noised(timestep / NUM_TRAIN_STEPS))
        times = torch.full((1, len(references)), timestep, device=x.device)
        _, modulation = model.embed_time(times, x.dtype)
        patch = model.config.patch_size
        h, w = references.latents.shape[2] // patch[1], references.latents.shape[3] // patch[2]
        references.kv[key] = encode_references(adapter, references, x, modulation, text, (h, w))
    return references.kv[key]


def join(chunks: Sequence["tuple[Tensor, tuple[Context, ...]]"], count: int) -> tuple[Context, ...]:
    """Contexts over the last `count` latents of several chunks, each (clean latents [c f h w], its contexts).

    A pass that one of the chunks lacks, or that has no weight in any, is left out.
    """
    joined = []
    for passes in zip(*(contexts for _, contexts in chunks), strict=False):
        adapter = passes[0].adapter
        if any(one.adapter is not adapter for one in passes) or not any(one.scale for one in passes):
            continue
        latents = torch.cat([one.latents for one in passes], dim=1)
        scales = [torch.full((one.latents.shape[1],), one.scale, device=latents.device) for one in passes]
        joined.append(Context(adapter, latents[:, -count:], torch.cat(scales)[-count:]))
    return tuple(joined)
