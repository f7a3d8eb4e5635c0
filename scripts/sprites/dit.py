"""The diffusion transformers of Sprites: construction, noise, and the block-causal form used in training."""

from typing import Any

import torch
from diffusers import WanTransformer3DModel, WanVACETransformer3DModel
from diffusers.models.transformers.transformer_wan import WanAttention
from einops import rearrange
from torch import Tensor, nn
from torch.nn.functional import rms_norm, scaled_dot_product_attention

from vacestream.pipelines import PIPELINES, SPRITES

CONFIG: dict[str, Any] = {
    "patch_size": SPRITES.patch,
    "num_attention_heads": SPRITES.heads,
    "attention_head_dim": SPRITES.head_dim,
    "in_channels": SPRITES.channels,
    "out_channels": SPRITES.channels,
    "text_dim": SPRITES.text_dim,
    "freq_dim": SPRITES.freq_dim,
    "ffn_dim": SPRITES.ffn_dim,
    "num_layers": SPRITES.layers,
}
CHUNK = 3
"""Latents a chunk."""
SHIFT = PIPELINES["sprites"].shift
FEW_STEPS = tuple(SHIFT * step / (1000 + (SHIFT - 1) * step) for step in PIPELINES["sprites"].steps)
"""Noise levels at which the streaming engine calls the causal base."""


@torch.no_grad()
def new_base() -> WanTransformer3DModel:
    """Xavier everywhere, gates half open, an output of zero."""
    torch.manual_seed(3)
    model = WanTransformer3DModel(**CONFIG)
    for module in model.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_uniform_(module.weight)
            nn.init.zeros_(module.bias)
    nn.init.xavier_uniform_(model.patch_embedding.weight.view(SPRITES.dim, -1))
    embedder = model.condition_embedder
    for layer in (embedder.text_embedder.linear_1, embedder.text_embedder.linear_2):
        nn.init.normal_(layer.weight, std=0.05)
    nn.init.normal_(embedder.time_proj.weight, std=0.02)
    for block in model.blocks:
        block.scale_shift_table[:, (2, 5)] += 0.5
    set_trained_attention(model)
    nn.init.zeros_(model.proj_out.weight)
    return model


@torch.no_grad()
def new_vace(
    base: WanTransformer3DModel, layers: tuple[int, ...] = SPRITES.context_layers
) -> WanVACETransformer3DModel:
    """The base, frozen, and context blocks copied from its `layers` that say nothing yet."""
    model = WanVACETransformer3DModel(
        **CONFIG, vace_layers=list(layers), vace_in_channels=SPRITES.context_channels
    )
    missing, unexpected = model.load_state_dict(base.state_dict(), strict=False)
    assert not unexpected
    assert all(name.startswith("vace_") for name in missing)
    for block, layer in zip(model.vace_blocks, layers, strict=True):
        block.load_state_dict(base.blocks[layer].state_dict(), strict=False)
        nn.init.zeros_(block.proj_out.weight)
        nn.init.zeros_(block.proj_out.bias)
    nn.init.zeros_(model.vace_blocks[0].proj_in.weight)
    nn.init.zeros_(model.vace_blocks[0].proj_in.bias)
    c = SPRITES.channels
    embedder = model.vace_patch_embedding
    nn.init.zeros_(embedder.weight)
    embedder.weight[:, :c] = base.patch_embedding.weight
    embedder.weight[:, c : 2 * c] = base.patch_embedding.weight
    embedder.bias.copy_(base.patch_embedding.bias)
    set_trained_attention(model)
    for name, p in model.named_parameters():
        p.requires_grad_(name.startswith("vace_"))
    return model


def is_matrix(name: str, p: nn.Parameter) -> bool:
    """Hidden matrices of the blocks; embeddings, heads, norms and modulation are left to AdamW."""
    return p.dim() == 2 and ("blocks." in name or ".block." in name) and "relative" not in name


def noise_level(n: int, generator: torch.Generator) -> Tensor:
    """[n] in 0..1, shifted towards noise."""
    u = torch.rand(n, generator=generator)
    return SHIFT * u / (1 + (SHIFT - 1) * u)


