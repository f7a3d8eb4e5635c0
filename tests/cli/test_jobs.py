"""Renders that are stopped, gone on with, cut short, multiplied, redone: the whole line, tiny weights."""

import errno
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import vacestream.run as line
from tests.cli.test_endings import ROOT, before_chunk, probe_frames, raised
from tests.tiny import tiny_pipeline
from vacestream import cli, loading, resume
from vacestream.errors import InputError
from vacestream.media import ffmpeg
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
from vacestream.stream import Stream

FRAMES = 33
"""Three chunks: 9, 12 and 12 frames."""
RECIPE = f"prompt: a fox\nlength: {FRAMES}f\nsize: 32x32\ndevice: cpu\noutput: fox.mkv\n"

Patch = pytest.MonkeyPatch
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: Patch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """`vacestream render ...` with tiny weights, kept at every chunk: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: tiny_pipeline())
    monkeypatch.setattr(resume, "SHARE", 0)
    Path("fox.yaml").write_text(RECIPE)

    def run(*args: str) -> tuple[int, str, str]:
        code = cli.run(["render", *args])
        return code, *capsys.readouterr()

    return run


@pytest.fixture
def whole(run: Run) -> np.ndarray:
    """The frames of fox.yaml, rendered without a stop."""
    assert run("fox.yaml", "-o", "whole.mkv")[0] == 0
    return frames_of("whole.mkv")


def frames_of(name: str) -> np.ndarray:
    source = open_source(name)
    frames = source.read(10 * FRAMES)
    source.close()
    return frames


def left(stem: str = "fox") -> set[str]:
    """What is in the folder besides the recipe."""
    return {path.name for path in Path().glob(f"{stem}*")} - {"fox.yaml"}


def unloaded(monkeypatch: Patch) -> None:
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: pytest.fail("a pipeline was loaded"))


def interrupted(run: Run, *args: str, chunk: int = 1) -> tuple[int, str, str]:
    """A render that Ctrl-C stops in a chunk."""
    with pytest.MonkeyPatch.context() as patch:
        before_chunk(patch, chunk, raised(signal.SIGINT))
        return run(*args)


def footage(name: str) -> None:
    """Noise of 33 frames at 16 fps, with a tone under it."""
    sink = open_sink("noise.mkv", (32, 32), Fraction(16))
    sink.write(np.random.default_rng(3).integers(0, 256, (FRAMES, 32, 32, 3), dtype=np.uint8))
    sink.close()
    tone = ["-f", "lavfi", "-t", "2", "-i", "sine=frequency=440", "-map", "0:v", "-map", "1:a"]
    command = [ffmpeg.exe(), "-v", "error", "-i", "noise.mkv", *tone, "-c:v", "copy", "-c:a", "aac", name]
    subprocess.run(command, check=True)
    Path("noise.mkv").unlink()


OUTPUTS = """
output:
  - {path: fox.mkv, save: [control, sheet]}
  - fox.mp4
  - fox/%03d.png
"""


def test_a_stopped_render_goes_on_and_leaves_the_files_of_one_that_never_stopped(
    run: Run, monkeypatch: Patch
) -> None:
    footage("clip.mkv")
    said = "prompt: a fox\ninput: ../clip.mkv\ncontrols: flow\nsize: 32x32\ndevice: cpu\n"
    for folder in ("whole", "parts"):
        Path(folder).mkdir()
        monkeypatch.chdir(folder)
        Path("fox.yaml").write_text(said + OUTPUTS)
        if folder == "parts":
            code, _, err = interrupted(run, "fox.yaml")
            assert code == 130
            assert (
                "after 21 of 33 frames; what was made plays as NAME.part.*; --resume goes on with it" in err
            )
            assert {"fox.part.mkv", "fox.part.mp4", "fox.mkv.resume"} <= left()
            code, out, _ = run("fox.yaml", "--resume", "--json")
            events = [json.loads(text) for text in out.splitlines()]
            assert [(e["event"], e["frame"], e["chunk"]) for e in events[:-1]] == [
                ("start", 21, 2), ("chunk", 33, 3), ("done", 33, 3)
            ]  # fmt: skip
        else:
            code, _, _ = run("fox.yaml")
        assert code == 0
        assert left() == {"fox", "fox.mkv", "fox.mp4", "fox.json", "fox.sheet.png", "fox.control.mkv"}
        monkeypatch.chdir("..")
    for name in ("fox.mp4", "fox.sheet.png", *(f"fox/{i:03}.png" for i in range(1, FRAMES + 1))):
        assert Path("whole", name).read_bytes() == Path("parts", name).read_bytes(), name
    for name in ("fox.mkv", "fox.control.mkv"):
        assert np.array_equal(frames_of(f"whole/{name}"), frames_of(f"parts/{name}"))
    chunks = [json.loads(Path(folder, "fox.json").read_text())["chunks"] for folder in ("whole", "parts")]
    assert [[chunk["num_frames"] for chunk in log] for log in chunks] == [[9, 12, 12]] * 2


DRIVER = """
import sys, time
import vacestream.run as line
from tests.tiny import tiny_pipeline
from vacestream import loading, resume
from vacestream.cli import main
loading.load_pipeline = lambda **_: tiny_pipeline()
resume.SHARE = 0
make = line.make_vcus
def make_vcus(*args, **kwargs):
    for i, item in enumerate(make(*args, **kwargs)):
        if i == 6:
            print("waits", flush=True)
            time.sleep(600)
        yield item
