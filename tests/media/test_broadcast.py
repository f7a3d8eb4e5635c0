"""Network addresses that are written to, each read back on 127.0.0.1 by an ffmpeg that waits to be called."""

import subprocess
import threading
import time
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.media.conftest import drawn, told
from tests.media.test_feed import port, runs
from vacestream.media import ffmpeg
from vacestream.media.broadcast import BroadcastSink, Reopened

SIZE, FPS = (32, 64), Fraction(24)
READ = {
    "udp": ("udp://127.0.0.1:{port}", (), "udp://127.0.0.1:{port}"),
    "srt": ("srt://127.0.0.1:{port}", (), "srt://127.0.0.1:{port}?mode=listener"),
    "tcp": ("tcp://127.0.0.1:{port}", (), "tcp://127.0.0.1:{port}?listen=1"),
    "rtmp": ("rtmp://127.0.0.1:{port}/live/x", ("-listen", "1"), "rtmp://127.0.0.1:{port}/live/x"),
    "rtsp": (
        "rtsp://127.0.0.1:{port}/x",
        ("-rtsp_flags", "listen", "-listen_timeout", "20"),
        "rtsp://127.0.0.1:{port}/x",
    ),
    "http": ("http://127.0.0.1:{port}/x", ("-listen", "1"), "http://127.0.0.1:{port}/x"),
}
"""Where we write, and how it is read there."""


def numbered(first: int, count: int) -> np.ndarray:
    return np.stack([drawn(number % 48) for number in range(first, first + count)])


def play(address: str, done: threading.Event) -> None:
    """Numbered frames at their rate, opened again until somebody takes them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        sink, at = Reopened(lambda: BroadcastSink(address, SIZE, FPS, crf=10)), 0
        while not done.wait(float(1 / FPS)):
            sink.write(numbered(at, 1))
            at += 1
        sink.abort()


def read_back(protocol: str, found: dict[str, list[int]]) -> None:
    number = port()
    there, options, here = READ[protocol]
    args = [*options, *ffmpeg.NOW, "-i", here.format(port=number), "-frames:v", "24", "-vf", "format=gbrp"]
    reader = subprocess.Popen(
        [ffmpeg.exe(), "-v", "quiet", "-nostdin", *args, "-f", "rawvideo", "-pix_fmt", "rgb24", "-"],
        stdout=subprocess.PIPE,
    )
    done = threading.Event()
    time.sleep(0.3)  # until it listens
    writer = threading.Thread(target=play, args=(there.format(port=number), done), daemon=True)
    writer.start()
    data, _ = reader.communicate(timeout=30)
    done.set()
    writer.join(10)
    found[protocol] = told(np.frombuffer(data, np.uint8).reshape(-1, *SIZE, 3))


@pytest.fixture(scope="module")
def read() -> dict[str, list[int]]:
    """What was read over each protocol, all at once."""
    found: dict[str, list[int]] = {}
    threads = [threading.Thread(target=read_back, args=(one, found), daemon=True) for one in READ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(40)
    return found


@pytest.mark.parametrize("protocol", READ)
def test_what_is_written_to_an_address_arrives(protocol: str, read: dict[str, list[int]]) -> None:
    assert len(read[protocol]) == 24
    assert runs(read[protocol]) >= 20


def test_a_playlist_grows_while_it_is_written(tmp_path: Path) -> None:
    sink = BroadcastSink(str(tmp_path / "a.m3u8"), SIZE, FPS)
    sink.write(numbered(0, 60))
    sink.close()
    assert (tmp_path / "a.m3u8").read_text().count("#EXTINF") == 3


def test_an_address_that_nobody_takes_is_told_and_tried_again() -> None:
    address = f"tcp://127.0.0.1:{port()}"

    def write() -> None:
        for _ in range(50):
            sink.write(numbered(0, 24))
            time.sleep(0.02)

    sink = Reopened(lambda: BroadcastSink(address, SIZE, FPS))
    with pytest.warns(UserWarning, match=r"broke off \(.*refused.*\); it is tried again in"):
        write()
    sink.close()
