"""Motion between neighbouring frames, by dense inverse search (arXiv 1603.03590), in Middlebury colours."""

from itertools import pairwise
from typing import Literal

import cv2
import numpy as np

from vacestream.drawing import motion_colours

SHARE = 1 / 30
"""Motion drawn in full colour, in parts of the shorter side: the same for every frame."""
_PRESETS = {
    "ultrafast": cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    "fast": cv2.DISOPTICAL_FLOW_PRESET_FAST,
    "medium": cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
}


class Flow:
    """How each frame came from the one before; the first shows what comes next, as in VACE."""

    lead = 2

    def __init__(
        self, *, radius: float | None = None, preset: Literal["ultrafast", "fast", "medium"] = "fast"
    ) -> None:
        self._radius, self._search = radius, cv2.DISOpticalFlow.create(_PRESETS[preset])
        self._last: np.ndarray | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        lumas = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames]
        if not lumas:
            return frames
        before, self._last = self._last, lumas[-1]
        maps = [self._map(*pair) for pair in pairwise(lumas if before is None else [before, *lumas])]
        if before is None:
            maps = [maps[0] if maps else np.full_like(frames[0], 255), *maps]
        return np.stack(maps)

    def _map(self, before: np.ndarray, after: np.ndarray) -> np.ndarray:
        """Two lumas [H W] -> [H W 3]."""
        x, y = np.moveaxis(self._search.calc(before, after, None), -1, 0)
        radius = self._radius or SHARE * min(before.shape)
        drawn: np.ndarray = np.rint(motion_colours(y, x, radius) * 255).astype(np.uint8)
        return drawn
