"""What the denoise stage of one stream carries from chunk to chunk; weights are elsewhere."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from vacestream.models.conditions import Context
from vacestream.models.context_memory import ContextMemory
from vacestream.models.kv_cache import KVCache
from vacestream.models.slots import cache_shape
from vacestream.models.transformer import CausalWan, Text
from vacestream.models.vace import ContextAdapter
from vacestream.pipelines import PipelineSpec

if TYPE_CHECKING:
    from vacestream.step_batch import InFlight

Clean = tuple[Tensor, tuple[Context, ...]]
"""Clean latents [c f h w], with the contexts they were made under."""


@dataclass
class DenoiseState:
    """What a stream carries from chunk to chunk; weights are elsewhere."""

    cache: KVCache
    window: int
    next_latent: int = 0
    origin: int = 0
    """The first latent that is remembered: behind a reset, the stream begins here."""
    prompt: Tensor | None = None
    text: Text | None = None
    ready: tuple[Tensor, Text] | None = None
    """The prompt of a chunk to come, made ahead of time."""
    recent: list[Clean] = field(default_factory=list)
    """The last window: for a recache."""
    first: list[Clean] = field(default_factory=list)
    """What the sink was made of."""
    memory: ContextMemory = field(default_factory=ContextMemory)
    rows: list[KVCache] = field(default_factory=list)
    """Of a step batch: the cache of each step, the first of them `cache`."""
    in_flight: "list[InFlight]" = field(default_factory=list)
    """Of a step batch: chunks that are not done, the youngest first."""

    @property
    def num_before(self) -> int:
        """Latents that the next chunk goes on from."""
        return self.next_latent - self.origin

    def reset(self) -> None:
        """Forget all that was made: the next chunk is as the first of a stream. Nothing may be in flight."""
        if self.in_flight:
            raise ValueError("chunks in flight remember what is to be forgotten; flush them first")
        self.cache.clear()
        self.origin, self.recent, self.first, self.rows = self.next_latent, [], [], []
        self.memory = ContextMemory()

    def forget(self, adapter: ContextAdapter) -> None:
        """Drop what was kept for an adapter that is gone."""
        self.recent, self.first = (
            [(x, tuple(c for c in contexts if c.adapter is not adapter)) for x, contexts in kept]
            for kept in (self.recent, self.first)
        )
        self.memory = ContextMemory()
        for text in (self.text, *(one.text for one in self.in_flight)):
            if text is not None:
                text.forget(adapter.vace_blocks)
        self.in_flight = [one.without(adapter) for one in self.in_flight]

    def remember(self, clean: Tensor, contexts: tuple[Context, ...]) -> None:
        """Keep a chunk; forget what is past the window."""
        sink = self.cache.shape.sink
        if not self.num_before and sink:
            self.first = [(clean[:, :sink], tuple(one.head(sink) for one in contexts))]
        self.recent.append((clean, contexts))
        self.next_latent += clean.shape[1]
        while sum(x.shape[1] for x, _ in self.recent[1:]) >= self.window:
            del self.recent[0]


def new_denoise_state(
    model: CausalWan, spec: PipelineSpec, size: tuple[int, int], *, dtype: torch.dtype, device: torch.device
) -> DenoiseState:
    """An empty stream of latents of the given (height, width)."""
    config = model.config
    patch = config.patch_size
    grid = size[0] // patch[1], size[1] // patch[2]
    heads, head_dim = config.num_attention_heads, config.attention_head_dim
    layers = 0 if spec.whole else config.num_layers
    shape = cache_shape(spec, layers, heads, head_dim, grid)
    return DenoiseState(KVCache(shape, device=device, dtype=dtype), spec.window_latents)
