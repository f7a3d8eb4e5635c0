import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import pytest

from vacestream.errors import OutputError, RecipeError
from vacestream.media.encoder import EncoderSink
from vacestream.media.formats import CONTAINERS, encoding
from vacestream.media.images import read_image
from vacestream.media.probe import comment, probe
from vacestream.media.sinks import Sink, Tee, open_sink, sink_kind
from vacestream.media.sources import open_source

FPS = Fraction(24)
SIZE = (48, 64)


def pattern(num_frames: int, name: str = "gradient") -> np.ndarray:
    """[T H W 3] to write."""
    return open_source(f"test:{name}", size=SIZE).read(num_frames)


def write(sink: Sink, frames: np.ndarray, n: int = 9) -> None:
    """All frames, n at a time, and close."""
    for i in range(0, len(frames), n):
        sink.write(frames[i : i + n])
    sink.close()


def read(path: Path) -> np.ndarray:
    """Everything that a file holds."""
    source = open_source(str(path))
    frames = source.read(1000)
    source.close()
    return frames


def seen_by_opencv(path: Path) -> np.ndarray:
    """What another reader decodes, also from a file that is still growing."""
    capture, frames = cv2.VideoCapture(str(path)), []
    while (got := capture.read())[0]:
        frames.append(got[1][..., ::-1])
    capture.release()
    return np.stack(frames) if frames else np.empty((0, *SIZE, 3), np.uint8)


def boxes(path: Path) -> list[bytes]:
    """The top-level boxes of an MP4."""
    data, at, names = path.read_bytes(), 0, []
    while at < len(data):
        names.append(data[at + 4 : at + 8])
        length = int.from_bytes(data[at : at + 4])
        at += length if length != 1 else int.from_bytes(data[at + 8 : at + 16])
    return names


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".y4m"])
@pytest.mark.parametrize("num_frames", [1, 2, 33])
@pytest.mark.parametrize("fps", [FPS, Fraction(24000, 1001)])
def test_every_frame_arrives_at_its_time(tmp_path: Path, suffix: str, num_frames: int, fps: Fraction) -> None:
    path = tmp_path / f"a{suffix}"
    write(open_sink(str(path), SIZE, fps), pattern(num_frames))
    info = probe(str(path))
    assert (info.num_frames, info.fps, info.size, info.start) == (num_frames, fps, SIZE, 0)
    assert len(seen_by_opencv(path)) == num_frames


def test_any_file_name_is_written(tmp_path: Path) -> None:
    name = "take 1: 'a', -b.mp4"
    write(open_sink(str(tmp_path / name), SIZE, FPS, comment="c"), pattern(3))
    assert [p.name for p in tmp_path.iterdir()] == [name]
    assert comment(str(tmp_path / name)) == "c"


def test_a_finished_mp4_is_an_ordinary_one(tmp_path: Path) -> None:
    write(open_sink(str(tmp_path / "a.mp4"), SIZE, FPS), pattern(60))
    assert boxes(tmp_path / "a.mp4") == [b"ftyp", b"free", b"mdat", b"moov"]
    assert [p.name for p in tmp_path.iterdir()] == ["a.mp4"]


def test_the_name_appears_when_the_file_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"the one before")
    sink = open_sink(str(path), SIZE, FPS)
    sink.write(pattern(5))
    assert path.read_bytes() == b"the one before"
    assert (tmp_path / "a.part.mp4").exists()
    sink.close()
    sink.close()
    assert len(read(path)) == 5
    assert not (tmp_path / "a.part.mp4").exists()


def test_what_is_written_is_visible_before_the_end(tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "a.mp4"), SIZE, FPS)
    frames = pattern(96)
    sink.write(frames)
    shown = _wait_for(lambda: _at_least(seen_by_opencv(tmp_path / "a.part.mp4"), 48))
    assert np.abs(shown[40].astype(int) - frames[40]).mean() < 4
    sink.abort()


def test_after_an_error_the_part_plays(tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "a.mp4"), SIZE, FPS)
    sink.write(pattern(20))
    sink.abort()
    sink.abort()
    sink.close()
    assert len(read(tmp_path / "a.part.mp4")) == 20
    assert not (tmp_path / "a.mp4").exists()


