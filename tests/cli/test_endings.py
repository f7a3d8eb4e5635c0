"""How a render ends: one test or more for each exit code, through the whole line with tiny weights."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

import vacestream.run as line
from tests.tiny import tiny_pipeline
from vacestream import cli, loading
from vacestream.media.probe import probe
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
from vacestream.models.vae import Decoder
from vacestream.weights import places

ROOT = Path(__file__).parents[2]
FRAMES = 33
"""Three chunks: 9, 12 and 12 frames."""

Patch = pytest.MonkeyPatch
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(monkeypatch: Patch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Renders fox.yaml with tiny weights; gives the exit code and what stderr got."""
    monkeypatch.chdir(tmp_path)
    Path("fox.yaml").write_text(f"prompt: a fox\nlength: {FRAMES}f\nsize: 32x32\noutput: fox.mkv\n")
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: tiny_pipeline())

    def run(*options: str) -> tuple[int, str]:
        code = cli.run(["render", "fox.yaml", *options])
        return code, capsys.readouterr().err

    return run


@pytest.fixture
def unloaded(monkeypatch: Patch) -> None:
    """Fails where anything is loaded."""
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: pytest.fail("a pipeline was loaded"))


def frames_of(name: str) -> int:
    source = open_source(name, size=None, fps=None)
    try:
        return len(source.read(10 * FRAMES))
    finally:
        source.close()


def left() -> set[str]:
    """What is in the folder besides the recipe."""
    return {path.name for path in Path().iterdir()} - {"fox.yaml", "fox.mkv.resume"}


def before_chunk(monkeypatch: Patch, index: int, act: Callable[[], object]) -> None:
    """Do this when a chunk is asked for."""
    make = line.make_vcus

    def make_vcus(*args, **kwargs) -> Iterator[object]:
        for i, item in enumerate(make(*args, **kwargs)):
            if i == index:
                act()
            yield item

    monkeypatch.setattr(line, "make_vcus", make_vcus)


