"""Each choice of the method reaches the frames, and a stream with it goes on from its state to the bit."""

from dataclasses import fields, replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips import SIZE, control_passes, masked_passes, pictures, scene
from tests.tiny import SPEC, tiny_pipeline
from vacestream.method import PLAIN, Method
from vacestream.stream import Stream, new_stream

NUM_FRAMES = 57
CHOICES = {
    "commit_hints": Method(commit_hints=False),
    "reference_guidance": Method(reference_guidance=2.0),
    "references: sink": Method(references="sink"),
    "references: prefix": Method(references="prefix"),
    "memory: 7": Method(memory=7),
    "all": Method(False, 2.0, "prefix", 4),
}
STATELY = ("references: sink", "references: prefix", "memory: 7", "all")


def vcus(skip: int = 0, **given: object):
    prompts = {0: "a red dog", 3: "a blue cat"}
    options = {"references": pictures(2), "prompts": prompts, **given}
    return scene(SPEC, masked_passes(NUM_FRAMES), skip=skip, **options)


def started(method: Method = PLAIN, **row: object) -> Stream:
    return new_stream(tiny_pipeline(**row), SIZE, 7, method=method)


def frames(stream: Stream, units) -> list[np.ndarray]:
    return [made for _, made in stream(units)]


def same(one: list[np.ndarray], two: list[np.ndarray]) -> list[bool]:
    return [np.array_equal(a, b) for a, b in zip(one, two, strict=True)]


@pytest.fixture(scope="module")
def plain() -> list[np.ndarray]:
    return frames(started(), vcus())


def test_every_choice_is_made_here() -> None:
    for choice in fields(Method):
        assert any(getattr(method, choice.name) != choice.default for method in CHOICES.values())


@pytest.mark.parametrize("name", CHOICES)
def test_a_choice_acts_from_the_first_chunk_that_it_can(name: str, plain: list[np.ndarray]) -> None:
    late = ("commit_hints", "memory: 7")
    made = frames(started(CHOICES[name]), vcus())
    assert same(made, plain) == [name in late, False, False, False, False]


@pytest.mark.parametrize("name", STATELY)
def test_a_restored_stream_goes_on_with_the_same_frames(name: str, tmp_path: Path) -> None:
    stream, whole = started(CHOICES[name]), []
    made = stream(vcus())
    for border in range(5):
        stream.save(tmp_path / f"{border}")
        whole.append(next(made)[1])
    for border in (1, 3):  # at 3 the prompt is another one
        fresh = started(CHOICES[name])
        fresh.restore(tmp_path / f"{border}")
        assert all(same(frames(fresh, vcus(skip=border)), whole[border:]))


class BrokenOffError(Exception):
    pass


@pytest.mark.parametrize("kind", ["denoise2", "context"])
def test_a_chunk_that_fails_is_made_again_with_the_memory_that_was_there(kind: str) -> None:
    whole = frames(started(CHOICES["all"]), vcus())
    stream = started(CHOICES["all"])
    list(stream(islice(vcus(), 2)))

    def trace(got: str, chunk: int, _flow: torch.Tensor) -> None:
        if (got, chunk) == (kind, 2):
            raise BrokenOffError

    stream.trace = trace
    with pytest.raises(BrokenOffError):
        next(stream(vcus(skip=2)))
    stream.trace = None
    assert all(same(frames(stream, vcus(skip=2)), whole[2:]))


@pytest.mark.parametrize(
    "row",
    [
        {"rope": "relative"},
        {"sink_decay": 0.9, "rope": "relative"},
        {"bank_latents": 2, "bank_interval": 1},
        {"bank_latents": 2, "bank_interval": 1, "bank_top": 1},
        {"attention_sink_latents": 0, "recompute_latents": 3, "commit_pass": False, "recache": "none"},
        {"sink_refresh": 0.2, "chunk_latents": 1, "first_chunk_latents": 2, "recache": "none"},
    ],
    ids=str,
)
def test_every_kind_of_cache_has_room_for_them(row: dict[str, object]) -> None:
    def made(method: Method) -> list[np.ndarray]:
        units = scene(replace(SPEC, **row), control_passes(33), references=pictures(1))  # type: ignore[arg-type]
        return frames(started(method, **row), units)

    without = made(PLAIN)
    for name in ("references: prefix", "memory: 7"):
        assert not same(made(CHOICES[name]), without)[-1]


@pytest.mark.parametrize("name", ["references: sink", "references: prefix"])
def test_references_that_do_not_act_are_nowhere_else_either(name: str) -> None:
    def made(method: Method, **given: object) -> list[np.ndarray]:
        return frames(started(method), scene(SPEC, control_passes(33), **given))  # type: ignore[arg-type]

    silent = {"references": pictures(2), "scales": {0: 0.0, 2: 1.0}}
    bare = made(PLAIN, scales={0: 0.0, 2: 1.0})
    assert same(made(CHOICES[name], **silent), bare) == [True, True, False]
    assert all(same(made(CHOICES[name]), made(PLAIN)))


def test_what_rested_in_a_chunk_is_not_remembered_in_the_next() -> None:
    def made(method: Method) -> list[np.ndarray]:
        return frames(started(method), scene(SPEC, control_passes(45), scales={0: 1.0, 2: 0.0, 3: 1.0}))

    assert same(made(Method(memory=7, commit_hints=False)), made(Method(commit_hints=False)))[:1] == [True]
    stream = started(Method(memory=7))
    units = stream(scene(SPEC, control_passes(45), scales={0: 1.0, 2: 0.0, 3: 1.0}))
    held = []
    for _ in units:
        past = stream.denoising.memory.past
        held.append(past[0][0][0].shape[1] // 4 if past else 0)
    assert held == [3, 6, 0, 3]


def test_an_adapter_that_goes_takes_its_memory_along() -> None:
    stream = started(Method(memory=7, references="sink"))
    made = stream(vcus())
    next(made), next(made)
    assert stream.denoising.memory.past
    stream.adapter = tiny_pipeline().adapter
    stream._attached()
    assert not stream.denoising.memory.past
    next(made)
