"""The VCU of a composed recipe is VACE's merge rules applied to those of its parts."""

from contextlib import ExitStack
from dataclasses import dataclass
from itertools import combinations

import pytest
import torch
from torch import Tensor

from vacestream.condition import make_vcus
from vacestream.passes import open_passes, steering
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe

START = "input: sprites:30\nprompt: x\nlength: 33f\nsize: 96x64\n"
PARTS = {
    "mask": "mask: {mode: bbox, bbox: [10%, 20%, 70%, 80%]}\n",
    "outpaint": "outpaint: {left: 0.25, right: 0.25}\n",
    "extend": "extend: {firstframe: 'sprites:12', keyframes: [{at: 20f, image: 'sprites:15'}]}\n",
    "control": "controls: {signal: depth, from: 'sprites:26'}\n",
}


@dataclass
class Part:
    """Frames [T 3 H W], masks [T 1 H W]: 1 = generate."""

    frames: Tensor
    masks: Tensor


def part(text: str, *, kept: bool = False) -> Part:
    """The only pass of a recipe, every chunk of it; or what the output keeps."""
    plan = make_plan(load_recipe(text))
    assert plan.size is not None
    with ExitStack() as stack:
        made = list(make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), plan.size))
    assert sum(chunk.num_wanted for chunk, _ in made) == 33
    if kept:
        pieces = [vcu.kept for _, vcu in made]
        return Part(*(torch.cat(piece)[:33] for piece in zip(*pieces, strict=True)))
    return Part(
        *(torch.cat([getattr(vcu.layers[0], name) for _, vcu in made])[:33] for name in ("frames", "masks"))
    )


def over(anchors: Part, rest: Part) -> Part:
    """Extension and anything: anchors stay, the rest acts on the other frames."""
    frames = rest.frames * anchors.masks + anchors.frames * (1 - anchors.masks)
    return Part(frames, anchors.masks * rest.masks)


def both(one: Part, two: Part) -> Part:
    """Two regions: what either names is made anew."""
    masks = one.masks * (1 - two.masks) + two.masks
    return Part(one.frames * (1 - two.masks) + two.frames * two.masks * two.masks, masks)


def within(region: Part, control: Part) -> Part:
    """A control acts where something is made anew."""
    return Part(region.frames * (1 - region.masks) + control.frames * region.masks, region.masks)


def merged(names: tuple[str, ...], parts: dict[str, Part]) -> Part:
    regions = [parts[name] for name in ("mask", "outpaint") if name in names]
    whole = both(*regions) if len(regions) == 2 else (regions or [None])[0]
    if "control" in names:
        whole = within(whole, parts["control"]) if whole else parts["control"]
    if "extend" in names:
        whole = over(parts["extend"], whole) if whole else parts["extend"]
    assert whole is not None
    return whole


@pytest.fixture(scope="module")
def parts() -> dict[str, Part]:
    """Each alone."""
    free = START.replace("input: sprites:30\n", "")
    alone = {name: free if name in ("extend", "control") else START for name in PARTS}
    return {name: part(alone[name] + text) for name, text in PARTS.items()}


@pytest.mark.parametrize(
    "names",
    [names for count in (2, 3, 4) for names in combinations(PARTS, count) if {*names} & {"mask", "outpaint"}],
    ids="+".join,
)
def test_a_composed_unit_is_its_parts_merged(names: tuple[str, ...], parts: dict[str, Part]) -> None:
    here = dict(parts)
    if {"mask", "outpaint"} <= {*names}:  # the box is in pixels of the input, which outpaint shows smaller
        box = "mask: {mode: bbox, bbox: [10%, 20%, 70%, 80%]}\noutpaint: {left: 0.25, right: 0.25}\n"
        seen, around = part(START + box), parts["outpaint"]
        inside = seen.masks * (1 - around.masks)
        here["mask"] = Part(around.frames * (1 - inside), inside)
    expected, found = merged(names, here), part(START + "".join(PARTS[name] for name in names))
    assert torch.equal(found.masks, expected.masks)
    assert torch.allclose(found.frames, expected.frames, atol=1e-2)  # mid-gray is 128 in footage


def test_the_output_keeps_footage_and_anchors_outside_a_soft_seam() -> None:
    text = START + PARTS["mask"].replace("80%]", "80%], feather: 6") + PARTS["extend"]
    hard, soft = part(START + PARTS["mask"] + PARTS["extend"]), part(text, kept=True)
    assert (soft.masks[hard.masks == 1] == 1).all()
    fading = (soft.masks > 0) & (soft.masks < 1)
    assert fading.any()
    grown = torch.nn.functional.max_pool2d(hard.masks, 13, stride=1, padding=6)
    assert (grown[soft.masks > 0] == 1).all()
    still = soft.masks.expand_as(soft.frames) == 0
    assert torch.equal(soft.frames[still], hard.frames[still])
    assert (soft.masks[[0, 20]] == 0).all()


@pytest.mark.parametrize("names", [("mask",), ("outpaint",), ("mask", "outpaint", "control")], ids="+".join)
@pytest.mark.parametrize(
    ("ending", "more"),
    [(", at_end: free", ""), ("", "extend: {lastframe: 'sprites:12'}\n")],
    ids=["free", "lastframe"],
)
def test_after_the_last_frame_of_the_input_everything_is_made(
    names: tuple[str, ...], ending: str, more: str
) -> None:
    chosen = "".join(PARTS[name] for name in names)
    short = START.replace("sprites:30", f"{{path: 'sprites:30', end: 15f{ending}}}")
    whole, cut = part(START + chosen), part(short + chosen + more)
    assert torch.equal(cut.masks[:15], whole.masks[:15])
    assert torch.equal(cut.frames[:15], whole.frames[:15])
    assert (cut.masks[15:32] == 1).all()
    kept = part(short + chosen + more, kept=True)
    assert (kept.masks[15:32] == 1).all()
    if "control" in names:
        control = part(START.replace("input: sprites:30\n", "") + PARTS["control"])
        assert torch.equal(cut.frames[15:32], control.frames[15:32])
    else:
        assert cut.frames[15:32].abs().max() < 1e-2