def decoded(monkeypatch: Patch, index: int, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    """Change the pixels [T 3 H W] of one chunk."""
    push, calls = Decoder.push, iter(range(FRAMES))

    def pushed(self: Decoder, latents: torch.Tensor) -> torch.Tensor:
        pixels = push(self, latents).clone()
        return change(pixels) if next(calls) == index else pixels

    monkeypatch.setattr(Decoder, "push", pushed)


def raised(*signals: signal.Signals) -> Callable[[], None]:
    return lambda: [signal.raise_signal(number) for number in signals] and None


def test_a_render_that_is_done_exits_with_0_and_the_name_is_there(run: Run) -> None:
    code, _ = run()
    assert code == 0
    assert frames_of("fox.mkv") == FRAMES
    assert "fox.part.mkv" not in left()


def test_a_chunk_that_is_not_finite_is_never_done(run: Run, monkeypatch: Patch) -> None:
    def spoil(pixels: torch.Tensor) -> torch.Tensor:
        pixels[2, 0, 0, 0] = torch.nan
        return pixels

    decoded(monkeypatch, 1, spoil)
    code, err = run()
    assert code == 1
    assert "error: chunk 1, frame 11: the model gave numbers that are not finite; try" in err
    assert "[VS-JOB]" in err
    assert left() == {"fox.part.mkv"}
    assert frames_of("fox.part.mkv") == 9


def test_a_chunk_of_one_colour_is_never_done(run: Run, monkeypatch: Patch) -> None:
    decoded(monkeypatch, 2, lambda pixels: torch.full_like(pixels, 0.5))
    code, err = run()
    assert code == 1
    assert "error: chunk 2, frame 21: it and the 11 frames after it are all of one colour; try" in err
    assert left() == {"fox.part.mkv"}


def test_one_pixel_of_another_colour_is_enough(run: Run, monkeypatch: Patch) -> None:
    def dot(pixels: torch.Tensor) -> torch.Tensor:
        pixels = torch.full_like(pixels, 0.5)
        pixels[-1, 0, 0, 0] = 0.6
        return pixels

    decoded(monkeypatch, 2, dot)
    assert run()[0] == 0


def test_a_chunk_of_one_colour_is_done_where_the_control_is_of_one_colour(
    run: Run, monkeypatch: Patch
) -> None:
    for value, expected in ((0, 0), (None, 1)):
        sink = open_sink("depth.mkv", (32, 32), line_fps())
        noise = np.random.default_rng(0).integers(0, 256, (FRAMES, 32, 32, 3), dtype=np.uint8)
        sink.write(np.full_like(noise, value) if value is not None else noise)
        sink.close()
        decoded(monkeypatch, 1, lambda pixels: torch.full_like(pixels, -1))
        assert run("-y", "--set", "controls={signal: depth, video: depth.mkv}")[0] == expected


def line_fps():
    from fractions import Fraction

    return Fraction(16)


@pytest.mark.usefixtures("unloaded")
def test_an_output_that_exists_exits_with_2(run: Run) -> None:
    Path("fox.mkv").write_text("mine")
    assert run()[0] == 2
    assert Path("fox.mkv").read_text() == "mine"


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize(
    ("said", "message"),
    [
        ("promt=x", "'promt'; did you mean 'prompt'?"),
        ("seed=x", "--set seed: "),
        ("length=8", "8 has no unit; write 8s for seconds or 8f for frames"),
        ("size=70x70", "70x70 has a side that is no multiple of 16; write 64x64"),
        ("references=[a.png, b.png, c.png, d.png]", "references: "),
        ("version=2", "version: "),
        ("input=sprites:3", "input: nothing uses it; add"),
        (
            "mask={mode: bbox, bbox: [0, 0, 9, 9]}",
            "mask: keeps the input where it is black, and there is none",
        ),
        ("expect=R2V", "R2V"),
        ("output={path: fox.mp4, codec: prores}", "prores does not go into mp4"),
    ],
)
def test_what_a_recipe_cannot_mean_exits_with_2_and_says_what_it_can(
    run: Run, said: str, message: str
) -> None:
    code, err = run("--set", said)
    assert code == 2
    assert message in err
    assert err.endswith("[VS-RECIPE]\n")
    assert left() == set()


@pytest.mark.usefixtures("unloaded")
@pytest.mark.parametrize(
    ("name", "said", "message"),
    [
        ("absent.png", "references=absent.png", "absent.png: no such file"),
        ("empty.mp4", "controls={signal: gray, from: empty.mp4}", "empty.mp4: is empty"),
        ("text.png", "references=text.png", "text.png: is not an image"),
        ("cut.mp4", "controls={signal: gray, from: cut.mp4}", "cut.mp4: "),
        ("text.mp4", "controls={signal: gray, from: text.mp4}", "text.mp4: cannot be read as video"),
        ("short.mkv", "mask=short.mkv", "mask.mask: gives 5 frames of 33; bring one as long as the video"),
    ],
)
def test_footage_that_cannot_be_read_or_is_too_short_exits_with_3(
    run: Run, name: str, said: str, message: str
) -> None:
    make_broken(Path(name))
    masked = ("--set", "input=sprites:3") if said.startswith("mask") else ()
    code, err = run(*masked, "--set", said)
    assert code == 3, err
    assert message in err
    assert err.endswith("[VS-INPUT]\n")
    assert left() == {name} - {"absent.png"}


def make_broken(path: Path) -> None:
    """What the name says: empty, text, cut off, or 5 frames."""
    match path.stem:
        case "empty":
            path.touch()
        case "text":
            path.write_text("hello")
        case "cut" | "short":
            frames = np.random.default_rng(0).integers(0, 256, (5, 64, 64, 3), dtype=np.uint8)
            sink = open_sink(str(path), (64, 64), line_fps())
            sink.write(frames)
            sink.close()
            if path.stem == "cut":
                path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_weights_that_are_published_elsewhere_are_named_with_repository_and_file(
    run: Run, monkeypatch: Patch, tmp_path: Path
) -> None:
    from vacestream.models.load import load_pipeline

    monkeypatch.setattr(loading, "load_pipeline", load_pipeline)
    monkeypatch.setattr(loading, "free_memory", lambda device: 1 << 50)
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "hub"))
    code, err = run("--set", "pipeline=longlive-1.3b", "--set", "size=832x480")
    assert code == 4
    for named in ("Efficient-Large-Model/LongLive-1.3B", "Wan-AI/Wan2.1-T2V-1.3B", "Wan2.1_VAE.pth"):
        assert named in err
    assert left() == set()


@pytest.mark.usefixtures("unloaded")
def test_a_folder_in_the_place_of_the_output_exits_with_6(run: Run) -> None:
    Path("fox.mkv").mkdir()
    code, err = run("-y")
    assert code == 6
    assert "fox.mkv: is a folder; name a file in it" in err


def test_missing_weights_exit_with_4_and_are_named(run: Run, monkeypatch: Patch, tmp_path: Path) -> None:
    from vacestream.models.load import load_pipeline

    monkeypatch.setattr(loading, "load_pipeline", load_pipeline)
    monkeypatch.setattr(places, "files", lambda package: tmp_path / "nowhere")
    code, err = run()
    assert code == 4
    assert "weights/config.json: the weights of sprites are missing; install vacestream again" in err
    assert left() == set()


@pytest.mark.usefixtures("unloaded")
def test_an_estimate_over_the_device_exits_with_5_before_anything_is_loaded(
    run: Run, monkeypatch: Patch
) -> None:
    monkeypatch.setattr(loading, "free_memory", lambda device: 1 << 20)
    code, err = run("--set", "size=480x480")
    assert code == 5
    assert "error: out of memory: needs " in err
    assert "cpu has 1.0 MiB free" in err
    assert left() == set()


def test_running_out_of_memory_exits_with_5_and_leaves_what_was_made(run: Run, monkeypatch: Patch) -> None:
    def fail() -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    before_chunk(monkeypatch, 1, fail)
    code, err = run()
    assert code == 5
    assert "error: out of memory while it ran" in err
    assert frames_of("fox.part.mkv") == 9


