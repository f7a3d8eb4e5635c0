"""Sources that keep their own time, over every protocol that the shipped ffmpeg serves on 127.0.0.1."""

import functools
import http.server
import socket
import subprocess
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import pytest

from tests.media.conftest import made, told
from vacestream.errors import InputError
from vacestream.media import devices, ffmpeg
from vacestream.media.feed import Waits, feeds
from vacestream.media.sources import open_source

Clip = Callable[..., str]
SIZE, FPS = (32, 64), Fraction(24)
X264 = (
    "-c:v",
    "libx264",
    "-preset",
    "ultrafast",
    "-tune",
    "zerolatency",
    "-crf",
    "10",
    "-g",
    "6",
    "-pix_fmt",
    "yuv420p",
)


def port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


@contextmanager
def sending(path: str, address: str, muxer: str, *options: str) -> Iterator[subprocess.Popen[bytes]]:
    """ffmpeg that plays a clip over and over to an address, at its own pace."""
    args = ["-re", "-stream_loop", "-1", "-i", path, *X264, *options, "-f", muxer, address]
    child = subprocess.Popen([ffmpeg.exe(), "-v", "quiet", "-nostdin", *args], stdin=subprocess.DEVNULL)
    try:
        yield child
    finally:
        child.kill()
        child.wait()


def numbers_of(where: str, count: int) -> list[int]:
    """What the next frames say that come from there."""
    source = open_source(where, size=SIZE, fps=FPS)
    try:
        return told(source.read(count))
    finally:
        source.close()


def runs(numbers: list[int]) -> int:
    """Pairs of neighbours that follow each other in a clip of 48."""
    return sum((b - a) % 48 == 1 for a, b in pairwise(numbers))


CALLED = {
    "udp": ("udp://127.0.0.1:{port}", "udp://127.0.0.1:{port}", "mpegts"),
    "srt": ("srt://127.0.0.1:{port}?mode=listener", "srt://127.0.0.1:{port}?mode=caller", "mpegts"),
    "tcp": ("tcp://127.0.0.1:{port}?listen=1", "tcp://127.0.0.1:{port}", "mpegts"),
    "rtmp": ("rtmp://127.0.0.1:{port}/live/x?listen", "rtmp://127.0.0.1:{port}/live/x", "flv"),
    "rtsp": ("rtsp://127.0.0.1:{port}/x?listen", "rtsp://127.0.0.1:{port}/x", "rtsp"),
    "http": ("http://127.0.0.1:{port}/x?listen", "http://127.0.0.1:{port}/x", "mpegts"),
}
"""Addresses where we wait to be called, who calls them, and with what."""