def noised(x0: Tensor, levels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """[B c f h w] at levels [B] or [B f] -> the noised latents and their velocity."""
    noise = torch.randn(x0.shape, generator=generator)
    s = levels.view(levels.shape[0], 1, -1, 1, 1)
    return (1 - s) * x0 + s * noise, noise - x0


class _Attention(torch.autograd.Function):
    """Softmax attention [B k n d]: the fused kernel forwards, plain products backwards, faster so on CPU."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        out = scaled_dot_product_attention(q, k, v, attn_mask=mask)
        ctx.save_for_backward(q, k, v, out)
        ctx.mask = mask
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, Tensor, None]:
        (grad,), (q, k, v, out) = grads, ctx.saved_tensors
        scale = q.shape[-1] ** -0.5
        scores = (q * scale) @ k.mT
        if ctx.mask is not None:
            scores.masked_fill_(~ctx.mask, -torch.inf)
        weights = scores.softmax(-1)
        change = grad @ v.mT
        change = change.sub_((grad * out).sum(-1, keepdim=True)).mul_(weights).mul_(scale)
        return change @ k, change.mT @ q, weights.mT @ grad, None


def fused_attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention [B k n d], differentiable."""
    out: Tensor = _Attention.apply(q, k, v, None)
    return out


class TrainedAttention:
    """diffusers' Wan attention for training on CPU; self-attention under a mask, if one is set."""

    mask: Tensor | None = None

    def __call__(
        self, attn: Any, x: Tensor, text: Tensor | None = None, mask: Any = None, rope: Any = None
    ) -> Tensor:
        given = x if text is None else text
        q, k, v = attn.to_q(x), attn.to_k(given), attn.to_v(given)
        q, k = (
            rms_norm(part, part.shape[-1:], norm.weight.to(part.dtype), norm.eps)
            for part, norm in ((q, attn.norm_q), (k, attn.norm_k))
        )
        q, k, v = (rearrange(part, "B n (k d) -> B k n d", k=attn.heads) for part in (q, k, v))
        if rope is not None:
            cos, sin = rope[0][..., 0::2].transpose(1, 2), rope[1][..., 1::2].transpose(1, 2)
            q, k = _turned(q, cos, sin), _turned(k, cos, sin)
        out = _Attention.apply(q, k, v, self.mask if text is None else None)
        return attn.to_out[0](rearrange(out, "B k n d -> B n (k d)"))


def _turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """[B k n d] with its pairs turned by their angles [1 1 n d/2]."""
    even, odd = x.unflatten(-1, (-1, 2)).unbind(-1)
    return torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1).flatten(-2).type_as(x)


def set_trained_attention(model: nn.Module) -> TrainedAttention:
    """Put it into every layer."""
    processor = TrainedAttention()
    for module in model.modules():
        if isinstance(module, WanAttention):
            module.set_processor(processor)
    return processor


class _PlacedRope(nn.Module):
    """The model's own rotary embedding at given latent positions."""

    def __init__(self, rope: nn.Module) -> None:
        super().__init__()
        self.rope, self.positions = rope, torch.arange(1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        last = int(self.positions.max()) + 1
        cos, sin = self.rope(x[:, :, :1].expand(-1, -1, last, -1, -1))
        rows = [part.unflatten(1, (last, -1))[:, self.positions].flatten(1, 2) for part in (cos, sin)]
        return rows[0], rows[1]


class BlockCausal:
    """Runs a base so that a chunk sees itself and the chunks before, each latent with its own timestep."""

    def __init__(self, model: WanTransformer3DModel) -> None:
        self.model, self.attention = model, set_trained_attention(model)
        model.rope = _PlacedRope(model.rope)

    def __call__(self, x: Tensor, levels: Tensor, text: Tensor, positions: Tensor) -> Tensor:
        """x [B c f h w], levels [B f], text [B n d], positions [f] -> velocity."""
        frame = x.shape[3] // 2 * (x.shape[4] // 2)
        chunk = torch.arange(x.shape[2]).div(CHUNK, rounding_mode="floor").repeat_interleave(frame)
        self.attention.mask = chunk[:, None] >= chunk[None]
        self.model.rope.positions = positions
        times = (levels * 1000).repeat_interleave(frame, dim=1)
        out: Tensor = self.model(x, times, text, return_dict=False)[0]
        return out

    def release(self) -> None:
        """Put the model back as it was."""
        self.model.rope, self.attention.mask = self.model.rope.rope, None
