"""The scale of one reference: from a recipe to the frames."""

from contextlib import ExitStack

import numpy as np
import pytest
import torch

from tests.tiny import tiny_pipeline
from vacestream.condition import make_vcus
from vacestream.models import conditions
from vacestream.models.load import Pipeline
from vacestream.passes import open_passes, steering
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import new_stream

SIZE = 32, 32
START = "input: sprites:3\nprompt: x\ncontrols: depth\nlength: 21f\nsize: 32x32\nseed: 7\n"
BOTH = "references: [sprites:4, {image: 'sprites:5', scale: %s}]\n"
LATER = "timeline: {at: 1 chunks, references: [sprites:4, {image: 'sprites:5', scale: %s}]}\n"


@pytest.fixture(scope="module")
def pipe() -> Pipeline:
    return tiny_pipeline()


@torch.inference_mode()
def frames(pipe: Pipeline, text: str) -> tuple[np.ndarray, ...]:
    """The frames of both chunks."""
    plan = make_plan(load_recipe(START + text))
    with ExitStack() as stack:
        units = make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), SIZE)
        first, second = (made for _, made in new_stream(pipe, SIZE, 7)(units))
    return first, second


def same(one: tuple[np.ndarray, ...], two: tuple[np.ndarray, ...]) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(one, two, strict=True)]


def test_a_scale_of_one_is_none_and_a_scale_of_zero_leaves_the_picture_out(pipe: Pipeline) -> None:
    whole, alone = (
        frames(pipe, "references: [sprites:4, sprites:5]\n"),
        frames(pipe, "references: sprites:4\n"),
    )
    assert same(frames(pipe, BOTH % "1.0"), whole) == [True, True]
    assert same(frames(pipe, BOTH % "0.0"), alone) == [True, True]
    for scale in ("0.1", "2.0"):
        assert same(frames(pipe, BOTH % scale), whole) == [False, False]


def test_a_scale_that_changes_acts_from_there_and_keeps_the_keys(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls, real = frames(pipe, BOTH % "1.0"), [], conditions.encode_references
    monkeypatch.setattr(conditions, "encode_references", lambda *args: calls.append(1) or real(*args))
    frames(pipe, BOTH % "1.0")
    once = len(calls)
    assert same(frames(pipe, (BOTH % "1.0") + (LATER % "0.1")), whole) == [True, False]
    assert len(calls) == 2 * once
