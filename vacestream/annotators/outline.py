"""The outline of a thing that is followed, black on white."""

from collections.abc import Sequence

import cv2
import numpy as np

from vacestream.annotators.masks import HALF
from vacestream.annotators.tracking import Followed
from vacestream.annotators.view import View
from vacestream.recipe.values import Box, Time

LINE, SHARE = 2, 1 / 240
"""Width of lines: pixels at least, else a share of the shorter side (VACE: 3 of 720)."""


class Outline:
    """Draws the outer contours of white regions [T H W 3]."""

    lead = 1

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        drawn = np.full(frames.shape, 255, np.uint8)
        for frame, picture in zip(frames, drawn, strict=True):
            white = (frame[..., 0] > HALF).astype(np.uint8)
            contours, _ = cv2.findContours(white, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
            width = max(LINE, round(SHARE * min(white.shape)))
            cv2.drawContours(picture, contours, -1, (0, 0, 0), width)
        return drawn


class LayoutTrack:
    """Follows a thing in footage and draws its outline."""

    def __init__(
        self,
        *,
        view: View,
        bbox: Sequence[Box] | None = None,
        mask: str | None = None,
        at: Time | None = None,
    ) -> None:
        self._followed, self._outline = Followed(view=view, bbox=bbox, mask=mask, at=at), Outline()
        self.lead = self._followed.lead

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        return self._outline(self._followed(frames))
