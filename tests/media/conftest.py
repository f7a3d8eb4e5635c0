"""Clips made on the fly, each frame of which says its number."""

import subprocess
from collections.abc import Callable
from fractions import Fraction
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from vacestream.media import ffmpeg

SIZE = (32, 64)


def drawn(number: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """[H W 3]: the number in base 16, high digit the grey of the left half, low of the right."""
    frame = np.empty((*size, 3), np.uint8)
    frame[:, : size[1] // 2] = number // 16 * 16 + 8
    frame[:, size[1] // 2 :] = number % 16 * 16 + 8
    return frame


def told(frames: np.ndarray) -> list[int]:
    """The numbers that frames [T H W 3] say."""
    middle = frames[:, frames.shape[1] // 2].astype(float).mean(axis=-1)
    left, right = middle[:, frames.shape[2] // 4], middle[:, frames.shape[2] * 3 // 4]
    return [int(a // 16 * 16 + b // 16) for a, b in zip(left, right, strict=True)]


def run_ffmpeg(*args: str, data: bytes | None = None) -> bytes:
    """Run the shipped ffmpeg and give what it writes to stdout."""
    done = subprocess.run(
        [ffmpeg.exe(), "-v", "error", "-y", *args], input=data, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


def made(
    folder: Path,
    name: str,
    num_frames: int,
    *options: str,
    fps: Fraction = Fraction(24),
    size: tuple[int, int] = SIZE,
) -> str:
    """A clip of numbered frames, its path."""
    data = np.stack([drawn(i, size) for i in range(num_frames)]).tobytes()
    source = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[1]}x{size[0]}", "-r", str(fps), "-i", "-"]
    path = folder / name
    encoded = options or ("-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p")
    run_ffmpeg(*source, *encoded, ffmpeg.file(path), data=data)
    return str(path)


Clip = Callable[..., str]


@pytest.fixture
def clip(tmp_path: Path) -> Clip:
    """clip(name, num_frames, *options): a clip of numbered frames, its path."""

    return partial(made, tmp_path)


@pytest.fixture
def numbers() -> Callable[[np.ndarray], list[int]]:
    """told(), for tests."""
    return told
