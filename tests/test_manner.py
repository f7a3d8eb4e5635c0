"""How chunks are made from a border on: seed, steps, LoRAs, context blocks, what is kept of before."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.clips import SIZE, control_passes, pictures, scene
from tests.test_rows import STREAMED
from tests.tiny import SPEC, randomize, tiny_pipeline
from vacestream.errors import RecipeError
from vacestream.method import Method
from vacestream.models.load import build_adapter, build_transformer
from vacestream.models.transformer import make_causal
from vacestream.passes import steering
from vacestream.pipelines import PIPELINES
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.stream import Stream, new_stream
from vacestream.timeline import first_frame
from vacestream.vcu import Manner

NUM_FRAMES = 57
TINY = SPEC.transformer


class OtherWeights:
    """In the place of files: a LoRA is a seed."""

    def transformer(self, loras):
        return make_causal(randomize(build_transformer(TINY), int(loras[0][1])))

    def adapter(self, context, loras):
        return randomize(build_adapter(TINY), int(loras[0][1]) if context == "own" else 9)


@pytest.fixture(scope="module")
def pipe():
    return replace(tiny_pipeline(), origin=OtherWeights())


def started(pipe, seed: int = 7, **row: object) -> Stream:
    return new_stream(replace(pipe, spec=replace(pipe.spec, **row)), SIZE, seed)


def told(spec=SPEC, **given):
    options = {"num_frames": NUM_FRAMES, "references": pictures(2), **given}
    return scene(spec, control_passes(NUM_FRAMES), **options)


def frames(stream: Stream, units) -> list[np.ndarray]:
    return [made for _, made in stream(units)]


def same(a: list[np.ndarray], b: list[np.ndarray]) -> list[bool]:
    return [np.array_equal(x, y) for x, y in zip(a, b, strict=True)]


@pytest.fixture(scope="module")
def plain(pipe) -> list[np.ndarray]:
    return frames(started(pipe), told())


@pytest.mark.parametrize(
    "manner",
    [
        Manner(seed=8),
        Manner(steps=(1000, 500)),
        Manner(method=Method(reference_guidance=2.0)),
        Manner(loras=(("a", 5.0),)),
        Manner(adapter="a.safetensors"),
        Manner(adapter="none"),
        Manner(reset="soft"),
        Manner(reset="hard"),
    ],
    ids=str,
)
def test_what_changes_changes_at_its_border_and_not_before(pipe, plain, manner):
    made = frames(started(pipe), told(manners={2: manner}))
    assert same(made, plain)[:2] == [True, True]
    assert not any(same(made, plain)[2:])


def test_hints_in_the_commit_pass_change_the_chunk_behind(pipe, plain):
    """The first chunk's, which stands in the attention sink."""
    made = frames(started(pipe), told(manners={0: Manner(method=Method(commit_hints=False)), 1: Manner()}))
    assert same(made, plain) == [True, False, False, False, False]


def test_a_seed_is_of_its_chunks_alone(pipe, plain):
    """Two streams that begin with different seeds and then have one are made of the same noise."""
    bare = {"references": (), "scales": {0: 0.0}}
    cut = {2: Manner(seed=9, reset="hard")}
    a, b = (frames(started(pipe, seed), told(manners=cut, **bare)) for seed in (7, 8))
    assert same(a, b) == [False, False, True, True, True]


def clean_latents(stream: Stream, units) -> list[torch.Tensor]:
    push, seen = stream.decoder.push, []
    stream.decoder.push = lambda clean: (seen.append(clean), push(clean))[1]
    frames(stream, units)
    return seen


@pytest.mark.parametrize("name", STREAMED)
def test_behind_a_cut_no_row_remembers_what_was_before(pipe, name):
    row, runs = STREAMED[name], {}
    for kind in ("soft", None) if name == "sprites" else ("soft",):
        for before in ("a red dog", "a blue cat"):
            units = scene(
                row,
                [],
                num_frames=first_frame(row.first_chunk_latents + 3 * row.chunk_latents),
                prompts={0: before, 2: "two green birds"},
                manners={2: Manner(reset=kind)},
            )
            stream = new_stream(replace(pipe, spec=row), SIZE, 7)
            runs[kind, before] = clean_latents(stream, units)
    for kind in {kind for kind, _ in runs}:
        pairs = zip(runs[kind, "a red dog"], runs[kind, "a blue cat"], strict=True)
        equal = [torch.equal(x, y) for x, y in pairs]
        assert equal == [False, False] + [kind == "soft"] * 2


def test_behind_a_hard_cut_not_even_the_decoder_remembers(pipe):
    a, b = (
        frames(started(pipe), told(prompts={0: before, 2: "a bird"}, manners={2: Manner(reset="hard")}))
        for before in ("a red dog", "a blue cat")
    )
    assert same(a, b) == [False, False, True, True, True]
    assert [len(part) for part in a] == [9, 12, 12, 12, 12]


