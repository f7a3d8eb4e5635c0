"""Motion as colours and boxes as lines, as VACE draws them; leading axes are free."""

import numpy as np

_ARCS = ((15, 0, 1), (6, 1, 0), (4, 1, 2), (11, 2, 1), (13, 2, 0), (6, 0, 2))
"""Of the Middlebury colour wheel: length, the channel that is full, the one that rises and falls in turn."""


def _wheel() -> np.ndarray:
    """[55 3] in 0..1: red, yellow, green, cyan, blue, magenta, and back."""
    wheel = []
    for i, (length, full, other) in enumerate(_ARCS):
        arc = np.zeros((length, 3), np.float32)
        ramp = np.arange(length, dtype=np.float32) / length
        arc[:, full], arc[:, other] = 1, 1 - ramp if i % 2 else ramp
        wheel.append(arc)
    return np.concatenate(wheel)


WHEEL = _wheel()


def motion_colours(y: np.ndarray, x: np.ndarray, radius: np.ndarray | float) -> np.ndarray:
    """Motion [...] in pixels -> [... 3] in 0..1: direction as hue, speed over `radius` as saturation.

    No motion is white; whatever is faster than `radius` is drawn at full saturation.
    """
    speed = np.minimum(np.hypot(y, x) / np.float32(radius), 1)[..., None]
    place = (np.arctan2(-y, -x) / np.float32(np.pi) + 1) / 2 * (len(WHEEL) - 1)
    floor = np.floor(place)
    low, part = floor.astype(np.intp), (place - floor)[..., None]
    hue = WHEEL[low] * (1 - part) + WHEEL[(low + 1) % len(WHEEL)] * part
    colours: np.ndarray = 1 - speed * (1 - hue)
    return colours


def box_lines(boxes: np.ndarray, y: np.ndarray, x: np.ndarray, width: float) -> np.ndarray:
    """Ink in 0..1 of the outlines of boxes [... 4] (x1 y1 x2 y2) at pixel centres y and x; NaN draws none."""
    left, top, right, bottom = np.moveaxis(boxes, -1, 0)
    beyond = np.maximum(np.maximum(left - x, x - right), np.maximum(top - y, y - bottom))
    ink: np.ndarray = np.nan_to_num(np.clip(width / 2 + 0.5 - np.abs(beyond), 0, 1))
    return ink
