"""References as frames of the base: keys and values of its blocks, which a chunk attends to beside its cache.

In whole clips the video attends to the references in every block of the base (VACE, arXiv:2503.07598). Here
they run through it by themselves, with their own hints, once a prompt and timestep; they stand right before
the window, wherever in the stream that is, and no slot of the cache is theirs.
"""

from dataclasses import dataclass, field

import torch

from vacestream.models.context_memory import KV
from vacestream.models.kv_cache import Attend, Beside, KVCache
from vacestream.models.schedule import NUM_TRAIN_STEPS
from vacestream.models.transformer import CausalWan, Text
from vacestream.models.vace import ContextAdapter, ContextHints, References, self_attention

CLEAN = 0.0
"""The timestep of what carries no noise."""


@dataclass(frozen=True)
class Frames:
    """A cache, and references beside it."""

    cache: KVCache
    beside: list[Beside]
    """Of each main block."""

    def layer(self, index: int) -> Attend:
        """Self-attention of one block."""
        return self.cache.layer(index, self.beside[index])


@dataclass(frozen=True)
class _Alone:
    """The tokens of a call attend to themselves; their K/V are taken before they have places."""

    grid: tuple[int, int]
    fresh: dict[int, KV] = field(default_factory=dict)

    def layer(self, index: int) -> Attend:
        return self_attention(self.grid, first=0, fresh=self.fresh)(index)


def frames_at(
    timestep: float,
    model: CausalWan,
    text: Text,
    adapter: ContextAdapter,
    references: References,
    cache: KVCache,
) -> Frames:
    """The cache and, beside it, references noised for this timestep; K/V are kept per prompt."""
    key = adapter, timestep
    references.under(text)
    if key not in references.frames:
        alone = _Alone(cache.shape.grid)
        x = references.noised(timestep / NUM_TRAIN_STEPS)
        times = torch.full((1, len(references)), timestep, device=x.device)
        hints = ContextHints(adapter, references.context(adapter.vace_patch_embedding.in_channels), 1.0)
        model(x, times, text, alone, [hints], write_only=True)
        references.frames[key] = [alone.fresh[index] for index in range(len(alone.fresh))]
    found = references.frames[key]
    weights = references.weights(found[0][0].shape[1])
    return Frames(cache, [Beside(k, v, weights) for k, v in found])
