"""How footage became frames: what the moments and pixels mean that parameters speak of."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction

from vacestream.errors import RecipeError
from vacestream.media.fit import Fit, place
from vacestream.recipe.values import Box, Time


def at_rate(fps: Fraction) -> Callable[[Time], float]:
    """Moments as frames of footage that has no chunks."""

    def frame_at(time: Time) -> float:
        if time.unit == "chunks":
            raise RecipeError(f"{time} means nothing in a file; write seconds, such as 4s, or frames: 96f")
        return float(time.amount * fps if time.unit == "s" else time.amount)

    return frame_at


@dataclass(frozen=True)
class View:
    """Rate and placement of the footage."""

    frame_at: Callable[[Time], float]
    """A moment -> its frame."""
    native: tuple[int, int] | None = None
    """(height, width) of the footage as displayed; that of its frames when left out."""
    fit: Fit = "crop"
    num_frames: int | None = None

    def frame(self, time: Time) -> float:
        """The frame of a moment; the very end is the last frame."""
        at, last = self.frame_at(time), (self.num_frames or 0) - 1
        return last if last < at <= last + 1 and self.num_frames else at

    def corners(self, box: Box, size: tuple[int, int]) -> tuple[float, float, float, float]:
        """x1, y1, x2, y2 in a frame of this (height, width); what is cropped off is beyond its edges."""
        native = self.native or size
        where = place(native, size, self.fit)
        sign = -1 if where.fit == "crop" else 1
        across, down = where.scaled[1] / native[1], where.scaled[0] / native[0]
        x1, y1, x2, y2 = box.pixels(*native)
        left, top = sign * where.left, sign * where.top
        return x1 * across + left, y1 * down + top, x2 * across + left, y2 * down + top


IN_FRAMES = View(at_rate(Fraction(16)))
"""Footage as it is, 16 frames a second."""
