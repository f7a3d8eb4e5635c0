"""Things that are followed without weights, against where they truly are."""

import json
import warnings

import cv2
import numpy as np
import pytest

from vacestream.annotators import annotator
from vacestream.annotators.augment import MODES, Augmented
from vacestream.events import Sighting
from vacestream.media.sources import open_source

SIZE, FRAMES = (64, 64), 25


def clip(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Frames [T H W 3] and where the sprite is [T H W]."""
    frames, mask = (open_source(f"sprites:{seed}", size=SIZE, signal=signal) for signal in (None, "mask"))
    return frames.read(FRAMES), mask.read(FRAMES)[..., 0] > 127


def box(region: np.ndarray) -> list[int]:
    rows, columns = np.nonzero(region)
    return [int(side) for side in (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1)]


def overlap(one: np.ndarray, two: np.ndarray) -> np.ndarray:
    return (one & two).sum((1, 2)) / (one | two).sum((1, 2))


@pytest.mark.parametrize(("seed", "at"), [(27, 0), (28, 12), (12, 24), (56, 5)])
def test_what_is_in_a_box_is_followed_both_ways(seed: int, at: int) -> None:
    frames, truth = clip(seed)
    found = annotator("bboxtrack", bbox=box(truth[at]), at=f"{at}f")(frames)[..., 0] > 127
    assert overlap(found, truth).min() > 0.85


@pytest.mark.parametrize("mode", ["masktrack", "maskbboxtrack"])
def test_a_mask_of_one_frame_is_followed(mode: str) -> None:
    frames, truth = clip(15)
    found = annotator(mode, mask="sprites:15", at="10f")(frames)[..., 0] > 127
    assert overlap(found, truth).min() > 0.8


@pytest.mark.parametrize("at", [0, 20])
def test_what_is_gone_is_said_in_order_and_its_last_region_held_until_it_is_back(at: int) -> None:
    frames, truth = clip(27)
    empty = np.median(frames, axis=(0, 1, 2)).astype(np.uint8)
    frames[10:16] = empty
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        found = annotator("bboxtrack", bbox=box(truth[at]), at=f"{at}f")(frames)[..., 0] > 127
    seen = [one.message.data for one in told if isinstance(one.message, Sighting)]
    assert (
        seen == json.loads(json.dumps(seen)) == [{"frame": 10, "found": False}, {"frame": 16, "found": True}]
    )
    assert (found[10:16] == found[16 if at else 9]).all()
    assert overlap(found[16:], truth[16:]).min() > 0.7
    assert overlap(found[:10], truth[:10]).min() > 0.7


def test_an_outline_is_where_the_region_ends() -> None:
    frames, truth = clip(27)
    drawn = annotator("layout_track", bbox=box(truth[0]))(frames)
    ink = drawn[..., 0] < 128
    assert (drawn[~ink] == 255).all()
    inner = np.stack([_shrunk(frame, 4) for frame in truth])
    assert not (ink & inner).any()
    assert ink.sum(axis=(1, 2)).min() > 60


def _shrunk(region: np.ndarray, reach: int) -> np.ndarray:
    import cv2

    return np.asarray(cv2.erode(region.astype(np.uint8), np.ones((2 * reach + 1,) * 2, np.uint8)) > 0)


@pytest.mark.parametrize("mode", MODES)
def test_a_widened_mask_holds_the_mask_and_is_the_same_however_it_is_cut(mode: str) -> None:
    _, truth = clip(27)
    white = np.where(truth[..., None], 255, 0).astype(np.uint8).repeat(3, axis=-1)
    made = Augmented(mode, 0.5, seed=3)(white)
    again = Augmented(mode, 0.5, seed=3)
    assert (made == np.concatenate([again(white[:1]), again(white[1:])])).all()
    assert (made[truth] == 255).all()
    assert set(np.unique(made)) == {0, 255}
    wider = (made[..., 0] > 0).sum((1, 2)) > truth.sum((1, 2))
    assert wider.all() == (mode != "original")


def test_each_side_moves_by_its_own_lot_and_as_far_as_there_is_room() -> None:
    white = np.zeros((2, 40, 60, 3), np.uint8)
    white[:, 15:25, 20:40] = 255
    made = Augmented("bbox_expand", 0.5, seed=1)
    left, right, up, down = made.shares
    x1, y1, x2, y2 = box(made(white)[0, ..., 0])
    assert [20 - x1, x2 - 40, 15 - y1, y2 - 25] == [
        round(left * 20), round(right * 20), round(up * 10), round(down * 10)
    ]  # fmt: skip
    assert len({left, right, up, down}) == 4
    white[:] = 0
    white[:, :, :50] = 255
    assert box(Augmented("bbox_expand", 4.0, seed=1)(white)[0, ..., 0])[2] == 55


def test_what_its_colours_do_not_tell_apart_is_followed_as_a_whole() -> None:
    """A window of noise on noise: the box goes where its pixels go, by parts of a pixel a frame."""
    pick = np.random.default_rng(0)
    sizes = (96, 160, 3), (64, 64, 3)
    wall, thing = (cv2.GaussianBlur(pick.integers(0, 255, size, np.uint8), (0, 0), 3) for size in sizes)
    frames = np.repeat(wall[None], 12, axis=0)
    for i, frame in enumerate(frames):
        x = 30 + round(1.4 * i)
        frame[16:80, x : x + 64] = thing
    with pytest.warns(UserWarning, match="does not stand out by its colours"):
        found = annotator("bboxtrack", bbox=[[30, 16, 94, 80]])(frames)[..., 0] > 127
    assert found.sum(axis=(1, 2)).tolist() == [64 * 64] * 12
    left = [int(np.flatnonzero(one.any(axis=0))[0]) for one in found]
    assert abs(left[-1] - (30 + 15)) <= 4
    assert (np.diff(left) >= 0).all()
