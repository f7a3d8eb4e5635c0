"""Chunks in flight as rows of one call: each is the chunk alone."""

from dataclasses import replace

import pytest
import torch

from tests.clips import SIZE, Clip, control_passes, noise, pictures, scene
from tests.tiny import SIZE as TINY
from tests.tiny import tiny_pipeline
from vacestream.engine import Denoiser
from vacestream.errors import StoppedError
from vacestream.events import Event
from vacestream.loading import Weights
from vacestream.method import Method
from vacestream.models.kv_cache import KVCache
from vacestream.pipelines import PIPELINES
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe
from vacestream.run import render
from vacestream.step_batch import InFlight, StepBatch
from vacestream.stream import Stream, new_stream
from vacestream.unfinished import find
from vacestream.vcu import Manner

ROW = replace(
    PIPELINES["streamdiffusionv2-1.3b"], transformer=TINY, source_steps=(700, 500, 400), step_batch=True
)
NUM_FRAMES = 33


def started(*, weight: float = 1.0, **changes: object) -> Stream:
    pipeline = replace(tiny_pipeline(), spec=replace(ROW, **changes))
    return new_stream(pipeline, SIZE, 7, method=Method(reference_guidance=weight))


def controlled(num_frames: int = NUM_FRAMES, **given):
    """A control, two references, footage, and a prompt and a scale that change in flight."""
    options = {"references": pictures(2), "prompts": {0: "a red dog", 4: "a blue cat"}, "strength": 0.8}
    options |= {"scales": {0: 1.0, 3: 0.0, 5: 0.5}, "source": Clip(noise(num_frames, 4)), **given}
    return scene(ROW, control_passes(num_frames), **options)


def apart(stage: StepBatch, one: InFlight, row: KVCache) -> torch.Tensor:
    """Flow [1 c f h w] of a chunk alone, on a copy of its cache."""
    cache, chunk = row.copy(), one.condition.chunk
    with cache.writing(chunk.first_latent, chunk.num_latents):
        times = torch.full((1, chunk.num_latents), one.timestep)
        flow = stage.denoiser.model(one.sample[None], times, one.text, cache, stage._hints(one))
    assert flow is not None
    return flow


@pytest.fixture
def watched(monkeypatch) -> list[tuple[int, float]]:
    """Of each call: its rows, and how far they are from each chunk alone, on a copy of its cache."""
    seen: list[tuple[int, float]] = []
    inner = StepBatch._call

    def call(self, batch, state, noise):
        alone = []
        for one in batch:
            shown, hidden = (apart(self, this, state.rows[one.step]) for this in (one, one.bare()))
            weight = self.denoiser.in_manner(one.condition.manner).method.reference_guidance
            alone.append(hidden + weight * (shown - hidden))
        flows: list[torch.Tensor] = []
        tracing = replace(self.denoiser, trace=lambda _kind, _chunk, flow: flows.append(flow))
        watching = replace(self, denoiser=tracing)
        made = inner(watching, batch, state, noise)
        seen.append((len(batch), (flows[0] - torch.cat(alone)).abs().max().item()))
        return made

    monkeypatch.setattr(StepBatch, "_call", call)
    return seen


@pytest.mark.parametrize("weight", [1.0, 2.0], ids=["", "guided"])
def test_every_row_is_its_chunk_alone_with_its_own_control_scale_references_and_prompt(watched, weight):
    parts = [part for _, part in started(weight=weight)(controlled())]
    assert [len(part) for part in parts] == [5, *[4] * 7]
    rows, errors = zip(*watched, strict=True)
    assert rows == (1, 2, 3, 3, 3, 3, 3, 2, 1)  # it fills, runs and drains
    assert max(errors) < 1e-5


@pytest.mark.parametrize("given", [{"scales": {0: 0.0}}, {"scales": {0: 1.0}}, {"references": ()}])
def test_what_a_row_is_given_reaches_its_frames(given):
    whole = torch.cat([torch.from_numpy(part) for _, part in started()(controlled(17))])
    other = torch.cat([torch.from_numpy(part) for _, part in started()(controlled(17, **given))])
    assert whole.shape == other.shape
    assert (given == {"scales": {0: 1.0}}) == torch.equal(whole[:9], other[:9])


