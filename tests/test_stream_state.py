from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.clips import SIZE, masked_passes, pictures, scene
from tests.tiny import SPEC, tiny_pipeline
from vacestream.stream import Stream, new_stream

NUM_FRAMES, NUM_CHUNKS = 67, 6
PROMPTS = {0: "a red dog", 3: "a blue cat"}


def vcus(skip: int = 0, **given):
    """A control inside a moving mask, footage around it, two references, and a prompt switch."""
    options = {"references": pictures(2), "prompts": PROMPTS, **given}
    return scene(SPEC, masked_passes(NUM_FRAMES), skip=skip, **options)


def started(**row: object) -> Stream:
    return new_stream(tiny_pipeline(**row), SIZE, 7)


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> tuple[list[np.ndarray], list[Path]]:
    """The frames of each chunk of a whole run, and the state before each."""
    folder, stream, parts = tmp_path_factory.mktemp("states"), started(), []
    made, states = stream(vcus()), [folder / f"{i}" for i in range(NUM_CHUNKS)]
    for state in states:
        stream.save(state)
        parts.append(next(made)[1])
    assert next(made, None) is None
    return parts, states


@pytest.mark.parametrize("border", range(NUM_CHUNKS))
def test_a_restored_stream_goes_on_with_the_same_frames(run, border):
    whole, states = run
    stream = started()
    stream.restore(states[border])
    rest = [part for _, part in stream(vcus(skip=border))]
    assert [len(part) for part in rest] == [len(part) for part in whole[border:]]
    assert all(np.array_equal(a, b) for a, b in zip(rest, whole[border:], strict=True))


def test_any_chunk_can_be_made_again_in_any_order(run):
    whole, states = run
    stream = started()
    for index in (4, 1, 4, 0):
        stream.restore(states[index])
        assert np.array_equal(next(stream(vcus(skip=index)))[1], whole[index])


def test_another_prompt_after_a_restore_is_a_switch(run):
    whole, states = run
    others = []
    for source in (states[1], None):
        stream = started()
        if source is None:
            next(stream(vcus()))
        else:
            stream.restore(source)
        others.append(next(stream(vcus(skip=1, prompts={0: "two green birds"})))[1])
    assert np.array_equal(*others)
    assert not np.array_equal(others[0], whole[1])


@pytest.mark.parametrize(
    ("other", "what"),
    [
        (lambda pipe: new_stream(pipe, SIZE, 8), "seed"),
        (lambda pipe: new_stream(pipe, (32, 48), 7), "size"),
        (lambda pipe: new_stream(replace(pipe, dtype=torch.bfloat16), SIZE, 7), "dtype"),
        (lambda pipe: new_stream(replace(pipe, spec=replace(SPEC, name="other")), SIZE, 7), "row"),
    ],
)
def test_the_state_of_another_stream_is_refused(run, other, what):
    with pytest.raises(ValueError, match=f"'{what}': "):
        other(tiny_pipeline()).restore(run[1][2])


def test_a_state_appears_when_it_is_complete(run, tmp_path, monkeypatch):
    stream = started()
    stream.save(tmp_path / "state")
    before = (tmp_path / "state").read_bytes()

    def full(_state, path):
        path.write_bytes(before[:100])
        raise OSError("disk full")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="disk full"):
        stream.save(tmp_path / "state")
    assert (tmp_path / "state").read_bytes() == before


def copy_of(stream: Stream) -> list[torch.Tensor]:
    """Every tensor that a chunk starts from."""
    pairs = [encoder.state() for pair in stream.encoding.streams for encoder in pair]
    features = [x for state in (*pairs, stream.decoder.state()) for x in state["features"]]
    tensors = [x for x in features if isinstance(x, torch.Tensor)] + stream.denoising.cache.layers
    return [x.clone() for x in tensors]


class BrokenOffError(Exception):
    pass


@pytest.mark.parametrize(
    ("index", "kind"), [(0, "denoise0"), (1, "denoise3"), (2, "context"), (3, "denoise1"), (5, "denoise2")]
)
def test_a_chunk_that_fails_leaves_no_trace_and_can_be_made_again(run, index, kind):
    whole, states = run
    stream = started()
    stream.restore(states[index])
    if index == 3:  # the switch itself has succeeded before the chunk fails
        next(stream(vcus(skip=3)))
        stream.restore(states[3])
    before, slots = copy_of(stream), list(stream.denoising.cache.table.latents)
    fail(stream, kind, index)
    after = copy_of(stream)
    assert stream.denoising.cache.table.latents == slots
    if index != 3:
        assert all(torch.equal(a, b) for a, b in zip(before, after, strict=True))
    rest = [part for _, part in stream(vcus(skip=index))]
    assert all(np.array_equal(a, b) for a, b in zip(rest, whole[index:], strict=True))


def test_a_prompt_switch_that_fails_is_made_again(run):
    whole, states = run
    stream = started()
    stream.restore(states[3])
    fail(stream, "recache", 3)
    assert np.array_equal(next(stream(vcus(skip=3)))[1], whole[3])


def fail(stream: Stream, kind: str, index: int) -> None:
    """Break off the chunk at the model call of a kind."""

    def trace(got: str, _chunk: int, _flow: torch.Tensor) -> None:
        if got == kind:
            raise BrokenOffError

    stream.trace = trace
    with pytest.raises(BrokenOffError):
        next(stream(vcus(skip=index)))
    stream.trace = None


def test_references_that_rest_during_a_switch_come_back_under_the_new_prompt(tmp_path):
    """Their keys and values of the old prompt must not be used again."""
    scales, stream = {0: 1.0, 3: 0.0, 4: 1.0}, started()
    made = stream(vcus(scales=scales))
    for _ in range(4):
        next(made)
    stream.save(tmp_path / "state")
    fresh = started()
    fresh.restore(tmp_path / "state")
    assert np.array_equal(next(made)[1], next(fresh(vcus(skip=4, scales=scales)))[1])


def test_a_restored_stream_gives_its_contexts_to_the_adapter_that_is_attached(run):
    """At a switch the contexts of the last window are run again, through this adapter."""
    _, states = run
    stream = started()
    other = tiny_pipeline().adapter
    stream.adapter = other
    stream.restore(states[3])
    contexts = [context for _, kept in stream.denoising.recent for context in kept]
    assert contexts
    assert all(context.adapter is other for context in contexts)
