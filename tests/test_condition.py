from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.clips import SIZE, Clip, moving_mask, noise, pictures, scene
from tests.tiny import SPEC
from vacestream.condition import Pass, Steering, make_vcus
from vacestream.errors import InputError
from vacestream.frames import to_pixels
from vacestream.timeline import chunks, nearest_frame, num_latents


def plain(value: int, num_frames: int = 9) -> np.ndarray:
    return np.full((num_frames, *SIZE, 3), value, np.uint8)


def first(item: Pass):
    """The VCU of the first chunk."""
    return next(scene(SPEC, [item]))[1]


def test_t2v_without_a_pass_has_no_layer():
    made = list(scene(SPEC, [], num_frames=30))
    assert [vcu.layers for _, vcu in made] == [()] * 3
    assert sum(chunk.num_wanted for chunk, _ in made) == 30


def test_an_empty_pass_is_mid_gray_to_be_made_and_carries_references():
    references = pictures(3)
    _, vcu = next(scene(SPEC, [Pass()], references=references))
    (layer,) = vcu.layers
    assert not layer.frames.any()
    assert (layer.masks == 1).all()
    assert (layer.latent_masks == 1).all()
    assert all(mine is given for mine, given in zip(vcu.references, references, strict=True))
    assert vcu.kept is None


def test_v2v_takes_the_control_as_it_is():
    (layer,) = first(Pass(control=Clip(noise(9)), scale=0.7)).layers
    assert torch.equal(layer.frames, to_pixels(noise(9)))
    assert (layer.masks == 1).all()
    assert layer.scale == 0.7


def test_a_hole_in_kept_footage_is_mid_gray():
    vcu = first(Pass(kept=Clip(noise(9)), mask=Clip(moving_mask(9))))
    (layer,) = vcu.layers
    white = to_pixels(moving_mask(9)) > 0
    assert torch.equal(layer.inactive()[~white], to_pixels(noise(9))[~white])
    assert not layer.inactive()[white].any()
    assert not layer.reactive().any()
    assert torch.equal(layer.masks, white[:, :1].float())


def test_a_control_acts_inside_the_mask_and_the_footage_stays_outside():
    control, footage = to_pixels(noise(9, 1)), to_pixels(noise(9, 2))
    vcu = first(Pass(Clip(noise(9, 1)), Clip(noise(9, 2)), Clip(moving_mask(9))))
    (layer,) = vcu.layers
    white = to_pixels(moving_mask(9)) > 0
    assert torch.equal(layer.frames, torch.where(white, control, footage))
    assert torch.equal(layer.reactive(), torch.where(white, control, 0))
    assert torch.equal(layer.inactive(), torch.where(white, 0, footage))
    assert vcu.kept is not None
    assert torch.equal(vcu.kept[0], footage)
    assert torch.equal(vcu.kept[1], layer.masks)


@pytest.mark.parametrize(("gray", "generated"), [(0, 0), (127, 0), (128, 1), (255, 1)])
def test_a_mask_is_white_from_the_middle_up(gray, generated):
    (layer,) = first(Pass(mask=Clip(plain(gray)))).layers
    assert (layer.masks == generated).all()


@pytest.mark.parametrize("num_frames", range(1, 41))
def test_there_are_as_many_frames_as_the_source_gives(num_frames):
    made = list(scene(SPEC, [Pass(control=Clip(noise(num_frames)))]))
    assert sum(chunk.num_wanted for chunk, _ in made) == num_frames
    assert all(len(vcu.layers[0].frames) == chunk.num_frames for chunk, vcu in made)


@pytest.mark.parametrize(
    ("control", "kept", "mask", "wanted"), [(30, 23, 40, 23), (8, 9, 10, 8), (21, 60, 33, 21), (50, 50, 1, 1)]
)
def test_the_shortest_source_of_a_pass_ends_the_video(control, kept, mask, wanted):
    item = Pass(Clip(noise(control)), Clip(noise(kept)), Clip(moving_mask(mask)))
    assert sum(chunk.num_wanted for chunk, _ in scene(SPEC, [item])) == wanted