@pytest.mark.parametrize("weight", [1.0, 2.0], ids=["", "guided"])
def test_with_one_step_a_batch_is_the_chunks_one_after_the_other(weight):
    one = {"source_steps": (700,), "sink_refresh": None, "weight": weight}
    batched, alone = started(**one), started(**one, step_batch=False)
    assert isinstance(batched._stage(), StepBatch)
    assert isinstance(alone._stage(), Denoiser)
    for (_, a), (_, b) in zip(batched(controlled(21)), alone(controlled(21)), strict=True):
        assert abs(a.astype(int) - b.astype(int)).max() <= 1


def test_chunks_in_flight_are_saved_and_go_on_to_the_same_frames(tmp_path):
    """While it fills, runs and drains; a prompt, a scale and references differ among them."""
    stream, saved = started(), []
    for done, (_, frames) in enumerate(stream(controlled()), start=1):
        saved.append((done, len(stream.denoising.in_flight), frames))
        stream.save(tmp_path / str(done))
    assert [flying for _, flying, _ in saved] == [0, 2, 2, 2, 2, 2, 1, 0]
    for done, flying, _ in saved[:-1]:
        fresh = started()
        fresh.restore(tmp_path / str(done))
        rest = [frames for _, frames in fresh(controlled(skip=done + flying))]
        assert len(rest) == len(saved) - done
        for frames, (*_, whole) in zip(rest, saved[done:], strict=True):
            assert abs(frames.astype(int) - whole.astype(int)).max() <= 1, done


@pytest.mark.parametrize("manner", [Manner(reset="soft"), Manner(source_steps=(700, 500))])
def test_what_cannot_join_those_in_flight_waits_for_them(manner, tmp_path):
    """No chunk is lost, made twice or late; saved in between, the waiting one is begun again."""
    stream, parts = started(), []
    for done, (chunk, frames) in enumerate(stream(controlled(manners={4: manner})), start=1):
        assert chunk.index == done - 1
        parts.append(frames)
        if done == 3:
            stream.save(tmp_path / "state")
    assert sum(map(len, parts)) == NUM_FRAMES
    fresh = started()
    fresh.restore(tmp_path / "state")
    skip = 3 + len(fresh.denoising.in_flight)
    rest = [frames for _, frames in fresh(controlled(skip=skip, manners={4: manner}))]
    for a, b in zip(rest, parts[3:], strict=True):
        assert abs(a.astype(int) - b.astype(int)).max() <= 1


def test_each_row_is_guided_and_seeded_as_its_chunk_asks(watched):
    """The third of five chunks has a seed and a weight of its own."""
    own = {2: Manner(seed=9, method=Method(reference_guidance=3.0)), 3: Manner()}
    made = [frames for _, frames in started()(controlled(17, manners=own))]
    plain = [frames for _, frames in started()(controlled(17))]
    assert max(error for _, error in watched) < 1e-5
    assert [abs(a.astype(int) - b.astype(int)).max() > 1 for a, b in zip(made, plain, strict=True)] == [
        False, False, True, True,
    ]  # fmt: skip


def test_a_render_that_stops_with_chunks_in_flight_goes_on_with_them(tmp_path):
    """As no row that comes with its weights takes a step batch, sprites is made to."""

    def plan_of(name: str) -> Plan:
        recipe = {"prompt": "a red square", "length": "33f", "size": "64x64", "device": "cpu"}
        made = make_plan(load_recipe({**recipe, "output": str(tmp_path / name / "%02d.png")}))
        return replace(made, spec=replace(made.spec, step_batch=True, commit_pass=False, recache="none"))

    def stop(event: Event) -> None:
        if event.kind == "chunk" and event.chunk == 2:
            raise StoppedError("stopped")

    weights, parted, whole = Weights(), plan_of("parted"), plan_of("whole")
    with pytest.raises(StoppedError):
        render(parted, report=stop, weights=weights)
    kept = find(parted.outputs)
    assert kept is not None
    state = torch.load(kept.folder / kept.state, weights_only=True)
    assert len(state["in_flight"]["chunks"]) > 0
    for plan in (parted, whole):
        render(plan, report=lambda _: None, weights=weights, unfinished=find(plan.outputs))
    files = [sorted((tmp_path / name).glob("*.png")) for name in ("parted", "whole")]
    assert len(files[0]) == len(files[1]) == 33
    assert [one.read_bytes() for one in files[0]] == [one.read_bytes() for one in files[1]]
