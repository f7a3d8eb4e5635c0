"""Which sound an output has, judged by the beeps in it."""

import re
import subprocess
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vacestream.errors import InputError, RecipeError
from vacestream.media import ffmpeg
from vacestream.media.probe import probe
from vacestream.media.sinks import open_sink
from vacestream.outputs import Outputs
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe

RATE = 48000


def run_ffmpeg(*args: str) -> bytes:
    return subprocess.run([ffmpeg.exe(), "-v", "error", "-y", *args], capture_output=True, check=True).stdout


def beep(*seconds: float, duration: float = 4) -> list[str]:
    """ffmpeg's input of silence with beeps of 0.1 s at these times."""
    at = "+".join(f"between(t\\,{time}\\,{time + 0.1})" for time in seconds)
    return ["-f", "lavfi", "-i", f"aevalsrc=exprs=if({at}\\,sin(2000*PI*t)\\,0):d={duration}:s={RATE}"]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """clip.mp4 beeps at 0.5 and 2.75 of 4 s, music.wav at 0.25 and 1 of 4 s, silent.mkv never."""
    monkeypatch.chdir(tmp_path)
    sink = open_sink("silent.mkv", (32, 32), Fraction(8))
    sink.write(np.zeros((32, 32, 32, 3), np.uint8))
    sink.close()
    copied = ["-map", "0:v", "-map", "1:a", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-c:a", "aac"]
    run_ffmpeg("-i", "silent.mkv", *beep(0.5, 2.75), *copied, "clip.mp4")
    run_ffmpeg(*beep(0.25, 1), "music.wav")
    return tmp_path


def plan(**keys: Any) -> Plan:
    said = {"input": "clip.mp4", "prompt": "x", "controls": "gray", "size": "32x32", "device": "cpu"}
    return make_plan(load_recipe({**said, "output": {"path": "out.mp4"}, **keys}))


def made(plan: Plan) -> Path:
    """The first output, of black frames."""
    with Outputs(plan) as outputs:
        outputs.write(np.zeros((plan.num_frames or 0, *(plan.size or ()), 3), np.uint8))
    return Path(plan.outputs[0].path)


def beeps(path: Path) -> list[float]:
    """Seconds on the file's own clock at which a beep begins."""
    mono = ["-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", str(RATE), "-f", "f32le", "-"]
    loud = np.abs(np.frombuffer(run_ffmpeg("-i", str(path), "-map", "0:a", *mono), np.float32)) > 0.3
    times = np.flatnonzero(loud) / RATE
    return [float(time) for i, time in enumerate(times) if i == 0 or time - times[i - 1] > 0.05]


def near(*seconds: float) -> Any:
    return pytest.approx(list(seconds), abs=0.03)


def test_the_sound_of_the_input_is_kept_unless_none_is_wanted(folder: Path) -> None:
    assert beeps(made(plan())) == near(0.5, 2.75)
    assert not probe(str(made(plan(output={"path": "mute.mp4", "audio": "none"})))).has_audio
    assert beeps(made(plan(output={"path": "a.mkv", "audio": "source"}))) == near(0.5, 2.75)


def test_sound_begins_and_ends_with_the_pictures_that_are_shown(folder: Path) -> None:
    assert beeps(made(plan(input={"path": "clip.mp4", "start": "2s"}))) == near(0.75)
    assert beeps(made(plan(input={"path": "clip.mp4", "end": "2s"}, output="end.mp4"))) == near(0.5)
    assert beeps(made(plan(length="2s", output="short.mp4"))) == near(0.5)
    assert beeps(made(plan(fps=4, output="slow.mp4"))) == near(0.5, 2.75)


def test_sound_is_repeated_where_the_pictures_are(folder: Path) -> None:
    loop = {"path": "clip.mp4", "start": "2s", "end": "3500ms", "at_end": "loop"}
    assert beeps(made(plan(input=loop, length="4s"))) == near(0.75, 2.25, 3.75)


def test_sound_stops_where_the_pictures_do(folder: Path) -> None:
    hold = {"path": "clip.mp4", "end": "1s", "at_end": "hold"}
    assert beeps(made(plan(input=hold, length="4s"))) == near(0.5)


def test_a_file_is_laid_under_the_video_from_its_start(folder: Path) -> None:
    output = {"path": "out.mkv", "audio": "music.wav"}
    late = plan(input={"path": "clip.mp4", "start": "2s"}, length="6f", output=output)
    assert beeps(made(late)) == near(0.25)


def test_outputs_that_hold_no_sound_are_silent_without_a_word(folder: Path) -> None:
    frames = made(plan(output="frames/%03d.png", length="3f"))
    assert len(list(frames.parent.iterdir())) == 3
    assert not probe(str(made(plan(output="out.y4m", length="3f")))).has_audio
    assert not probe(str(made(plan(input="silent.mkv", output="quiet.mp4")))).has_audio


@pytest.mark.parametrize(
    ("output", "error", "said"),
    [
        ({"path": "a.mp4", "audio": "none.wav"}, InputError, "output.0.audio: none.wav: no such file"),
        ({"path": "a.mp4", "audio": "silent.mkv"}, InputError, "silent.mkv has no sound; leave `audio:` out"),
        ({"path": "a.y4m", "audio": "source"}, RecipeError, "a.y4m holds no sound; write an .mp4 or .mkv"),
        ({"path": "a/%d.png", "audio": "music.wav"}, RecipeError, "a/%d.png holds no sound"),
    ],
)
def test_sound_that_cannot_be_had_is_refused(folder: Path, output: Any, error: Any, said: str) -> None:
    with pytest.raises(error, match=re.escape(said)):
        plan(output=output)


def test_a_source_without_sound_is_refused_by_name(folder: Path) -> None:
    with pytest.raises(RecipeError, match="sprites:3 has no sound"):
        plan(input="sprites:3", length="9f", output={"path": "a.mp4", "audio": "source"})
    with pytest.raises(InputError, match=r"silent\.mkv has no sound"):
        plan(input="silent.mkv", output={"path": "a.mp4", "audio": "source"})
