"""What one chunk is denoised under: encoded text, contexts for the adapters, references."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

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
    scale: "float | Tensor" = 1.0  # or [f], one a latent


@dataclass(frozen=True)
class Condition:
    """Everything that steers one chunk."""

    chunk: Chunk
    prompt: Tensor  # [L text_dim], zero behind the prompt; the same object for the same prompt
    contexts: tuple[Context, ...] = ()
    references: References | None = None
    kept: tuple[Tensor, Tensor] | None = None
    """Pixels [T 3 H W] that the output keeps where their masks [T 1 H W] are 0."""


def hints_at(
    timestep: float, model: CausalWan, text: Text, contexts: Sequence[Context], references: References | None
) -> Iterator[ContextHints]:
    """The hint streams of a model call at this timestep; reference K/V are computed when first needed."""
    for context in contexts:
        kv = None if references is None else references_at(timestep, model, text, context.adapter, references)
        scale = context.scale
        if isinstance(scale, Tensor):
            scale = scale[:, None, None]
        yield ContextHints(context.adapter, context.latents[None], scale, kv, len(references or ()))


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


def join(conditions: Sequence["tuple[Tensor, tuple[Context, ...]]"]) -> list[Context]:
    """Contexts of several chunks -> contexts over all their latents; scale 0 where a chunk had none.

    Each chunk is (clean latents [c f h w], its contexts).
    """
    keys = list(dict.fromkeys((c.adapter, i) for _, contexts in conditions for i, c in enumerate(contexts)))
    joined = []
    for adapter, index in keys:
        latents, scales = [], []
        like = next(
            cs[index].latents for _, cs in conditions if len(cs) > index and cs[index].adapter is adapter
        )
        for clean, contexts in conditions:
            f = clean.shape[1]
            found = len(contexts) > index and contexts[index].adapter is adapter
            latents.append(
                contexts[index].latents if found else like.new_zeros(like.shape[0], f, *like.shape[2:])
            )
            scale = contexts[index].scale if found else 0.0
            scales.append(scale if isinstance(scale, Tensor) else like.new_full((f,), scale))
        joined.append(Context(adapter, torch.cat(latents, dim=1), torch.cat(scales)))
    return joined
