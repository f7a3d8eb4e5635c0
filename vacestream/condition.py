"""Sources on the global timeline -> the VCU of each chunk; frames are read as the chunks ask for them."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vacestream.encode import MaskTime, pool_masks
from vacestream.errors import InputError
from vacestream.frames import to_pixels
from vacestream.timeline import Chunk
from vacestream.vcu import VCU, Fading, Layer


class FrameSource(Protocol):
    """Frames of one timeline, read in order."""

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3] uint8, t < n only at the end."""


@dataclass(frozen=True)
class Pass:
    """One context pass over the whole timeline; its sources are read in step.

    control: frames that say what to make. kept: footage whose pixels stay where the mask is black; where it
    is white there is mid-gray, or the control. mask: white = generate; without one, everything is generated.
    """

    control: FrameSource | None = None
    kept: FrameSource | None = None
    mask: FrameSource | None = None
    scale: float = 1.0


@dataclass(frozen=True)
class Steering:
    """What may differ from chunk to chunk without being a stream of frames."""

    prompt: str
    references: tuple[Tensor, ...] = ()  # [3 H W] each
    context_scale: float = 1.0
    strength: float = 1.0
    negative_prompt: str = ""
    fading: Fading | None = None


def make_vcus(
    chunks: Iterable[Chunk],
    passes: Sequence[Pass],
    steer: Callable[[Chunk], Steering],
    size: tuple[int, int],
    *,
    mask_time: MaskTime = "group",
    source: FrameSource | None = None,
) -> Iterator[tuple[Chunk, VCU]]:
    """The VCUs of the chunks, in order; `source` gives the frames that they start from.

    A chunk that reaches past the end of the video, or of the first source that ends, is filled by holding the
    last frames; its `end` says where the video stops.
    """
    readers = [_PassReader(item, size) for item in passes]
    start = None if source is None else _Held(source)
    for chunk in chunks:
        parts = [reader.read(chunk) for reader in readers]
        started, pixels = start.take(chunk) if start else (None, None)
        counts = [started, *(got for got, _, _ in parts)]
        end = min((chunk.start + got for got in counts if got is not None), default=chunk.stop)
        if end <= chunk.start:
            return
        if end < chunk.stop and (chunk.end is None or end < chunk.end):
            chunk = replace(chunk, end=end)
        if mask_time == "nearest" and (chunk.start or chunk.end is None or chunk.end > chunk.stop):
            raise InputError("mask: `time: nearest` needs the whole clip in one chunk; write `time: group`")
        layers = tuple(
            Layer(frames, masks, pool_masks(masks, chunk, mask_time), item.scale)
            for item, (_, frames, masks) in zip(passes, parts, strict=True)
        )
        steering = steer(chunk)
        kept = next((reader.kept_pixels for reader in readers if reader.kept_pixels), None)
        yield (
            chunk,
            VCU(
                steering.prompt,
                layers,
                steering.references,
                steering.context_scale,
                source=pixels,
                strength=steering.strength,
                fading=steering.fading,
                negative_prompt=steering.negative_prompt,
                kept=kept,
            ),
        )
        if chunk.end is not None and chunk.end <= chunk.stop:
            return


class _PassReader:
    """Reads the sources of one pass, a chunk at a time."""

    def __init__(self, item: Pass, size: tuple[int, int]) -> None:
        self.size = size
        self.kept_pixels: tuple[Tensor, Tensor] | None = None
        self.control, self.kept, self.mask = (
            None if source is None else _Held(source) for source in (item.control, item.kept, item.mask)
        )

    def read(self, chunk: Chunk) -> tuple[int | None, Tensor, Tensor]:
        """How many frames there really were (None: no source), frames [T 3 H W], masks [T 1 H W]."""
        got: list[int] = []

        def take(source: "_Held") -> Tensor:
            count, pixels = source.take(chunk)
            got.append(count)
            return pixels

        T = chunk.num_frames
        frames = torch.zeros(T, 3, *self.size) if self.control is None else take(self.control)
        masks = torch.ones(T, 1, *self.size)
        if self.mask is not None:
            masks = (take(self.mask).mean(dim=1, keepdim=True) > 0).float()
        if self.kept is not None:
            source = take(self.kept)
            frames = source * (1 - masks) + frames * masks
            self.kept_pixels = source, masks
        return min(got, default=None), frames, masks


class _Held:
    """A source whose last frame stands still when it has ended."""

    def __init__(self, source: FrameSource) -> None:
        self.source, self.last = source, torch.empty(0)

    def take(self, chunk: Chunk) -> tuple[int, Tensor]:
        """Frames that were there, and as many as the chunk holds [T 3 H W]."""
        pixels = to_pixels(self.source.read(chunk.num_wanted))
        count = len(pixels)
        if count:
            self.last = pixels[-1:].clone()
        if not len(self.last):
            raise InputError("a source ended before its first frame")
        return count, torch.cat([pixels, self.last.expand(chunk.num_frames - count, -1, -1, -1)])
