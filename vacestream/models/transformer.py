"""The causal, chunked forward pass of Wan over diffusers' modules (Wan2.1, arXiv:2503.20314).

Weights stay in `WanTransformer3DModel` and `WanVACETransformerBlock`, under their keys; loaded modules get
their class swapped for the thin subclasses below, whose forward takes per-latent timesteps, a memory instead
of plain self-attention, and hints (VACE, arXiv:2503.07598) that are added behind a block.
"""

from collections.abc import Iterable, Iterator
from typing import Any, Protocol

import torch
from diffusers import WanTransformer3DModel
from diffusers.models.transformers.transformer_wan import WanTransformerBlock
from diffusers.models.transformers.transformer_wan_vace import WanVACETransformerBlock
from einops import rearrange
from torch import Tensor, nn

from vacestream.models.attention import attend as cross_attend
from vacestream.models.device import widest
from vacestream.models.kv_cache import Attend, Memory


class Text:
    """A prompt as the blocks see it: its tokens [B L d] behind the text MLP, and each block's K/V of them.

    K/V are computed in a block's first pass and kept until the prompt changes.
    """

    def __init__(self, tokens: Tensor) -> None:
        self.tokens = tokens
        self.kv: dict[nn.Module, tuple[Tensor, Tensor]] = {}

    def of(self, block: Any) -> tuple[Tensor, Tensor]:
        """K/V [B L k d] in a block's cross-attention."""
        if block not in self.kv:
            attn = block.attn2
            k, v = attn.norm_k(attn.to_k(self.tokens)), attn.to_v(self.tokens)
            self.kv[block] = k.unflatten(2, (attn.heads, -1)), v.unflatten(2, (attn.heads, -1))
        return self.kv[block]

    def forget(self, blocks: Iterable[nn.Module]) -> None:
        """Drop the K/V of blocks that are gone."""
        for block in blocks:
            self.kv.pop(block, None)


class Hints(Protocol):
    """What one adapter adds to the main blocks during a model call; made one at a time, as they are due."""

    @property
    def layers(self) -> tuple[int, ...]:
        """Main blocks that a hint is added behind, ascending."""

    def __call__(self, x: Tensor, modulation: Tensor, text: Text) -> Iterator[Tensor]:
        """Patch tokens [B f n d] and modulation [B f 6 d] -> a hint [B f n d] for each of `layers`."""


def run_block(block: Any, x: Tensor, modulation: Tensor, text: Text, attend: Attend) -> Tensor:
    """A Wan block, main or context: x [B f n d], modulation [B f 6 d] of its timesteps -> [B f n d]."""
    y, (gate, ffn_shift, ffn_scale, ffn_gate) = _modulate(block, x, modulation)
    x = (x.float() + _self_attention(block.attn1, y, attend) * gate).to(x.dtype)
    x = x + _cross_attention(block, block.norm2(x.float()).to(x.dtype), text)
    y = (block.norm3(x.float()) * (1 + ffn_scale) + ffn_shift).to(x.dtype)
    return (x.float() + block.ffn(y).float() * ffn_gate).to(x.dtype)


def _modulate(block: Any, x: Tensor, modulation: Tensor) -> tuple[Tensor, tuple[Tensor, ...]]:
    """What self-attention reads [B f n d], and the four modulations behind it [B f 1 d], float32."""
    table = (block.scale_shift_table.unsqueeze(0) + modulation.float()).unsqueeze(3)
    shift, scale, *rest = table.unbind(2)
    return (block.norm1(x.float()) * (1 + scale) + shift).to(x.dtype), tuple(rest)


def _self_attention(attn: Any, y: Tensor, attend: Attend) -> Tensor:
    frames = y.shape[1]
    y = y.flatten(1, 2)
    q, k, v = attn.norm_q(attn.to_q(y)), attn.norm_k(attn.to_k(y)), attn.to_v(y)
    out = attend(*(part.unflatten(2, (attn.heads, -1)) for part in (q, k, v))).flatten(2)
    return attn.to_out[0](out).unflatten(1, (frames, -1))


def _cross_attention(block: Any, y: Tensor, text: Text) -> Tensor:
    attn, frames, (k, v) = block.attn2, y.shape[1], text.of(block)
    q = attn.norm_q(attn.to_q(y.flatten(1, 2))).unflatten(2, (attn.heads, -1))
    return attn.to_out[0](cross_attend(q, k, v).flatten(2)).unflatten(1, (frames, -1))


