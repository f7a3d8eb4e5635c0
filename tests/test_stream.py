import gc
import weakref
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch

from tests.clips import SIZE, control_passes, masked_passes, moving_mask, noise, pictures, scene
from tests.tiny import SPEC, tiny_pipeline
from vacestream.condition import Pass
from vacestream.method import Method
from vacestream.models.schedule import make_schedule
from vacestream.stream import Stream, new_stream
from vacestream.timeline import chunks
from vacestream.vcu import VCU


def started(seed: int = 7, **row: object) -> Stream:
    return new_stream(tiny_pipeline(**row), SIZE, seed)


def frames(stream: Stream, vcus) -> list[np.ndarray]:
    return [made for _, made in stream(vcus)]


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return len(a) == len(b) and all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def controlled(num_frames: int = 33, **given):
    return scene(SPEC, control_passes(num_frames), references=pictures(2), **given)


def bare(num_frames: int, prompts: dict[int, str] | None = None):
    return scene(SPEC, [], num_frames=num_frames, prompts=prompts)


def test_the_same_seed_gives_the_same_frames_and_another_seed_others():
    made = frames(started(), controlled())
    assert equal(made, frames(started(), controlled()))
    assert not np.array_equal(made[0], frames(started(seed=8), controlled())[0])


@pytest.mark.parametrize("num_frames", [1, 2, 8, 9, 10, 20, 21, 22])
def test_as_many_frames_come_out_as_went_in(num_frames):
    made = frames(started(), scene(SPEC, control_passes(num_frames)))
    assert sum(len(part) for part in made) == num_frames
    assert all(part.shape[1:] == (*SIZE, 3) and part.dtype == np.uint8 for part in made)


def test_a_one_latent_first_chunk_streams_too():
    stream = started(first_chunk_latents=1)
    made = frames(stream, scene(stream.pipeline.spec, control_passes(14)))
    assert [len(part) for part in made] == [1, 12, 1]


def test_context_scale_zero_is_the_bare_base_bit_for_bit():
    assert equal(frames(started(), controlled(scales={0: 0.0})), frames(started(), bare(33)))


def test_control_references_prompt_and_scale_each_reach_the_frames():
    plain = frames(started(), controlled(9))
    for given in (
        scene(SPEC, [Pass()], num_frames=9, references=pictures(2)),
        scene(SPEC, control_passes(9)),
        controlled(9, prompts={0: "a blue cat"}),
        controlled(9, scales={0: 0.5}),
    ):
        assert not equal(frames(started(), given), plain)


@pytest.mark.parametrize(
    "prompts", [{0: "a red dog"}, {0: "a red dog", 3: "a blue cat"}], ids=["one", "switch"]
)
def test_behind_an_unloaded_adapter_the_base_goes_on_from_the_same_cache(tmp_path, prompts):
    stream = started()
    made = stream(controlled(57, prompts=prompts))
    next(made), next(made)
    stream.save(tmp_path / "state")
    stream.adapter = None
    unloaded = [part for _, part in made]

    base = new_stream(replace(stream.pipeline, adapter=None), SIZE, 7)
    base.restore(tmp_path / "state")
    assert equal(unloaded, frames(base, islice(bare(57, prompts), 2, None)))


@pytest.mark.parametrize("scales", [{0: 1.0}, {0: 1.0, 1: 0.0}], ids=["in use", "long unused"])
def test_nothing_of_an_unloaded_adapter_stays_alive(scales):
    stream = started()
    made = stream(controlled(90, scales=scales))
    list(islice(made, 5))
    keys, _ = next(iter(stream.encoding.references.kv.values()))[0]
    gone = [weakref.ref(stream.adapter), weakref.ref(stream.adapter.vace_blocks[0]), weakref.ref(keys)]
    del keys
    stream.unload_adapter()
    next(made)
    gc.collect()
    assert [ref() is None for ref in gone] == [True] * 3


def test_an_adapter_comes_and_goes_at_chunk_borders():
    stream = started()
    adapter, made, parts = stream.adapter, stream(controlled(45)), []
    for attached in (True, False, True, True):
        stream.adapter = adapter if attached else None
        parts.append(next(made)[1])
    silent = frames(started(), controlled(45, scales={0: 1.0, 1: 0.0, 2: 1.0}))
    assert equal(parts, silent)
    assert not np.array_equal(parts[2], frames(started(), controlled(45))[2])


def test_an_adapter_is_swapped_for_another_one():
    stream, other = started(), tiny_pipeline().adapter
    with torch.no_grad():
        for block in other.vace_blocks:
            block.proj_out.weight.neg_()
    made, whole = stream(controlled(33)), frames(started(), controlled(33))
    first = next(made)[1]
    stream.adapter = other
    second = next(made)[1]
    assert np.array_equal(first, whole[0])
    assert not np.array_equal(second, whole[1])


def test_the_scale_may_change_in_the_middle_of_a_stream():
    changed, steady = (frames(started(), controlled(scales=s)) for s in ({0: 1.0, 1: 0.5}, {0: 1.0}))
    assert np.array_equal(changed[0], steady[0])
    assert not np.array_equal(changed[1], steady[1])


def test_without_hints_in_the_commit_pass_the_next_chunk_is_another():
    with_hints = frames(started(), controlled())
    without = frames(new_stream(tiny_pipeline(), SIZE, 7, method=Method(commit_hints=False)), controlled())
    assert np.array_equal(with_hints[0], without[0])
    assert not np.array_equal(with_hints[1], without[1])


def test_kept_pixels_are_the_sources_to_the_bit_and_the_others_are_made():
    made = np.concatenate(frames(started(), scene(SPEC, masked_passes(40))))
    source, black = noise(40, 2), moving_mask(40) < 128
    assert len(made) == 40
    assert np.array_equal(made[black], source[black])
    assert (made[~black] != source[~black]).mean() > 0.9


def test_a_prompt_switch_makes_the_cache_again_only_where_the_row_says_so():
    prompts = {0: "a red dog", 2: "a blue cat"}
    runs = {}
    for recache in ("keep_sink", "rewrite_sink", "none"):
        seen: list[str] = []
        stream = started(recache=recache)
        stream.trace = lambda kind, _chunk, _flow, seen=seen: seen.append(kind)
        runs[recache] = frames(stream, controlled(33, prompts=prompts)), stream.denoising.cache.layers[-1]
        assert seen.count("recache") == (recache != "none")
    for name, (made, cache) in runs.items():
        assert equal(made[:2], runs["none"][0][:2])
        assert (name == "none") == equal(made[2:], runs["none"][0][2:])
        assert (name == "none") == torch.equal(cache, runs["none"][1])


def test_references_are_run_once_a_prompt_and_timestep():
    stream = started()
    made = stream(controlled(57, prompts={0: "a red dog", 3: "a blue cat"}))
    next(made)
    first = stream.encoding.references.kv
    assert sorted(time for _, time in first) == sorted([*_times(stream), 0.0])
    next(made), next(made)
    assert stream.encoding.references.kv is first
    next(made)
    second = stream.encoding.references.kv
    assert second.keys() == first.keys()
    assert not any(torch.equal(second[key][1][0], first[key][1][0]) for key in first)


def _times(stream: Stream) -> list[float]:
    spec = stream.pipeline.spec
    return list(make_schedule(spec.steps, spec.shift, warp=spec.warp).timesteps)


def test_a_vcu_without_layers_is_the_bare_base():
    plain = ((chunk, VCU("a red dog")) for chunk in chunks(SPEC, 21))
    assert equal(frames(started(), plain), frames(started(), bare(21)))
