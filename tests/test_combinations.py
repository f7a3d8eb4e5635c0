"""Everything that can be asked together: a legal recipe plans, an illegal one is refused with its reason."""

from collections.abc import Callable
from itertools import product
from random import Random
from typing import Any

import pytest

from vacestream.errors import InputError, RecipeError
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe

CHOICES = {
    "input": ("", "input: sprites:30\n", "input: {path: 'sprites:30', end: 9f}\n"),
    "references": ("", "references: sprites:11\n"),
    "controls": (
        "",
        "controls: [depth]\n",
        "controls: [{signal: pose, from: 'sprites:12'}, {signal: gray, from: 'sprites:7', frames: 9..20}]\n",
        "controls: {signal: layout_bbox, boxes: {at: 0s, bbox: [10%, 10%, 50%, 50%]}}\n",
    ),
    "mask": ("", "mask: sprites:30\n", "mask: {mode: bboxtrack, bbox: [0, 0, 9, 9], augment: hull}\n"),
    "outpaint": ("", "outpaint: {left: 0.25}\n", "outpaint: {up: 0.25, inner: true}\n"),
    "extend": (
        "",
        "extend: {firstframe: 'sprites:12'}\n",
        "extend: {firstclip: input}\n",
        "extend: {lastclip: {path: 'sprites:12', end: 8f}, keyframes: {at: 12f, image: input}}\n",
    ),
    "length": ("", "length: 33f\n"),
}
TERMS = {
    "references": "R2V", "mask": "inpainting", "outpaint": "outpainting", "controls": "", "extend": "",
}  # fmt: skip


def said(text: str) -> str | None:
    """The task, or None where it is refused; a refusal names what to do about it."""
    try:
        plan = make_plan(load_recipe(text, name="r.yaml"))
    except RecipeError as error:
        for line in str(error).splitlines():
            assert line.startswith("r.yaml")
            assert "; " in line
        return None
    assert plan.num_frames
    assert plan.size
    assert plan.num_chunks
    return plan.task


def test_every_combination_plans_or_is_refused_with_a_reason() -> None:
    planned = refused = 0
    for parts in product(*CHOICES.values()):
        chosen = dict(zip(CHOICES, parts, strict=True))
        task = said("prompt: x\n" + "".join(parts))
        if task is None:
            refused += 1
            continue
        planned += 1
        assert all((TERMS[key] in task) or not chosen[key] for key in TERMS)
        needs = (
            chosen["mask"]
            + chosen["outpaint"]
            + chosen["controls"] * (chosen["controls"] == CHOICES["controls"][1])
        )
        assert chosen["input"] or not needs
    assert planned > 250
    assert refused > 250


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("input: sprites:3\nlength: 33f\noutpaint: {left: 0.5}\ncontrols: depth", "acts nowhere"),
        ("length: 33f\nextend: {firstclip: 'sprites:3'}", "has no end"),
        ("length: 9f\nextend: {firstclip: {path: 'sprites:3', end: 9f}}", "leaves nothing to make"),
        (
            "length: 33f\nextend: {firstclip: {path: 'sprites:3', end: 20f},"
            " lastclip: {path: 'sprites:3', end: 20f}}",
            "where firstclip is: two things at one frame",
        ),
        (
            "length: 33f\nextend: {firstclip: {path: 'sprites:3', end: 9f},"
            " keyframes: {at: 5f, image: 'sprites:4'}}",
            "5f is frame 5, where firstclip is",
        ),
        ("input: sprites:3\nlength: 33f\nsize: 64x64\noutpaint: fill", "leaves nothing to make"),
        ("input: sprites:3\nlength: 33f\nmask: {mode: bbox, bbox: [0, 0, 9, 9], at: 2s}", "leave it out"),
        (
            "input: sprites:3\nlength: 33f\nextend: {firstclip: {path: input, end: 1s}}",
            "cut where it is named",
        ),
    ],
)
def test_what_cannot_be_meant_is_refused(text: str, reason: str) -> None:
    with pytest.raises(RecipeError, match=reason):
        make_plan(load_recipe(f"prompt: x\n{text}\n", name="r.yaml"))


