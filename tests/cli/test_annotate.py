"""`vacestream annotate` and `vacestream tasks` as a user meets them."""

import json
from pathlib import Path

import numpy as np
import pytest

from vacestream import cli
from vacestream.media.images import read_image, write_image
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source


class Run:
    """The command line in this process: exit code, stdout, stderr."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: str) -> tuple[int, str, str]:
        code = cli.run(args)
        return (code, *self.capsys.readouterr())


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    return Run(capsys)


@pytest.fixture
def dance(tmp_path: Path) -> str:
    """A lossless clip of 10 frames, 64x48."""
    source = open_source("sprites:7", size=(48, 64))
    sink = open_sink(str(tmp_path / "dance.mkv"), (48, 64), source.fps)
    sink.write(source.read(10))
    sink.close()
    return "dance.mkv"


def frames_of(path: str) -> np.ndarray:
    source = open_source(path)
    frames = source.read(99)
    source.close()
    return frames


def test_a_signal_goes_to_a_lossless_file_named_after_input_and_task(run: Run, dance: str) -> None:
    code, out, err = run("annotate", "gray", dance)
    assert (code, out) == (0, "")
    assert err.splitlines()[0] == "gray of dance.mkv: OpenCV luma -> dance.gray.mkv"
    assert err.splitlines()[-1] == "wrote dance.gray.mkv"
    red, green, blue = np.moveaxis(frames_of(dance).astype(float), -1, 0)
    luma = frames_of("dance.gray.mkv")
    assert np.abs(luma[..., 0] - (0.114 * red + 0.587 * green + 0.299 * blue)).max() <= 0.51
    assert (luma == luma[..., :1]).all()


@pytest.mark.parametrize("task", ["canny", "scribble", "flow", "plain"])
def test_every_signal_of_footage_has_its_length(run: Run, dance: str, task: str) -> None:
    assert run("annotate", task, dance, "-q") == (0, f"dance.{task}.mkv\n", "")
    assert frames_of(f"dance.{task}.mkv").shape == (10, 48, 64, 3)


def test_a_parameter_is_set_and_a_wrong_one_refused_with_the_nearest(run: Run, dance: str) -> None:
    assert run("annotate", "gray", dance, "--set", "luma=bt601", "-o", "b.mkv")[0] == 0
    red, green, blue = np.moveaxis(frames_of(dance).astype(float), -1, 0)
    assert np.abs(frames_of("b.mkv")[..., 0] - (0.299 * red + 0.587 * green + 0.114 * blue)).max() <= 0.51
    for setting, said in (
        ("radus=3", "unknown key 'radus'; did you mean 'radius'?"),
        ("preset=fst", "'fst' is not a preset; did you mean 'fast'?"),
        ("radius=-1", "out of range"),
        ("radius", "not KEY=VALUE"),
    ):
        code, out, err = run("annotate", "flow", dance, "--set", setting)
        assert (code, out) == (2, "")
        assert said in err
    assert not Path("dance.flow.mkv").exists()


def test_a_part_of_the_footage_is_taken(run: Run, dance: str) -> None:
    assert run("annotate", "plain", dance, "--set", "start=2f", "--set", "end=6f", "-q")[0] == 0
    assert (frames_of("dance.plain.mkv") == frames_of(dance)[2:6]).all()


def test_an_mp4_is_for_looking_and_a_folder_takes_the_own_name(run: Run, dance: str) -> None:
    Path("out").mkdir()
    assert run("annotate", "flow", dance, "-o", "x.mp4", "-q") == (0, "x.mp4\n", "")
    assert frames_of("x.mp4").shape == (10, 48, 64, 3)
    assert run("annotate", "flow", dance, "-o", "out/", "-q") == (0, "out/dance.flow.mkv\n", "")


def test_an_output_that_exists_is_kept_unless_y_says_otherwise(run: Run, dance: str) -> None:
    Path("dance.gray.mkv").write_text("mine")
    code, _, err = run("annotate", "gray", dance)
    assert code == 2
    assert "dance.gray.mkv: exists already; add -y to replace it" in err
    assert Path("dance.gray.mkv").read_text() == "mine"
    assert run("annotate", "gray", dance, "-y", "-q")[0] == 0


def test_a_picture_gives_a_picture(run: Run, tmp_path: Path) -> None:
    write_image(tmp_path / "cat.png", np.full((20, 30, 3), (200, 10, 10), np.uint8))
    assert run("annotate", "gray", "cat.png", "-q") == (0, "cat.gray.png\n", "")
    assert (read_image(Path("cat.gray.png")) == 32).all()


@pytest.mark.parametrize(
    ("task", "said"),
    [
        ("flo", "did you mean 'flow'?"),
        ("grey", "did you mean 'gray'?"),
        ("inpainting_bbox", "write 'bbox'"),
        ("swap_anything", "ask for it in a recipe: references, mask"),
    ],
)
def test_a_task_that_is_none_is_answered_with_what_to_write(
    run: Run, dance: str, task: str, said: str
) -> None:
    code, out, err = run("annotate", task, dance)
    assert (code, out) == (2, "")
    assert said in err


@pytest.mark.parametrize("footage", ["dance.mkv", "not-there.mp4"])
def test_missing_weights_exit_with_4_and_are_named(run: Run, dance: str, footage: str) -> None:
    code, out, err = run("annotate", "depth", footage)
    assert (code, out) == (4, "")
    assert "dpt_hybrid-midas-501f0c75.pt of lllyasviel/Annotators" in err
    assert "run `vacestream models pull midas`" in err
    assert err.endswith("[VS-MODEL]\n")


def test_footage_that_is_not_there_exits_with_3(run: Run) -> None:
    code, _, err = run("annotate", "gray", "none.mp4")
    assert (code, err) == (3, "error: none.mp4: no such file   [VS-INPUT]\n")


def test_an_output_that_cannot_be_written_is_refused(run: Run, dance: str) -> None:
    assert run("annotate", "gray", dance, "-o", "x.docx")[0] == 2
    assert run("annotate", "gray", dance, "-o", "none/x.mkv")[0] == 6


def test_a_source_that_knows_the_signal_gives_the_exact_one(run: Run) -> None:
    code, _, err = run("annotate", "depth", "sprites:7", "--set", "end=4f")
    assert (code, err.splitlines()[0]) == (
        0, "depth of sprites:7: exact, sprites:7 knows it -> sprites-7.depth.mkv"
    )  # fmt: skip
    exact = open_source("sprites:7", signal="depth").read(4)
    assert (frames_of("sprites-7.depth.mkv") == exact).all()
    code, _, err = run("annotate", "flow", "sprites:7", "--set", "end=4f", "--set", "preset=medium")
    assert "flow of sprites:7: OpenCV DIS" in err
    code, _, err = run("annotate", "flow", "sprites:7")
    assert code == 2
    assert "sprites:7: has no end; add --set end=4s" in err


def test_a_mask_is_black_and_white_and_named_mask(run: Run, dance: str, tmp_path: Path) -> None:
    write_image(tmp_path / "m.png", np.repeat([[[0] * 3, [255] * 3]], 6, axis=0).astype(np.uint8))
    code, out, _ = run("annotate", "bbox", dance, "--set", "bbox=[8, 8, 20, 50%]", "-q")
    assert (code, out) == (0, "dance.mask.mkv\n")
    mask = frames_of("dance.mask.mkv")
    assert (mask[:, 8:24, 8:20].min(), mask.sum()) == (255, 10 * 16 * 12 * 3 * 255)
    assert run("annotate", "mask", dance, "--set", "mask=m.png", "-yq")[0] == 0
    mask = frames_of("dance.mask.mkv")
    assert set(np.unique(mask)) == {0, 255}
    assert (mask[:, 24, 0].max(), mask[:, 24, 63].min()) == (0, 255)
    code, _, err = run("annotate", "bbox", dance)
    assert code == 2
    assert "bbox: needs bbox; add --set bbox=" in err


def test_outpainting_and_extension_write_frames_and_their_mask(run: Run, dance: str) -> None:
    code, out, _ = run("annotate", "outpainting", dance, "--set", "left=0.5", "-q")
    assert (code, out.split()) == (0, ["dance.outpainting.mkv", "dance.outpainting.mask.mkv"])
    frames, mask = (frames_of(path) for path in out.split())
    assert frames.shape == mask.shape == (10, 48, 96, 3)
    assert (frames[:, :, 32:] == frames_of(dance)).all()
    assert (frames[mask == 255] == 128).all()
    code, out, _ = run("annotate", "firstclip", dance, "--set", "expand_num=7", "-o", "next.mkv", "-q")
    assert (code, out.split()) == (0, ["next.mkv", "next.mask.mkv"])
    frames, mask = (frames_of(path) for path in out.split())
    assert (frames[:10] == frames_of(dance)).all()
    assert (len(frames), frames[10:].min(), mask[:10].max(), mask[10:].min()) == (17, 128, 0, 255)
    assert run("annotate", "firstclip", dance, "-o", "-")[0] == 2


def test_layout_takes_boxes_as_a_recipe_writes_them(run: Run, dance: str) -> None:
    boxes = "boxes=[{at: 0f, bbox: [4, 4, 24, 24]}, {at: 9f, bbox: [30, 20, 60, 44]}]"
    assert run("annotate", "layout_bbox", dance, "--set", boxes, "-q")[0] == 0
    drawn = frames_of("dance.layout_bbox.mkv")[..., 0]
    y, x = np.nonzero(drawn[9] < 128)
    assert (x.min(), y.min(), x.max() + 1, y.max() + 1) == (29, 19, 61, 45)
    code, _, err = run("annotate", "layout_bbox", dance, "--set", "boxes=[{at: 3, bbox: [4, 4, 24, 24]}]")
    assert code == 2
    assert "3 has no unit" in err


def test_json_is_events_and_an_envelope(run: Run, dance: str) -> None:
    code, out, err = run("annotate", "canny", dance, "--json")
    lines = [json.loads(line) for line in out.splitlines()]
    assert (code, err) == (0, "")
    assert [line.get("event") for line in lines] == ["start", "chunk", "chunk", "done", None]
    assert (lines[0]["num_frames"], lines[-2]["frame"]) == (10, 10)
    assert lines[-1]["jobs"] == [{"task": "canny", "ok": True, "outputs": ["dance.canny.mkv"]}]
    code, out, _ = run("annotate", "depth", dance, "--json")
    envelope = json.loads(out)
    assert (code, envelope["ok"], envelope["jobs"][0]["error"]["code"]) == (4, False, "VS-MODEL")


def test_footage_cut_off_half_way_leaves_no_finished_file(
    run: Run, dance: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from vacestream.annotators.gray import Gray
    from vacestream.errors import InputError

    def fail(self: Gray, frames: np.ndarray) -> np.ndarray:
        if len(frames) < 8:
            raise InputError("cut off")
        return frames

    monkeypatch.setattr(Gray, "__call__", fail)
    assert run("annotate", "gray", dance)[0] == 3
    assert not Path("dance.gray.mkv").exists()
    assert len(frames_of("dance.gray.part.mkv")) == 8


VACES = """
depth depthv2 pose pose_body flow scribble canny gray layout_bbox layout_track plain
firstframe lastframe firstlastframe firstclip lastclip firstlastclip framerefext
salient mask bbox masktrack bboxtrack maskpointtrack maskbboxtrack pointtrack salientmasktrack
salientbboxtrack label caption outpainting outpainting_inner image_reference image_face image_salient
reference_anything animate_anything swap_anything expand_anything move_anything composition
"""


def test_every_task_of_vace_is_listed_with_what_it_takes_what_makes_it_and_its_licence(run: Run) -> None:
    rows = {row["task"]: row for row in json.loads(run("tasks", "--json")[1])}
    for name in VACES.split():
        row = rows[name]
        assert all(isinstance(row[key], str) and row[key] for key in ("inputs", "model", "licence", "recipe"))
        assert row["built"]
        choices = row["choices"].values()
        assert all(set(choice) == {"model", "licence", "built"} for choice in choices)
    assert rows["bboxtrack"]["choices"]["sam2"]["model"] == "SAM2"
    assert rows["depthv2"]["choices"]["depth-anything-v2-large"]["licence"] == "CC-BY-NC-4.0"
    assert not rows["depthv2"]["choices"]["video-depth-anything"]["built"]
    assert "face" in rows["image_reference"]["parameters"]["mode"]["enum"]
    assert rows["image_reference"]["choices"]["label"]["model"] == "Grounding DINO and SAM2"


def test_tasks_lists_every_row_and_its_needs(run: Run) -> None:
    from vacestream.annotators import TASKS

    code, out, _ = run("tasks")
    assert code == 0
    listed = [line.split()[0] for line in out.splitlines() if line.startswith("  ")]
    assert listed == list(TASKS)
    rows = {row["task"]: row for row in json.loads(run("tasks", "--json")[1])}
    assert list(rows) == list(TASKS)
    assert rows["flow"]["built"]
    assert rows["flow"]["parameters"]["preset"]["enum"] == ["ultrafast", "fast", "medium"]
    (midas,) = rows["depth"]["weights"]
    assert (midas["repo"], midas["file"]) == ("lllyasviel/Annotators", "dpt_hybrid-midas-501f0c75.pt")
    assert (midas["licence"], midas["commercial"], midas["sha256"][:8]) == ("MIT", True, "501f0c75")
    assert rows["depth"]["built"]
