"""Controls that act in some steps or on some frames, several at once, and changes on the way."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import torch

from tests.clips import SIZE, Clip, moving_mask, noise, pictures, scene
from tests.tiny import SPEC, tiny_pipeline
from vacestream.condition import Pass, make_vcus
from vacestream.passes import open_passes, steering
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import new_stream
from vacestream.timeline import Chunk
from vacestream.vcu import VCU

FRAMES = 21


def made(*passes: Pass, **given) -> np.ndarray:
    vcus = scene(SPEC, list(passes), num_frames=FRAMES, **given)
    return np.concatenate([part for _, part in new_stream(tiny_pipeline(), SIZE, 7)(vcus)])


def control(seed: int = 1, **given) -> Pass:
    return Pass(control=Clip(noise(FRAMES, seed)), **given)


def test_a_control_of_no_weight_is_left_out_bit_for_bit() -> None:
    alone = made(control(1))
    assert np.array_equal(made(control(1), control(2, scale=0.0)), alone)
    assert np.array_equal(made(control(1), control(2, frames=(50, 60))), alone)
    assert np.array_equal(made(control(1, steps=(1, len(SPEC.steps)), frames=(0, FRAMES))), alone)


def test_hints_of_two_controls_are_added() -> None:
    one, two = made(control(1)), made(control(2))
    both = made(control(1), control(2))
    assert not np.array_equal(both, one)
    assert not np.array_equal(both, two)
    assert np.array_equal(both, made(control(2), control(1)))


def test_a_control_of_some_frames_changes_nothing_before_them() -> None:
    late, none = made(control(1, frames=(9, FRAMES))), made(control(1, scale=0.0))
    assert np.array_equal(late[:9], none[:9])
    assert not np.array_equal(late[9:], none[9:])


def test_a_control_of_some_steps_is_neither_all_nor_nothing() -> None:
    first, last = made(control(1, steps=(1, 1))), made(control(1, steps=(4, 4)))
    assert not np.array_equal(first, made(control(1)))
    assert not np.array_equal(first, made(control(1, scale=0.0)))
    assert not np.array_equal(first, last)


def test_references_and_kept_footage_act_where_no_control_does() -> None:
    references = pictures(2)
    rest = Pass(rest=True)
    alone = made(rest, references=references)
    assert np.array_equal(made(control(1, scale=0.0), rest, references=references), alone)
    assert np.array_equal(
        made(control(1), rest, references=references), made(control(1), references=references)
    )
    footage = {"kept": Clip(noise(FRAMES, 4)), "mask": Clip(moving_mask(FRAMES))}
    held = made(Pass(rest=True, **footage))
    footage = {"kept": Clip(noise(FRAMES, 4)), "mask": Clip(moving_mask(FRAMES))}
    assert np.array_equal(held, made(control(1, scale=0.0, **footage), Pass(rest=True, **footage)))
    assert np.array_equal(made(Pass(rest=True)), made())


RECIPE = """
input: sprites:30
prompt: a
length: 45f
size: 32x32
references: sprites:11
controls: [depth, {signal: gray, scale: 0.5, frames: 0..20}]
timeline:
  - {at: 9f, context_scale: 0.5, controls: [{signal: depth, scale: 0.25}]}
  - {at: 21f, references: [sprites:12, sprites:13], mask: {mode: bbox, bbox: [0, 0, 16, 16]}}
  - {at: 33f, mask: none, controls: [], prompt: b}
"""


def units(text: str) -> Iterator[tuple[Chunk, VCU]]:
    plan = make_plan(load_recipe(text))
    assert plan.size is not None
    with ExitStack() as stack:
        yield from make_vcus(plan.chunks(), open_passes(plan, stack), steering(plan), plan.size)


def test_what_changes_on_the_way_holds_from_a_chunk_border_on() -> None:
    told = [vcu for _, vcu in units(RECIPE)]
    assert [vcu.prompt for vcu in told] == ["a", "a", "a", "b"]
    assert [vcu.context_scale for vcu in told] == [1.0, 0.5, 0.5, 0.5]
    assert [len(vcu.references) for vcu in told] == [1, 1, 2, 2]
    assert told[0].references[0] is told[1].references[0]
    assert [[float(torch.as_tensor(one.scale).max()) for one in vcu.layers] for vcu in told] == [
        [1.0, 0.5, 1.0],
        [0.25, 0.0, 1.0],
        [0.25, 0.0, 1.0],
        [0.0, 0.0, 1.0],
    ]
    shares = [float(vcu.layers[0].masks.mean()) for vcu in told]
    assert shares == [1.0, 1.0, 0.25, 1.0]


def test_a_recipe_that_changes_nothing_is_as_one_without_a_timeline() -> None:
    plain = RECIPE.partition("timeline")[0]
    same = plain + "timeline: {at: 9f, references: sprites:11, context_scale: 1.0}\n"
    for (_, one), (_, two) in zip(units(plain), units(same), strict=True):
        assert replace(one, layers=(), references=()) == replace(two, layers=(), references=())
        assert all(torch.equal(a, b) for a, b in zip(one.references, two.references, strict=True))
        assert all(torch.equal(a.frames, b.frames) for a, b in zip(one.layers, two.layers, strict=True))