def test_the_shortest_of_several_passes_ends_the_video():
    passes = [Pass(control=Clip(noise(25))), Pass(control=Clip(noise(14, 1))), Pass()]
    made = list(scene(SPEC, passes))
    assert [chunk.num_wanted for chunk, _ in made] == [9, 5]
    assert [len(vcu.layers) for _, vcu in made] == [3, 3]


def test_the_video_may_end_before_its_sources():
    clip = Clip(noise(50))
    assert [chunk.num_wanted for chunk, _ in scene(SPEC, [Pass(clip)], num_frames=25)] == [9, 12, 4]
    assert clip.taken == 25


def test_the_last_chunk_is_filled_by_holding_the_last_frame():
    item = Pass(Clip(noise(11, 1)), Clip(noise(11, 2)), Clip(moving_mask(11)))
    *_, (chunk, vcu) = scene(SPEC, [item])
    (layer,) = vcu.layers
    assert (chunk.num_wanted, len(layer.frames)) == (2, 12)
    for part in (layer.frames, layer.masks, *vcu.kept):
        assert torch.equal(part[1:], part[1:2].expand_as(part[1:]))
        assert not torch.equal(part[0], part[1])


def test_nothing_is_read_or_asked_ahead_of_the_chunk_in_work():
    clips, asked = [Clip(noise(60)), Clip(noise(60)), Clip(moving_mask(60))], []

    def steer(chunk):
        asked.append(chunk.index)
        return Steering("a dog")

    made = make_vcus(chunks(SPEC), [Pass(*clips)], steer, SIZE)
    assert [clip.taken for clip in clips] == [0, 0, 0]
    for index, frames in enumerate((9, 21, 33, 45)):
        next(made)
        assert [clip.taken for clip in clips] == [frames] * 3
        assert asked == list(range(index + 1))


def test_a_source_without_a_frame_is_refused():
    with pytest.raises(InputError, match="before its first frame"):
        next(scene(SPEC, [Pass(control=Clip(noise(0)))]))


@pytest.mark.parametrize("length", [1, 9, 21, 32, 48, 81])
def test_the_nearest_mask_frame_of_a_stream_is_that_of_the_whole_clip(length: int):
    masks = np.random.default_rng(length).integers(0, 2, (length, *SIZE, 1)).repeat(3, axis=-1) * 255
    masks = masks.astype(np.uint8)
    total = num_latents(length)

    def told(spec) -> torch.Tensor:
        items = [Pass(mask=Clip(masks)), Pass(control=Clip(noise(length)))]
        spans = chunks(spec, length)
        made = list(make_vcus(spans, items, lambda _: Steering("a"), SIZE, mask_time="nearest"))
        assert all((vcu.layers[1].latent_masks == 1).all() for _, vcu in made)
        seen = torch.cat([vcu.layers[0].masks for _, vcu in made])[:length]
        assert torch.equal(seen, torch.from_numpy(masks[..., :1] / 255).permute(0, 3, 1, 2).float())
        return torch.cat([vcu.layers[0].latent_masks for _, vcu in made])[:total]

    whole, cut = told(replace(SPEC, first_chunk_latents=total)), told(SPEC)
    assert torch.equal(whole, cut)
    if length == 81:  # as nearest-exact interpolation picks them
        picked = [1, 5, 9, 13, 17, 21, 25, 28, 32, 36, 40, 44, 48, 52, 55, 59, 63, 67, 71, 75, 79]
        assert [nearest_frame(j, 21) for j in range(21)] == picked


def test_the_nearest_mask_frame_of_a_video_without_an_end_is_refused():
    made = make_vcus(
        chunks(SPEC), [Pass(mask=Clip(moving_mask(81)))], lambda _: Steering("a"), SIZE, mask_time="nearest"
    )
    with pytest.raises(InputError, match="must know where the video ends"):
        next(made)
