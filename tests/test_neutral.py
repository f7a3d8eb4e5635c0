"""`vace: {neutral: off}`: context passes rest in chunks for which they are given nothing at all."""

from contextlib import ExitStack

import numpy as np
import pytest
import torch

from tests.tiny import tiny_pipeline
from vacestream.condition import make_vcus
from vacestream.passes import open_passes, steering
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import new_stream

OFF = "vace: {neutral: off}\n"
START = "prompt: x\nsize: 32x32\nlength: 33f\n"
FIRST = "extend: {firstframe: 'sprites:12'}\n"


def units(text: str):
    plan = make_plan(load_recipe(START + text))
    with ExitStack() as stack:
        yield from make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), (32, 32))


def scales(text: str) -> list[list[float]]:
    """Of each latent, pass by pass."""
    chunks = [vcu.layers for _, vcu in units(text)]
    spread = [[torch.as_tensor(one.scale).expand(3).tolist() for one in layers] for layers in chunks]
    return [[scale for part in parts for scale in part] for parts in zip(*spread, strict=True)]


@pytest.mark.parametrize(
    ("text", "acting"),
    [
        (FIRST, [*[1] * 3, *[0] * 6]),
        (FIRST + "references: sprites:11\n", [1] * 9),
        ("extend: {lastframe: 'sprites:12'}\n", [1] * 9),
        ("input: sprites:3\ncontrols: depth\n", [1] * 9),
        ("input: sprites:3\nmask: {mode: bbox, bbox: [0, 0, 9, 9]}\n", [1] * 9),
        ("input: sprites:3\ncontrols: {signal: depth, frames: 9..20}\n", [*[0] * 3, *[1] * 3, *[0] * 3]),
    ],
    ids=["anchor", "reference", "anchor to come", "control", "kept", "a span"],
)
def test_a_pass_rests_where_nothing_is_given_and_nowhere_else(text: str, acting: list[int]) -> None:
    assert scales(text + OFF) == [acting]
    assert scales(text)[0][0] in (0, 1)


def frames(text: str) -> list[np.ndarray]:
    stream = new_stream(tiny_pipeline(), (32, 32), 7)
    return [made for _, made in stream(units(text))]


def test_what_rests_leaves_the_bare_base_and_what_acts_is_as_it_was() -> None:
    on, off = frames(FIRST), frames(FIRST + OFF)
    assert [np.array_equal(a, b) for a, b in zip(on, off, strict=True)] == [True, False, False]
    given = "references: sprites:11\n" + FIRST
    assert all(np.array_equal(a, b) for a, b in zip(frames(given), frames(given + OFF), strict=True))