line.make_vcus = make_vcus
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing is killed like that here")
def test_the_file_plays_half_way_and_a_killed_render_goes_on_with_the_same_frames(run: Run) -> None:
    said = ("fox.yaml", "--set", "length=105f", "-o", "fox.mkv", "-o", "fox.mp4")
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, "render", *said],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdout is not None
        assert process.stdout.readline() == "waits\n"
        seen, until = 0, time.monotonic() + 60
        while seen < 32 and time.monotonic() < until:
            seen = probe_frames(Path("fox.part.mp4"))
            time.sleep(0.1)
        process.kill()
    assert seen >= 32
    assert not Path("fox.mp4").exists()
    code, _, err = run(*said)
    assert code == 2
    assert "fox.mkv: an unfinished render is there, 69 of 105 frames; --resume goes on with it" in err
    code, _, err = run(*said, "--resume")
    assert code == 0
    assert "going on after 69 frames" in err
    finished, film = frames_of("fox.mkv"), Path("fox.mp4").read_bytes()
    assert run(*said, "-y")[0] == 0
    assert len(finished) == 105
    assert np.array_equal(finished, frames_of("fox.mkv"))
    assert film == Path("fox.mp4").read_bytes()


def test_another_recipe_input_or_version_cannot_go_on_and_what_differs_is_named(
    run: Run, monkeypatch: Patch
) -> None:
    footage("clip.mkv")
    said = ("fox.yaml", "-i", "clip.mkv", "--set", "controls=gray")
    assert interrupted(run, *said)[0] == 130
    unloaded(monkeypatch)
    for change, told in (
        ("prompt=a hen", 'recipe.prompt ("a fox" then, "a hen" now)'),
        (
            "seed=4",
            "recipe.seed (nothing then, 4 now); take that back to go on with --resume, or start over with -y",
        ),
        ("size=64x32", 'recipe.size ("32x32" then, "64x32" now)'),
        ("length=21f", 'recipe.length ("33f" then, "21f" now)'),
    ):
        code, _, err = run(*said, "--set", change, "--resume")
        assert code == 2
        assert f"error: fox.mkv: was begun otherwise: {told}" in err
    monkeypatch.setattr(resume, "versions", lambda: {"vacestream": "9"})
    assert "versions.vacestream (" in run(*said, "--resume")[2]
    with Path("clip.mkv").open("ab") as file:
        file.write(b"\0")
    assert "inputs.input.path (" in run(*said, "--resume")[2]


def test_what_is_unfinished_is_written_over_only_where_y_says_so(run: Run, whole: np.ndarray) -> None:
    assert interrupted(run, "fox.yaml")[0] == 130
    code, _, err = run("fox.yaml")
    assert code == 2
    assert "fox.mkv: an unfinished render is there, 21 of 33 frames; --resume goes on with it, -y" in err
    code, _, err = run("fox.yaml", "--resume", "-y")
    assert (code, "leave one of them out" in err) == (2, True)
    assert "fox.mkv.resume" in left()
    assert run("fox.yaml", "-y")[0] == 0
    assert left() == {"fox.mkv", "fox.json"}
    assert np.array_equal(frames_of("fox.mkv"), whole)


