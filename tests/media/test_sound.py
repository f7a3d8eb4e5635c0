import subprocess
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vacestream.errors import InputError
from vacestream.media import ffmpeg
from vacestream.media.probe import probe
from vacestream.media.sinks import Audio, open_sink
from vacestream.media.sound import sound_of
from vacestream.media.sources import open_source

FPS = Fraction(24)
BEEP = "aevalsrc=exprs=if(between(t\\,1.75\\,1.85)\\,sin(2000*PI*t)\\,0):d=4:s=48000"
Clip = Callable[..., str]


def run(*args: str) -> bytes:
    """What ffmpeg writes to stdout."""
    return subprocess.run([ffmpeg.exe(), "-v", "error", "-y", *args], capture_output=True, check=True).stdout


def beep_at(path: Path) -> float:
    """Seconds on the file's own clock at which it beeps."""
    mono = ["-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]
    samples = np.abs(np.frombuffer(run("-i", str(path), "-map", "0:a", *mono), np.float32))
    assert samples.max() > 0.3
    return float(np.argmax(samples > 0.3)) / 48000


@pytest.mark.parametrize(
    ("source", "codec", "copied"),
    [
        ("a.mp4", "aac", True),
        ("a.ts", "aac", True),
        ("a.mkv", "libopus", True),
        ("a.mov", "pcm_s16le", False),
    ],
)
@pytest.mark.parametrize("offset", [0, 0.5, -0.25])
def test_sound_stays_with_its_frames(
    clip: Clip,
    numbers: Callable[[np.ndarray], list[int]],
    tmp_path: Path,
    source: str,
    codec: str,
    copied: bool,
    offset: float,
) -> None:
    path, silent = tmp_path / source, clip("silent.mp4", 72)
    run(
        "-itsoffset",
        str(offset),
        "-i",
        silent,
        "-f",
        "lavfi",
        "-i",
        BEEP,
        "-c:v",
        "copy",
        "-c:a",
        codec,
        str(path),
    )
    for start in (0, 1):
        out = tmp_path / f"out{start}.mp4"
        frames = open_source(str(path), start=start).read(100)
        sink = open_sink(
            str(out), (32, 64), FPS, audio=Audio(str(path), duration=len(frames) / FPS, start=start)
        )
        sink.write(frames)
        sink.close()
        info = probe(str(out))
        assert (info.num_frames, info.start, info.fps) == (len(frames), 0, FPS)
        assert info.audio == (codec.removeprefix("lib") if copied else "aac")
        assert abs(beep_at(out) - (1.75 - offset - numbers(frames)[0] / 24)) < 1 / 24


@pytest.mark.parametrize("suffix", ["mp4", "mkv"])
@pytest.mark.parametrize("num_frames", [1, 2, 60, 120])
def test_sound_changes_no_frame_and_ends_with_them(tmp_path: Path, suffix: str, num_frames: int) -> None:
    run("-f", "lavfi", "-i", BEEP, "-c:a", "aac", str(tmp_path / "beep.m4a"))
    out = tmp_path / f"a.{suffix}"
    audio = Audio(str(tmp_path / "beep.m4a"), duration=num_frames / FPS)
    sink = open_sink(str(out), (32, 64), FPS, audio=audio)
    sink.write(open_source("test:bars", size=(32, 64)).read(num_frames))
    sink.close()
    info = probe(str(out))
    assert (info.num_frames, info.start, info.fps, info.audio) == (num_frames, 0, FPS, "aac")
    length = (
        len(run("-i", str(out), "-map", "0:a", "-ac", "1", "-ar", "48000", "-f", "f32le", "-")) / 4 / 48000
    )
    assert length < min(num_frames / 24, 4) + 0.1


def test_a_file_of_sound_alone_begins_with_the_first_frame(tmp_path: Path) -> None:
    run("-f", "lavfi", "-i", BEEP, str(tmp_path / "beep.mp3"))
    sink = open_sink(
        str(tmp_path / "a.mp4"), (32, 64), FPS, audio=Audio(str(tmp_path / "beep.mp3"), duration=3)
    )
    sink.write(open_source("test:bars", size=(32, 64)).read(72))
    sink.close()
    assert abs(beep_at(tmp_path / "a.mp4") - 1.75) < 1 / 24
    assert probe(str(tmp_path / "a.mp4")).num_frames == 72


def test_sound_that_is_over_before_the_start_leaves_the_frames_alone(tmp_path: Path) -> None:
    run("-f", "lavfi", "-i", BEEP, str(tmp_path / "beep.wav"))
    audio = Audio(str(tmp_path / "beep.wav"), duration=1, start=10)
    sink = open_sink(str(tmp_path / "a.mp4"), (32, 64), FPS, audio=audio)
    sink.write(open_source("test:bars", size=(32, 64)).read(24))
    sink.close()
    assert probe(str(tmp_path / "a.mp4")).num_frames == 24


def test_a_silent_file_has_no_sound_and_a_text_is_refused(clip: Clip, tmp_path: Path) -> None:
    assert sound_of(clip("a.mp4", 3)) is None
    (tmp_path / "text.mp3").write_text("hello")
    for name, said in {"text.mp3": "cannot be read as sound", "absent.mp3": "no such file"}.items():
        with pytest.raises(InputError, match=said):
            sound_of(str(tmp_path / name))
