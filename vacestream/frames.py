"""Frames uint8 [T H W 3] <-> pixels float [T 3 H W] in -1..1; nothing else converts.

The project's legend. Axes: T H W pixels, f h w latents, c channels, n tokens, k d heads, B rows of a batch.
"""

import numpy as np
import torch
from einops import rearrange
from torch import Tensor


def to_pixels(frames: np.ndarray) -> Tensor:
    """[T H W 3] uint8 -> [T 3 H W] float32 in -1..1."""
    return rearrange(torch.from_numpy(np.ascontiguousarray(frames)), "T H W c -> T c H W").float() / 127.5 - 1


def to_frames(pixels: Tensor) -> np.ndarray:
    """[T 3 H W] in -1..1 -> [T H W 3] uint8, clamped and rounded to nearest."""
    scaled = (pixels.float().clamp(-1, 1) + 1) * 127.5
    return rearrange(scaled.round().to(torch.uint8), "T c H W -> T H W c").cpu().numpy()
