"""Who makes the signal of a control, and the passes that come of it."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from vacestream.annotators import annotator
from vacestream.errors import ModelError, RecipeError
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
from vacestream.needs import parts_needed
from vacestream.passes import open_passes
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.signals import maker

SIZE = (64, 64)


@pytest.fixture
def clip(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> np.ndarray:
    """The frames [T H W 3] of clip.mkv."""
    monkeypatch.chdir(tmp_path)
    frames = open_source("sprites:7", size=SIZE).read(13)
    sink = open_sink("clip.mkv", SIZE, Fraction(16))
    sink.write(frames)
    sink.close()
    return frames


def control(text: str, sizes: list[int]) -> np.ndarray:
    """The frames of a recipe's first control, read in pieces."""
    plan = make_plan(load_recipe(text))
    with ExitStack() as stack:
        source = open_passes(plan, stack)[0].control
        assert source is not None
        return np.concatenate([source.read(n) for n in sizes])


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("input: a.mp4\ncontrols: flow", "annotated", "OpenCV DIS"),
        ("input: a.mp4\ncontrols: scribble", "annotated", "a fallback without weights"),
        ("input: a.mp4\ncontrols: pose", "annotated", "DWPose"),
        ("input: a.mp4\ncontrols: depth", "annotated", "MiDaS"),
        ("input: a.mp4\ncontrols: {signal: scribble, options: {net: hed}}", "annotated", "HED"),
        ("input: sprites:3\nlength: 9f\ncontrols: {signal: flow, options: {net: raft}}", "annotated", "RAFT"),
        ("input: sprites:3\nlength: 9f\ncontrols: depth", "exact", "exact, sprites:3 knows it"),
        ("input: sprites:3\nlength: 9f\ncontrols: gray", "annotated", "OpenCV luma"),
        ("length: 9f\ncontrols: {signal: flow, from: sprites:5}", "exact", "sprites:5"),
        ("controls: {signal: depth, video: a/d.mkv}", "given", "ready-made, d.mkv"),
        ("length: 9f\ncontrols: {signal: layout_bbox, boxes: {at: 0s, bbox: [1, 1, 9, 9]}}", "annotated",
         "boxes as given"),
    ],
)  # fmt: skip
def test_a_plan_names_what_makes_each_signal(text: str, kind: str, words: str) -> None:
    recipe = load_recipe(text + "\nprompt: x\n")
    assert maker(recipe, recipe.controls[0]).kind == kind
    plan = make_plan(recipe, media=False)
    assert words in plan.makers[0][1]
    assert plan.to_dict()["signals"][0]["signal"] == recipe.controls[0].signal


@pytest.mark.parametrize("signal", ["gray", "canny", "scribble", "flow", "plain"])
def test_a_control_is_made_from_the_footage_a_chunk_at_a_time(clip: np.ndarray, signal: str) -> None:
    made = control(f"input: clip.mkv\nsize: 64x64\ncontrols: {signal}", [1, 8, 12])
    assert (made == annotator(signal)(clip)).all()


def test_a_control_is_made_from_other_footage(clip: np.ndarray) -> None:
    made = control("size: 64x64\nlength: 5f\ncontrols: {signal: gray, from: clip.mkv}", [5])
    assert (made == annotator("gray")(clip[:5])).all()


def test_options_reach_the_annotator(clip: np.ndarray) -> None:
    text = "input: clip.mkv\nsize: 64x64\ncontrols: {signal: flow, options: {radius: 3, preset: medium}}"
    assert (control(text, [9, 12]) == annotator("flow", radius=3.0, preset="medium")(clip)).all()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("{nett: hed}", "r.yaml:1: controls.0: options: nett: unknown key 'nett'; did you mean 'net'?"),
        ("{net: hedd}", "options: net: 'hedd' is not a net; did you mean 'hed'?"),
        ("{start: 1s}", "options: start is of the input; write it beside `path:`"),
    ],
)
def test_options_that_a_signal_does_not_have_are_refused(options: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(f"controls: {{signal: scribble, options: {options}}}\ninput: a.mp4\n", name="r.yaml")
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        ("{label: dog, options: {boxes: some}}", "mask: options: boxes: 'some' is not a boxes"),
        ("{label: dog, options: {label: cat}}", "options: label stands beside `mode:`; write it there"),
        ("{mask: a.png, options: {net: sam2}}", "options: mask has none; leave them out"),
        ("{mode: salient, at: 1s}", "salient stays; leave it out"),
    ],
)
def test_options_that_a_mask_does_not_have_are_refused(mask: str, said: str) -> None:
    with pytest.raises(RecipeError) as error:
        load_recipe(f"input: a.mp4\nmask: {mask}\n", name="r.yaml")
    assert said in str(error.value)


def test_a_mask_needs_the_nets_that_find_and_follow_it() -> None:
    text = "prompt: x\ninput: a.mp4\nmask: {bbox: [1, 2, 3, 4], mode: bboxtrack, options: {net: sam2}}\n"
    text += "timeline: {at: 1s, mask: {label: dog}}\nlength: 9f\n"
    recipe = load_recipe(text)
    assert [*parts_needed(recipe)] == [
        ("sam2", "net"),
        ("grounding-dino", "net"),
        ("grounding-dino", "words"),
    ]
    assert dict(make_plan(recipe, media=False).to_dict())["mask"] == "bboxtrack: SAM2"


def test_a_signal_needs_the_net_that_its_options_name() -> None:
    text = "prompt: x\ninput: a.mp4\ncontrols: [depth, {signal: scribble, options: {net: hed}}, flow]\n"
    nets = [name for name, _ in parts_needed(load_recipe(text)) if name != "sprites"]
    assert nets == ["midas", "hed"]


def test_a_recipe_whose_net_is_missing_names_it(
    clip: np.ndarray, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(ModelError, match=r"dpt_hybrid-midas-501f0c75.pt .*`vacestream models pull midas`"):
        control("input: clip.mkv\nsize: 64x64\ncontrols: depth", [1])


def test_layout_needs_no_footage_and_follows_the_fit_of_the_input(clip: np.ndarray) -> None:
    boxes = "boxes: [{at: 0f, bbox: [16, 8, 32, 24]}, {at: 0.5s, bbox: [32, 24, 48, 40]}]"
    made = control(f"length: 9f\nsize: 64x64\ncontrols: {{signal: layout_bbox, {boxes}}}", [9, 12])
    assert len(made) == 9
    assert [np.flatnonzero(made[i, 30, :, 0] == 0).tolist() for i in (0, 8)] == [[], [31, 32, 47, 48]]
    made = control(
        f"input: clip.mkv\nsize: 128x128\nlength: 9f\ncontrols: {{signal: layout_bbox, {boxes}}}", [9]
    )
    assert np.flatnonzero(made[8, 60, :, 0] == 0).tolist() == [63, 64, 95, 96]