def test_a_lora_is_that_of_a_stream_that_began_with_it(pipe):
    change = {2: Manner(loras=(("a", 5.0),), reset="hard", seed=3)}
    begun = started(pipe)
    begun.use_loras((("a", 5.0),))
    begun.attach(("own", (("a", 5.0),)))
    a, b = (frames(stream, told(manners=change)) for stream in (started(pipe), begun))
    assert same(a, b) == [False, False, True, True, True]


def test_own_weights_come_back_as_they_were(pipe, plain):
    away, back = Manner(loras=(("a", 5.0),), adapter="b"), Manner(loras=(), adapter="own")
    stream = started(pipe)
    frames(stream, told(manners={1: away, 3: back}))
    assert stream.transformer is pipe.transformer
    assert stream.adapter is pipe.adapter


def test_a_stream_with_other_weights_is_restored_with_them(pipe, tmp_path):
    manners = {1: Manner(loras=(("a", 5.0),), adapter="b", seed=4)}
    stream = started(pipe)
    made, parts = stream(told(manners=manners)), []
    for _ in range(3):
        parts.append(next(made)[1])
    stream.save(tmp_path / "state")
    fresh = started(pipe)
    fresh.restore(tmp_path / "state")
    calls: list[str] = []
    fresh.trace = lambda kind, *_: calls.append(kind)
    assert all(same(frames(fresh, told(manners=manners, skip=3)), [part for _, part in made]))
    assert "recache" not in calls


@pytest.mark.parametrize(
    ("switch", "given", "recaches"),
    [
        (None, {"prompts": {0: "a red dog", 2: "a blue cat"}}, 1),
        ("recache", {"prompts": {0: "a red dog", 2: "a blue cat"}}, 1),
        ("keep", {"prompts": {0: "a red dog", 2: "a blue cat"}}, 0),
        (None, {}, 1),
        ("keep", {}, 0),
    ],
)
def test_a_new_prompt_or_lora_makes_the_window_again_unless_it_is_kept(pipe, switch, given, recaches):
    loras = None if given else (("a", 5.0),)
    stream, calls = started(pipe), []
    stream.trace = lambda kind, *_: calls.append(kind)
    frames(stream, told(manners={2: Manner(loras=loras, switch=switch)}, **given))
    assert calls.count("recache") == recaches


SAID = {"prompt": "a", "length": "93f", "output": "o.mp4", "pipeline": "sprites", "references": "sprites:1"}


def test_a_recipe_says_how_chunks_are_made_from_a_moment_on():
    timeline = [
        {"at": "1 chunks", "seed": 5, "steps": 2, "vace": {"reference_guidance": 2.0}},
        {"at": "2 chunks", "prompt": "b", "switch": "keep", "vace": {"adapter": "none"}},
        {"at": "4 chunks", "cut": True},
        {"at": "5 chunks", "loras": {"path": "/l.safetensors", "scale": 0.5}, "steps": None},
    ]
    plan = make_plan(load_recipe({**SAID, "seed": 3, "timeline": timeline}), media=False)
    steer = steering(plan)
    manners = [steer(chunk).manner for chunk in plan.chunks()][:7]
    assert [one.seed for one in manners] == [3, 5, 5, 5, 5, 5, 5]
    assert [one.steps for one in manners] == [None, *[(1000.0, 500.0)] * 4, None, None]
    assert [one.method.reference_guidance for one in manners] == [1.0, *[2.0] * 6]
    assert [one.adapter for one in manners] == ["own", "own", *["none"] * 5]
    assert [one.switch for one in manners] == [None, None, "keep", "keep", "keep", None, None]
    assert [one.reset for one in manners] == [None] * 4 + ["hard", None, None]
    assert [one.loras for one in manners] == [()] * 5 + [(("/l.safetensors", 0.5),)] * 2


@pytest.mark.parametrize(
    ("change", "said", "rows"),
    [
        ({"steps": 3}, "was made for its", ["longlive-1.3b", "memflow-1.3b", "reward-forcing-1.3b"]),
        ({"guidance_scale": 3.0}, "guidance in its weights", [row for row in PIPELINES if row in STREAMED]),
        ({"prompt": "b", "switch": "recache"}, "keep what it remembers", ["self-forcing-1.3b"]),
        ({"prompt": "b", "switch": "keep"}, "before every chunk", ["krea-realtime-14b"]),
        ({"seed": 3, "switch": "keep"}, "there is none", ["sprites"]),
        ({"vace": {"precision": "int8"}}, "whole video", ["sprites"]),
    ],
)
def test_a_row_refuses_what_it_cannot_follow(change, said, rows):
    for row in rows:
        text = {**SAID, "pipeline": row, "timeline": {"at": "2 chunks", **change}}
        with pytest.raises(RecipeError, match=said):
            make_plan(load_recipe(text), media=False)
