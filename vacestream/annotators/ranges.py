"""Values that have no fixed scale -> gray levels, by a range that does not jump from frame to frame."""

from typing import Literal

import numpy as np

Over = Literal["running", "clip", "fixed"]

SHARE = 0.1
"""Of the way to a frame's own range that the running range goes in that frame."""


class Range:
    """The lowest value becomes black, the highest white; it remembers, so it serves one stream."""

    def __init__(self, over: Over, low: float | None = None, high: float | None = None) -> None:
        self._over = over
        self._bounds = None if low is None or high is None else (low, high)

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """[T H W] -> [T H W] uint8; over a clip, the first call brings the whole clip."""
        levels = np.empty(values.shape, np.uint8)
        if len(values) and self._bounds is None:
            first = values if self._over == "clip" else values[0]
            self._bounds = float(first.min()), float(first.max())
        for i, frame in enumerate(values):
            assert self._bounds is not None
            low, high = self._bounds
            if self._over == "running":
                low += SHARE * (float(frame.min()) - low)
                high += SHARE * (float(frame.max()) - high)
                self._bounds = low, high
            levels[i] = np.rint(255 * np.clip((frame - low) / max(high - low, 1e-12), 0, 1))
        return levels