WRITER = """
import sys, time
from fractions import Fraction
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
sink = open_sink(sys.argv[1], (48, 64), Fraction(24))
sink.write(open_source("test:gradient", size=(48, 64)).read(96))
print(sink._child.process.pid, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing is killed like that here")
@pytest.mark.parametrize("encoder_too", [True, False])
def test_a_killed_process_leaves_a_part_that_plays(tmp_path: Path, encoder_too: bool) -> None:
    part = tmp_path / "a.part.mp4"
    command = [sys.executable, "-c", WRITER, str(tmp_path / "a.mp4")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        encoder = int(process.stdout.readline())
        if encoder_too:
            _wait_for(lambda: _at_least(seen_by_opencv(part), 48))
            os.kill(encoder, signal.SIGKILL)
        process.kill()
    expected = 48 if encoder_too else 96
    assert len(_wait_for(lambda: _at_least(seen_by_opencv(part), expected))) >= expected
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".y4m"])
def test_colours_come_back(tmp_path: Path, suffix: str) -> None:
    levels = [0, 64, 128, 191, 255]
    palette = np.array([[r, g, b] for r in levels for g in levels for b in levels], np.uint8)
    frame = palette.reshape(5, 25, 3).repeat(32, axis=0).repeat(32, axis=1)
    path = tmp_path / f"a{suffix}"
    write(open_sink(str(path), frame.shape[:2], FPS), frame[None].repeat(3, axis=0))
    middle = np.s_[16::32, 16::32]
    assert np.abs(read(path)[1][middle].astype(int) - frame[middle]).max() <= 2
    if suffix == ".mp4":  # OpenCV converts a little less exactly
        assert np.abs(seen_by_opencv(path)[1][middle].astype(int) - frame[middle]).max() <= 3


@pytest.mark.filterwarnings("ignore:.*more than 8 bits deep")
@pytest.mark.parametrize(
    ("container", "codec"),
    [(name, codec) for name, row in CONTAINERS.items() for codec in row.codecs if row.sound],
)
def test_each_codec_goes_into_each_container_that_takes_it(
    tmp_path: Path, container: str, codec: str
) -> None:
    path = tmp_path / f"a{CONTAINERS[container].suffix}"
    size = (64, 96)
    frames = np.empty((30, *size, 3), np.uint8)
    frames[:, :, :48], frames[:, :, 48:] = (200, 30, 40), (40, 60, 220)
    frames[:, 20:40, 20:76] = np.arange(30)[:, None, None, None] * 8
    written = encoding(str(path), codec=codec)
    write(open_sink(str(path), size, FPS, written=written, crf=10, comment="c"), frames)
    info, shown = probe(str(path)), read(path)
    assert (info.num_frames, info.fps, comment(str(path))) == (30, FPS, "c")
    assert (
        np.abs(shown[:, [30, 5, 5], [48, 10, 90]].astype(int) - frames[:, [30, 5, 5], [48, 10, 90]]).max()
        <= 6
    )
    assert np.array_equal(shown, frames) == (codec == "ffv1")
    sink = open_sink(str(tmp_path / f"b{path.suffix}"), size, FPS, written=written)
    sink.write(frames)
    sink.abort()
    assert len(read(tmp_path / f"b.part{path.suffix}")) == 30


def test_an_mp4_says_its_colours(tmp_path: Path) -> None:
    write(open_sink(str(tmp_path / "a.mp4"), SIZE, FPS), pattern(3))
    info = probe(str(tmp_path / "a.mp4"))
    assert (info.matrix, info.range, info.primaries, info.transfer) == (
        "bt709",
        "tv",
        "bt709",
        "iec61966-2-1",
    )


def test_mkv_is_lossless(tmp_path: Path) -> None:
    frames = pattern(12, "noise")
    write(open_sink(str(tmp_path / "a.mkv"), SIZE, FPS), frames)
    assert np.array_equal(read(tmp_path / "a.mkv"), frames)


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_comment_comes_back_letter_by_letter(tmp_path: Path, suffix: str) -> None:
    text = "version: 1\nprompt: 'a; #b = \\c'\n\nsize: 64x48\n"
    write(open_sink(str(tmp_path / f"a{suffix}"), SIZE, FPS, comment=text), pattern(3))
    assert comment(str(tmp_path / f"a{suffix}")) == text


def test_a_file_without_a_comment_has_none(tmp_path: Path) -> None:
    write(open_sink(str(tmp_path / "a.mp4"), SIZE, FPS), pattern(3))
    assert comment(str(tmp_path / "a.mp4")) is None


def test_numbered_images_are_there_at_once_and_read_back(tmp_path: Path) -> None:
    frames = pattern(12, "noise")
    sink = open_sink(str(tmp_path / "frames" / "%05d.png"), SIZE, FPS)
    sink.write(frames[:3])
    assert sorted(p.name for p in (tmp_path / "frames").iterdir()) == ["00001.png", "00002.png", "00003.png"]
    write(sink, frames[3:])
    assert np.array_equal(read(tmp_path / "frames" / "%05d.png"), frames)


def test_a_still_is_the_last_frame(tmp_path: Path) -> None:
    frames = pattern(5, "noise")
    write(open_sink(str(tmp_path / "a.png"), SIZE, FPS), frames, n=2)
    assert np.array_equal(read_image(tmp_path / "a.png"), frames[-1])
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]


def test_stdout_gets_y4m_and_nothing_else() -> None:
    code = """
