import numpy as np
import pytest

from vacestream.media.sheet import PAPER, TILE, chosen, contact_sheet, tile


def grey(num_frames: int, height: int, width: int) -> np.ndarray:
    """[T H W 3], each frame as bright as its number."""
    return np.full((num_frames, height, width, 3), np.arange(num_frames, dtype=np.uint8)[:, None, None, None])


def test_frames_are_chosen_evenly_with_the_first_and_the_last() -> None:
    assert chosen(57, 8) == [0, 8, 16, 24, 32, 40, 48, 56]
    assert chosen(3, 8) == [0, 1, 2]
    assert chosen(1, 8) == [0]


@pytest.mark.parametrize(
    ("size", "shown"),
    [((64, 64), (192, 192)), ((96, 96), (192, 192)), ((64, 112), (128, 224)), ((128, 128), (128, 128))],
)
def test_small_frames_grow_by_whole_pixels(size: tuple[int, int], shown: tuple[int, int]) -> None:
    frame = np.random.default_rng(0).integers(0, 256, (*size, 3), np.uint8)
    image = np.asarray(tile(frame))
    factor = shown[0] // size[0]
    assert image.shape[:2] == shown
    assert np.array_equal(image[::factor, ::factor], frame)


@pytest.mark.parametrize("size", [(480, 832), (1024, 1024), (1280, 720)])
def test_large_frames_are_reduced_into_the_tile(size: tuple[int, int]) -> None:
    image = tile(np.zeros((*size, 3), np.uint8))
    assert image.height <= TILE[0]
    assert image.width <= TILE[1]
    assert abs(image.width / image.height - size[1] / size[0]) < 0.02


def test_each_row_shows_its_frames_and_references_have_their_own() -> None:
    rows = [("source", grey(57, 64, 64)), ("output", grey(57, 64, 64))]
    references = [np.full((64, 64, 3), level, np.uint8) for level in (200, 220)]
    sheet = contact_sheet(rows, references)
    found = {level: int((sheet == level).all(axis=-1).sum()) for level in (8, 56, 200, 220)}
    assert all(found[level] >= 2 * 192 * 192 for level in (8, 56))
    assert all(192 * 192 <= found[level] < 2 * 192 * 192 for level in (200, 220))
    places = {level: np.argwhere((sheet == level).all(axis=-1))[:, 0].mean() for level in (8, 200)}
    assert places[200] > places[8]


def test_margins_are_free_and_labels_are_there() -> None:
    with_label = contact_sheet([("a long label", grey(3, 64, 64))])
    without = contact_sheet([("", grey(3, 64, 64))])
    assert with_label.shape[1] > without.shape[1]
    for edge in (with_label[:10], with_label[-10:], with_label[:, :10], with_label[:, -10:]):
        assert np.unique(edge).tolist() == [PAPER[0]]
    assert (with_label[:, : with_label.shape[1] - without.shape[1]] < 100).any(), "the label's ink"


def test_frames_picked_before_keep_their_numbers() -> None:
    every, picked = grey(57, 64, 64), grey(57, 64, 64)[chosen(57, 8)]
    assert np.array_equal(
        contact_sheet([("a", every)]), contact_sheet([("a", picked)], numbers=chosen(57, 8))
    )


def test_an_empty_row_is_left_out() -> None:
    rows = [("source", grey(3, 64, 64)), ("mask", grey(0, 64, 64))]
    assert np.array_equal(contact_sheet(rows), contact_sheet(rows[:1]))
