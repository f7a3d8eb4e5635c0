"""VACE's context blocks beside a causal transformer (arXiv:2503.07598), with references out of the latents.

References do not take a video slot. Their tokens run through the context blocks alone, in front of the chunk
in time, and attend only to themselves; so their keys and values depend on timestep, prompt and references,
are computed once for each timestep and reused by every chunk, whose tokens attend to [references | chunk].
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from diffusers.models.transformers.transformer_wan_vace import WanVACETransformerBlock
from einops import rearrange
from torch import Tensor, nn

from vacestream.models.attention import Rope, apply_rope, attend, make_rope
from vacestream.models.context_memory import KV
from vacestream.models.kv_cache import Attend
from vacestream.models.transformer import ContextBlock, Text


class ContextAdapter(nn.Module):
    """Context embedder and context blocks; an object beside the transformer, never its child.

    It knows of its host the width of tokens and the order of hints; channels and strides are its weights'.
    """

    def __init__(
        self, patch_embedding: nn.Conv3d, blocks: Iterable[nn.Module], layers: tuple[int, ...]
    ) -> None:
        super().__init__()
        self.vace_patch_embedding = patch_embedding
        self.vace_blocks = nn.ModuleList(blocks)
        for block in self.vace_blocks:
            block.__class__ = ContextBlock
        self.layers = layers
        if len(self.vace_blocks) != len(layers) or list(layers) != sorted(set(layers)):
            raise ValueError(f"{len(self.vace_blocks)} context blocks for {layers = }, which must ascend")

    @classmethod
    def build(
        cls,
        *,
        dim: int,
        ffn_dim: int,
        heads: int,
        channels: int,
        patch: tuple[int, int, int],
        layers: tuple[int, ...],
    ) -> "ContextAdapter":
        """An adapter of the given sizes with fresh weights; `channels` are those of the context."""
        blocks = [
            WanVACETransformerBlock(
                dim, ffn_dim, heads, "rms_norm_across_heads", True, 1e-6, None,
                apply_input_projection=index == 0, apply_output_projection=True,
            )
            for index in range(len(layers))
        ]  # fmt: skip
        return cls(nn.Conv3d(channels, dim, kernel_size=patch, stride=patch), blocks, layers)

    def embed(self, context: Tensor) -> Tensor:
        """[B ctx f h w] -> tokens [B f n d]."""
        return rearrange(self.vace_patch_embedding(context), "B d f h w -> B f (h w) d")

    def run(
        self, context: Tensor, x: Tensor, modulation: Tensor, text: Text, attention: "Callable[[int], Attend]"
    ) -> Iterator[Tensor]:
        """Embedded context and patch tokens [B f n d] -> the hint of each context block [B f n d]."""
        for index, block in enumerate(self.vace_blocks):
            context, hint = block(context, x, modulation, text, attention(index))
            yield hint
            del hint  # one is alive at a time


@dataclass
class References:
    """A set of references of one stream: their latents, and their keys and values at each timestep so far."""

    latents: Tensor  # [r c h w] clean, normalised
    noise: Tensor  # [r c h w] fixed for the stream
    kv: dict[tuple[nn.Module, float], list[KV]] = field(default_factory=dict)
    """(adapter, timestep) -> K/V of each context block, roped, under `text`."""
    frames: dict[tuple[nn.Module, float], list[KV]] = field(default_factory=dict)
    """(adapter, timestep) -> K/V of each main block, without places, under `text`."""
    text: Text | None = None
    told: Tensor | None = None
    """[1 ctx r h w]: their context, if it is not that of references."""
    scales: tuple[float, ...] | None = None
    """How many times each counts in the attention of a chunk; None is once."""

    def __len__(self) -> int:
        return len(self.latents)

    def weights(self, num_keys: int) -> Tensor | None:
        """[m]: what is added to the attention of their keys for each to count as often as its scale says."""
        if self.scales is None or set(self.scales) == {1.0}:
            return None
        logs = torch.tensor(self.scales, device=self.latents.device).log()
        return logs.repeat_interleave(num_keys // len(self))

    def keep(self, timesteps: Iterable[float]) -> None:
        """Drop the keys and values of all other timesteps."""
        held = set(timesteps)
        for known in (self.kv, self.frames):
            for key in [key for key in known if key[1] not in held]:
                del known[key]

    def under(self, text: Text) -> None:
        """Drop the keys and values of another prompt."""
        if self.text is not text:
            self.text, self.kv, self.frames = text, {}, {}

    def noised(self, sigma: float) -> Tensor:
        """[1 c r h w] as the video would be at this share of noise, which is how batch VACE feeds them."""
        mixed = (1 - sigma) * self.latents + sigma * self.noise
        return rearrange(mixed, "r c h w -> 1 c r h w")

    def context(self, channels: int) -> Tensor:
        """[1 ctx r h w]: the reference as inactive part, zero latents as reactive part, mask 0 = keep."""
        if self.told is not None:
            return self.told
        clean = rearrange(self.latents, "r c h w -> 1 c r h w")
        rest = clean.new_zeros(1, channels - clean.shape[1], *clean.shape[2:])
        return torch.cat([clean, rest], dim=1)


def later(kv: KV, time: int) -> KV:
    """K/V of a latent that was roped at time 0, as if it stood at another."""
    k, v = kv
    return apply_rope(k, make_rope((time,), 1, 1, k.shape[-1], k.device)), v


def joined(sets: "list[list[KV]]") -> "list[KV] | None":
    """K/V of several sets, block by block; None of none."""
    if len(sets) < 2:
        return sets[0] if sets else None
    blocks = zip(*sets, strict=True)
    return [
        (torch.cat([k for k, _ in block], dim=1), torch.cat([v for _, v in block], dim=1)) for block in blocks
    ]


def encode_references(
    adapter: ContextAdapter,
    references: References,
    x: Tensor,
    modulation: Tensor,
    text: Text,
    grid: tuple[int, int],
) -> list[KV]:
    """K/V of every context block for references with patch tokens x [1 r n d]; they see only themselves."""
    kv: list[KV] = []
    recorder = self_attention(grid, first=0, kept=kv)
    channels = adapter.vace_patch_embedding.in_channels
    for _ in adapter.run(adapter.embed(references.context(channels)), x, modulation, text, recorder):
        pass
    return kv


@dataclass(frozen=True)
class ContextHints:
    """Hints of one context [B ctx f h w] for the chunk that a model call denoises, times scale."""

    adapter: ContextAdapter
    context: Tensor
    scale: "float | Tensor"  # or [f 1 1], one a latent
    references: "list[KV] | None" = None
    """K/V of the references at this call's timestep."""
    num_references: int = 0
    weights: Tensor | None = None
    """[m] added to the attention of the first m of those keys."""
    past: "list[KV] | None" = None
    """K/V of each block that came right before the chunk, without places."""
    fresh: "dict[int, KV] | None" = None
    """Takes those of the chunk, by block."""

    @property
    def layers(self) -> tuple[int, ...]:
        return self.adapter.layers

    def __call__(self, x: Tensor, modulation: Tensor, text: Text) -> Iterator[Tensor]:
        """Patch tokens [B f n d] and modulation [B f 6 d] -> hint after hint."""
        patch = self.adapter.vace_patch_embedding.stride
        grid = self.context.shape[3] // patch[1], self.context.shape[4] // patch[2]
        attention = self_attention(
            grid,
            first=self.num_references,
            prefix=self.references,
            weights=self.weights,
            past=self.past,
            fresh=self.fresh,
        )
        hints = self.adapter.run(self.adapter.embed(self.context), x, modulation, text, attention)
        return map(self._scaled, hints)  # a loop variable would keep the hint before

    def _scaled(self, hint: Tensor) -> Tensor:
        return (hint * self.scale).to(hint.dtype)