def test_resume_begins_what_is_not_begun_and_leaves_alone_what_is_finished(
    run: Run, whole: np.ndarray, monkeypatch: Patch
) -> None:
    Path("fox.part.mkv").write_text("of a render that kept nothing")
    assert run("fox.yaml", "--resume")[0] == 0
    assert np.array_equal(frames_of("fox.mkv"), whole)
    unloaded(monkeypatch)
    code, _, err = run("fox.yaml", "--resume")
    assert (code, err) == (0, "fox: fox.mkv is finished already\n")
    code, _, err = run("fox.yaml", "--resume", "--set", "seed=4")
    assert code == 2
    assert "fox.mkv: exists already" in err


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_a_render_that_filled_the_disk_goes_on(run: Run, whole: np.ndarray) -> None:
    Path("fox.part.mkv").symlink_to("/dev/full")
    code, _, err = run("fox.yaml", "-y")
    assert code == 6
    assert "No space left on device" in err
    assert "fox.mkv.resume" in left()
    Path("fox.part.mkv").unlink()
    code, _, err = run("fox.yaml", "--resume")
    assert code == 0
    assert "going on after" in err
    assert np.array_equal(frames_of("fox.mkv"), whole)


def test_a_disk_without_room_for_the_state_costs_the_way_back_and_not_the_video(
    run: Run, whole: np.ndarray, monkeypatch: Patch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Stream, "save", full)
    code, _, err = run("fox.yaml")
    assert code == 0
    assert "warning: what is made from here on cannot be kept for --resume ([Errno 28] No space" in err
    assert left() == {"fox.mkv", "fox.json"}
    assert np.array_equal(frames_of("fox.mkv"), whole)


def test_a_state_is_written_only_where_that_is_cheap(run: Run, monkeypatch: Patch) -> None:
    """A render of seconds whose state would take minutes keeps none, but where it is told to stop."""
    saves: list[Path] = []
    save = Stream.save
    monkeypatch.setattr(Stream, "save", lambda self, path: (saves.append(path), save(self, path)))
    monkeypatch.setattr(resume, "SHARE", 20)
    monkeypatch.setattr(resume, "BYTES_A_SECOND", 1.0)
    assert run("fox.yaml")[0] == 0
    assert saves == []
    assert interrupted(run, "fox.yaml", "-y")[0] == 130
    assert [path.name for path in saves] == ["2.state"]


def test_a_look_stops_at_the_border_at_or_past_a_moment_and_can_be_gone_on_with(
    run: Run, whole: np.ndarray
) -> None:
    for moment, frames in (("10f", 21), ("0.5s", 9), ("2 chunks", 21)):
        code, out, err = run("fox.yaml", "-y", "--stop-after", moment)
        assert (code, out) == (0, "")
        assert f"fox: stopped, as asked, after {frames} of 33 frames" in err
        assert np.array_equal(frames_of("fox.part.mkv"), whole[:frames])
        assert left() == {"fox.part.mkv", "fox.mkv.resume"}
    code, out, _ = run("fox.yaml", "--resume", "--json")
    assert (code, json.loads(out.splitlines()[-1])["ok"]) == (0, True)
    assert np.array_equal(frames_of("fox.mkv"), whole)
    code, _, err = run("fox.yaml", "-y", "--stop-after", "10")
    assert code == 2
    assert "error: --stop-after: '10' is not a time; write 4s" in err


def test_a_matrix_makes_every_job_with_one_pipeline_also_when_one_fails(run: Run, monkeypatch: Patch) -> None:
    loaded: list[object] = []
    steer = line.steering

    def steering(plan):
        if (plan.seed, plan.recipe.context_scale) == (1, 0.5):
            raise InputError("as it was told")
        return steer(plan)

    monkeypatch.setattr(loading, "load_pipeline", lambda **asked: loaded.append(asked) or tiny_pipeline())
    monkeypatch.setattr(line, "steering", steering)
    matrix = ("--matrix", "seed=1..2", "--matrix", "context_scale=0.5,1.0")
    code, out, err = run("fox.yaml", *matrix, "--set", "length=9f", "--json")
    assert code == 1
    assert "1 of 4 jobs failed" in err
    ends = json.loads(out.splitlines()[-1])["jobs"]
    assert [end.get("outputs") for end in ends] == [
        None, ["fox-seed1-context_scale1.0.mkv"], ["fox-seed2-context_scale0.5.mkv"],
        ["fox-seed2-context_scale1.0.mkv"],
    ]  # fmt: skip
    assert ends[0]["output"] == "fox-seed1-context_scale0.5.mkv"
    assert len(loaded) == 1
    assert run("fox.yaml", "--set", "length=9f", "--set", "seed=2", "-o", "one.mkv")[0] == 0
    assert np.array_equal(frames_of("one.mkv"), frames_of("fox-seed2-context_scale1.0.mkv"))
    assert run("fox.yaml", *matrix, "--set", "length=9f", "--resume")[0] == 1
    assert len(loaded) == 2  # none for those that are finished, nor for one that fails before it needs them


