"""Rotary positions on three axes, and attention over them (arXiv:2104.09864; Wan2.1, 2503.20314)."""

from functools import lru_cache
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

ROPE_BASE = 10000.0


class Rope(NamedTuple):
    """Angles of n tokens; float32 made from float64, whatever the dtype of the model."""

    cos: Tensor  # [n head_dim/2]
    sin: Tensor  # [n head_dim/2]


def rope_dims(head_dim: int) -> tuple[int, int, int]:
    """Channels of a head that turn with time, height and width; time takes what three does not divide."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


@lru_cache(maxsize=8)
def make_rope(times: tuple[int, ...], height: int, width: int, head_dim: int, device: torch.device) -> Rope:
    """Angles of len(times) latents of height x width tokens, in the order (f, h, w)."""
    with torch.inference_mode(False):  # the tables are kept, and may serve training next
        return _make_rope(times, height, width, head_dim, device)


def _make_rope(times: tuple[int, ...], height: int, width: int, head_dim: int, device: torch.device) -> Rope:
    axes = (torch.tensor(times), torch.arange(height), torch.arange(width))
    angles = [_angles(axis, dim) for axis, dim in zip(axes, rope_dims(head_dim), strict=True)]
    f, h, w = len(times), height, width
    grid = torch.cat(
        [
            angles[0][:, None, None].expand(f, h, w, -1),
            angles[1][None, :, None].expand(f, h, w, -1),
            angles[2][None, None, :].expand(f, h, w, -1),
        ],
        dim=-1,
    ).flatten(0, 2)
    return Rope(grid.cos().float().to(device), grid.sin().float().to(device))


def _angles(positions: Tensor, dim: int) -> Tensor:
    """[n] -> [n dim/2] in float64: position times ROPE_BASE^(-2i/dim)."""
    exponents = torch.arange(0, dim, 2, dtype=torch.float64) / dim
    return positions.double()[:, None] * ROPE_BASE**-exponents


def apply_rope(x: Tensor, rope: Rope) -> Tensor:
    """Turn the interleaved channel pairs of x [B n k d]; computed in float32, returned in x's dtype."""
    even, odd = x.float().unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = rope.cos[:, None], rope.sin[:, None]
    turned = torch.stack([even * cos - odd * sin, even * sin + odd * cos], dim=-1)
    return turned.flatten(-2).to(x.dtype)


def attend(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention of q [B n k d] over k, v [B m k d] -> [B n k d].

    mask [n m] is true where q may look, or is added to what q and k say.
    """
    out = F.scaled_dot_product_attention(
        q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2), attn_mask=mask
    )
    return out.transpose(1, 2)
