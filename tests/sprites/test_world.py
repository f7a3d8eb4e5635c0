from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from vacestream.errors import InputError
from vacestream.sprites.figure import THICKNESS, limbs
from vacestream.sprites.scenes import (
    COLOURS,
    FIRST_TRAINING_SEED,
    captions,
    centres,
    draw_scenes,
    ground_shift,
    panned,
)
from vacestream.sprites.shapes import FIGURE, REACH, SHAPES, distance
from vacestream.sprites.signals import SIGNALS, draw_flow, draw_pose
from vacestream.sprites.source import SpritesSource, caption, reference
from vacestream.sprites.world import render, render_batch


@pytest.fixture(scope="module")
def clip():
    return render_batch(range(12), 6, (96, 128))


def _landing(clip, t):
    """Sampling grid of where each pixel of frame t is in the next one."""
    height, width = clip.distance.shape[-2:]
    y, x = torch.meshgrid(torch.arange(float(height)), torch.arange(float(width)), indexing="ij")
    to = torch.stack([x + clip.flow[:, t, 1], y + clip.flow[:, t, 0]], -1)
    return (to + 0.5) / torch.tensor([width, height]) * 2 - 1


def test_moving_a_sprite_by_the_flow_lands_each_of_its_points_on_itself(clip):
    seen, checked = clip.instances, 0
    for t in range(5):
        grid = _landing(clip, t)
        there = grid.abs().amax(-1) < 0.97
        for n in range(clip.scenes.num_sprites):
            whole = (clip.scenes.kinds[:, n] != FIGURE)[:, None, None]
            place, ahead = clip.local[:, :, n, t].transpose(0, 1), clip.local[:, :, n, t + 1].transpose(0, 1)
            landed = F.grid_sample(ahead, grid, align_corners=False)
            kept = there & whole & (seen[:, t] == n + 1)
            checked += int(kept.sum())
            assert not kept.any() or (landed - place).abs().amax(1)[kept].max() < 1e-3
    assert checked > 10_000
    assert clip.flow.abs().amax(dim=(1, 2, 3, 4)).min() > 0.3


@pytest.fixture(scope="module")
def walk():
    seeds = (draw_scenes(range(60)).kinds[:, 0] == FIGURE).nonzero()[:, 0].tolist()
    return render_batch(seeds, 5, (128, 128), max_sprites=1)


def test_moving_a_figure_by_the_flow_lands_each_point_in_its_limb_as_deep_as_before(walk):
    moved, still = [], []
    for t in range(4):
        grid = _landing(walk, t)
        there = (walk.instances[:, t] == 1) & (grid.abs().amax(-1) < 0.97)
        before, ahead = walk.distance[:, 0, t], walk.distance[:, :, t + 1]
        landed = F.grid_sample(ahead, grid, align_corners=False)[:, 0]
        moved.append((landed - before)[there])
        still.append((ahead[:, 0] - before)[there])
    deeper = torch.cat(moved)
    assert deeper.max() < 0.6
    assert deeper.abs().mean() < 0.2 * torch.cat(still).abs().mean()


def test_limbs_swing_but_keep_their_length_and_their_joints(walk):
    ends = limbs(walk.scenes.gaits[:, 0], torch.arange(48.0))
    start, end = ends.unbind(-2)
    length = (end - start).norm(dim=-1)
    assert (length - length[:, :1]).abs().max() < 1e-5
    arms, legs = (end[:, :, [2, 4]], start[:, :, [3, 5]]), (end[:, :, [6, 8]], start[:, :, [7, 9]])
    assert torch.equal(*arms)
    assert torch.equal(*legs)
    assert (end[:, :, 7] - end[:, :1, 7]).norm(dim=-1).amax(1).min() > 0.2
    thick = torch.tensor(list(THICKNESS.values()))
    assert (torch.maximum(start.norm(dim=-1), end.norm(dim=-1)) + thick).max() < REACH


def test_the_skeleton_of_a_figure_lies_within_it_and_reaches_its_hands_and_feet(walk):
    ink, inside = draw_pose(walk).amax(2) > 0.5, walk.instances > 0
    assert (ink & (walk.distance[:, 0] > 1)).sum() == 0
    deep = F.max_pool2d(ink.float(), 41, 1, 20) > 0
    assert (deep | ~inside).all()
    still = render_batch(walk.scenes.seeds, 1, (128, 128), max_sprites=1)
    assert draw_pose(still).flatten(3).any(-1).sum() >= 3 * len(walk.scenes.seeds)


