"""What a recipe says about sampling, row by row."""

import pytest

from vacestream.errors import RecipeError
from vacestream.pipelines import PIPELINES
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe

SAID = {"prompt": "x", "length": "33f", "output": "out.mp4"}


def plan(**said: object) -> Plan:
    return make_plan(load_recipe({**SAID, **said}), media=False)


@pytest.mark.parametrize(
    ("said", "steps"),
    [
        ({}, (1000, 750, 500, 250)),
        ({"steps": 2}, (1000, 500)),
        ({"pipeline": "krea-realtime-14b"}, (1000, 750, 500, 250, 0)),
        ({"pipeline": "krea-realtime-14b", "steps": 4}, (1000, 666, 333, 0)),
    ],
)
def test_steps_are_spread_over_the_noise_where_a_row_takes_any_number(said, steps):
    assert plan(**said).spec.steps == steps


def test_streamdiffusion_takes_its_first_steps_from_an_input():
    said = {"pipeline": "streamdiffusionv2-1.3b", "input": "sprites:1", "strength": 0.8}
    assert plan(**said).spec.source_steps == (700, 500)
    assert plan(**said, steps=3).spec.source_steps == (700, 500, 400)


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"pipeline": "longlive-1.3b", "steps": 8}, "was made for its 4 steps"),
        ({"pipeline": "longlive-1.3b", "guidance_scale": 4}, "has its guidance in its weights; leave it out"),
        (
            {"negative_prompt": "blur"},
            "guidance in its weights; leave it out, or write `mode: batch`",
        ),
        (
            {"pipeline": "memflow-1.3b", "mode": "batch"},
            "made for streaming; use `pipeline: wan2.1-1.3b`",
        ),
        ({"pipeline": "wan2.1-1.3b", "mode": "stream"}, "does not stream"),
        ({"pipeline": "wan2.1-14b", "length": "82f"}, "82 frames are more than the 81"),
        ({"mode": "batch", "negative_prompt": "blur"}, "acts only through guidance; add `guidance_scale: 5`"),
        ({"mode": "batch", "input": "sprites:1", "strength": 0.5}, "starts from noise"),
        ({"pipeline": "krea-realtime-14b", "steps": 1}, "at least 2"),
        (
            {"pipeline": "streamdiffusionv2-14b", "input": "sprites:1", "strength": 0.8, "steps": 5},
            "knows 4 steps",
        ),
    ],
)
def test_what_a_row_cannot_use_is_refused_with_the_reason(said, why):
    with pytest.raises(RecipeError, match=why.replace("(", r"\(")):
        plan(**said)


@pytest.mark.parametrize(
    "said", [{"steps": 3}, {"guidance_scale": 4}, {"negative_prompt": "blur", "guidance_scale": 4}], ids=str
)
@pytest.mark.parametrize("mode", [None, "batch"])
def test_every_row_uses_what_is_said_of_sampling_or_refuses_it(said, mode):
    """None ignores it: what is planned is another row than without it."""
    for name, row in PIPELINES.items():
        given = {"pipeline": name, **({"mode": mode} if mode and row.batch else {})}
        whole = bool(mode and row.batch) or not row.streams
        uses = whole or ("steps" in said and row.free_steps is not None)
        if uses:
            assert plan(**given, **said).spec != plan(**given).spec, name
            continue
        with pytest.raises(RecipeError, match=f"{name} (was made for its|has its guidance in its weights)"):
            plan(**given, **said)


@pytest.mark.parametrize(("length", "latents"), [("81f", 21), ("80f", 21), ("1f", 1), ("33f", 9)])
def test_a_batch_row_makes_the_whole_clip_as_one_chunk(length, latents):
    made = plan(pipeline="wan2.1-1.3b", length=length, steps=30, guidance_scale=4, negative_prompt="blur")
    (chunk,) = made.chunks()
    assert (chunk.num_latents, chunk.num_wanted) == (latents, made.num_frames)
    assert (made.spec.whole.steps, made.spec.whole.guidance, made.spec.whole.shift) == (30, 4, 16)
    assert made.memory.kv_cache == 0
    assert made.to_dict()["num_steps"] == 30


def test_a_whole_clip_takes_the_mask_frames_that_vace_takes():
    said = {"input": "sprites:1", "mask": {"mode": "bbox", "bbox": [1, 2, 30, 40]}}
    assert plan(**said).mask_time == "group"
    assert plan(**said, mode="batch").mask_time == "nearest"
