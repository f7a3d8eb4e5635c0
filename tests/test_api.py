"""The Python API: the three examples of use, and what else may be handed over."""

import numpy as np
import pytest

import vacestream
from vacestream.errors import RecipeError
from vacestream.media.images import write_image
from vacestream.media.sources import open_source

SIZE = (128, 128)


@pytest.fixture(scope="module")
def model() -> object:
    return vacestream.load("sprites")


@pytest.fixture(scope="module")
def depth() -> np.ndarray:
    return open_source("sprites:26", size=SIZE, signal="depth").read(21)


def whole(chunks: object) -> np.ndarray:
    return np.concatenate(list(chunks))


def test_r2v_with_a_style_reference(model, tmp_path):
    picture = open_source("sprites:11", size=SIZE).read(1)[0]
    write_image(tmp_path / "style_ref.png", picture)
    chunks = list(
        model.generate(
            prompt="a red square on a gray plain background",
            vace_reference_images=[tmp_path / "style_ref.png"],
            vace_context_scale=1.0,
            num_frames=21,
        )
    )
    assert [frames.shape for frames in chunks] == [(9, *SIZE, 3), (12, *SIZE, 3)]
    assert all(frames.dtype == np.uint8 for frames in chunks)


def test_v2v_with_depth_control(model, depth):
    frames = whole(model.generate(prompt="a green circle on a white plain background", vace_video=depth))
    bare = whole(model.generate(prompt="a green circle on a white plain background", num_frames=21))
    assert frames.shape == bare.shape == (21, *SIZE, 3)
    assert np.abs(frames.astype(int) - bare).mean() > 2


def test_combined_style_reference_and_depth_control(model, depth):
    """The sprite takes the colour of the reference: red or green, in the place that the depth gives."""
    place = open_source("sprites:26", size=SIZE, signal="mask").read(21)[..., 0] > 127

    def red_over_green(seed: int) -> float:
        frames = whole(
            model.generate(
                prompt="on a white plain background",
                vace_reference_images=[f"sprites:{seed}"],
                vace_video=depth,
                vace_context_scale=1.0,
            )
        )
        colour = frames[place].astype(int)
        return float((colour[:, 0] - colour[:, 1]).mean())

    assert red_over_green(11) > 40
    assert red_over_green(13) < -40


def test_scale_zero_is_the_bare_base(model, depth):
    off = whole(model.generate(prompt="a red ring", vace_video=depth, vace_context_scale=0.0))
    assert np.array_equal(off, whole(model.generate(prompt="a red ring", num_frames=21)))


def test_a_mask_keeps_the_video_where_it_is_black(model):
    video = open_source("sprites:26", size=SIZE).read(12)
    mask = np.zeros(SIZE, np.uint8)
    mask[:, 64:] = 255
    frames = whole(model.generate(prompt="a red ring", vace_video=video, vace_mask=mask))
    assert np.array_equal(frames[:, :, :64], video[:, :, :64])
    assert not np.array_equal(frames[:, :, 64:], video[:, :, 64:])


def test_a_chunk_is_there_before_the_next_is_made(model):
    endless = model.generate(prompt="a red circle", num_frames=10**9)
    assert len(next(endless)) == 9
    endless.close()


@pytest.mark.parametrize(
    ("given", "word"),
    [
        ({"vace_mask": np.zeros(SIZE, np.uint8)}, "vace_video"),
        ({"vace_reference_images": ["sprites:1"] * 4}, "at most 3"),
    ],
)
def test_what_cannot_be_meant_is_refused(model, given, word):
    with pytest.raises(RecipeError, match=word):
        next(model.generate(prompt="x", **given))


def test_an_unknown_pipeline_is_refused_by_name():
    with pytest.raises(RecipeError, match="longlove"):
        vacestream.load("longlove")
