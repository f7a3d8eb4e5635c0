"""What each annotator sees in footage whose truth is known."""

from fractions import Fraction
from typing import Any

import cv2
import numpy as np
import pytest

from vacestream.annotators import annotator
from vacestream.annotators.view import View, at_rate
from vacestream.drawing import WHEEL, motion_colours
from vacestream.errors import RecipeError


def texture(height: int = 96, width: int = 128, margin: int = 16) -> np.ndarray:
    """[H W 3] smooth noise, larger than the frame by a margin on every side."""
    noise = np.random.default_rng(3).random((height + 2 * margin, width + 2 * margin, 3)).astype(np.float32)
    smooth = cv2.GaussianBlur(noise, (0, 0), 2.5)
    return ((smooth - smooth.min()) / np.ptp(smooth) * 255).astype(np.uint8)


def shifted(dy: int, dx: int, num_frames: int = 4) -> np.ndarray:
    """[T H W 3] frames in which everything moves by (dy, dx) pixels a frame."""
    picture = texture()
    return np.stack(
        [picture[16 - i * dy : 112 - i * dy, 16 - i * dx : 144 - i * dx] for i in range(num_frames)]
    )


def square() -> np.ndarray:
    """[1 H W 3] a bright square on black."""
    frames = np.zeros((1, 64, 64, 3), np.uint8)
    frames[:, 16:48, 16:48] = 220
    return frames


@pytest.mark.parametrize("motion", [(1, 4), (1, -4), (4, 1), (-4, 1)], ids=str)
def test_flow_of_a_known_shift_has_the_hue_of_its_direction(motion: tuple[int, int]) -> None:
    flow = annotator("flow", radius=8)(shifted(*motion))
    y, x = (np.float32(side) for side in motion)
    middle = flow[:, 24:72, 32:96].reshape(-1, 3)
    assert np.abs(np.median(middle, axis=0) - motion_colours(y, x, 8.0) * 255).max() < 8


def test_the_colour_wheel_is_middlebury() -> None:
    one, none = np.float32(1), np.float32(0)
    assert WHEEL.shape == (55, 3)
    right = motion_colours(none, one, 1.0)
    assert right.tolist() == pytest.approx([1, 0, 0], abs=1e-6)
    left = motion_colours(none, -one, 1.0)
    assert left[0] == 0
    assert left[1:].min() > 0.8
    half = motion_colours(none, one / 2, 1.0)
    assert half.tolist() == pytest.approx([1, 0.5, 0.5], abs=1e-6)
    assert motion_colours(none, 9 * one, 1.0).tolist() == right.tolist()


def test_no_motion_is_white() -> None:
    assert (annotator("flow")(shifted(0, 0)) >= 254).all()


def test_flow_repeats_its_first_map_and_remembers_the_last_frame() -> None:
    frames = np.concatenate([shifted(0, 4, 3), shifted(0, 4, 3)[[2, 2]]])
    flow = annotator("flow")
    first, second = flow(frames[:3]), flow(frames[3:])
    assert (first[0] == first[1]).all()
    assert (second >= 254).all()


def test_flow_uses_one_radius_for_all_frames() -> None:
    slow, fast = (annotator("flow")(shifted(0, dx))[1].astype(int) for dx in (1, 3))
    saturation = [np.median(np.ptp(frame, axis=-1)) for frame in (slow, fast)]
    assert 0 < saturation[0] < 0.5 * saturation[1]


def test_gray_is_the_luma_of_vace_and_bt601_when_asked() -> None:
    colours = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [90, 120, 200]], np.uint8)
    frames = np.tile(colours[None, None], (2, 3, 1, 1))
    vace, bt601 = (annotator("gray", luma=luma)(frames)[0, 0, :, 0] for luma in ("vace", "bt601"))
    assert vace.tolist() == [29, 150, 76, 141]
    assert bt601.tolist() == [76, 150, 29, 120]
    assert (annotator("gray")(frames)[..., 0] == vace).all()


def test_canny_finds_the_edge_of_a_square() -> None:
    edges = annotator("canny")(square())[0, ..., 0]
    ring = np.zeros((64, 64), bool)
    ring[14:50, 14:50] = True
    ring[18:46, 18:46] = False
    assert set(np.unique(edges)) == {0, 255}
    assert not edges[~ring].any()
    assert edges[ring].astype(bool).sum() > 4 * 28


def test_canny_draws_less_above_a_higher_threshold() -> None:
    frames = shifted(0, 0, 1)
    assert annotator("canny", low=20, high=40)(frames).sum() > annotator("canny")(frames).sum()


