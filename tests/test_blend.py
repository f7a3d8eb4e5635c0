"""A prompt that fades into another over several chunks."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.clips import SIZE, scene
from tests.tiny import SPEC, tiny_pipeline
from vacestream.encode import between
from vacestream.passes import steering
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import new_stream
from vacestream.vcu import Fading

OLD, NEW = (torch.randn(6, 16, generator=torch.Generator().manual_seed(seed)) for seed in (1, 2))


@pytest.mark.parametrize("by", ["linear", "slerp"])
def test_the_ends_are_the_prompts_and_the_padding_stays_zero(by):
    old, new = (torch.cat([x, torch.zeros(2, 16)]) for x in (OLD, 3 * NEW))
    torch.testing.assert_close(between(old, new, 0.0, by), old)
    torch.testing.assert_close(between(old, new, 1.0, by), new)
    assert not between(old, new, 0.4, by)[6:].any()
    assert torch.equal(between(old, old, 0.4, by), old) or by == "slerp"
    torch.testing.assert_close(between(old, old, 0.4, by), old)


def test_linear_halves_and_slerp_keeps_the_length():
    torch.testing.assert_close(between(OLD, NEW, 0.5, "linear"), (OLD + NEW) / 2)
    arc = between(OLD, NEW, 0.25, "slerp")
    lengths = 0.75 * OLD.norm(dim=-1) + 0.25 * NEW.norm(dim=-1)
    torch.testing.assert_close(arc.norm(dim=-1), lengths)
    turned, whole = (torch.cosine_similarity(OLD, x, -1).acos() for x in (arc, NEW))
    torch.testing.assert_close(turned, whole / 4, atol=1e-4, rtol=0)


def frames(prompts: dict[int, str], fading: Fading | None = None, at: int = -1) -> list[np.ndarray]:
    stream = new_stream(tiny_pipeline(), SIZE, 7)
    units = (
        (chunk, replace(unit, fading=fading) if chunk.index == at else unit)
        for chunk, unit in scene(SPEC, [], num_frames=33, prompts=prompts)
    )
    return [part for _, part in stream(units)]


def test_a_chunk_in_a_blend_is_neither_the_old_prompts_nor_the_new_ones():
    old, new = frames({0: "a red dog"}), frames({0: "a red dog", 1: "a blue cat"})
    blended = frames({0: "a red dog", 1: "a blue cat"}, Fading("a red dog", 0.5), at=1)
    assert np.array_equal(blended[0], old[0])
    assert not np.array_equal(blended[1], old[1])
    assert not np.array_equal(blended[1], new[1])
    full = frames({0: "a red dog", 1: "a blue cat"}, Fading("a red dog", 1.0), at=1)
    assert np.array_equal(full[1], new[1])


@pytest.mark.parametrize("blend", ["2 chunks", "24f", "20f"])
def test_a_recipe_fades_over_as_many_chunks_as_it_says(blend):
    said = {"prompt": "a", "length": "93f", "output": "o.mp4"}
    change = {"at": "3 chunks", "prompt": "b", "blend": blend, "blend_by": "slerp"}
    plan = make_plan(load_recipe({**said, "timeline": change}), media=False)
    steer = steering(plan)
    told = [steer(chunk) for chunk in plan.chunks()]
    assert [one.prompt for one in told[:7]] == ["a"] * 3 + ["b"] * 4
    shares = {i: one.fading.share for i, one in enumerate(told) if one.fading}
    assert shares == pytest.approx({3: 1 / 3, 4: 2 / 3})
    assert told[3].fading == Fading("a", pytest.approx(1 / 3), "slerp")