def test_a_plan_says_where_everything_stands() -> None:
    text = (
        "prompt: x\ninput: sprites:3\nlength: 33f\noutpaint: {left: 0.25, right: 0.25}\n"
        "extend: {firstclip: {path: 'sprites:3', end: 9f}, lastframe: 'sprites:4'}\n"
        "mask: {mode: bboxtrack, bbox: [1, 1, 9, 9]}\n"
    )
    said = make_plan(load_recipe(text)).to_dict()
    height, width = said["size"]["height"], said["size"]["width"]
    assert (height, width) == (height, height * 3 // 2)
    assert said["outpaint"]["inside"] == (0, height // 4, height, height + height // 4)
    assert [(one["name"], one["start"], one["stop"]) for one in said["anchors"]] == [
        ("firstclip", 0, 9),
        ("lastframe", 32, 33),
    ]
    assert said["mask"] == "bboxtrack: OpenCV flow and GrabCut (without weights, not SAM2)"


def drawn(pick: Random) -> dict[str, Any]:
    """A legal recipe: whatever its keys may hold together."""
    said: dict[str, Any] = {"prompt": "x", "length": "33f", "seed": pick.randrange(9)}
    ended = {"path": "sprites:30", "end": "15f"}
    given = pick.choice([None, "sprites:30", {**ended, "at_end": "free"}, {**ended, "at_end": "hold"}])
    if pick.random() < 0.5:
        ways = pick.choices(REFERENCES, k=pick.randint(1, 3))
        said["references"] = [{"image": "sprites:12", **way} for way in ways]
    if pick.random() < 0.4:
        said["extend"] = pick.choice(EXTENSIONS)
    if given:
        said |= {key: pick.choice(values) for key, values in OF_INPUT.items() if pick.random() < 0.4}
        said["input"] = given
    if given or pick.random() < 0.5:
        said["controls"] = [pick.choice(CONTROLS) for _ in range(pick.randint(1, 2))]
    hidden = "outpaint" in said and not said["outpaint"].get("inner") and not {"mask", "extend"} & said.keys()
    if said.get("controls") and (not given or hidden):
        said["controls"] = [{"signal": "pose", "from": "sprites:12"}, {"signal": "layout_bbox", "boxes": BOX}]
        if given and not {"mask", "outpaint", "strength"} & said.keys():
            del said["input"]
    if pick.random() < 0.5:
        said["timeline"] = {"at": "9f", **pick.choice(CHANGES)}
    return said


REFERENCES: tuple[dict[str, Any], ...] = (
    {}, {"scale": 0.5, "fit": "crop"}, {"mode": "salient"}, {"label": "star", "augment": "hull"},
    {"mask": "sprites:12"}, {"bbox": ["10%", "10%", "60%", "90%"]}, {"mode": "face"}, {"points": [9, 9]},
    {"mode": "bboxtrack", "bbox": [1, 1, 30, 30], "options": {"net": "grabcut"}},
)  # fmt: skip
EXTENSIONS: tuple[dict[str, Any], ...] = (
    {"firstframe": "sprites:12"},
    {"lastframe": "sprites:12", "keyframes": {"at": "12f", "image": "sprites:15"}},
    {"lastclip": {"path": "sprites:12", "end": "8f"}},
)  # fmt: skip
OF_INPUT: dict[str, list[Any]] = {
    "mask": [
        "sprites:30", {"mode": "bbox", "bbox": [1, 1, 30, 30], "time": "nearest", "feather": 3},
        {"mode": "bboxtrack", "bbox": [1, 1, 30, 30], "at": "1s", "augment": "bbox_expand", "invert": True},
        {"label": "star", "time": "union", "options": {"boxes": "all", "every": 12}}, {"mode": "salient"},
    ],
    "outpaint": [{"left": 0.25}, {"up": 0.25, "inner": True}],
}  # fmt: skip
BOX = {"at": "0s", "bbox": ["10%", "10%", "50%", "50%"]}
CONTROLS: tuple[dict[str, Any], ...] = (
    {"signal": "depth"}, {"signal": "gray", "scale": 0.5, "frames": "9..20"},
    {"signal": "scribble", "steps": "1..2"},
    {"signal": "layout_track", "track": {"mode": "bboxtrack", "bbox": [1, 1, 30, 30]}},
    {"signal": "pose_body", "options": {"net": "vitpose"}},
)  # fmt: skip
CHANGES: tuple[dict[str, Any], ...] = (
    {"prompt": "y", "blend": "1 chunks"}, {"context_scale": 0.5}, {"references": ["sprites:11"]},
)  # fmt: skip

POSE = {"signal": "pose", "from": "sprites:2"}


def also(key: str, item: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """One more item of a list."""
    return lambda said: {key: [*said.get(key, []), item]}


def always(**keys: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda said: keys


def with_input(**keys: Any) -> Callable[[dict[str, Any]], dict[str, Any] | None]:
    return lambda said: keys if "input" in said else None


ILLEGAL: dict[str, Callable[[dict[str, Any]], dict[str, Any] | None]] = {
    "two things at one frame": always(
        extend={"firstframe": "sprites:1", "keyframes": {"at": "0f", "image": "sprites:2"}}
    ),
    "has no end": always(extend={"lastclip": "sprites:12"}),
    "and there is none; add `input": lambda said: None if "input" in said else {"mask": "sprites:30"},
    "needs bbox": with_input(mask={"mode": "bboxtrack"}),
    "label and caption are two ways": always(references={"image": "sprites:1", "label": "a", "caption": "b"}),
    "past the end": always(timeline={"at": "60f", "prompt": "z"}),
    "at most 3|out of range": always(references=["sprites:1"] * 4),
    "acts in no step": also("controls", {**POSE, "steps": "9..12"}),
    "acts on no frame": also("controls", {**POSE, "frames": "40..50"}),
    "is one way and": with_input(
        mask={"mask": "sprites:30", "time": "union"}, timeline={"at": "9f", "mask": "sprites:1"}
    ),
    "not built yet": also(
        "controls", {"signal": "depthv2", "from": "sprites:2", "options": {"net": "video-depth-anything"}}
    ),
}
"""What a refusal says -> the change of a legal recipe that it is said of, None where it would be legal."""


def test_any_legal_recipe_plans_and_any_with_one_thing_wrong_is_refused_for_it() -> None:
    pick, tried = Random(5), dict.fromkeys(ILLEGAL, 0)
    for _ in range(60):
        said = drawn(pick)
        plan = make_plan(load_recipe(said))
        assert (plan.num_frames, plan.num_chunks) == (33, 3), said
        terms = plan.task.split(" + ")
        assert all((TERMS[key] in terms) == (key in said) for key in ("references", "mask", "outpaint")), said
        cut = [one for one in said.get("references", []) if one.keys() - {"image", "scale", "fit"}]
        assert len(plan.reference_makers) == len(cut)
        for reason, change in pick.sample(sorted(ILLEGAL.items()), 3):
            if (broken := change(said)) is None:
                continue
            tried[reason] += 1
            with pytest.raises((RecipeError, InputError), match=reason) as error:
                make_plan(load_recipe({**said, **broken}))
            assert "; " in str(error.value)
    assert min(tried.values()) >= 3, tried


@pytest.mark.parametrize(
    ("text", "task", "passes"),
    [
        ("references: sprites:11\ninput: sprites:26\ncontrols: depth", "R2V + depth", 1),
        ("references: sprites:11\ninput: sprites:26\nmask: sprites:26", "R2V + inpainting", 1),
        ("references: sprites:11\ninput: sprites:30\ncontrols: pose", "R2V + pose", 1),
        ("input: {path: sprites:30, end: 9f}\nextend: {firstclip: input}\noutpaint: {left: 0.5}",
         "outpainting + firstclip", 1),
        ("input: sprites:26\ncontrols: [depth, flow, {signal: pose, scale: 0.0}]", "depth + flow + pose", 2),
        ("input: sprites:2\nmask: sprites:2\ncontrols: {signal: flow, frames: 0..8}", "flow + inpainting", 2),
        ("", "T2V", 0),
    ],
)  # fmt: skip
def test_compositions_are_read_as_what_they_are_and_their_cost_is_planned(
    text: str, task: str, passes: int
) -> None:
    """The first four are those that the method was announced with."""
    plan = make_plan(load_recipe(f"prompt: x\nlength: 33f\n{text}\n"))
    assert plan.task == task
    assert plan.to_dict()["context_passes_per_call"] == passes
