"""How far the canvas grows past the input: where the input is seen in the output, what is made around it."""

from dataclasses import dataclass

from vacestream.recipe import Outpaint
from vacestream.recipe.values import SIDE


@dataclass(frozen=True)
class Framing:
    """The input's place in the output."""

    canvas: tuple[int, int]
    """(height, width) of the output."""
    inside: tuple[int, int, int, int]
    """top, left, bottom, right of what is kept."""
    inner: bool = False
    """The input fills the canvas, and what is outside is made anew."""

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) that the input is scaled to."""
        top, left, bottom, right = self.inside
        return self.canvas if self.inner else (bottom - top, right - left)

    @property
    def corner(self) -> tuple[int, int]:
        """top, left of the input in the canvas."""
        return (0, 0) if self.inner else self.inside[:2]

    @property
    def is_whole(self) -> bool:
        """Whether nothing is left to make."""
        return self.inside == (0, 0, *self.canvas)

    def __str__(self) -> str:
        top, left, bottom, right = self.inside
        return f"{right - left}x{bottom - top} at {left},{top} of {self.canvas[1]}x{self.canvas[0]}"


def grown(size: tuple[int, int], outpaint: Outpaint) -> tuple[int, int]:
    """The canvas of an input of this (height, width), its sides multiples of 16."""
    if outpaint.inner:
        return size
    down, across = _shares(outpaint)
    return max(SIDE, round(size[0] * down / SIDE) * SIDE), max(SIDE, round(size[1] * across / SIDE) * SIDE)


def framing(outpaint: Outpaint, canvas: tuple[int, int], native: tuple[int, int], step: int = 1) -> Framing:
    """The place of an input of (height, width) `native`; edges at multiples of `step` pixels."""
    height, width = canvas
    if outpaint.fill:
        scale = min(height / native[0], width / native[1])
        free = [side - native[i] * scale for i, side in enumerate(canvas)]
        up = down = free[0] / 2
        left = right = free[1] / 2
    else:
        unit = (1.0, 1.0) if outpaint.inner else _shares(outpaint)
        up, down = (height / unit[0] * share for share in (outpaint.up, outpaint.down))
        left, right = (width / unit[1] * share for share in (outpaint.left, outpaint.right))
    edges = [round(edge / step) * step for edge in (up, left, height - down, width - right)]
    top, west, bottom, east = edges
    return Framing(canvas, (top, west, max(bottom, top + 1), max(east, west + 1)), outpaint.inner)


def _shares(outpaint: Outpaint) -> tuple[float, float]:
    """Height and width of the canvas, times those of the input."""
    return 1 + outpaint.up + outpaint.down, 1 + outpaint.left + outpaint.right
