"""`vacestream live` from end to end with tiny weights, judged by the pixels that come out.

A small box in the middle is made anew; around it the footage is kept, so that every frame says its number.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from itertools import groupby
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from tests.live.cameras import recording
from tests.media.conftest import clip, told  # noqa: F401
from tests.media.test_feed import port, runs, sending
from tests.tiny import tiny_pipeline
from vacestream import cli, loading
from vacestream.media import ffmpeg
from vacestream.media.sources import open_source
from vacestream.models.load import Pipeline

EDIT = {
    "prompt": "a fox",
    "mask": {"mode": "bbox", "bbox": ["45%", "0%", "55%", "25%"]},
    "size": "64x32",
    "device": "cpu",
    "output": "out.mkv",
}
Clip = Callable[..., str]
Live = Callable[..., tuple[int, str]]


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """Tiny weights, shared by all."""
    return tiny_pipeline()


@pytest.fixture
def live(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Live:
    """live(*options, command="live", **keys): the exit code and what stderr got."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: pipeline)

    def live(*options: str, command: str = "live", **keys: Any) -> tuple[int, str]:
        Path("edit.yaml").write_text(yaml.safe_dump({**EDIT, **keys}))
        return cli.run([command, "edit.yaml", *options]), capsys.readouterr().err

    return live


def seen(where: str | Path) -> np.ndarray:
    """[T H W 3] of a file."""
    source = open_source(str(where))
    frames = source.read(1000)
    source.close()
    return frames


def test_live_makes_the_frames_that_render_makes(live: Live, clip: Clip) -> None:  # noqa: F811
    """Stages side by side, latent by latent, and into a camera beside: the same bits, at their own pace."""
    keys = {"input": clip("a.mp4", 26, fps=Fraction(24)), "strength": 0.7, "controls": "gray"}
    assert live(command="render", **keys)[0] == 0
    with recording() as cameras:
        code, err = live("-o", "live.mkv", "-o", "camera:vacestream", **keys)
    assert code == 0, err
    np.testing.assert_array_equal(seen("live.mkv"), seen("out.mkv"))
    (camera,) = cameras
    assert camera.closed
    shown = [number for number, _ in groupby(told(np.stack(camera.frames)))]
    assert shown[-26:] == [*range(26)]


def test_a_pipe_to_a_pipe_loses_no_frame(live: Live, clip: Clip, tmp_path: Path) -> None:  # noqa: F811
    """ffmpeg -> y4m -> vacestream -> a named pipe -> ffmpeg."""
    os.mkfifo(tmp_path / "out.fifo")
    args = ["-i", clip("a.mp4", 30), "-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "-"]
    piped = subprocess.run([ffmpeg.exe(), "-v", "error", *args], capture_output=True, check=True).stdout
    Path("in.y4m").write_bytes(piped)
    reader = subprocess.Popen(
        [ffmpeg.exe(), "-v", "error", "-f", "yuv4mpegpipe", "-i", "out.fifo", "-c:v", "ffv1", "read.mkv"]
    )
    with Path("in.y4m").open("rb") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        code, err = live("-i", "-", "-o", "out.fifo")
    assert code == 0, err
    assert reader.wait(20) == 0
    assert told(seen("read.mkv")) == [*range(30)]


def test_mpegts_on_stdin_loses_no_frame(live: Live, clip: Clip) -> None:  # noqa: F811
    args = ["-i", clip("a.mp4", 30), "-c", "copy", "-f", "mpegts", "in.ts"]
    subprocess.run([ffmpeg.exe(), "-v", "error", *args], check=True)
    with Path("in.ts").open("rb") as file, pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        code, err = live("-i", "-")
    assert code == 0, err
    assert told(seen("out.mkv")) == [*range(30)]


def test_a_stream_that_is_lost_and_comes_back_does_not_end_the_line(live: Live, clip: Clip) -> None:  # noqa: F811
    """Over TCP in and out: a camera gets a picture at every beat, the last one while nothing comes."""
    number, path, ended = port(), clip("a.mp4", 48), threading.Event()

    def send() -> None:
        while not ended.is_set():
            with sending(path, f"tcp://127.0.0.1:{number}", "mpegts") as sender:
                for _ in range(15):
                    if sender.poll() is None:
                        ended.wait(0.1)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    with recording() as cameras:
        code, err = live("-i", f"tcp://127.0.0.1:{number}?listen=1", "-o", "camera:out", length="60f", fps=24)
    ended.set()
    sender.join(10)
    assert code == 0, err
    shown = told(np.stack(cameras[0].frames))
    assert "it is opened again" in err
    assert runs(shown) > 20


def test_a_row_whose_chunks_wait_for_each_other_is_given_as_many_as_it_needs(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = tiny_pipeline(step_batch=True, commit_pass=False, recache="none")
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: made)
    code, err = live(input="test:counter", length="69f", fps=96)
    assert code == 0, err
    assert len(seen("out.mkv")) == 69


def test_the_first_ctrl_c_ends_an_endless_line_with_files_that_are_whole(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vacestream.live.outputs import Doors

    write, calls = Doors.write, iter(range(1000))

    def written(self: Doors, *args: Any) -> None:
        write(self, *args)
        if next(calls) == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Doors, "write", written)
    code, err = live(input="test:counter", length="endless", fps=96)
    assert code == 130
    assert "stopping when this chunk is made" in err
    frames = len(seen("out.mkv"))
    assert frames >= 9
    assert (frames - 9) % 12 == 0
    assert f"stopped after {frames} frames; what was written is complete" in err


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"output": "a.png"}, "a still is not live"),
        ({"output": {"path": "a.mp4", "save": "sheet"}}, "is for `vacestream render`"),
        ({"mode": "batch"}, "batch makes the whole clip at once"),
        ({"live": {"latency_budget": "2 chunks"}}, "is no budget"),
        ({"output": "camera:nobody"}, "sudo modprobe v4l2loopback devices=1"),
    ],
)
def test_what_cannot_run_live_is_refused_before_anything_is_loaded(
    live: Live, monkeypatch: pytest.MonkeyPatch, keys: dict[str, Any], said: str
) -> None:
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: pytest.fail("a pipeline was loaded"))
    code, err = live(**{"input": "sprites:1", **keys})
    assert code == (6 if "camera:nobody" in str(keys) else 2)
    assert said in err


def test_flags_are_short_for_the_recipe_and_judged_with_it(live: Live) -> None:
    code, err = live("-i", "camera:0", command="render")
    assert code == 2
    assert "-i: input.path: a device or stream is for `vacestream live`" in err
    assert (
        "live.overflow: 'never' is not an overflow"
        in live("--set", "live.overflow=never", input="sprites:1")[1]
    )
    assert "latency_budget" in live("--latency-budget", "soon", input="sprites:1")[1]