def test_scribble_is_dark_on_white_along_the_edge() -> None:
    drawn = annotator("scribble")(square())[0, ..., 0]
    assert np.median(drawn) == 255
    assert (drawn[32, 12:20].min(), drawn[12:20, 32].min()) == (0, 0)
    assert (drawn[24:40, 24:40] == 255).all()
    assert (drawn[:8] == 255).all()


def test_scribble_sees_edges_in_shadow_and_between_colours() -> None:
    frames = np.full((1, 64, 64, 3), 5, np.uint8)
    frames[:, :, 32:] = 40
    assert annotator("scribble")(frames)[0, 32, 26:38].min() < 128
    frames[:, :, :32], frames[:, :, 32:] = (200, 60, 60), (60, 60, 200)
    assert annotator("scribble")(frames)[0, 32, 26:38].min() < 64


BLANK = np.zeros((9, 48, 80, 3), np.uint8)


def layout(*boxes: dict[str, Any]) -> np.ndarray:
    return annotator("layout_bbox", boxes=list(boxes))(BLANK)


def span(frame: np.ndarray) -> tuple[int, int, int, int]:
    """x1 y1 x2 y2 of what is black."""
    y, x = np.nonzero(frame[..., 0] < 128)
    return int(x.min()), int(y.min()), int(x.max()) + 1, int(y.max()) + 1


def test_layout_reaches_its_end_box_and_moves_straight() -> None:
    drawn = layout({"at": "0f", "bbox": [10, 8, 30, 28]}, {"at": "8f", "bbox": [42, 16, 70, 40]})
    assert [span(frame) for frame in drawn[[0, 4, 8]]] == [(9, 7, 31, 29), (25, 11, 51, 35), (41, 15, 71, 41)]


def test_layout_lines_are_two_pixels_black_on_white() -> None:
    drawn = layout({"at": "0f", "bbox": [10, 8, 30, 28]})
    row = drawn[5, 20, :, 0]
    assert np.flatnonzero(row == 0).tolist() == [9, 10, 29, 30]
    assert (np.delete(row, [9, 10, 29, 30]) == 255).all()
    assert (drawn == drawn[:1]).all()


def test_layout_draws_one_box_a_label_and_takes_percent() -> None:
    drawn = layout(
        {"at": "0f", "bbox": [10, 8, 20, 18], "label": "cat"},
        {"at": "0f", "bbox": ["50%", "50%", "75%", "75%"], "label": "dog"},
    )
    assert (drawn[0, 12, 10, 0], drawn[0, 30, 40, 0], drawn[0, 12, 15, 0]) == (0, 0, 255)
    assert span(drawn[0]) == (9, 7, 61, 37)


def test_two_boxes_of_one_thing_at_once_are_refused() -> None:
    box = {"at": "2f", "bbox": [10, 8, 20, 18]}
    with pytest.raises(RecipeError, match="two boxes without a label at 2f; give each thing a label"):
        layout(box, {**box, "bbox": [0, 0, 9, 9]})


def test_a_moment_at_the_very_end_is_the_last_frame() -> None:
    boxes = [{"at": "0s", "bbox": [10, 8, 20, 18]}, {"at": "1s", "bbox": [50, 20, 60, 30]}]
    view = View(at_rate(Fraction(9)), num_frames=9)
    drawn = annotator("layout_bbox", view=view, boxes=boxes)(BLANK)
    assert span(drawn[8]) == (49, 19, 61, 31)


def test_boxes_are_placed_as_the_footage_is() -> None:
    box = {"boxes": [{"at": "0s", "bbox": [100, 20, 200, 60]}]}
    crop = View(at_rate(Fraction(16)), native=(96, 320))
    assert span(annotator("layout_bbox", view=crop, **box)(BLANK)[0]) == (9, 9, 61, 31)
    bars = View(at_rate(Fraction(16)), native=(96, 320), fit="letterbox")
    assert span(annotator("layout_bbox", view=bars, **box)(BLANK)[0]) == (24, 16, 51, 28)


def test_a_box_mask_is_white_inside_and_black_outside() -> None:
    mask = annotator("bbox", bbox=[[10, 8, 30, 28], ["90%", "90%", "100%", "100%"]])(BLANK)
    wanted = np.zeros((48, 80), np.uint8)
    wanted[8:28, 10:30] = wanted[43:, 72:] = 255
    assert (mask == wanted[None, ..., None]).all()
    inverted = annotator("bbox", bbox=[10, 8, 30, 28], invert=True)(BLANK)
    assert (inverted[:, 8:28, 10:30].max(), inverted[0, 0, 0, 0]) == (0, 255)
