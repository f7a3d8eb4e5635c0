"""What the model would get, judged by its pixels."""

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

from vacestream import cli, loading
from vacestream.annotators import annotator
from vacestream.errors import OutputError, VacestreamError
from vacestream.events import Event
from vacestream.frames import to_pixels
from vacestream.media.fit import letterbox_on_white
from vacestream.media.images import read_image, write_image
from vacestream.media.sheet import tile
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
from vacestream.preview import make_preview, preview
from vacestream.recipe import load_recipe

SIDE, FRAMES = 32, 12
RECIPE: dict[str, Any] = {
    "input": "clip.mkv",
    "prompt": "a fox",
    "references": ["tall.png", "tall.png"],
    "controls": "gray",
    "mask": {"mode": "bbox", "bbox": [8, 0, 32, 16]},
    "size": "32x32",
    "pipeline": "longlive-1.3b",
}


def footage() -> np.ndarray:
    """[T H W 3]: every frame another."""
    return np.random.default_rng(2).integers(0, 256, (FRAMES, SIDE, SIDE, 3), dtype=np.uint8)


def mask() -> np.ndarray:
    """[H W 1]: the box."""
    region = np.zeros((SIDE, SIDE, 1), bool)
    region[:16, 8:] = True
    return region


def given() -> np.ndarray:
    """[T H W 3]: the control in the box, the footage around it."""
    return np.where(mask(), annotator("gray")(footage()), footage())


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A clip without loss and a tall picture; nothing can be loaded."""

    def fail(**_: Any) -> None:
        raise AssertionError("weights are loaded")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_pipeline", fail)
    sink = open_sink("clip.mkv", (SIDE, SIDE), Fraction(8))
    sink.write(footage())
    sink.close()
    picture = np.zeros((40, 20, 3), np.uint8)
    picture[:20, :, 0] = 200
    write_image(Path("tall.png"), picture)
    return tmp_path


def see(out: str | None = None, *, lossless: bool = False, **keys: Any) -> list[Event]:
    events: list[Event] = []
    said = {key: value for key, value in {**RECIPE, **keys}.items() if value is not None}
    preview(make_preview(load_recipe(said), out, lossless=lossless), report=events.append)
    return events


def frames_of(path: str) -> np.ndarray:
    source = open_source(path)
    frames = source.read(100)
    source.close()
    return frames


def shows(sheet: np.ndarray, frame: np.ndarray) -> list[tuple[int, int]]:
    """Where a sheet shows a frame."""
    patch = np.array(tile(frame))
    height, width = patch.shape[:2]
    corners = np.argwhere((sheet[: -height + 1, : -width + 1] == patch[0, 0]).all(axis=-1))
    return [(int(y), int(x)) for y, x in corners if (sheet[y : y + height, x : x + width] == patch).all()]


def test_the_sheet_shows_source_control_mask_and_references_in_rows() -> None:
    see()
    sheet = read_image(Path("recipe.preview.png"))
    rows = []
    for row in (footage(), given()):
        places = [shows(sheet, row[i]) for i in (0, FRAMES - 1)]
        assert [len(place) for place in places] == [1, 1]
        (first_y, first_x), (last_y, last_x) = places[0][0], places[1][0]
        assert first_y == last_y
        assert first_x < last_x
        rows.append(first_y)
    white = np.where(mask(), 255, 0).astype(np.uint8).repeat(3, axis=-1)
    masks = shows(sheet, white)
    assert len(masks) == 8
    references = shows(sheet, letterbox_on_white(read_image(Path("tall.png")), (SIDE, SIDE)))
    assert len(references) == 2
    assert [*rows, masks[0][0], references[0][0]] == sorted({*rows, masks[0][0], references[0][0]})


def test_a_folder_gets_the_files_that_vace_reads_without_loss_where_asked() -> None:
    see("vcu/", lossless=True)
    assert sorted(path.name for path in Path("vcu").iterdir()) == [
        "src_mask.mkv", "src_ref_image_1.png", "src_ref_image_2.png", "src_video.mkv",
    ]  # fmt: skip
    assert np.abs(frames_of("vcu/src_video.mkv").astype(int) - given()).max() == 0
    masks = np.broadcast_to(np.where(mask(), 255, 0), (FRAMES, SIDE, SIDE, 3))
    assert (frames_of("vcu/src_mask.mkv") == masks).all()
    expected = letterbox_on_white(read_image(Path("tall.png")), (SIDE, SIDE))
    assert (read_image(Path("vcu/src_ref_image_2.png")) == expected).all()


def test_the_mask_is_exact_in_mp4_too() -> None:
    Path("vcu").mkdir()
    see("vcu")
    masks = np.broadcast_to(np.where(mask(), 255, 0), (FRAMES, SIDE, SIDE, 3))
    assert (frames_of("vcu/src_mask.mp4") == masks).all()
    assert frames_of("vcu/src_video.mp4").shape == (FRAMES, SIDE, SIDE, 3)


def test_several_controls_are_several_videos_and_none_is_gray() -> None:
    see("two/", lossless=True, mask=None, controls=["gray", "plain"], references=None)
    assert (frames_of("two/src_video_2.mkv") == footage()).all()
    assert (frames_of("two/src_mask_2.mkv") == 255).all()
    see("none/", lossless=True, mask=None, controls=None, input=None, length="9f")
    assert (frames_of("none/src_video.mkv") == 128).all()
    assert len(list(Path("none").iterdir())) == 4


def test_tensors_are_those_of_the_vcu_and_say_what_they_are() -> None:
    see("vcu.safetensors")
    tensors = load_file("vcu.safetensors")
    shapes = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    assert shapes == {
        "frames": (21, 3, 32, 32), "masks": (21, 1, 32, 32), "latent_masks": (6, 1, 32, 32),
        "references": (2, 3, 32, 32),
    }  # fmt: skip
    assert (tensors["frames"][:FRAMES] == to_pixels(given())).all()
    assert (tensors["masks"] == torch.from_numpy(mask()).float().permute(2, 0, 1)).all()
    with safe_open("vcu.safetensors", "pt") as file:
        said = file.metadata()
    assert said["schema"] == "vacestream.vcu/1"
    assert json.loads(said["num_frames"]) == FRAMES
    assert json.loads(said["prompts"]) == ["a fox", "a fox"]
    assert json.loads(said["recipe"])["input"] == {"path": "clip.mkv"}


def test_it_tells_how_far_it_is() -> None:
    events = see("vcu.safetensors")
    assert [(event.kind, event.frame) for event in events] == [
        ("start", 0), ("chunk", 9), ("chunk", 12), ("done", 12),
    ]  # fmt: skip
    assert events[-1].data == {"outputs": ["vcu.safetensors"]}


@pytest.mark.parametrize(
    ("out", "keys", "said"),
    [
        (None, {"references": None, "controls": None, "mask": None, "input": None, "length": "9f"},
         "T2V: the model gets no VCU, so there is nothing to see; add `references:`"),
        (None, {"mask": {"label": "dog"}}, "vacestream models pull"),
        (None, {"input": "sprites:3"}, "input.path: has no end; add `length:`"),
        ("out.mp4", {}, "out.mp4: not a preview; write sheet.png, a folder with a last /"),
        ("a.safetensors", {"input": "sprites:3", "length": "1h", "size": "480p"}, "GiB of tensors; add"),
    ],
)  # fmt: skip
def test_what_cannot_be_shown_is_refused(out: str | None, keys: dict[str, Any], said: str) -> None:
    with pytest.raises(VacestreamError, match=said):
        see(out, **keys)


def test_a_folder_that_cannot_be_made_is_an_error_of_the_output() -> None:
    with pytest.raises(OutputError, match="cannot be made"):
        see("a/b/")


def test_the_command_writes_says_and_keeps_what_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    Path("fox.yaml").write_text("input: clip.mkv\nprompt: a fox\ncontrols: gray\nsize: 32x32\n")
    assert cli.run(["preview", "fox.yaml"]) == 0
    out, err = capsys.readouterr()
    assert (out, err.splitlines()[0]) == ("", "fox: gray -> fox.preview.png")
    assert err.splitlines()[-1] == "wrote fox.preview.png"
    assert cli.run(["preview", "fox.yaml"]) == 2
    assert "fox.preview.png: exists already; add -y" in capsys.readouterr().err
    assert cli.run(["preview", "fox.yaml", "-q", "-o", "files/"]) == 0
    assert capsys.readouterr().out.split() == ["files/src_video.mp4", "files/src_mask.mp4"]
    assert cli.run(["preview", "fox.yaml", "-y", "--json"]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert (events[-1]["ok"], events[-1]["command"]) == (True, "preview")
    assert events[-1]["jobs"] == [{"recipe": "fox", "ok": True, "outputs": ["fox.preview.png"]}]
