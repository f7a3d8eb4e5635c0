"""Boxes at moments -> the outlines of boxes that move straight from one to the next, black on white."""

from collections.abc import Sequence

import numpy as np

from vacestream.annotators.view import View
from vacestream.drawing import box_lines
from vacestream.errors import RecipeError
from vacestream.recipe.parts import LayoutBox

LINE = 2.0
"""Pixels."""


class Layout:
    """Draws on white for as many frames as it is given.

    Boxes of one label are one thing, and those without a label are one, too; it stands still before its
    first moment and after its last.
    """

    lead = 1

    def __init__(self, *, boxes: Sequence[LayoutBox], view: View) -> None:
        self._view, self._next = view, 0
        self._things: dict[str | None, dict[float, LayoutBox]] = {}
        for box in boxes:
            thing, frame = self._things.setdefault(box.label, {}), view.frame(box.at)
            if frame in thing:
                name = f"of {box.label}" if box.label else "without a label"
                raise RecipeError(f"boxes: two boxes {name} at {box.at}; give each thing a label of its own")
            thing[frame] = box

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        T, H, W, _ = frames.shape
        times = np.arange(self._next, self._next + T)
        self._next += T
        boxes = [self._path(thing, times, (H, W)) for thing in self._things.values()]
        y, x = (np.arange(side, dtype=np.float32) + 0.5 for side in (H, W))
        drawn = np.full((T, H, W, 3), 255, np.uint8)
        for i in range(T):
            ink = np.max([box_lines(path[i], y[:, None], x, LINE) for path in boxes], axis=0)
            drawn[i] = np.rint(255 * (1 - ink))[..., None]
        return drawn

    def _path(self, thing: dict[float, LayoutBox], times: np.ndarray, size: tuple[int, int]) -> np.ndarray:
        """[T 4] x1 y1 x2 y2."""
        moments = sorted(thing)
        corners = np.array([self._view.corners(thing[moment].bbox, size) for moment in moments])
        path = np.stack([np.interp(times, moments, corners[:, i]) for i in range(4)], axis=-1)
        return path.astype(np.float32)
