"""Masks made wider, as VACE does it: the hull or the box of the region, each side moved outwards."""

import random

import cv2
import numpy as np

from vacestream.annotators.masks import HALF

WAYS = ("original", "hull", "bbox")
"""What is widened: the region itself, its convex hull, its box."""
MODES = (*WAYS, *(f"{way}_expand" for way in WAYS))


class Augmented:
    """Widens the region of each frame; what is drawn by lot is drawn once, so that it does not flicker."""

    def __init__(self, mode: str, ratio: float, *, seed: int) -> None:
        lot = random.Random(seed)
        mode = lot.choice(MODES) if mode == "random" else mode
        self.way, _, expand = mode.partition("_")
        self.shares = [ratio * lot.uniform(0.5, 1) if expand else 0.0 for _ in range(4)]
        """Of left, right, up, down: in parts of the region's box."""

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3], white where to make anew."""
        made = [self._widened((frame[..., 0] > HALF).astype(np.uint8)) for frame in frames]
        return np.stack(made)[..., None].repeat(3, axis=-1) * np.uint8(255)

    def _widened(self, region: np.ndarray) -> np.ndarray:
        """[H W] of 0 and 1 -> [H W]."""
        if not region.any():
            return region
        x, y, width, height = cv2.boundingRect(region)
        match self.way:
            case "hull":
                hull = cv2.convexHull(cv2.findNonZero(region))
                region = cv2.fillConvexPoly(region.copy(), hull, 1)
            case "bbox":
                region = np.zeros_like(region)
                region[y : y + height, x : x + width] = 1
        if not any(self.shares):
            return region
        rows, columns = region.shape
        room = (x, columns - x - width, y, rows - y - height)
        sides = (width, width, height, height)
        reach = zip(self.shares, sides, room, strict=True)
        left, right, up, down = (round(min(share * side, free / 2)) for share, side, free in reach)
        kernel = np.ones((up + down + 1, left + right + 1), np.uint8)
        widened: np.ndarray = cv2.dilate(region, kernel, anchor=(right, down))
        return widened
