"""The clips that are judged: none that training sees, and what they promise of themselves."""

import sys
from pathlib import Path

from vacestream.evaluate.truth import make_truth
from vacestream.sprites.scenes import FIRST_TRAINING_SEED

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripts.sprites import latents
from scripts.sprites.run import Seeds

CLIPS = 30


def test_no_evaluated_scene_is_one_that_training_draws():
    drawn = {Seeds(0).take(1)[0], *(scenes.seeds[0] for scenes in latents.shard_scenes(0, (64, 64)))}
    assert min(drawn) >= FIRST_TRAINING_SEED
    for sprites in (1, 2):
        for index in range(CLIPS):
            truth = make_truth(index, (64, 64), sprites=sprites, num_frames=1)
            assert max(*truth.scenes.seeds, *truth.other.seeds) < FIRST_TRAINING_SEED


def test_every_index_is_another_scene_with_as_many_sprites_as_were_asked_for():
    for sprites in (1, 2):
        truths = [make_truth(index, (64, 64), sprites=sprites, num_frames=1) for index in range(CLIPS)]
        assert len({one.seed for one in truths}) == CLIPS
        assert {one.num_sprites for one in truths} == {sprites}
        assert {len(one.references("own")) for one in truths} == {sprites}


def test_another_clips_reference_has_neither_colour_nor_shape_of_this_one():
    for index in range(CLIPS):
        truth = make_truth(index, (64, 64), num_frames=1)
        own, other = (
            (int(scenes.colours[0, 0]), int(scenes.kinds[0, 0])) for scenes in (truth.scenes, truth.other)
        )
        assert own[0] != other[0]
        assert own[1] != other[1]


def test_a_caption_that_names_nothing_has_the_ground_alone():
    truth = make_truth(0, (64, 64), num_frames=1)
    full, ground = truth.caption(named=True), truth.caption(named=False)
    assert full.endswith(f" on {ground}")
    assert ground.endswith(" background")