@pytest.mark.usefixtures("unloaded")
def test_a_missing_folder_exits_with_6_before_anything_is_loaded(run: Run) -> None:
    code, err = run("-o", "absent/fox.mp4")
    assert code == 6
    assert err == "error: absent/fox.mp4: there is no folder 'absent'; make it first   [VS-OUTPUT]\n"
    assert run("-o", "absent/frames/%05d.png")[0] == 6


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no disk here is always full")
def test_a_full_disk_exits_with_6_in_the_words_of_the_encoder(run: Run) -> None:
    Path("fox.part.mkv").symlink_to("/dev/full")
    code, err = run("-y")
    assert code == 6
    assert "No space left on device" in err
    assert "fox.mkv" not in left()


@pytest.mark.skipif(not hasattr(signal, "SIGPIPE"), reason="pipes end otherwise here")
def test_a_reader_that_leaves_exits_with_6(run: Run) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    stdout = os.dup(1)
    os.dup2(writer, 1)
    try:
        code, err = run("-o", "-")
    finally:
        os.dup2(stdout, 1)
        for end in (stdout, writer):
            os.close(end)
    assert code == 6
    assert "error: -: the encoder stopped (" in err


def test_ctrl_c_finishes_the_chunk_and_closes_the_files(run: Run, monkeypatch: Patch) -> None:
    handler = signal.getsignal(signal.SIGINT)
    before_chunk(monkeypatch, 1, raised(signal.SIGINT))
    code, err = run()
    assert code == 130
    assert re.search(
        r"warning: stopping when this chunk is made, in about \d+ s; Ctrl-C again stops now\n", err
    )
    assert "error: interrupted after 21 of 33 frames" in err
    assert left() == {"fox.part.mkv"}
    assert frames_of("fox.part.mkv") == 21
    assert signal.getsignal(signal.SIGINT) is handler


def test_ctrl_c_in_the_last_chunk_is_too_late(run: Run, monkeypatch: Patch) -> None:
    before_chunk(monkeypatch, 2, raised(signal.SIGINT))
    assert run()[0] == 0
    assert frames_of("fox.mkv") == FRAMES


def test_ctrl_c_starts_no_other_job(run: Run, monkeypatch: Patch) -> None:
    Path("hen.yaml").write_text("prompt: a hen\nlength: 9f\nsize: 32x32\n")
    before_chunk(monkeypatch, 2, raised(signal.SIGINT))
    code, err = run("hen.yaml", "--json")
    assert code == 130
    assert "before the first chunk" in err
    assert {"fox.mkv"} <= left()
    assert not [name for name in left() if name.startswith("hen.") and name != "hen.yaml"]


@pytest.mark.parametrize(
    ("signals", "code", "name"),
    [
        ((signal.SIGINT, signal.SIGINT), 130, "VS-INTERRUPTED"),
        ((signal.SIGTERM,), 143, "VS-TERMINATED"),
        ((signal.SIGINT, signal.SIGTERM), 143, "VS-TERMINATED"),
    ],
)
def test_a_second_ctrl_c_and_sigterm_stop_now_and_what_is_there_plays(
    run: Run, monkeypatch: Patch, signals: tuple[signal.Signals, ...], code: int, name: str
) -> None:
    before_chunk(monkeypatch, 1, raised(*signals))
    got, err = run()
    assert got == code
    assert err.splitlines()[-1].endswith(f"[{name}]")
    assert left() == {"fox.part.mkv"}
    assert frames_of("fox.part.mkv") == 9


def test_json_ends_with_an_envelope_also_when_it_was_interrupted(
    monkeypatch: Patch, run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    before_chunk(monkeypatch, 1, raised(signal.SIGINT))
    assert cli.run(["render", "fox.yaml", "--json"]) == 130
    envelope = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (envelope["ok"], envelope["jobs"][0]["error"]["code"]) == (False, "VS-INTERRUPTED")


DRIVER = """
import sys
import vacestream.loading as loading
from tests.tiny import tiny_pipeline
from vacestream.cli import main
loading.load_pipeline = lambda **_: tiny_pipeline()
main()
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="nothing is killed like that here")
def test_a_killed_render_leaves_a_part_that_plays(tmp_path: Path) -> None:
    args = ["render", "-", "--json", "-o", "fox.mp4"]
    with subprocess.Popen(
        [sys.executable, "-c", DRIVER, *args],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    ) as process:  # fmt: skip
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("prompt: a fox\nlength: 10m\nsize: 32x32\n")
        process.stdin.close()
        events = (json.loads(text) for text in process.stdout)
        done = next(event["frame"] for event in events if event.get("chunk", 0) >= 3)
        process.kill()
    part, until = tmp_path / "fox.part.mp4", time.monotonic() + 60
    while probe_frames(part) < done and time.monotonic() < until:
        time.sleep(0.1)
    assert probe_frames(part) >= done
    assert not (tmp_path / "fox.mp4").exists()


def probe_frames(path: Path) -> int:
    """Frames that a player finds in a file that may still grow."""
    from vacestream.errors import InputError

    try:
        return probe(str(path)).num_frames or 0
    except InputError:
        return 0