class CausalWanBlock(WanTransformerBlock):
    """A main block; hints are added behind it."""

    def forward(
        self,
        x: Tensor,
        modulation: Tensor,
        text: Text,
        attend: Attend,
        hints: Iterable[Tensor] = (),
        *,
        write_only: bool = False,
    ) -> Tensor:
        """[B f n d] -> [B f n d]; with write_only only the keys and values of x reach the memory."""
        if write_only:
            y, _ = _modulate(self, x, modulation)
            _self_attention(self.attn1, y, attend)
            return x
        x = run_block(self, x, modulation, text, attend)
        for hint in hints:
            x = x + hint
        return x


class ContextBlock(WanVACETransformerBlock):
    """A context block: its own stream of tokens in, that stream and a hint out."""

    def forward(
        self, context: Tensor, x: Tensor, modulation: Tensor, text: Text, attend: Attend
    ) -> tuple[Tensor, Tensor]:
        """Context and the main blocks' patch tokens, both [B f n d] -> (context, hint), both [B f n d]."""
        if self.proj_in is not None:
            context = self.proj_in(context) + x
        context = run_block(self, context, modulation, text, attend)
        return context, self.proj_out(context)


class CausalWan(WanTransformer3DModel):
    """Wan's transformer, called on one chunk of latents with the memory of those before it."""

    def forward(
        self,
        latents: Tensor,
        timesteps: Tensor,
        text: Text,
        memory: Memory,
        hints: Iterable[Hints] = (),
        *,
        write_only: bool = False,
    ) -> Tensor | None:
        """Flow [B c f h w] of noisy latents [B c f h w] at timesteps [B f] (float32 or 64, 1000 = noise).

        With write_only the call ends at the last self-attention: it is there for what it writes to memory.
        """
        x = self.patchify(latents)
        time, modulation = self.embed_time(timesteps, x.dtype)
        streams = [(source.layers, source(x, modulation, text)) for source in hints]
        last = len(self.blocks) - 1
        for index, block in enumerate(self.blocks):
            if write_only and index == last:
                block(x, modulation, text, memory.layer(index), write_only=True)
                return None
            due = [next(stream) for layers, stream in streams if index in layers]
            x = block(x, modulation, text, memory.layer(index), due)
        return self._unpatchify(self._head(x, time), latents.shape)

    def patchify(self, latents: Tensor) -> Tensor:
        """[B c f h w] -> tokens [B f n d], n in the order (h, w)."""
        return rearrange(self.patch_embedding(latents), "B d f h w -> B f (h w) d")

    def embed_time(self, timesteps: Tensor, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
        """[B f] -> the head's embedding [B f d] and the blocks' modulation [B f 6 d].

        The sinusoid is made in float64 and cast behind it: 937.5 has no neighbour in bf16.
        """
        embedder = self.condition_embedder
        half = self.config.freq_dim // 2
        wide = widest(timesteps.device)
        rates = 10000.0 ** -(torch.arange(half, dtype=wide, device=timesteps.device) / half)
        angles = timesteps.to(wide)[..., None] * rates
        time = embedder.time_embedder(torch.cat([angles.cos(), angles.sin()], dim=-1).to(dtype))
        return time, embedder.time_proj(embedder.act_fn(time)).unflatten(-1, (6, -1))

    def embed_text(self, embeddings: Tensor) -> Text:
        """Prompt embeddings [B L text_dim], zero behind the prompt; the padding is attended, as in Wan."""
        return Text(self.condition_embedder.text_embedder(embeddings))

    def _head(self, x: Tensor, time: Tensor) -> Tensor:
        shift, scale = (
            (self.scale_shift_table.unsqueeze(0) + time.float().unsqueeze(2)).unsqueeze(3).unbind(2)
        )
        return self.proj_out((self.norm_out(x.float()) * (1 + scale) + shift).to(x.dtype))

    def _unpatchify(self, x: Tensor, shape: torch.Size) -> Tensor:
        p, q, r = self.config.patch_size
        return rearrange(
            x, "B f (h w) (p q r c) -> B c (f p) (h q) (w r)", p=p, q=q, r=r, h=shape[3] // q, w=shape[4] // r
        )


def make_causal(model: WanTransformer3DModel) -> CausalWan:
    """Give a loaded transformer the causal forward; keys, hooks and LoRA paths stay as they are."""
    model.__class__ = CausalWan
    for block in model.blocks:
        block.__class__ = CausalWanBlock
    return model
