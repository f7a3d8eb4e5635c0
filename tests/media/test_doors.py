"""Footage of every kind through the `render` command, judged by the pixels that come out.

A small box in the middle is made anew by tiny weights; around it the footage is kept, so that every frame
still says its number.
"""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

from tests.tiny import tiny_pipeline
from vacestream import cli, loading
from vacestream.media import ffmpeg
from vacestream.media.probe import probe
from vacestream.media.sources import open_source
from vacestream.models.load import Pipeline

Clip = Callable[..., str]
Numbers = Callable[[np.ndarray], list[int]]
Render = Callable[..., tuple[int, str]]

EDIT = {
    "prompt": "a fox",
    "mask": {"mode": "bbox", "bbox": ["45%", "0%", "55%", "25%"]},
    "size": "64x32",
    "device": "cpu",
    "output": "out.mkv",
}
X264 = ("-c:v", "libx264", "-crf", "10", "-pix_fmt", "yuv420p")


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    """Tiny weights, shared by every render."""
    return tiny_pipeline()


@pytest.fixture
def render(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Render:
    """render(input, **keys): the exit code and what stderr got; the recipe is in the current folder."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: pipeline)

    def render(given: object, **keys: Any) -> tuple[int, str]:
        said = {key: value for key, value in {"input": given, **EDIT, **keys}.items() if value is not None}
        Path("edit.yaml").write_text(yaml.safe_dump(said))
        return cli.run(["render", "edit.yaml"]), capsys.readouterr().err

    return render


def seen(where: str | Path) -> np.ndarray:
    """[T H W 3] of a file."""
    source = open_source(str(where))
    frames = source.read(1000)
    source.close()
    return frames


def run_ffmpeg(*args: str) -> bytes:
    return subprocess.run([ffmpeg.exe(), "-v", "error", "-y", *args], capture_output=True, check=True).stdout


@contextmanager
def stdin(file: Any) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "stdin", SimpleNamespace(buffer=file))
        yield


@contextmanager
def stdout(file: Any) -> Iterator[None]:
    """What children write to stdout goes to this file, which is closed."""
    saved = os.dup(1)
    os.dup2(file.fileno(), 1)
    file.close()
    try:
        yield
    finally:
        os.dup2(saved, 1)
        os.close(saved)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, [*range(24)]),
        ({"start": "500ms"}, [*range(12, 24)]),
        ({"start": "6f", "end": "15f"}, [*range(6, 15)]),
        ({"start": "20f", "at_end": "loop", "length": "9f"}, [20, 21, 22, 23, 20, 21, 22, 23, 20]),
        ({"start": "20f", "at_end": "hold", "length": "9f"}, [20, 21, 22, 23, 23, 23, 23, 23, 23]),
    ],
)
def test_a_rate_of_24000_1001_is_kept_with_every_frame_that_is_asked_for(
    render: Render, clip: Clip, numbers: Numbers, given: dict[str, str], expected: list[int]
) -> None:
    keys = {"length": given["length"]} if "length" in given else {}
    path = clip("a.mp4", 24, fps=Fraction(24000, 1001))
    span = {key: value for key, value in given.items() if key != "length"}
    assert render({"path": path, **span}, **keys)[0] == 0
    assert numbers(seen("out.mkv")) == expected
    assert probe("out.mkv").fps == Fraction(24000, 1001)


def test_a_turned_clip_is_upright(render: Render, clip: Clip, numbers: Numbers) -> None:
    run_ffmpeg("-display_rotation", "90", "-i", clip("a.mp4", 12), "-c", "copy", "turned.mp4")
    beside = {"mode": "bbox", "bbox": ["0%", "45%", "25%", "55%"]}
    assert render("turned.mp4", size="32x64", mask=beside)[0] == 0
    frames = seen("out.mkv")
    assert frames.shape == (12, 64, 32, 3)
    assert numbers(np.rot90(frames, -1, axes=(1, 2))) == list(range(12))


def test_an_odd_size_is_fitted(render: Render, clip: Clip, numbers: Numbers) -> None:
    path = clip("a.mkv", 10, "-c:v", "ffv1", "-pix_fmt", "bgr0", size=(33, 65))
    assert render(path)[0] == 0
    assert numbers(seen("out.mkv")) == list(range(10))


def test_crop_fills_and_letterbox_shows_everything(render: Render, clip: Clip) -> None:
    path = clip("a.mp4", 2)
    for fit, bars in (("crop", False), ("letterbox", True)):
        assert render(path, size="64x64", fit=fit, output=f"{fit}.mkv")[0] == 0
        frame = seen(f"{fit}.mkv")[1]
        assert bool((frame[[0, 15, 48, 63], 4] == 0).all()) == bars
        assert np.abs(frame[32, [8, 56]].astype(int) - [[8], [24]]).max() <= 3


def test_a_variable_rate_is_made_constant_and_the_sound_stays_with_its_frame(
    render: Render, clip: Clip, numbers: Numbers
) -> None:
    dropped = ["-vf", "select=not(between(n\\,10\\,19))", "-fps_mode", "vfr"]
    beep = "aevalsrc=exprs=if(between(t\\,1.25\\,1.35)\\,sin(2000*PI*t)\\,0):d=2:s=48000"
    whole = clip("whole.mkv", 48, *dropped, *X264)
    run_ffmpeg("-i", whole, "-f", "lavfi", "-i", beep, "-c:v", "copy", "-c:a", "aac", "a.mkv")
    assert render("a.mkv", output="out.mp4")[0] == 0
    assert numbers(seen("out.mp4")) == [9 if 10 <= i < 20 else i for i in range(48)]
    mono = ["-af", "aresample=async=1:first_pts=0", "-ac", "1", "-ar", "48000", "-f", "f32le", "-"]
    loud = np.abs(np.frombuffer(run_ffmpeg("-i", "out.mp4", *mono), np.float32)) > 0.3
    assert abs(np.argmax(loud) / 48000 - 30 / 24) < 1 / 24


@pytest.mark.parametrize("name", ["shots", "shots/%d.png", "shots/3.png"])
def test_images_come_in_natural_order_and_a_still_is_held(render: Render, name: str) -> None:
    Path("shots").mkdir()
    for number in range(1, 13):
        Image.new("RGB", (64, 32), (number * 10,) * 3).save(f"shots/{number}.png")
    still = name.endswith("3.png")
    given = {"path": name, "at_end": "hold"} if still else name
    assert render(given, **({"length": "5f"} if still else {}))[0] == 0
    assert seen("out.mkv")[:, 30, 2, 0].tolist() == ([30] * 5 if still else [*range(10, 130, 10)])


def test_more_than_8_bits_and_hdr_are_told(render: Render, clip: Clip, numbers: Numbers) -> None:
    deep = clip("deep.mkv", 9, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le")
    code, err = render(deep)
    assert (code, numbers(seen("out.mkv"))) == (0, list(range(9)))
    assert "warning: " in err
    assert "deep.mkv: is more than 8 bits deep, which is read as 8-bit SDR" in err
    tagged = ["-vf", "setparams=color_primaries=bt2020:color_trc=smpte2084:colorspace=bt2020nc"]
    hdr = clip("hdr.mkv", 9, *tagged, "-c:v", "ffv1", "-pix_fmt", "yuv420p10le")
    code, err = render(hdr, output="hdr.mp4")
    assert code == 0
    assert "hdr.mkv: is HDR, which is tone-mapped to 8-bit SDR" in err
    assert probe("hdr.mp4").transfer == "iec61966-2-1"


@pytest.mark.parametrize(("matrix", "span"), [("bt470bg", "tv"), ("smpte170m", "pc"), ("bt2020nc", "tv")])
def test_the_colours_of_kept_footage_are_kept_and_told(
    render: Render, clip: Clip, tmp_path: Path, matrix: str, span: str
) -> None:
    primaries, transfer = {"bt2020nc": ("bt2020", "bt2020-10")}.get(matrix, (matrix, "smpte170m"))
    says = f"colorspace={matrix}:range={span}:color_primaries={primaries}:color_trc={transfer}"
    scale = f"scale=out_color_matrix={matrix.removesuffix('bg').removesuffix('nc')}:out_range={span}"
    Image.fromarray(palette()).save("colours.png")
    run_ffmpeg("-loop", "1", "-i", "colours.png", "-frames:v", "3", "-vf", f"{scale},setparams={says}",
               "-crf", "5", "-pix_fmt", "yuv420p", "a.mp4")  # fmt: skip
    assert render("a.mp4", output=["out.mp4", "out.mkv"])[0] == 0
    info, lossless = probe("out.mp4"), probe("out.mkv")
    assert (info.matrix, info.range, info.primaries, info.transfer) == (matrix, span, primaries, transfer)
    assert (lossless.primaries, lossless.transfer) == (primaries, transfer)
    for made in ("out.mp4", "out.mkv"):
        assert np.abs(seen(made)[1, 24, 8::16].astype(int) - palette()[24, 8::16]).max() <= 4


def palette() -> np.ndarray:
    """[32 64 3]: four colours beside each other."""
    colours = np.array([(200, 30, 40), (20, 180, 60), (40, 60, 220), (250, 250, 250)], np.uint8)
    return np.broadcast_to(colours.repeat(16, axis=0), (32, 64, 3)).copy()


def test_footage_whose_pixels_go_nowhere_lends_no_colours(render: Render, clip: Clip) -> None:
    path = clip("a.mp4", 2, "-vf", "scale=out_range=pc,setparams=range=pc", *X264)
    assert render(path, mask=None, controls="gray", output="out.mp4")[0] == 0
    assert probe("out.mp4").range == "tv"


def test_several_outputs_show_the_same_frames_at_sizes_and_rates_of_their_own(
    render: Render, clip: Clip, numbers: Numbers
) -> None:
    outputs = [
        {"path": "whole.mkv", "audio": "none"},
        "frames/%03d.png",
        "last.png",
        {"path": "slow.mkv", "fps": 16},
        {"path": "fast.mkv", "fps": "50"},
        {"path": "tall.mp4", "size": "64x64", "codec": "h265", "crf": 12},
        {"path": "small.mkv", "size": "32x16", "codec": "h264"},
        {"path": "frames.bin", "format": "rawvideo"},
        {"path": "edit.mov", "codec": "prores_ks"},
    ]
    assert render(clip("a.mp4", 24), output=outputs)[0] == 0
    whole = seen("whole.mkv")
    assert numbers(whole) == list(range(24))
    assert np.array_equal(seen("frames/%03d.png"), whole)
    assert np.array_equal(seen("last.png")[0], whole[-1])
    assert np.array_equal(np.fromfile("frames.bin", np.uint8).reshape(whole.shape), whole)
    times = {"slow.mkv": Fraction(16), "fast.mkv": Fraction(50)}
    for name, fps in times.items():
        info, shown = probe(name), numbers(seen(name))
        assert (info.fps, len(shown)) == (fps, fps)
        late = [Fraction(i) / fps - Fraction(number, 24) for i, number in enumerate(shown)]
        assert all(-1 / (2 * fps) < time <= Fraction(1, 24) - 1 / (2 * fps) for time in late)
    tall = seen("tall.mp4")
    assert tall[:, :16].mean() < 2
    assert tall[:, 48:].mean() < 2
    assert np.abs(tall[:, 16:48].astype(int) - whole).mean() < 6
    assert (seen("small.mkv").shape, numbers(seen("small.mkv"))) == ((24, 16, 32, 3), list(range(24)))
    with pytest.warns(UserWarning, match="more than 8 bits"):
        assert numbers(seen("edit.mov")) == list(range(24))
    assert b"hvc1" in Path("tall.mp4").read_bytes()


def test_ffmpeg_pipes_in_and_out_frame_by_frame(render: Render, clip: Clip, numbers: Numbers) -> None:
    """ffmpeg -i a.mp4 -f yuv4mpegpipe - | vacestream render edit.yaml | ffmpeg -i - back.mkv"""
    path = clip("a.mp4", 40, fps=Fraction(24000, 1001))
    reads = [ffmpeg.exe(), "-v", "error", "-i", path, "-f", "yuv4mpegpipe", "-"]
    writes = [ffmpeg.exe(), "-v", "error", "-i", "-", "-c:v", "ffv1", "back.mkv"]
    with (
        subprocess.Popen(reads, stdout=subprocess.PIPE) as before,
        subprocess.Popen(writes, stdin=subprocess.PIPE) as after,
        stdin(before.stdout),
    ):
        controls = [{"signal": "gray"}, {"signal": "plain", "scale": 0.5}]
        outputs = [{"path": "-", "save": "sheet"}, "out.mkv"]
        with stdout(after.stdin):
            code, err = render("-", controls=controls, output=outputs)
    assert (code, after.returncode) == (0, 0), err
    assert "edit: gray + plain + inpainting, 64x32, length of the input, pipeline sprites -> -, " in err
    assert numbers(seen("back.mkv")) == numbers(seen("out.mkv")) == list(range(40))
    assert probe("back.mkv").fps == Fraction(24000, 1001)
    (sheet,) = Path().glob("*.sheet.png")
    assert probe(str(sheet)).size[1] > 8 * 256  # eight tiles across, though the end came unannounced


def test_a_length_cuts_a_pipe_and_a_pipe_that_ends_before_it_is_never_done(
    render: Render, clip: Clip, numbers: Numbers
) -> None:
    data = Path(clip("a.y4m", 24, "-pix_fmt", "yuv420p"))
    with data.open("rb") as file, stdin(file):
        assert render("-", length="13f")[0] == 0
    assert numbers(seen("out.mkv")) == list(range(13))
    with data.open("rb") as file, stdin(file):
        code, err = render("-", length="30f", output="late.mkv")
    assert code == 3
    assert "edit.yaml:2: input: ended after 24 of 30 frames; shorten `length:`, or add `at_end: hold`" in err
    assert (Path("late.mkv").exists(), numbers(seen("late.part.mkv"))) == (False, list(range(24)))
    with data.open("rb") as file, stdin(file):
        assert render({"path": "-", "at_end": "hold"}, length="26f", output="held.mkv")[0] == 0
    assert numbers(seen("held.mkv")) == [*range(24), 23, 23]


def test_beside_a_pipe_other_footage_needs_a_length(render: Render, clip: Clip) -> None:
    clip("mask.mkv", 12, "-c:v", "ffv1")
    with Path(clip("a.y4m", 24, "-pix_fmt", "yuv420p")).open("rb") as file, stdin(file):
        code, err = render("-", mask="mask.mkv")
    assert (code, Path("out.part.mkv").exists()) == (2, False)
    assert "input.path: is piped in and as long as it turns out to be; add `length:`" in err
    for audio, said in (
        ("mask.mkv", "mask.mkv has no sound"),
        ("source", "- has no sound"),
        ("-", "stdin is read"),
    ):
        with Path("a.y4m").open("rb") as file, stdin(file):
            code, err = render("-", length="9f", output={"path": "out.mkv", "audio": audio})
        assert code in (2, 3)
        assert said in err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
@pytest.mark.parametrize(("name", "form"), [("pipe", None), ("pipe", "rawvideo"), ("pipe.mkv", None)])
def test_named_pipes_lead_in_and_out(
    render: Render, clip: Clip, numbers: Numbers, name: str, form: str | None
) -> None:
    os.mkfifo("in")
    os.mkfifo(name)
    data, got = Path(clip("a.y4m", 24, "-pix_fmt", "yuv420p")).read_bytes(), list[bytes]()
    threads = [
        threading.Thread(target=lambda: Path("in").write_bytes(data)),
        threading.Thread(target=lambda: got.append(Path(name).read_bytes())),
    ]
    for thread in threads:
        thread.start()
    piped = {"path": name, "format": form} if form else name
    code, err = render("in", controls="gray", length="24f", output=["out.mkv", piped])
    for thread in threads:
        thread.join(20)
    assert code == 0, err
    whole = seen("out.mkv")
    assert numbers(whole) == list(range(24))
    if form == "rawvideo":
        assert got[0] == whole.tobytes()
        return
    Path("got").write_bytes(got[0])
    assert numbers(seen("got")) == list(range(24))
    assert np.array_equal(seen("got"), whole) == (name == "pipe.mkv")


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes here")
def test_a_reader_of_a_named_pipe_that_leaves_exits_with_6_and_the_other_output_plays(
    render: Render, clip: Clip
) -> None:
    os.mkfifo("pipe")

    def leave() -> None:
        with Path("pipe").open("rb") as file:
            file.read(100)

    thread = threading.Thread(target=leave)
    thread.start()
    code, err = render(clip("a.mp4", 33), output=["out.mkv", "pipe"])
    thread.join(20)
    assert code == 6
    assert "pipe: the encoder stopped (" in err
    part = Path("out.part.mkv")  # gone where the reader left with the last frame
    assert 9 <= len(seen(str(part) if part.exists() else "out.mkv")) <= 33


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ({"path": "a.mp4", "codec": "h266"}, "output.0.codec: 'h266' is not a codec; did you mean 'h265'?"),
        (
            {"path": "a.mp4", "codec": "ffv1"},
            "ffv1 does not go into mp4, which holds h264 or h265; write one of",
        ),
        (
            {"path": "a.y4m", "codec": "h264"},
            "y4m, which has no codec; leave it out, or name a .mp4, .mkv or .mov",
        ),
        ({"path": "-", "codec": "h264"}, "h264 does not go into y4m, which has no codec"),
        ({"path": "a.mp4", "format": "mkv"}, "a.mp4 is mp4 by its ending, not mkv; leave one of the two out"),
        ({"path": "a.mp4", "format": "avi"}, "output.0.format: 'avi' is not a format; write one of mp4, mkv"),
        (
            {"path": "a.mkv", "crf": 20},
            "a.mkv has no quality to choose; leave it out, or write `codec: h264`",
        ),
        ({"path": "a.mp4", "size": "65x33"}, "65x33 has an odd side, which a.mp4 cannot hold; write 64x32"),
        ({"path": "a.png", "codec": "h264"}, "a.png is a picture, which has none; leave it out"),
        ({"path": "a.png", "fps": 12}, "a.png is one picture, which has no rate; leave it out"),
        (
            {"path": "a.mp4", "fps": "0/1"},
            "'0/1' is not a frame rate; write a number up to 240, or 24000/1001",
        ),
        ("sprites:3", "sprites:3 is a source, which nothing can be written to; name a file"),
    ],
)
def test_what_an_output_cannot_mean_is_refused_with_what_it_can(
    render: Render, clip: Clip, output: object, said: str
) -> None:
    code, err = render(clip("a.mp4", 2), output=output)
    assert code == 2
    assert said in err


def test_a_codec_that_does_not_open_here_is_refused_with_those_that_do(
    render: Render, clip: Clip, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vacestream import encodings

    monkeypatch.setattr(encodings, "refusal", lambda name: "no such library" if name == "libx265" else None)
    monkeypatch.setattr(encodings, "opening", lambda: iter(["h264", "ffv1"]))
    code, err = render(clip("a.mp4", 2), output={"path": "out.mp4", "codec": "h265"})
    assert code == 6
    assert "libx265 does not open here (no such library); write h264 or ffv1" in err