def self_attention(
    grid: tuple[int, int],
    *,
    first: int,
    prefix: "list[KV] | None" = None,
    weights: Tensor | None = None,
    kept: "list[KV] | None" = None,
    past: "list[KV] | None" = None,
    fresh: "dict[int, KV] | None" = None,
) -> Callable[[int], Attend]:
    """Self-attention of each block over `prefix`, `past` and the tokens themselves, from time `first` on.

    It restarts at every chunk: positions are relative. `fresh` takes K/V before they have a place, which is
    how `past` has them; `kept` takes them in their places.
    """

    def block(index: int) -> Attend:
        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            num_queries = q.shape[1]
            if fresh is not None:
                fresh[index] = k, v
            if past is not None:
                k, v = (torch.cat(pair, dim=1) for pair in zip(past[index], (k, v), strict=True))
            frames = k.shape[1] // (grid[0] * grid[1])
            rope = make_rope(tuple(range(first, first + frames)), *grid, k.shape[-1], k.device)
            q, k = apply_rope(q, Rope(*(part[-num_queries:] for part in rope))), apply_rope(k, rope)
            if kept is not None:
                kept.append((k, v))
            if prefix is not None:
                k, v = (torch.cat(pair, dim=1) for pair in zip(prefix[index], (k, v), strict=True))
            if weights is None:
                return attend(q, k, v)
            return attend(q, k, v, F.pad(weights, (0, k.shape[1] - len(weights)))[None].to(q.dtype))

        return attention

    return block
