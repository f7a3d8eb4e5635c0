"""test:NAME -> moving patterns [H W 3], drawn by number: the same at any place and any time."""

from collections.abc import Callable
from functools import partial
from typing import Protocol

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from vacestream.errors import InputError

Frame = np.ndarray


class Draw(Protocol):
    """Draws frame `index` of a pattern."""

    def __call__(self, index: int, size: tuple[int, int], seed: int) -> Frame: ...


def pattern(name: str, size: tuple[int, int]) -> Callable[[int], Frame]:
    """The drawing of `NAME` or `NAME:SEED` by frame number."""
    word, _, seed = name.partition(":")
    if word not in PATTERNS or not (seed or "0").isdecimal():
        raise InputError(f"test:{name}: is no pattern; there are {', '.join(f'test:{p}' for p in PATTERNS)}")
    return partial(_drawn, PATTERNS[word], size=size, seed=int(seed or 0))


def _drawn(draw: Draw, index: int, *, size: tuple[int, int], seed: int) -> Frame:
    return draw(index, size, seed)


def bars(index: int, size: tuple[int, int], seed: int) -> Frame:
    """Eight colour bars that wander a pixel a frame."""
    colours = np.array([[c >> 2 & 1, c >> 1 & 1, c & 1] for c in range(7, -1, -1)], np.uint8) * 191
    columns = (np.arange(size[1]) + index + seed) % size[1] * 8 // size[1]
    return np.broadcast_to(colours[columns], (*size, 3)).copy()


def gradient(index: int, size: tuple[int, int], seed: int) -> Frame:
    """Red grows to the right, green downwards, blue with time."""
    out = np.empty((*size, 3), np.uint8)
    out[..., 0] = np.linspace(0, 255, size[1]).round()
    out[..., 1] = np.linspace(0, 255, size[0]).round()[:, None]
    out[..., 2] = 255 - abs((index + seed) * 4 % 510 - 255)
    return out


def noise(index: int, size: tuple[int, int], seed: int) -> Frame:
    """Fresh noise every frame."""
    return np.random.default_rng((seed, index)).integers(0, 256, (*size, 3), np.uint8)


def checker(index: int, size: tuple[int, int], seed: int) -> Frame:
    """Squares of an eighth of the height that drift down and to the right."""
    side = max(1, size[0] // 8)
    rows, columns = (np.arange(n) - index - seed for n in size)
    light = (rows[:, None] // side + columns[None] // side) % 2
    return np.repeat((light * 191 + 32).astype(np.uint8)[..., None], 3, axis=-1)


def counter(index: int, size: tuple[int, int], seed: int) -> Frame:
    """The frame number, written large."""
    image = Image.new("RGB", (size[1], size[0]), "black")
    font = ImageFont.load_default(max(8, size[0] // 3))
    place = (size[1] // 2, size[0] // 2)
    ImageDraw.Draw(image).text(place, str(index + seed), fill="white", font=font, anchor="mm")
    return np.array(image)


PATTERNS: dict[str, Draw] = {
    "bars": bars,
    "gradient": gradient,
    "noise": noise,
    "checker": checker,
    "counter": counter,
}
