"""How frames of one size are placed in another: cropped to fill it, or letterboxed."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image

Fit = Literal["crop", "letterbox"]


@dataclass(frozen=True)
class Placement:
    """Scale to `scaled`, then cut (crop) or pad (letterbox) to `target`, both (height, width)."""

    scaled: tuple[int, int]
    target: tuple[int, int]
    top: int
    left: int
    """Offset of the target in the scaled frame (crop), or of the scaled frame in the target (letterbox)."""
    fit: Fit

    def filters(self, colour: str = "") -> str:
        """The ffmpeg filters that do it, to RGB on the way; `colour` are options of the scale filter."""
        height, width = self.scaled
        scale = f"scale={width}:{height}:flags=bicubic+accurate_rnd+full_chroma_int{colour},format=gbrp"
        if self.scaled == self.target:
            return scale
        verb = "crop" if self.fit == "crop" else "pad"
        return f"{scale},{verb}={self.target[1]}:{self.target[0]}:{self.left}:{self.top}"

    def apply(self, frame: np.ndarray) -> np.ndarray:
        """[h w 3] -> [H W 3], the target's size."""
        height, width = self.scaled
        if frame.shape[:2] != self.scaled:
            frame = np.asarray(Image.fromarray(frame).resize((width, height), Image.Resampling.BICUBIC))
        if self.scaled == self.target:
            return frame
        if self.fit == "crop":
            return frame[self.top : self.top + self.target[0], self.left : self.left + self.target[1]]
        out = np.zeros((*self.target, 3), np.uint8)
        out[self.top : self.top + height, self.left : self.left + width] = frame
        return out


def place(size: tuple[int, int], target: tuple[int, int] | None, fit: Fit = "crop") -> Placement:
    """Where a frame of `size` goes in `target`, centred, its aspect kept; no target leaves it alone."""
    if target is None:
        target = size
    ratios = (target[0] / size[0], target[1] / size[1])
    if fit == "crop":
        scale, bound = max(ratios), max
    else:
        scale, bound = min(ratios), min
    scaled = (bound(round(size[0] * scale), target[0]), bound(round(size[1] * scale), target[1]))
    scaled = (max(1, scaled[0]), max(1, scaled[1]))
    top, left = (abs(target[0] - scaled[0]) // 2, abs(target[1] - scaled[1]) // 2)
    return Placement(scaled, target, top, left, fit)


def letterbox_on_white(picture: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """[h w 3] -> [H W 3]: the whole picture, centred on white, as VACE takes references."""
    where = place(picture.shape[:2], size, "letterbox")
    height, width = where.scaled
    out = np.full((*size, 3), 255, np.uint8)
    scaled = Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR)
    out[where.top : where.top + height, where.left : where.left + width] = np.asarray(scaled)
    return out