@pytest.fixture(autouse=True)
def no_complaints() -> Iterator[None]:
    """Sources that are called before anyone calls say so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        yield


def calls(address: str, found: list[int], path: str, there: str, muxer: str) -> None:
    """Send until enough is read; a caller that comes too early is refused."""
    reader = threading.Thread(target=lambda: found.extend(numbers_of(address, 24)), daemon=True)
    reader.start()
    for _ in range(8):
        with sending(path, there, muxer) as sender:
            while reader.is_alive() and sender.poll() is None:
                reader.join(0.05)
        if not reader.is_alive():
            return
        reader.join(0.3)


@pytest.fixture(scope="module")
def read_over(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[int]]:
    """What was read over each protocol, all at once."""
    path = made(tmp_path_factory.mktemp("clips"), "a.mp4", 48)
    found: dict[str, list[int]] = {protocol: [] for protocol in CALLED}
    threads = []
    for protocol, numbers in found.items():
        number = port()
        here, there, muxer = (part.format(port=number) for part in CALLED[protocol])
        threads.append(threading.Thread(target=calls, args=(here, numbers, path, there, muxer), daemon=True))
        threads[-1].start()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        for thread in threads:
            thread.join(30)
    return found


@pytest.mark.parametrize("protocol", CALLED)
def test_what_is_sent_to_an_address_is_read_there(protocol: str, read_over: dict[str, list[int]]) -> None:
    assert len(read_over[protocol]) == 24
    assert runs(read_over[protocol]) >= 18
    assert feeds() == []


def test_a_playlist_that_is_served_is_read_to_its_end(clip: Clip, tmp_path: Path) -> None:
    args = ["-i", clip("a.mp4", 24), *X264, "-f", "hls", "-hls_list_size", "0", str(tmp_path / "a.m3u8")]
    subprocess.run([ffmpeg.exe(), "-v", "error", *args], check=True)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    handler.log_message = lambda *_: None  # type: ignore[attr-defined]
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        found = numbers_of(f"http://127.0.0.1:{server.server_port}/a.m3u8", 100)
        server.shutdown()
    assert found == [*range(24)]


def test_a_source_that_is_lost_stands_still_and_is_opened_again(clip: Clip) -> None:
    """Three readers in step see the same frames all the while."""
    path, number = clip("a.mp4", 48), port()
    address = f"tcp://127.0.0.1:{number}?listen=1"
    readers = [open_source(address, size=SIZE, fps=FPS, waits=Waits(seconds=1)) for _ in range(3)]
    (feed,) = feeds()
    seen: list[list[int]] = [[], [], []]

    def read(count: int) -> list[int]:
        for numbers, reader in zip(seen, readers, strict=True):
            numbers += told(reader.read(count))
        return seen[0][-count:]

    def back() -> bool:
        with sending(path, f"tcp://127.0.0.1:{number}", "mpegts") as sender:
            while feed.status()["waiting"] < 6 and sender.poll() is None:
                threading.Event().wait(0.05)
            return sender.poll() is None and runs(read(12)) >= 8

    try:
        assert any(back() for _ in range(20))
        while feed.held < 12:
            last = read(4)
        assert len({*last}) == 1
        assert any(back() for _ in range(20))
    finally:
        for reader in readers:
            reader.close()
    assert seen[0] == seen[1] == seen[2]
    assert feed.opened >= 2
    assert feeds() == []


def test_a_source_that_nobody_reads_fast_enough_leaves_out_the_oldest(clip: Clip) -> None:
    number, path = port(), clip("a.mp4", 48)
    with sending(path, f"udp://127.0.0.1:{number}", "mpegts"):
        source = open_source(f"udp://127.0.0.1:{number}", size=SIZE, fps=FPS, waits=Waits(seconds=0.25))
        (feed,) = feeds()
        first = source.read(2)
        while feed.dropped < 12:
            threading.Event().wait(0.05)
        assert feed.status()["waiting"] <= 6
        assert (told(source.read(1))[0] - told(first)[-1]) % 48 > 6
        assert feed.age < 1
        source.close()


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("camera:Nobody", "there is no such camera; none is connected; `vacestream devices` lists them"),
        ("screen", "there is no X11 display"),
    ],
)
def test_a_device_that_is_not_there_is_refused_at_once(
    where: str, said: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("vacestream.media.camera.V4L", tmp_path)
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match=said):
        open_source(where, size=SIZE, fps=FPS)


def test_a_camera_is_found_by_a_part_of_its_name_on_linux(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name, label in {"video0": "HD Pro Webcam C920", "video2": "Virtual"}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "name").write_text(f"{label}\n")
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr("vacestream.media.camera.V4L", tmp_path)
    assert devices.reading("camera:c920", FPS) == ["-f", "v4l2", "-i", "/dev/video0"]
    assert devices.reading("camera:2", FPS) == ["-f", "v4l2", "-i", "/dev/video2"]
    with pytest.raises(InputError, match=r"is HD Pro Webcam C920 and Virtual; write more"):
        devices.reading("camera:r", FPS)


MAC = """[AVFoundation indev @ 0x7f8] AVFoundation video devices:
[AVFoundation indev @ 0x7f8] [0] FaceTime HD Camera
[AVFoundation indev @ 0x7f8] [1] Capture screen 0
[AVFoundation indev @ 0x7f8] AVFoundation audio devices:
[AVFoundation indev @ 0x7f8] [0] Microphone
"""
WINDOWS = """[dshow @ 000001] "Logi C920" (video)
[dshow @ 000001]   Alternative name "@device_pnp_usb#vid_046d"
[dshow @ 000001] "Microphone" (audio)
"""


def test_what_ffmpeg_lists_on_macos_and_windows_is_understood() -> None:
    assert devices.listed(MAC) == [("FaceTime HD Camera", "0")]
    assert devices.listed(WINDOWS) == [("Logi C920", "Logi C920")]