import numpy as np
from fractions import Fraction
from vacestream.media.sinks import open_sink
sink = open_sink("-", (48, 64), Fraction(24))
sink.write(np.zeros((5, 48, 64, 3), np.uint8))
sink.close()
"""
    data = subprocess.check_output([sys.executable, "-c", code])
    assert data.startswith(b"YUV4MPEG2 W64 H48 F24:1")
    assert data.count(b"FRAME\n") == 5


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_named_pipe_gets_y4m_while_it_is_written(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write(open_sink(str(pipe), SIZE, FPS), pattern(7))
    reader.join(20)
    assert got[0].count(b"FRAME\n") == 7
    assert [p.name for p in tmp_path.iterdir()] == ["pipe"]


def test_several_sinks_get_the_same_frames(tmp_path: Path) -> None:
    paths = [str(tmp_path / name) for name in ("a.mp4", "b.mkv", "c.png")]
    write(Tee([open_sink(path, SIZE, FPS) for path in paths]), pattern(10))
    assert [probe(path).num_frames for path in paths] == [10, 10, 1]


def test_one_failing_sink_lets_the_others_finish(tmp_path: Path) -> None:
    good, bad = (open_sink(str(tmp_path / name), SIZE, FPS) for name in ("good.mp4", "bad.mp4"))
    tee = Tee([bad, good])
    tee.write(pattern(10))
    assert isinstance(bad, EncoderSink)
    bad._child.process.kill()
    with pytest.raises(OutputError, match=r"bad\.mp4"):
        tee.close()
    assert len(read(tmp_path / "good.mp4")) == 10


def test_an_encoder_that_dies_is_told_at_the_next_write(tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "a.mp4"), SIZE, FPS)
    assert isinstance(sink, EncoderSink)
    sink.write(pattern(5))
    sink._child.process.kill()
    sink._child.process.wait()
    with pytest.raises(OutputError, match=r"a\.mp4: the encoder stopped"):
        sink.write(pattern(5))
    sink.abort()
    assert not (tmp_path / "a.mp4").exists()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_a_full_disk_is_told_in_the_words_of_the_encoder() -> None:
    sink = EncoderSink("/dev/full", SIZE, FPS, encoding=encoding("/dev/full"))
    with pytest.raises(OutputError, match="No space left on device"):
        write(sink, pattern(200))


def test_without_a_frame_nothing_is_written(tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "a.mp4"), SIZE, FPS)
    with pytest.raises(OutputError, match="no frame was made"):
        sink.close()
    open_sink(str(tmp_path / "b.mp4"), SIZE, FPS).abort()
    assert not list(tmp_path.iterdir())


def test_what_cannot_be_written_is_refused_before_the_first_frame(tmp_path: Path) -> None:
    (tmp_path / "folder.mp4").mkdir()
    for name, size, said in [
        ("absent/a.mp4", SIZE, "there is no folder"),
        ("absent/a.png", SIZE, "there is no folder"),
        ("absent/frames/%05d.png", SIZE, "cannot be made"),
        ("folder.mp4", SIZE, "is a folder"),
        ("a.mp4", (47, 64), "64x47 is odd.*use 64x46, or lossless .mkv"),
    ]:
        with pytest.raises(OutputError, match=said):
            open_sink(str(tmp_path / name), size, FPS)
    assert [p.name for p in tmp_path.iterdir()] == ["folder.mp4"]


def test_odd_sizes_are_written_lossless(tmp_path: Path) -> None:
    frames = np.zeros((3, 47, 63, 3), np.uint8)
    write(open_sink(str(tmp_path / "a.mkv"), (47, 63), FPS), frames)
    assert read(tmp_path / "a.mkv").shape == frames.shape


@pytest.mark.parametrize(
    ("name", "kind"),
    [("a.mp4", "video"), ("A.MKV", "video"), ("-", "pipe"), ("f/%05d.png", "frames"), ("a.jpg", "still")],
)
def test_a_name_says_what_is_written(name: str, kind: str) -> None:
    assert sink_kind(name) == kind


@pytest.mark.parametrize("name", ["a.gif", "a", "a.%d.mp3"])
def test_a_name_that_says_nothing_is_refused_with_those_that_do(name: str) -> None:
    with pytest.raises(RecipeError, match=r"\.mp4, \.mkv"):
        sink_kind(name)


def test_frames_of_another_size_are_our_fault(tmp_path: Path) -> None:
    sink = open_sink(str(tmp_path / "a.mp4"), SIZE, FPS)
    with pytest.raises(ValueError, match=r"frames.shape = \(1, 2, 2, 3\)"):
        sink.write(np.zeros((1, 2, 2, 3), np.uint8))
    sink.abort()


def _at_least(frames: np.ndarray, count: int) -> np.ndarray | None:
    return frames if len(frames) >= count else None


def _wait_for(ready: Callable[[], np.ndarray | None]) -> np.ndarray:
    """What comes, when it comes; the test's patience is long, its demand exact."""
    for _ in range(200):
        if (got := ready()) is not None:
            return got
        time.sleep(0.1)
    raise AssertionError("it never came")