def test_a_pan_moves_ground_and_sprites_against_the_camera():
    seeds = draw_scenes(range(300)).pan[:, 0].nonzero()[:12, 0].tolist()
    scenes, times = draw_scenes(seeds, max_sprites=1), torch.arange(200.0)
    camera = panned(scenes, times)
    ground = ground_shift(scenes, times)[:, 1] - scenes.ground_shape[:, 4:5] * times
    still = replace(scenes, pan=scenes.pan * torch.tensor([0.0, 1.0, 1.0]))
    held = centres(scenes, times, (1.0, 1.0))[:, 0, :, 1] - centres(still, times, (1.0, 1.0))[:, 0, :, 1]
    turned = camera.diff(dim=1).abs() > 1e-3
    assert (ground.diff(dim=1)[turned] * camera.diff(dim=1)[turned]).max() < 0
    assert torch.corrcoef(torch.stack([held.flatten(), camera.flatten()]))[0, 1] < -0.3
    assert draw_scenes(range(200)).pan[:, 0].gt(0).float().mean() < 0.4


def test_moving_a_frame_by_the_flow_gives_the_next_frame_but_for_what_is_uncovered(clip):
    ahead = F.grid_sample(clip.video[:, 1], _landing(clip, 0), align_corners=False, padding_mode="border")
    edge = (clip.distance[:, :, 0].abs() < 2).any(1)
    assert ((ahead - clip.video[:, 0]).abs().amax(1)[~edge] < 0.03).float().mean() > 0.97


def test_moving_the_background_by_the_flow_lands_on_it():
    drifting = [s for s in range(200) if draw_scenes([s]).ground_shape[0, 3:].abs().sum() > 0.004][:6]
    clip = render_batch(drifting, 2, (128, 128), max_sprites=1)
    ahead = F.grid_sample(clip.video[:, 1], _landing(clip, 0), align_corners=False, padding_mode="border")
    ground = (clip.distance[:, 0].amin(1) > 4) & (clip.grid[0] > 0.05) & (clip.grid[0] < 0.95)
    ground = ground & (clip.grid[1] > 0.05) & (clip.grid[1] < 0.95)
    moved = (ahead - clip.video[:, 0]).abs().amax(1)[ground].mean()
    still = (clip.video[:, 1] - clip.video[:, 0]).abs().amax(1)[ground].mean()
    assert moved < 0.5 * still


def test_depth_and_masks_agree(clip):
    depth, seen = clip.depth, clip.instances
    assert depth[seen > 0].min() > depth[seen == 0].max()
    for n in range(clip.scenes.num_sprites):
        sprite = seen == n + 1
        expected = clip.scenes.nearness[:, n, None, None, None].expand_as(depth)
        assert torch.equal(depth[sprite], expected[sprite])


def test_the_nearest_sprite_is_the_one_that_is_seen(clip):
    inside = clip.distance < 0
    nearest = (inside * clip.scenes.nearness[:, :, None, None, None]).argmax(1) + 1
    covered = inside.any(1)
    assert torch.equal(clip.instances[covered], nearest[covered])
    assert (inside.sum(1) > 1).any()


def test_a_caption_names_what_is_there(clip):
    palette = torch.tensor(list(COLOURS.values()))
    for b, line in enumerate(captions(clip.scenes)):
        words = line.split()
        shapes = [list(SHAPES)[k] for k in clip.scenes.kinds[b, : clip.scenes.counts[b]]]
        assert [w for w in words if w in SHAPES] == shapes
        named = [w for w in words if w in COLOURS]
        assert len(set(named)) == len(named) == int(clip.scenes.counts[b])
        pixels = clip.video[b].movedim(1, -1).reshape(-1, 3)
        shown = {
            name
            for name, colour in zip(COLOURS, palette, strict=True)
            if ((pixels - colour).abs() < 1e-3).all(1).any()
        }
        assert shown <= set(named)
        assert shown


def test_boxes_hold_what_is_seen_of_a_sprite_and_are_tight(clip):
    for b in range(12):
        for n in range(int(clip.scenes.counts[b])):
            rows, columns = (clip.distance[b, n, 0] < 0).nonzero().t()
            found = torch.stack([columns.min(), rows.min(), columns.max() + 1, rows.max() + 1])
            assert (found - clip.boxes[b, n, 0]).abs().max() < 1.6


