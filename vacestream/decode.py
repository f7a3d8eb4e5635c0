"""Clean latents -> frames, with the pixels that were to be kept put back."""

from collections.abc import Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from vacestream.frames import to_frames
from vacestream.models.conditions import Condition
from vacestream.models.vae import Decoder
from vacestream.timeline import Chunk


def decode(
    latents: Iterable[tuple[Condition, Tensor]], decoder: Decoder
) -> Iterator[tuple[Chunk, np.ndarray]]:
    """Latents [c f h w] of each chunk -> its wanted frames uint8 [T H W 3]; kept pixels are the source's."""
    for condition, clean in latents:
        pixels = decoder.push(clean)
        if not torch.isfinite(pixels).all():
            raise ValueError(f"chunk {condition.chunk.index} is not finite")
        if condition.kept is not None:
            source, masks = (part.to(pixels.device) for part in condition.kept)
            pixels = torch.where(masks > 0.5, pixels.float(), source)
        yield condition.chunk, to_frames(pixels[: condition.chunk.num_wanted])
