"""The judge knows the clips themselves, and can say no."""

from dataclasses import replace

import pytest
import torch

from vacestream.errors import VacestreamError
from vacestream.evaluate import measures as of
from vacestream.evaluate.asks import DEPTH, NO_HINT, OTHER_REFERENCE, REFERENCE
from vacestream.evaluate.evaluation import ACCEPTED, measure, refuse_judge
from vacestream.evaluate.rows import JUDGE
from vacestream.evaluate.sampling import through_nothing
from vacestream.evaluate.truth import make_truth
from vacestream.sprites.shapes import SHAPES
from vacestream.sprites.world import render

CLIPS, SIZE = 8, (64, 64)


@pytest.fixture(scope="module")
def truths():
    return [make_truth(index, SIZE) for index in range(CLIPS)]


@pytest.mark.parametrize("size", [(64, 64), (128, 128), (96, 160)])
def test_the_judge_knows_the_clips_themselves(size):
    values = measure(JUDGE, {"unchanged": through_nothing}, clips=CLIPS, size=size)
    assert {name: sum(each) / CLIPS for name, each in values.items()} == pytest.approx(
        dict.fromkeys(values, 1.0), abs=1 - ACCEPTED
    )


def test_a_judge_that_does_not_know_the_clips_is_refused():
    values = measure(JUDGE, {"unchanged": lambda ask, truth: truth.video.roll(12, 3)}, clips=2, size=SIZE)
    with pytest.raises(
        VacestreamError, match=r"silhouette IoU: the clips, unchanged: the judge reaches 0\.\d\d"
    ):
        refuse_judge(values)


def _recoloured(truth):
    """Red becomes green, green blue, blue red."""
    return truth.video.roll(1, 1)


def _shifted(truth):
    return truth.video.roll(8, 3)


def _lagging(truth):
    return torch.cat([truth.video[:1].expand(8, -1, -1, -1), truth.video[:-8]])


def _noise(truth):
    return torch.rand(truth.video.shape, generator=torch.Generator().manual_seed(truth.seed))


def _empty(truth):
    return torch.full_like(truth.video, 0.5)


def _reshaped(truth):
    kinds = (truth.scenes.kinds + 1) % len(SHAPES)
    return render(replace(truth.scenes, kinds=kinds), range(len(truth.video)), truth.size).video[0]


def _jumping(truth):
    """A cut at each chunk border."""
    return torch.cat([truth.video[:9], 1 - truth.video[9:21], truth.video[21:]])


def _flickering(truth):
    return (truth.video + 0.1 * (torch.arange(len(truth.video)) % 2)[:, None, None, None]).clamp(0, 1)


def _painted(truth):
    return torch.cat([(truth.references("own")[0][None] + 1) / 2, truth.video[1:]])


@pytest.mark.parametrize(
    ("failure", "measured", "ask", "worst"),
    [
        (_recoloured, of.COLOUR, DEPTH, 0.0),
        (_recoloured, of.COLOUR, NO_HINT, 0.0),
        (_shifted, of.IOU, DEPTH, 0.75),
        (_shifted, of.DEPTH_ERROR, DEPTH, 0.02),
        (_lagging, of.IOU, DEPTH, 0.75),
        (_noise, of.IOU, DEPTH, 0.3),
        (_noise, of.SHAPE, NO_HINT, 0.4),
        (_noise, of.COLOUR, DEPTH, 0.5),
        (_empty, of.IOU, DEPTH, 0.0),
        (_empty, of.COLOUR, NO_HINT, 0.0),
        (_empty, of.SHAPE, NO_HINT, 0.0),
        (_empty, of.GROUND, NO_HINT, 0.4),
        (_reshaped, of.SHAPE, NO_HINT, 0.0),
        (_reshaped, of.SHAPE, REFERENCE, 0.0),
        (through_nothing, of.COLOUR, OTHER_REFERENCE, 0.0),
        (_jumping, of.SEAM, DEPTH, 3.0),
        (_flickering, of.FLICKER, DEPTH, 0.1),
        (_painted, of.UNPAINTED, REFERENCE, 0.0),
        (_empty, of.FIRST, NO_HINT, 15.0),
        (_empty, of.KEPT_HALF, NO_HINT, 15.0),
    ],
)
def test_what_is_wrong_is_seen(truths, failure, measured, ask, worst):
    made = [through_nothing(ask, one) if failure is through_nothing else failure(one) for one in truths]
    found = [measured.of(frames, one, ask) for frames, one in zip(made, truths, strict=True)]
    right = [measured.of(one.video, one, REFERENCE) for one in truths]
    mean, best = sum(found) / CLIPS, sum(right) / CLIPS
    assert mean >= worst if measured.less else mean <= worst
    assert mean > best if measured.less else mean < best


def test_a_shape_is_known_wherever_it_is_however_turned_and_at_any_size(truths):
    for truth in truths:
        turned = torch.rot90(truth.video, 1, (2, 3)).roll(5, 2)
        assert of.SHAPE.of(turned, truth, NO_HINT) == 1
