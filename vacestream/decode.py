"""Clean latents -> frames, with the pixels that were to be kept put back; broken ones are refused."""

from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from vacestream.errors import VacestreamError
from vacestream.frames import to_frames
from vacestream.models.conditions import Condition
from vacestream.models.vae import Decoder
from vacestream.timeline import Chunk


def decode(
    latents: Iterable[tuple[Condition, Tensor]],
    decoder: Decoder,
    seen: Callable[[Tensor], None] = lambda _: None,
) -> Iterator[tuple[Chunk, np.ndarray]]:
    """Latents [c f h w] of each chunk -> its wanted frames uint8 [T H W 3]; kept pixels are the source's.

    `seen` is given the pixels [T 3 H W] of each chunk as the decoder made them.
    """
    for condition, clean in latents:
        chunk = condition.chunk
        pixels = decoder.push(clean)
        seen(pixels)
        pixels = pixels[: chunk.num_wanted]
        _refuse_broken(chunk, pixels)
        if condition.kept is not None:
            source, made = (part[: chunk.num_wanted].to(pixels.device) for part in condition.kept)
            pixels = torch.lerp(source, pixels.float(), made)
        frames = to_frames(pixels)
        if not condition.is_plain:
            _refuse_blank(chunk, frames)
        yield chunk, frames


def _refuse_broken(chunk: Chunk, pixels: Tensor) -> None:
    """Refuse pixels [T 3 H W] that are no numbers."""
    if torch.isfinite(pixels).all():
        return
    bad = int((~torch.isfinite(pixels)).flatten(1).any(dim=1).nonzero()[0])
    raise VacestreamError(
        f"chunk {chunk.index}, frame {chunk.start + bad}: the model gave numbers that are not finite; "
        "try `--set precision=fp32`, or another seed"
    )


def _refuse_blank(chunk: Chunk, frames: np.ndarray) -> None:
    """Refuse frames [T H W 3] in which every pixel is the same, though nothing asked for that."""
    if all((frame == frames[0, 0, 0]).all() for frame in frames):
        raise VacestreamError(
            f"chunk {chunk.index}, frame {chunk.start}: it and the {len(frames) - 1} frames after it are all "
            "of one colour; try another seed, or another prompt"
        )
