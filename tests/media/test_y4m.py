import io
import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vacestream.errors import InputError
from vacestream.media import ffmpeg, y4m

Clip = Callable[..., str]


@pytest.mark.parametrize(
    "pixels",
    [
        "yuv420p",
        "yuvj420p",
        "yuv422p",
        "yuv444p",
        "gray",
        "yuv420p10le",
        "yuv444p12le",
        "gray10le",
    ],
)
@pytest.mark.parametrize("size", [(32, 64), (33, 66)])
def test_frames_are_read_as_ffmpeg_wrote_them(
    clip: Clip, numbers: Callable[[np.ndarray], list[int]], pixels: str, size: tuple[int, int]
) -> None:
    path = clip("a.y4m", 20, "-pix_fmt", pixels, "-strict", "-1", fps=Fraction(24000, 1001), size=size)
    stream = io.BytesIO(Path(path).read_bytes())
    header = y4m.read_header(stream)
    assert (header.size, header.fps) == (size, Fraction(24000, 1001))
    read = [y4m.read_frame(stream, header) for _ in range(21)]
    frames = np.stack([frame for frame in read if frame is not None])
    assert numbers(frames) == list(range(20))
    assert np.abs(frames[19, 16, [16, 48]].astype(int) - [[24], [56]]).max() <= 2


def test_colours_are_those_that_ffmpeg_decodes(tmp_path: Path) -> None:
    image = np.zeros((32, 96, 3), np.uint8)
    for i, colour in enumerate([(200, 30, 40), (20, 180, 60), (40, 60, 220)]):
        image[:, 32 * i : 32 * i + 32] = colour
    raw = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", "96x32", "-i", "-"]
    stream = io.BytesIO(_piped([*raw, "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"], image.tobytes()))
    frame = y4m.read_frame(stream, y4m.read_header(stream))
    assert frame is not None
    assert np.abs(frame[16, 16::32].astype(int) - image[16, 16::32]).max() <= 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "is empty"),
        (b"hello\n", "is not y4m"),
        (b"YUV4MPEG2 W64\n", "without a size and a rate"),
        (b"YUV4MPEG2 W64 H32 F0:0\n", "without a size and a rate"),
        (b"YUV4MPEG2 W64 H32 F24:1 C444alpha\n", "of this kind is not read"),
        (b"YUV4MPEG2 W64 H32 F24:1 C411\n", "of this kind is not read"),
        (b"YUV4MPEG2 W64 H32 F24:1\nFRAME\n123", "is cut off inside a frame"),
        (b"YUV4MPEG2 W64 H32 F24:1\nMARKS\n" + bytes(64 * 48), "is cut off inside a frame"),
    ],
)
def test_what_is_not_y4m_or_is_cut_off_is_refused(data: bytes, said: str) -> None:
    stream = io.BytesIO(data)
    with pytest.raises(InputError, match=said):
        y4m.read_frame(stream, y4m.read_header(stream))


def _piped(args: list[str], data: bytes) -> bytes:
    return subprocess.run(
        [ffmpeg.exe(), "-v", "error", *args], input=data, capture_output=True, check=True
    ).stdout
