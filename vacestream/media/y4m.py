"""A YUV4MPEG2 stream -> frames [H W 3], decoded as BT.601 as ffmpeg reads and writes it."""

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import BinaryIO

import numpy as np
from PIL import Image

from vacestream.errors import InputError

_CHROMA = {"420": (2, 2), "422": (1, 2), "444": (1, 1), "mono": None}
"""Rows and columns of luma a chroma sample."""
_KR, _KB = 0.299, 0.114


@dataclass(frozen=True)
class Header:
    """What the first line of a stream says."""

    size: tuple[int, int]
    fps: Fraction
    chroma: tuple[int, int] | None
    bits: int
    full_range: bool

    @property
    def planes(self) -> list[tuple[int, int]]:
        """(height, width) of Y, and of U and V where there is colour."""
        height, width = self.size
        if self.chroma is None:
            return [self.size]
        down, across = self.chroma
        return [self.size] + 2 * [(-(-height // down), -(-width // across))]

    @property
    def frame_bytes(self) -> int:
        return sum(h * w for h, w in self.planes) * (2 if self.bits > 8 else 1)


def read_header(stream: BinaryIO, name: str = "stdin") -> Header:
    """Take the first line off a stream; `name` is what errors call it."""
    line = stream.readline(1024).decode("ascii", errors="replace").rstrip("\n")
    if not line.startswith("YUV4MPEG2 "):
        told = "is empty" if not line else "is not y4m"
        raise InputError(f"{name}: {told}; write it with `ffmpeg -i IN -f yuv4mpegpipe -`")
    tags: dict[str, str] = {}
    for word in line.split()[1:]:
        tags[word[:7] if word.startswith("XCOLOR") else word[0]] = word
    colour = re.fullmatch(r"C(420|422|444|mono)(?:p?(\d+)|jpeg|mpeg2|paldv)?", tags.get("C", "C420"))
    rate = re.fullmatch(r"F(\d+):(\d+)", tags.get("F", ""))
    try:
        height, width = int(tags["H"][1:]), int(tags["W"][1:])
        fps = Fraction(int(rate[1]), int(rate[2])) if rate else Fraction(0)
    except (KeyError, ValueError, ZeroDivisionError) as e:
        raise InputError(f"{name}: y4m header without a size and a rate: {line}") from e
    if colour is None or fps <= 0 or height < 1 or width < 1:
        raise InputError(
            f"{name}: y4m of this kind is not read: {line}; add `-pix_fmt yuv420p` where it is written"
        )
    full_range = "FULL" in tags.get("XCOLORR", "")
    return Header((height, width), fps, _CHROMA[colour[1]], int(colour[2] or 8), full_range)


def read_frame(stream: BinaryIO, header: Header, name: str = "stdin") -> np.ndarray | None:
    """The next frame [H W 3] uint8; None at the end of the stream."""
    line = stream.readline(1024)
    if not line:
        return None
    data = stream.read(header.frame_bytes)
    if not line.startswith(b"FRAME") or len(data) < header.frame_bytes:
        raise InputError(f"{name}: the y4m stream is cut off inside a frame")
    samples = np.frombuffer(data, "<u2" if header.bits > 8 else np.uint8)
    planes, at = [], 0
    for height, width in header.planes:
        plane = samples[at : at + height * width].reshape(height, width).astype(np.float32)
        planes.append(plane / 2 ** (header.bits - 8))
        at += height * width
    return _to_rgb(planes, full_range=header.full_range)


def _to_rgb(planes: list[np.ndarray], *, full_range: bool) -> np.ndarray:
    """[Y] or [Y, U, V] on the 8-bit scale -> [H W 3] uint8."""
    low, luma_range, chroma_range = (0.0, 255.0, 255.0) if full_range else (16.0, 219.0, 224.0)
    y = (planes[0] - low) / luma_range
    if len(planes) == 1:
        rgb = np.repeat(y[..., None], 3, axis=-1)
    else:
        size = (y.shape[1], y.shape[0])
        u, v = ((_stretched(plane, size) - 128) / chroma_range for plane in planes[1:])
        red, blue = y + 2 * (1 - _KR) * v, y + 2 * (1 - _KB) * u
        rgb = np.stack([red, (y - _KR * red - _KB * blue) / (1 - _KR - _KB), blue], axis=-1)
    return (rgb * 255).round().clip(0, 255).astype(np.uint8)


def _stretched(plane: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    if plane.shape == (size[1], size[0]):
        return plane
    return np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR))
