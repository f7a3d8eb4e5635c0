"""Anchors on gray, framed footage, and their masks."""

from fractions import Fraction

import numpy as np
import pytest

from vacestream.annotators.extension import Streams, extension, kept_frames
from vacestream.annotators.outpainting import outpainting
from vacestream.errors import InputError, RecipeError
from vacestream.media.images import write_image
from vacestream.media.playback import IndexedSource

SIZE = (16, 24)


def clip(num_frames: int, value: int = 10) -> IndexedSource:
    """Frame i is plain value + i."""
    return IndexedSource(
        lambda i: np.full((*SIZE, 3), value + i, np.uint8),
        size=SIZE,
        fps=Fraction(16),
        num_frames=num_frames,
    )


def seen(streams: Streams) -> tuple[list[int], list[int]]:
    """The one value of each frame, and of each mask, read in pieces."""
    frames = np.concatenate([streams["frames"].read(n) for n in (1, 3, 90)])
    masks = streams["mask"].read(len(frames))
    assert len(frames) == len(masks) == streams["frames"].num_frames == streams["mask"].num_frames
    return frames[:, 0, 0, 0].tolist(), masks[:, 8, 12, 1].tolist()


@pytest.mark.parametrize(
    ("mode", "length", "frames"),
    [
        ("firstframe", 1, [10, *[128] * 5]),
        ("lastframe", 1, [*[128] * 5, 10]),
        ("firstclip", 3, [10, 11, 12, *[128] * 5]),
        ("lastclip", 3, [*[128] * 5, 10, 11, 12]),
    ],
)
def test_an_anchor_stays_and_the_rest_is_gray_and_to_be_made(mode, length, frames) -> None:
    got, masks = seen(extension(clip(length), mode=mode, expand_num=5))
    assert got == frames
    assert masks == [255 if value == 128 else 0 for value in frames]


def test_vace_makes_81_frames_of_one_picture_and_82_of_two(tmp_path) -> None:
    other = tmp_path / "b.png"
    write_image(other, np.full((40, 20, 3), 77, np.uint8))
    one, _ = seen(extension(clip(1), mode="firstframe", expand_num=80))
    streams = extension(clip(1), mode="firstlastframe", expand_num=80, lastframe=str(other))
    frames = streams["frames"].read(99)
    masks = streams["mask"].read(99)
    assert (len(one), len(frames), len(masks)) == (81, 82, 82)
    assert (masks[0].max(), masks[1:81].min(), masks[81].max()) == (0, 255, 0)
    assert (frames[1:81] == 128).all()
    assert (frames[81, 8, 12].tolist(), frames[81, 8, 0].tolist()) == ([77] * 3, [255] * 3)


def test_a_clip_is_no_picture_and_needs_an_end() -> None:
    with pytest.raises(InputError, match="keeps one picture, and this is 3 frames; write firstclip"):
        extension(clip(3), mode="firstframe", expand_num=5)
    with pytest.raises(InputError, match="no end"):
        extension(clip(None), mode="firstclip", expand_num=5)


@pytest.mark.parametrize(
    ("mode", "kept"), [("first", {0, 1}), ("last", {7, 8}), ("firstlast", {0, 1, 7, 8}), ("random", None)]
)
def test_some_frames_of_a_clip_stay(mode, kept) -> None:
    frames, masks = seen(kept_frames(clip(9), mode=mode, ref_num=2, seed=5))
    stayed = {i for i, mask in enumerate(masks) if mask == 0}
    assert stayed == kept if kept is not None else len(stayed) == 2
    assert frames == [10 + i if i in stayed else 128 for i in range(9)]
    assert (frames, masks) == seen(kept_frames(clip(9), mode=mode, ref_num=2, seed=5))


def sides(**given: float) -> dict[str, float | None]:
    return {**dict.fromkeys(("left", "right", "up", "down")), **given}


def test_outpainting_adds_gray_and_masks_it() -> None:
    streams = outpainting(clip(3), **sides(left=0.3, up=0.5))
    frames, masks = streams["frames"].read(9), streams["mask"].read(3)
    assert frames.shape == masks.shape == (3, 24, 31, 3)
    assert (frames[:, 8:, 7:].reshape(3, -1) == np.array([[10], [11], [12]])).all()
    assert ((frames == 128) == (masks == 255)).all()
    assert (masks[:, 8:, 7:].max(), masks[:, :8].min(), masks[:, :, :7].min()) == (0, 255, 255)


def test_outpainting_widens_left_and_right_by_a_quarter_unless_told() -> None:
    assert outpainting(clip(1), **sides())["frames"].size == (16, 36)


def test_inner_outpainting_makes_the_border_anew() -> None:
    streams = outpainting(clip(2), **sides(right=0.25, down=0.5), inner=True)
    frames, masks = streams["frames"].read(9), streams["mask"].read(2)
    assert frames.shape == (2, *SIZE, 3)
    assert (frames[1, :8, :18] == 11).all()
    assert ((frames == 128) == (masks == 255)).all()
    assert masks[0, ..., 0].sum() == 255 * (16 * 24 - 8 * 18)
    with pytest.raises(RecipeError, match="leaves nothing"):
        outpainting(clip(2), **sides(right=0.5, left=0.5), inner=True)
