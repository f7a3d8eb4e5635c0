"""What is measured of kept pixels, signals and references can say no: each on failures made on purpose."""

from dataclasses import replace

import pytest
import torch

from vacestream.evaluate import keeping
from vacestream.evaluate import measures as of
from vacestream.evaluate.asks import NO_HINT
from vacestream.evaluate.measures import LUMA
from vacestream.evaluate.truth import FIRST_SEED, Given, make_alone
from vacestream.sprites.source import SpritesSource, reference

CLIPS, SIZE = 6, (64, 64)


@pytest.fixture(scope="module")
def truths():
    return [make_alone(index, SIZE) for index in range(CLIPS)]


def kept(truth, share, frames=()):
    return replace(truth, given=Given(truth.video, share, frames))


def mean(measure, truths, change=lambda video: video):
    return sum(measure.of(change(one.video.clone()), one, NO_HINT) for one in truths) / len(truths)


def test_a_clip_is_what_its_seed_shows_with_one_sprite(truths):
    assert len({one.seed for one in truths}) == CLIPS
    for truth in truths:
        assert truth.seed >= FIRST_SEED
        shown = torch.from_numpy(SpritesSource(truth.seed, size=SIZE).read(33)).movedim(-1, 1)
        assert (truth.video * 255 - shown).abs().max() <= 0.5
        picture = torch.from_numpy(reference(truth.other.seeds[0], SIZE)).movedim(-1, 0)
        assert ((truth.references("other")[0] + 1) / 2 * 255 - picture).abs().max() <= 0.5


def test_a_kept_pixel_that_is_a_level_off_is_seen(truths):
    share = torch.zeros(33, *SIZE)
    share[:, :, 32:] = 1
    held = [kept(one, share) for one in truths]

    def off(video):
        video[:, :, 3, 5] += 1 / 255
        return video

    assert mean(keeping.KEPT, held) == 1
    assert 0.99 < mean(keeping.KEPT, held, off) < 1

    def elsewhere(video):
        video[..., 32:] = 0.5
        return video

    assert mean(keeping.KEPT, held, elsewhere) == 1


def test_an_anchor_one_frame_late_is_seen(truths):
    held = [kept(one, torch.ones(33, *SIZE), (0, 16, 32)) for one in truths]
    assert mean(keeping.ANCHORS, held) == 100
    assert mean(keeping.ANCHORS, held, lambda video: video.roll(1, 0)) < 40

    def repainted(video):
        video[[1, 15, 17, 31]] = 0.5
        return video

    assert mean(keeping.ANCHORS, held, repainted) == 100
    assert mean(keeping.BESIDE, held) == 100
    assert mean(keeping.BESIDE, held, repainted) < 20


@pytest.mark.parametrize("region", ["box", "sides"])
def test_a_seam_is_the_sources_own_gradient_until_there_is_one(truths, region):
    share = torch.zeros(33, *SIZE)
    if region == "box":
        share[:, 9:55, 12:52] = 1
    else:
        share[..., :16] = share[..., 48:] = 1
    held = [kept(one, share) for one in truths]
    made = share[:, None].expand(-1, 3, -1, -1) > 0

    def darker(video):
        return torch.where(made, video * 0.8, video)

    def noisy(video):
        noise = torch.rand(video.shape, generator=torch.Generator().manual_seed(0)) - 0.5
        return torch.where(made, video + 0.3 * noise, video)

    assert 0.3 < mean(keeping.SEAM, held) < 1.5
    assert mean(keeping.SEAM, held, darker) > 3
    assert mean(keeping.SEAM, held, noisy) > 3


def test_nothing_kept_has_neither_pixels_nor_seams(truths):
    with pytest.raises(ValueError, match="without anything that is kept"):
        keeping.KEPT.of(truths[0].video, truths[0], NO_HINT)
    with pytest.raises(ValueError, match="has no seam"):
        keeping.SEAM.of(truths[0].video, kept(truths[0], torch.ones(33, *SIZE)), NO_HINT)


def test_luma_tells_light_from_dark_and_not_one_colour_from_another(truths):
    weights = torch.tensor(LUMA)[:, None, None]
    assert mean(of.LUMA_ERROR, truths) == 0
    assert mean(of.LUMA_ERROR, truths, lambda video: video * 0.9) > 5
    gray = [(one.video * weights).sum(1, keepdim=True).expand_as(one.video) for one in truths]
    assert all(of.LUMA_ERROR.of(a, one, NO_HINT) < 0.01 for a, one in zip(gray, truths, strict=True))


def test_a_sprite_that_slips_at_chunk_borders_is_seen(truths):
    def slipped(video):
        video[[8, 9, 20, 21]] = video[[8, 9, 20, 21]].roll(10, -1)
        return video

    def everywhere(video):
        return video.roll(10, -1)

    assert mean(of.BORDER_ERROR, truths, slipped) > 10
    assert 0.8 < mean(of.BORDER_ERROR, truths, everywhere) < 1.2


def test_two_references_are_both_seen_or_half(truths):
    assert mean(of.BOTH_COLOURS, truths) == 0.5
    both = [
        torch.cat([one.video[:16], (one.references("other")[0].expand(8, -1, -1, -1) + 1) / 2])
        for one in truths
    ]
    found = [of.BOTH_COLOURS.of(frames, one, NO_HINT) for frames, one in zip(both, truths, strict=True)]
    assert found == [1.0] * CLIPS
    assert mean(of.BOTH_COLOURS, truths, lambda video: video * 0 + 0.5) == 0
