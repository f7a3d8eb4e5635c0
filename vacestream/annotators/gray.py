"""Luma, in three equal channels."""

from typing import Literal

import cv2
import numpy as np

_ORDERS = {"vace": cv2.COLOR_BGR2GRAY, "bt601": cv2.COLOR_RGB2GRAY}
"""VACE reads RGB as if it were BGR: .114 R + .587 G + .299 B; its weights have learnt that."""


class Gray:
    """Luma of each frame."""

    lead = 1

    def __init__(self, *, luma: Literal["vace", "bt601"] = "vace") -> None:
        self._order = _ORDERS[luma]

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        T, H, W, _ = frames.shape
        rows = np.ascontiguousarray(frames).reshape(T * H, W, 3)
        luma = cv2.cvtColor(rows, self._order) if T else rows[..., 0]
        return np.repeat(luma.reshape(T, H, W, 1), 3, axis=-1)
