"""Masks that do not move: a picture, or boxes; white where to make anew."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from vacestream.annotators.view import View
from vacestream.media.fit import Fit, place
from vacestream.media.images import read_image
from vacestream.media.info import IMAGE_FPS
from vacestream.media.sources import open_source
from vacestream.recipe.values import Box

HALF = 127.5
"""Brighter than this is white, as where a recipe names a mask."""


class StaticMask:
    """One picture as the mask of every frame, placed as the footage is."""

    lead = 1

    def __init__(self, *, mask: str, invert: bool = False) -> None:
        self._mask, self._invert = mask, invert
        self._white: np.ndarray | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        if self._white is None:
            self._white = white_at(self._mask, 0, (frames.shape[1], frames.shape[2])) != self._invert
        return _every(self._white, len(frames))


class BoxMask:
    """Boxes as the mask of every frame."""

    lead = 1

    def __init__(self, *, bbox: Sequence[Box], view: View, invert: bool = False) -> None:
        self._boxes, self._view, self._invert = bbox, view, invert

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        size = (frames.shape[1], frames.shape[2])
        return _every(filled(self._boxes, self._view, size) != self._invert, len(frames))


def filled(boxes: Sequence[Box], view: View, size: tuple[int, int]) -> np.ndarray:
    """[H W] bool: inside any of the boxes, which end at the frame's edges."""
    inside = np.zeros(size, bool)
    for box in boxes:
        left, top, right, bottom = (max(0, round(side)) for side in view.corners(box, size))
        inside[top:bottom, left:right] = True
    return inside


def white_at(where: str, frame: int, size: tuple[int, int], fit: Fit = "crop") -> np.ndarray:
    """[H W] bool: a picture placed as the footage is, or what the sprites of a clip cover at a frame."""
    if where.startswith("sprites:"):
        source = open_source(where, size=size, start=frame / IMAGE_FPS, signal="mask")
        picture = source.read(1)[0]
    else:
        picture = read_image(Path(where))
    return np.asarray(place(picture.shape[:2], size, fit).apply(picture).mean(axis=-1) > HALF)


def _every(white: np.ndarray, num_frames: int) -> np.ndarray:
    """[H W] bool -> [T H W 3]."""
    mask = np.where(white, 255, 0).astype(np.uint8)
    return np.broadcast_to(mask[None, ..., None], (num_frames, *mask.shape, 3)).copy()
