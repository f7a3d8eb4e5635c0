"""Motion between neighbouring frames, in Middlebury colours.

Without weights it is found by dense inverse search (arXiv 1603.03590).
"""

from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import cv2
import numpy as np

from vacestream.annotators.ranges import SHARE as STEP
from vacestream.drawing import motion_colours

SHARE = 1 / 30
"""Motion drawn in full colour, in parts of the shorter side: the same for every frame."""
_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}

Over = Literal["fixed", "running"]
Find = Callable[[np.ndarray, np.ndarray], np.ndarray]
"""A frame [H W 3] and the next -> where its pixels go [H W 2], x and y."""


class Flow:
    """How each frame came from the one before; the first shows what comes next, as in VACE."""

    lead = 2

    def __init__(self, find: Find, *, radius: float | None = None, over: Over = "fixed") -> None:
        self._find, self._radius, self._over = find, radius, over
        self._last: np.ndarray | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        if not len(frames):
            return frames
        before, self._last = self._last, frames[-1].copy()
        maps = [self._map(*pair) for pair in pairwise(frames if before is None else [before, *frames])]
        if before is None:
            maps = [maps[0] if maps else np.full_like(frames[0], 255), *maps]
        return np.stack(maps)

    def _map(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Two frames [H W 3] -> [H W 3]."""
        x, y = np.moveaxis(self._find(before, after), -1, 0)
        drawn: np.ndarray = np.rint(motion_colours(y, x, self._reach(x, y)) * 255).astype(np.uint8)
        return drawn

    def _reach(self, x: np.ndarray, y: np.ndarray) -> float:
        """Pixels a frame that are drawn in full colour."""
        if self._over == "fixed":
            return self._radius or SHARE * min(x.shape)
        largest = max(float(np.hypot(x, y).max()), 1.0)
        self._radius = largest if self._radius is None else self._radius + STEP * (largest - self._radius)
        return self._radius


def dis(
    *,
    radius: float | None = None,
    over: Over = "fixed",
    preset: Literal["ultrafast", "fast", "medium"] = "fast",
) -> Flow:
    """Without weights."""
    search = cv2.DISOpticalFlow.create(_PRESETS[preset])

    def find(before: np.ndarray, after: np.ndarray) -> np.ndarray:
        old, new = (cv2.cvtColor(np.ascontiguousarray(one), cv2.COLOR_RGB2GRAY) for one in (before, after))
        return np.asarray(search.calc(old, new, None))

    return Flow(find, radius=radius, over=over)
