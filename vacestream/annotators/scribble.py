"""Dark lines on white without weights: where a frame is darker than its surroundings.

VACE draws its scribbles with a net (informative drawings, arXiv 2203.12691); this stands in for it.
"""

import cv2
import numpy as np

THINNEST, SHARE = 1.5, 1 / 240
"""Width of lines: pixels at least, else a share of the shorter side."""
NEAR, FAR = 0.5, 0.8
"""Spread of the two Gaussians, times the width: the second is laid on the first."""
GAIN = 40.0
"""From the threshold to full ink within 1/GAIN of contrast."""


class Scribble:
    """Lines on the dark side of edges, in any colour channel, of each frame by itself."""

    lead = 1

    def __init__(self, *, width: float | None = None, threshold: float = 0.015) -> None:
        self._width, self._threshold = width, threshold

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        drawn = np.empty(frames.shape[:3], np.uint8)
        width = self._width or max(THINNEST, SHARE * min(frames.shape[1:3]))
        for i, frame in enumerate(frames):
            drawn[i] = self._draw(frame, width)
        return np.repeat(drawn[..., None], 3, axis=-1)

    def _draw(self, frame: np.ndarray, width: float) -> np.ndarray:
        """[H W 3] -> [H W]; square roots first, so that shadows have edges too."""
        light = np.sqrt(frame.astype(np.float32) / 255)
        near = cv2.GaussianBlur(light, (0, 0), width * NEAR)
        far = cv2.GaussianBlur(near, (0, 0), width * FAR)
        ink = np.clip(((far - near).max(axis=-1) - self._threshold) * GAIN, 0, 1)
        drawn: np.ndarray = np.rint(255 - 255 * ink).astype(np.uint8)
        return drawn
