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
    *,
    by_latent: bool = False,
) -> Iterator[tuple[Chunk, np.ndarray]]:
    """Latents [c f h w] of each chunk -> its wanted frames uint8 [T H W 3]; kept pixels are the source's.

    `seen` is given the pixels [T 3 H W] of each chunk as the decoder made them. `by_latent`: frames are given
    as soon as their latent is decoded, and a chunk of one colour, which is known too late, is not refused.
    """
    for condition, clean in latents:
        chunk, at = condition.chunk, 0
        if condition.manner.reset == "hard" and chunk.start:
            decoder.begin_again(clean[:, :1])
        for part in clean.split(1, dim=1) if by_latent else (clean,):
            pixels = decoder.push(part)
            seen(pixels)
            frames = _wanted(condition, pixels, at)
            at += len(pixels)
            if not (by_latent or condition.is_plain):
                _refuse_blank(chunk, frames)
            if len(frames):
                yield chunk, frames


def _wanted(condition: Condition, pixels: Tensor, at: int) -> np.ndarray:
    """Pixels [T 3 H W] from frame `at` of a chunk on -> its frames [T H W 3], up to the end of the video."""
    chunk = condition.chunk
    pixels = pixels[: max(0, chunk.num_wanted - at)]
    _refuse_broken(chunk, pixels, at)
    if condition.kept is not None:
        source, made = (part[at : at + len(pixels)].to(pixels.device) for part in condition.kept)
        pixels = torch.lerp(source, pixels.float(), made)
    return to_frames(pixels)


def _refuse_broken(chunk: Chunk, pixels: Tensor, at: int) -> None:
    """Refuse pixels [T 3 H W] that are no numbers."""
    if torch.isfinite(pixels).all():
        return
    bad = int((~torch.isfinite(pixels)).flatten(1).any(dim=1).nonzero()[0])
    raise VacestreamError(
        f"chunk {chunk.index}, frame {chunk.start + at + bad}: the model gave numbers that are not finite; "
        "try `--set precision=fp32`, or another seed"
    )


def _refuse_blank(chunk: Chunk, frames: np.ndarray) -> None:
    """Refuse frames [T H W 3] in which every pixel is the same, though nothing asked for that."""
    if all((frame == frames[0, 0, 0]).all() for frame in frames):
        raise VacestreamError(
            f"chunk {chunk.index}, frame {chunk.start}: it and the {len(frames) - 1} frames after it are all "
            "of one colour; try another seed, or another prompt"
        )
