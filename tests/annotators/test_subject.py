"""What is cut out of a picture, where the nets answer as they do for things that are known."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from vacestream import cli
from vacestream.annotators import TASKS, arguments, load
from vacestream.errors import InputError, RecipeError
from vacestream.frames import to_frames
from vacestream.inputs import prepare_reference
from vacestream.media.fit import letterbox_on_white, place
from vacestream.media.images import read_image, write_image
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.recipe.masks import REFERENCE_MODES

RED, GROUND = (230, 40, 40), (90, 90, 90)
TOP, LEFT, BOTTOM, RIGHT = 30, 60, 54, 84


@pytest.fixture(autouse=True)
def _nets_and_pictures(finders: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """photo.png: a red thing with a dark corner on gray; where.png: white there, but for the corner."""
    monkeypatch.setenv("VACESTREAM_MODELS", str(finders))
    monkeypatch.chdir(tmp_path)
    write_image(Path("photo.png"), photo())
    mask = np.zeros((90, 120, 3), np.uint8)
    mask[TOP:BOTTOM, LEFT:RIGHT] = 255
    mask[TOP : TOP + 6, LEFT : LEFT + 6] = 0
    write_image(Path("where.png"), mask)


def photo() -> np.ndarray:
    picture = np.full((90, 120, 3), GROUND, np.uint8)
    picture[TOP:BOTTOM, LEFT:RIGHT] = RED
    picture[TOP : TOP + 6, LEFT : LEFT + 6] = 20
    return picture


def cut(**settings: Any) -> np.ndarray:
    """What image_reference makes of the photo."""
    row = TASKS["image_reference"]
    parameters = row.parameters.model_validate(settings)
    row = row.chosen(parameters)
    return load(row)(photo(), **arguments(row, parameters), device="cpu")


def test_all_of_a_picture_stays_as_it_is() -> None:
    assert (cut() == photo()).all()


def test_a_box_is_cropped_and_a_mask_is_white_outside() -> None:
    assert (cut(bbox=[LEFT, TOP, RIGHT, BOTTOM]) == photo()[TOP:BOTTOM, LEFT:RIGHT]).all()
    assert cut(bbox=["50%", "0%", "100%", "50%"]).shape == (45, 60, 3)
    part = cut(mask="where.png")
    assert part.shape == (BOTTOM - TOP, RIGHT - LEFT, 3)
    assert (part[:6, :6] == 255).all()
    assert (part[6:] == RED).all()


def test_what_stands_out_and_a_face_are_found_where_they_are() -> None:
    salient = cut(mode="salient")
    assert abs(salient.shape[0] - 24) <= 4
    assert np.median(salient, axis=(0, 1)).tolist() == list(RED)
    assert (salient[:5, :5] == 255).all(), "what does not stand out is white"
    face = cut(mode="face")
    assert abs(face.shape[0] - 24) <= 1
    assert np.median(face, axis=(0, 1)).tolist() == list(RED)
    assert not (face == 255).all(axis=-1).any(), "what is behind a face stays"


def test_grabcut_is_chosen_by_name_and_cuts_a_thing_out_of_a_box() -> None:
    part = cut(mode="bboxtrack", bbox=[LEFT - 12, TOP - 12, RIGHT + 12, BOTTOM + 12], net="grabcut")
    assert abs(part.shape[0] - 24) <= 2
    assert np.median(part, axis=(0, 1)).tolist() == list(RED)


@pytest.mark.parametrize(
    "said",
    [
        {"mode": "salientmasktrack", "threshold": 0.4}, {"label": "dog"},
        {"caption": "a red dog", "boxes": "all"}, {"mode": "masktrack", "mask": "where.png"},
        {"mode": "maskpointtrack", "mask": "where.png"},
    ],
    ids=str,
)  # fmt: skip
def test_modes_with_nets_cut_out_what_its_nets_find(said: dict[str, Any]) -> None:
    part = cut(**said)
    assert part.dtype == np.uint8
    assert part.shape[0] <= 90
    assert part.shape[1] <= 120
    assert (cut(**said) == part).all()


def test_a_part_may_be_widened() -> None:
    wider = cut(mask="where.png", augment={"mode": "bbox_expand", "ratio": 0.5})
    assert wider.shape[0] > 26
    assert wider.shape[1] > 26
    assert (wider[0, 0] == GROUND).all()
    assert (cut(mask="where.png", augment="bbox")[:6, :6] == 20).all()


def test_every_mode_is_a_choice_with_its_weights() -> None:
    choices = TASKS["image_reference"].choices
    assert {*choices} == {*REFERENCE_MODES, "grabcut"} - {"plain"}
    assert choices["label"].weights == ("grounding-dino", "sam2")
    assert choices["bboxtrack"].weights == ("sam2",)
    assert not choices["bbox"].weights
    assert not choices["grabcut"].weights


@pytest.mark.parametrize(
    ("said", "refusal"),
    [
        ("{mode: bbox}", "mode bbox needs bbox; add `bbox:`"),
        ("{mode: salient, bbox: [1, 1, 9, 9]}", "mode salient does not use bbox"),
        ("{bbox: [1, 1, 9, 9], label: dog}", "two ways to say where"),
        ("{augment: hull}", "augment widens what is cut out"),
        ("{mode: salient, options: {net: grabcut}}", "mode salient does not use net; leave it out"),
        ("{mode: face, options: {threshold: 0.3}}", "mode face does not use threshold"),
        ("{label: dog, options: {label: cat}}", "label stands beside `image:`"),
        ("{label: dog, options: {boxs: all}}", "did you mean 'boxes'?"),
        ("{mode: fase}", "did you mean 'face'?"),
    ],
)
def test_what_does_not_fit_is_refused_with_its_remedy(said: str, refusal: str) -> None:
    text = f"prompt: x\nlength: 9f\nreferences:\n  - {said.replace('{', '{image: photo.png, ', 1)}\n"
    with pytest.raises(RecipeError) as error:
        load_recipe(text)
    assert refusal in str(error.value)


def test_a_recipe_brings_the_part_to_the_size_of_the_video() -> None:
    """Whole on white, as VACE has it, or filling the frame; a plan says what cuts out."""
    references = [
        {"image": "photo.png", "mode": "mask", "mask": "where.png"},
        {"image": "photo.png", "bbox": [LEFT, TOP, RIGHT, BOTTOM], "fit": "crop"},
        {"image": "photo.png", "fit": "crop"},
    ]
    said = {"prompt": "x", "length": "9f", "size": "96x64", "references": references}
    plan = make_plan(load_recipe(said))
    assert [words for _, words in plan.reference_makers] == [
        "mask: the picture as given",
        "bbox: boxes as given",
    ]
    made = [to_frames(prepare_reference(plan, one)[None])[0] for one in plan.recipe.references]
    cuts = [cut(mask="where.png"), cut(bbox=[LEFT, TOP, RIGHT, BOTTOM]), photo()]
    assert (made[0] == letterbox_on_white(cuts[0], (64, 96))).all()
    for filled, part in zip(made[1:], cuts[1:], strict=True):
        assert (filled == place(part.shape[:2], (64, 96)).apply(part)).all()


def test_of_a_clip_of_sprites_its_first_frame_is_meant() -> None:
    one = {"image": "sprites:26", "mask": "sprites:26"}
    plan = make_plan(load_recipe({"prompt": "x", "length": "9f", "size": "96x64", "references": one}))
    picture = to_frames(prepare_reference(plan, plan.recipe.references[0])[None])[0]
    assert (picture[:, :4] == 255).all()
    assert (np.ptp(picture.astype(int), axis=-1) > 70).mean() > 0.15


def test_nothing_found_is_told_with_the_key_and_the_picture() -> None:
    write_image(Path("plain.png"), np.full((64, 64, 3), 90, np.uint8))
    said = {"prompt": "x", "length": "9f", "references": {"image": "plain.png", "mode": "face"}}
    plan = make_plan(load_recipe(said))
    with pytest.raises(InputError, match=r"references\.0.*plain.png: a face is nowhere in the picture"):
        prepare_reference(plan, plan.recipe.references[0])


def test_annotate_writes_references_as_pictures(capsys: pytest.CaptureFixture[str]) -> None:
    for task, more in (
        ("image_face", ()), ("image_salient", ()),
        ("image_reference", ("--set", "mode=mask", "--set", "mask=where.png")),
    ):  # fmt: skip
        assert cli.run(["annotate", task, "photo.png", "-q", *more]) == 0
        assert capsys.readouterr().out == f"photo.{task}.png\n"
        part = read_image(Path(f"photo.{task}.png"))
        assert np.median(part, axis=(0, 1)).tolist() == list(RED)
    assert cli.run(["annotate", "image_face", "sprites:3", "-q", "-o", "a.png"]) == 3
    assert "sprites:3: a face is nowhere in the picture" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("settings", "file"),
    [
        (["image_face"], "face_detection_yunet_2023mar.onnx of opencv/face_detection_yunet"),
        (["image_salient"], "u2net.onnx of danielgatis/rembg"),
        (["image_reference", "--set", "label=dog"], "model.safetensors of IDEA-Research/grounding-dino-tiny"),
    ],
    ids=str,
)
def test_missing_weights_are_named_and_nothing_else_steps_in(
    settings: list[str], file: str, tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    task, *more = settings
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    monkeypatch.setattr("huggingface_hub.constants.HF_ASSETS_CACHE", str(tmp_path / "none"))
    assert cli.run(["annotate", task, "photo.png", *more]) == 4
    assert file in capsys.readouterr().err
    one = {"image": "photo.png", "mode": "face"}
    Path("r.yaml").write_text(json.dumps({"prompt": "x", "length": "9f", "references": one}))
    assert cli.run(["render", "r.yaml", "-q"]) == 4
    assert "run `vacestream models pull yunet`" in capsys.readouterr().err
    assert not list(tmp_path.glob("r.*mp4"))
    assert cli.run(["plan", "r.yaml", "--json"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert said["references"] == [{"image": "photo.png", "made_by": "face: YuNet"}]
    assert [need["repo"] for need in said["estimates"]["downloads"]] == ["opencv/face_detection_yunet"]
