"""Asks become what a recipe would ask; every way of making gives the frames asked for."""

import pytest
import torch

from vacestream import api
from vacestream.evaluate import asks, sampling
from vacestream.evaluate.asks import Ask
from vacestream.evaluate.truth import make_truth
from vacestream.frames import to_frames
from vacestream.pipelines import PIPELINES
from vacestream.sprites.signals import SIGNALS
from vacestream.timeline import chunks

FRAMES = 9


@pytest.fixture(scope="module")
def pipeline():
    return sampling.load()


@pytest.fixture(scope="module")
def truth():
    return make_truth(0, (64, 64), num_frames=FRAMES)


def _short(ask: Ask) -> Ask:
    return Ask(**{**vars(ask), "num_frames": FRAMES})


def _vcus(ask, truth):
    return [vcu for _, vcu in ask.vcus(truth, chunks(PIPELINES["sprites"], FRAMES))]


def test_nothing_given_is_put_back_into_the_output(truth):
    for ask in (asks.ENDS, asks.HALF):
        assert all(vcu.kept is None for vcu in _vcus(ask, truth))


def test_given_frames_are_told_in_the_layer_and_in_its_mask(truth):
    (vcu,) = _vcus(asks.ENDS, truth)
    layer = vcu.layers[0]
    assert layer.masks.amax((1, 2, 3)).tolist() == [0, *[1] * (FRAMES - 2), 0]
    assert torch.allclose(layer.frames[0], truth.video[0] * 2 - 1, atol=0.01)
    assert not layer.frames[1:-1].any()
    (vcu,) = _vcus(asks.HALF, truth)
    assert vcu.layers[0].masks[..., :32].max() == 0
    assert vcu.layers[0].masks[..., 32:].min() == 1


def test_streaming_makes_what_the_api_makes(pipeline, truth):
    control = to_frames(SIGNALS["depth"](truth.clip)[0] * 2 - 1)
    picture = to_frames(truth.references("own")[0][None])[0]
    frames = api.Model(pipeline).generate(
        truth.caption(named=False),
        vace_reference_images=[picture],
        vace_video=control,
        size=(64, 64),
        seed=truth.seed,
    )
    made = sampling.streaming(pipeline)(_short(asks.DEPTH_REFERENCE), truth)
    (whole,) = frames
    assert (made.movedim(1, -1) * 255 - torch.from_numpy(whole)).abs().max() <= 1


def test_hints_of_no_scale_are_no_hints(pipeline, truth):
    way = sampling.streaming(pipeline)
    assert torch.equal(way(_short(asks.SCALED[0]), truth), way(_short(asks.NO_HINT), truth))


def test_batch_makes_the_whole_clip_and_obeys(truth):
    way = sampling.batch()
    hinted, bare, kept = (way(_short(ask), truth) for ask in (asks.DEPTH_REFERENCE, asks.NO_HINT, asks.HALF))
    assert hinted.shape == bare.shape == kept.shape == truth.video.shape
    assert (hinted - truth.video).square().mean() < (bare - truth.video).square().mean() / 2
    side = kept.shape[3] // 2
    given, made = (
        (kept - truth.video)[..., part].square().mean() for part in (slice(side), slice(side, None))
    )
    assert given < made


def test_the_vae_alone_gives_the_clip_back(pipeline, truth):
    assert (sampling.through_vae(pipeline)(asks.NO_HINT, truth) - truth.video).abs().mean() < 0.05