def test_the_same_scene_at_two_sizes_is_the_same_picture():
    small, large = (render_batch(range(6), 2, (s, s)).video.flatten(0, 1) for s in (64, 128))
    assert (F.avg_pool2d(large, 2) - small).abs().mean() < 0.01


def test_no_shape_leaves_its_reach():
    line = torch.linspace(-2, 2, 201)
    v, u = (axis.expand(len(SHAPES), -1, -1) for axis in torch.meshgrid(line, line, indexing="ij"))
    inside = distance(torch.arange(len(SHAPES)), u, v) < 0
    assert torch.hypot(u, v)[inside].max() < REACH
    assert inside.flatten(1).any(1).all()


def test_sprites_stay_in_a_wide_and_in_a_tall_frame():
    for size in ((64, 128), (128, 64)):
        scenes = draw_scenes(range(40))
        clip = render(scenes, range(0, 400, 40), size)
        present = torch.arange(3) < scenes.counts[:, None]
        assert (clip.distance.flatten(3).amin(-1)[present] < 0).all()


def test_standing_still_is_white_in_the_flow_picture(clip):
    still = (clip.flow == 0).all(2)
    assert still.any()
    assert draw_flow(clip).movedim(2, -1)[still].min() > 0.999


@pytest.mark.parametrize("name", SIGNALS)
def test_a_signal_is_a_picture_a_frame(clip, name):
    picture = SIGNALS[name](clip)
    assert picture.shape == clip.video.shape
    assert 0 <= picture.min() < picture.max() <= 1


@pytest.mark.parametrize("name", ["video", *SIGNALS])
def test_any_range_of_frames_equals_the_whole(name):
    def source():
        whole = SpritesSource(3, size=(64, 80), num_frames=45)
        return whole if name == "video" else whole.signal(name)

    parts, reader = [], source()
    for n in (1, 8, 12, 40):
        parts.append(reader.read(n))
    whole = source().read(100)
    assert [len(part) for part in parts] == [1, 8, 12, 24]
    assert np.array_equal(np.concatenate(parts), whole)
    assert len(reader.read(5)) == 0


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    first, again, other = (SpritesSource(seed, size=(64, 64)).read(5) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    assert first.dtype == np.uint8
    assert SpritesSource(7, size=(64, 64)).num_frames is None


def test_a_scene_does_not_depend_on_the_others_drawn_with_it():
    together = render_batch([5, 9, 11], 3, (64, 64)).video[1]
    assert torch.equal(together, render_batch([9], 3, (64, 64)).video[0])


def test_frames_far_along_an_endless_stream_are_still_smooth():
    source = SpritesSource(4, size=(64, 64))
    source._next = 100_000
    frames = source.read(3).astype(int)
    assert 0 < np.abs(np.diff(frames, axis=0)).mean() < 20


def test_training_seeds_are_none_that_a_user_can_name():
    with pytest.raises(InputError, match="a seed is a number from 0"):
        caption(FIRST_TRAINING_SEED)
    with pytest.raises(InputError, match="a seed is a number from 0"):
        SpritesSource(-1, size=(64, 64))


def test_a_reference_is_one_sprite_upright_in_the_middle_of_white():
    picture = reference(3, (64, 64)).astype(float)
    colour = COLOURS[caption(3).split()[1]]
    assert (picture[[0, 0, -1, -1], [0, -1, 0, -1]] == 255).all()
    inked = np.abs(picture - 255).sum(-1) > 60
    columns = inked.nonzero()[1]
    assert abs(columns.mean() - 31.5) < 1
    assert np.abs(picture[inked] / 255 - colour).max(-1).min() < 0.01
    with pytest.raises(InputError, match="numbered from 0"):
        reference(3, (64, 64), sprite=3)


def test_an_unknown_signal_is_answered_with_those_there_are():
    with pytest.raises(InputError, match="no signal 'dept'; there are depth"):
        SpritesSource(0, size=(64, 64)).signal("dept")


def test_a_size_that_the_model_cannot_take_is_refused():
    with pytest.raises(InputError, match="steps of 16"):
        SpritesSource(0, size=(60, 64))
