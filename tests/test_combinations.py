"""Everything that can be asked together: a legal recipe plans, an illegal one is refused with its reason."""

from itertools import product

import pytest

from vacestream.errors import RecipeError
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