@pytest.mark.parametrize(
    ("args", "told"),
    [
        (("--matrix", "seed=1,1"), "fox-seed1.mkv would be written twice"),
        (("--matrix", "seed=1..2", "-o", "{recipe}-{seed}.mkv", "fox.yaml"), "would be written twice"),
        (("--matrix", "seed=8..1"), "--matrix seed=8..1: not 1 to 1000 values"),
        (("--matrix", "context_scale=0.1..0.5"), "a range is of whole numbers; list the values"),
        (("--matrix", "seed"), "--matrix seed: not KEY=VALUES"),
        (("--matrix", "seed=1", "--matrix", "seed=2"), "--matrix seed: stands twice"),
        (("--matrix", "sed=1..2"), "did you mean 'seed'?"),
    ],
)
def test_a_wrong_matrix_is_refused_before_the_first_job(
    run: Run, monkeypatch: Patch, args: tuple[str, ...], told: str
) -> None:
    unloaded(monkeypatch)
    code, _, err = run("fox.yaml", *args)
    assert code == 2
    assert told in err
    assert left() == set()


@pytest.fixture
def old(run: Run) -> np.ndarray:
    """57 frames in 5 chunks, finished: fox.mkv."""
    assert run("fox.yaml", "--set", "length=57f", "--set", "seed=3")[0] == 0
    return frames_of("fox.mkv")


def test_a_part_made_anew_by_the_same_recipe_is_the_same_and_by_another_only_that_part_differs(
    run: Run, old: np.ndarray
) -> None:
    assert run("fox.mkv", "--redo", "25f..40f", "-q")[:2] == (0, "fox.redo.mkv\n")
    assert np.array_equal(frames_of("fox.redo.mkv"), old)
    code, _, err = run("fox.mkv", "--redo", "25f..40f")
    assert code == 2
    assert "fox.redo.mkv: exists already" in err
    code, _, err = run("fox.mkv", "--redo", "25f..40f", "--set", "seed=7", "-y")
    assert code == 0
    assert "redo: frames 21..44 of 57 (chunks 2..3) of fox.mkv" in err
    new = frames_of("fox.mkv")
    same = [bool(np.array_equal(a, b)) for a, b in zip(new, old, strict=True)]
    assert same == [True] * 21 + [False] * 24 + [True] * 12
    told = json.loads(Path("fox.json").read_text())
    assert (told["recipe"]["seed"], told["redone"][0]["frames"]) == (3, "21..44")
    assert told["redone"][0]["recipe"]["seed"] == 7
    _, _, err = run("fox.mkv", "-o", "first.mkv")
    assert "note: frames 21..44 of fox.mkv were redone by another recipe" in err
    assert np.array_equal(frames_of("first.mkv"), old)
    assert left("fox") == {"fox.mkv", "fox.json", "fox.redo.mkv", "fox.redo.json"}


def test_a_part_that_does_not_fit_is_refused(run: Run, old: np.ndarray, monkeypatch: Patch) -> None:
    unloaded(monkeypatch)
    for args, told in (
        (("--redo", "50f..80f"), "50f..80f is frames 50..79 of a video of 0..56; write a range inside it"),
        (("--redo", "later"), "'later' is not a range"),
        (("--redo", "0f..9f", "--set", "size=64x64"), "--redo: size is another than the video's"),
        (("--redo", "0f..9f", "--set", "length=33f"), "--redo: length is another than the video's"),
        (("--redo", "0f..9f", "--resume"), "--redo is of a finished video; leave --resume out"),
        (
            ("--redo", "0f..9f", "-o", "none.mkv"),
            "none.mkv: --redo is of a finished video, and there is none",
        ),
    ):
        code, _, err = run("fox.mkv", *args)
        assert code == 2, args
        assert told in err
    assert np.array_equal(frames_of("fox.mkv"), old)


def test_stdout_holds_the_video_and_nothing_else(
    monkeypatch: Patch, capfdbinary: pytest.CaptureFixture[bytes], tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: tiny_pipeline())
    Path("fox.yaml").write_text(RECIPE)
    assert cli.run(["render", "fox.yaml", "-o", "-", "--json"]) == 0
    out, err = capfdbinary.readouterr()
    header, _, frames = out.partition(b"\n")
    assert header.startswith(b"YUV4MPEG2 W32 H32 F16:1")
    assert len(frames) == FRAMES * (len(b"FRAME\n") + 32 * 32 * 3 // 2)
    assert [json.loads(text)["schema"] for text in err.splitlines()] == [
        "vacestream.start/1", *["vacestream.chunk/1"] * 3, "vacestream.done/1", "vacestream.envelope/1"
    ]  # fmt: skip
    assert left() == set()
