"""Poses: nets that answer as the published ones do, for people whose joints are known."""

import sys

import numpy as np
import pytest

from vacestream.annotators import annotator, make, task
from vacestream.annotators.dwpose import SEEN, STRIDES, Pose
from vacestream.annotators.skeleton import PALETTE
from vacestream.errors import ModelError

SIZE = (960, 1280)
BOX = (400.0, 160.0, 720.0, 800.0)
COCO = {
    0: (560, 240), 1: (584, 220), 2: (536, 220), 5: (640, 360), 6: (480, 360), 7: (660, 480), 8: (460, 480),
    9: (672, 600), 10: (448, 600), 11: (600, 600), 12: (520, 600), 13: (600, 700), 14: (520, 700),
}  # fmt: skip
"""Points of a body that are seen, x and y: nose, eyes, shoulders, elbows, wrists, hips, knees."""
CHIN, THUMB = {31: (560, 288)}, {93: (700, 608), 94: (720, 616)}


def find(people: list[tuple[tuple[float, ...], float]]):
    """What YOLOX answers of people in boxes of a frame, each a little unlike in two cells."""

    def run(square: np.ndarray) -> list[np.ndarray]:
        assert square.shape == (1, 3, SEEN, SEEN)
        assert (square[0, :, SEEN * SIZE[0] // SIZE[1] :] == 114).all()
        cells = np.zeros((1, sum((SEEN // stride) ** 2 for stride in STRIDES), 85), np.float32)
        for n, (box, sure) in enumerate(people):
            x1, y1, x2, y2 = (side * SEEN / SIZE[1] for side in box)
            for column, row in ((10 + n, 20), (11 + n, 20)):
                cell = cells[0, row * (SEEN // 8) + column]
                cell[:4] = (
                    (x1 + x2) / 16 - column,
                    (y1 + y2) / 16 - row,
                    *np.log([(x2 - x1) / 8, (y2 - y1) / 8]),
                )
                cell[4:6] = 1, sure - 0.01 * (column - 10)
        return [cells]

    return run


def see(points: dict[int, tuple[int, int]]):
    """What the second net answers of points of a frame whose person stands in BOX."""
    middle, height = np.array([560, 480]), 640 * 1.25
    corner = middle - np.array([288 / 384 * height, height]) / 2

    def run(part: np.ndarray) -> list[np.ndarray]:
        assert part.shape == (1, 3, 384, 288)
        columns, rows = np.zeros((1, 133, 576), np.float32), np.zeros((1, 133, 768), np.float32)
        for i, place in points.items():
            x, y = np.rint((np.array(place) - corner) * 384 / height * 2).astype(int)
            columns[0, i, x], rows[0, i, y] = 0.9, 0.8
        return [columns, rows]

    return run


FRAMES = np.random.default_rng(0).integers(0, 255, (2, *SIZE, 3), np.uint8)


def drawn(points: dict[int, tuple[int, int]], **choices: bool) -> np.ndarray:
    return Pose(find([(BOX, 0.9)]), see(points), **{"face": True, **choices})(FRAMES)


def colour_at(picture: np.ndarray, place: tuple[int, int]) -> list[int]:
    """The brightest pixel at a point."""
    near = picture[place[1] - 1 : place[1] + 2, place[0] - 1 : place[0] + 2].reshape(-1, 3).astype(int)
    return near[near.sum(axis=-1).argmax()].tolist()


def test_the_palette_is_that_of_openpose_with_red_and_blue_exchanged() -> None:
    assert PALETTE[:6] == [
        (0, 0, 255),
        (0, 85, 255),
        (0, 170, 255),
        (0, 255, 255),
        (0, 255, 170),
        (0, 255, 85),
    ]
    assert PALETTE[9:13] == [(255, 255, 0), (255, 170, 0), (255, 85, 0), (255, 0, 0)]
    assert PALETTE[-1] == (85, 0, 255)
    assert len(set(PALETTE)) == 18


def test_joints_are_drawn_where_they_are_in_their_colours() -> None:
    picture = drawn(COCO)[0]
    openpose = {0: 0, 2: 6, 3: 8, 4: 10, 5: 5, 6: 7, 7: 9, 8: 12, 11: 11, 14: 2, 15: 1}
    for joint, point in openpose.items():
        assert np.abs(np.array(colour_at(picture, COCO[point])) - PALETTE[joint]).max() < 40, joint
    neck = colour_at(picture, (560, 360))
    assert np.abs(np.array(neck) - PALETTE[1]).max() < 40
    assert not picture[:, :360].any()
    assert not picture[820:].any()


def test_limbs_are_drawn_between_joints_and_dimmer() -> None:
    upper_arm = colour_at(drawn(COCO)[0], (470, 420))
    assert np.abs(np.array(upper_arm) - 0.6 * np.array(PALETTE[2])).max() < 40


def test_a_joint_that_is_not_seen_leaves_its_limbs_out() -> None:
    points = {i: place for i, place in COCO.items() if i != 8}
    assert not drawn(points)[0, 472:492, 440:472].any()


def test_only_pose_has_a_face_and_fingers_are_asked_for() -> None:
    points = {**COCO, **CHIN, **THUMB}
    assert min(colour_at(drawn(points)[0], CHIN[31])) > 200
    assert max(colour_at(drawn(points, face=False)[0], CHIN[31])) < 200
    assert not drawn(points)[0, 580:640, 688:760].any()
    assert drawn(points, hands=True)[0, 580:640, 688:760].any()


def test_nobody_is_black_and_one_person_is_one() -> None:
    for people in ([], [(BOX, 0.2)]):
        assert not Pose(find(people), see(COCO), face=True)(FRAMES).any()
    seen: list[np.ndarray] = []
    answer = see(COCO)
    Pose(find([(BOX, 0.9)]), lambda part: seen.append(part) or answer(part), face=True)(FRAMES[:1])
    assert len(seen) == 1


def test_pieces_are_the_whole() -> None:
    pose = Pose(find([(BOX, 0.9)]), see(COCO), face=True)
    assert (np.concatenate([pose(FRAMES[:1]), pose(FRAMES[1:]), pose(FRAMES[:0])]) == pose(FRAMES)).all()


def test_without_onnxruntime_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    with pytest.raises(ModelError) as error:
        make(task("pose"), task("pose").parameters())
    assert "yolox_l.onnx of yzd-v/DWPose" in str(error.value)
    assert "dw-ll_ucoco_384.onnx of yzd-v/DWPose" in str(error.value)
    for name in ("yolox_l.onnx", "dw-ll_ucoco_384.onnx"):
        (tmp_path / name).write_bytes(b"no net")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(ModelError, match="needs onnxruntime; run `pip install onnxruntime`"):
        annotator("pose")
