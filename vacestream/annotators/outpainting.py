"""Footage on a larger canvas, or without its border: what is missing in mid-gray, and the mask of it."""

import numpy as np

from vacestream.annotators.extension import Streams
from vacestream.errors import RecipeError
from vacestream.media.compose import BLACK, GRAY, WHITE, still
from vacestream.media.contracts import Source

DEFAULT = (0.25, 0.25, 0.0, 0.0)
"""VACE's own: left and right, by a quarter of the width."""


class Framed:
    """A part of each frame of a source, set into a canvas of mid-gray."""

    def __init__(
        self, source: Source, size: tuple[int, int], inside: tuple[slice, slice], crop: bool
    ) -> None:
        self._source, self._inside, self._crop = source, inside, crop
        self.size, self.fps, self.num_frames = size, source.fps, source.num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = self._source.read(n)
        out = np.full((len(frames), *self.size, 3), GRAY, np.uint8)
        inside = (slice(None), *self._inside)
        out[inside] = frames[inside] if self._crop else frames
        return out

    def close(self) -> None:
        """Close the footage."""
        self._source.close()


def outpainting(
    source: Source,
    *,
    left: float | None,
    right: float | None,
    up: float | None,
    down: float | None,
    inner: bool = False,
) -> Streams:
    """Each side moves outwards, or inwards, by a whole number of pixels, rounded down."""
    height, width = source.size
    shares = [share or 0 for share in (left, right, up, down)]
    if not any(shares):
        shares = list(DEFAULT)
    sides = (width, width, height, height)
    west, east, north, south = (int(share * side) for share, side in zip(shares, sides, strict=True))
    if inner:
        size = source.size
        inside = slice(north, height - south), slice(west, width - east)
        if west + east >= width or north + south >= height:
            raise RecipeError(
                "outpainting_inner leaves nothing of the picture; keep left + right and up + down below 1"
            )
    else:
        size = height + north + south, width + west + east
        inside = slice(north, north + height), slice(west, west + width)
    mask = np.full((*size, 3), WHITE, np.uint8)
    mask[inside] = BLACK
    framed = Framed(source, size, inside, inner)
    masks = still(mask, source.fps, source.num_frames)
    return {"frames": framed, "mask": masks}
