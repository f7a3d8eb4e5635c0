"""People and where their joints are: DWPose (arXiv 2307.15880), two ONNX files run by onnxruntime.

YOLOX (arXiv 2107.08430) finds people; the second net says for each of 133 points how likely it is in which
column and in which row (SimCC, arXiv 2107.03332).
"""

import cv2
import numpy as np

from vacestream.annotators.onnx import Run, open_onnx
from vacestream.annotators.skeleton import Person, draw
from vacestream.weights import file_of

SEEN, GROUND = 640, 114
"""Side of the square that people are looked for in, and the gray that fills it up."""
STRIDES = (8, 16, 32)
SURE, SAME = 0.3, 0.45
"""People less likely than this are none; boxes that share more than this are one."""

WIDTH, HEIGHT, ROOM = 288, 384, 1.25
"""What the second net sees of a person: the box and a quarter more."""
SPLIT = 2
"""Columns and rows that it tells apart in a pixel."""
MEAN, SPREAD = np.array([[123.675, 116.28, 103.53], [58.395, 57.12, 57.375]], np.float32)


class Pose:
    """Skeletons on black, of each frame by itself."""

    lead = 1

    def __init__(self, find: Run, see: Run, *, face: bool, hands: bool = False) -> None:
        self._find, self._see, self._face, self._hands = find, see, face, hands

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        drawn = np.zeros(frames.shape, np.uint8)
        for frame, picture in zip(frames, drawn, strict=True):
            people = [self._person(frame, box) for box in self._boxes(frame)]
            picture[:] = draw(people, picture.shape[:2], face=self._face, hands=self._hands)
        return drawn

    def _boxes(self, frame: np.ndarray) -> np.ndarray:
        """[n 4] x1 y1 x2 y2 of people, the surest first."""
        height, width = frame.shape[:2]
        scale = SEEN / max(height, width)
        inside = max(1, int(height * scale)), max(1, int(width * scale))
        square = np.full((SEEN, SEEN, 3), GROUND, np.float32)
        square[: inside[0], : inside[1]] = cv2.resize(np.ascontiguousarray(frame), inside[::-1])
        (cells,) = self._find(np.ascontiguousarray(square[..., ::-1].transpose(2, 0, 1)[None]))
        centres, strides = _cells()
        middle = (cells[0, :, :2] + centres) * strides
        half = np.exp(cells[0, :, 2:4]) * strides / 2
        boxes = np.concatenate([middle - half, middle + half], axis=-1) / scale
        likely = cells[0, :, 4] * cells[0, :, 5]
        boxes, likely = boxes[likely > SURE], likely[likely > SURE]
        sides = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=-1)
        kept = cv2.dnn.NMSBoxes(sides.tolist(), likely.tolist(), SURE, SAME)
        return np.asarray(boxes[np.asarray(kept, int).ravel()])

    def _person(self, frame: np.ndarray, box: np.ndarray) -> Person:
        """The points of who is in a box."""
        middle, sides = (box[:2] + box[2:]) / 2, (box[2:] - box[:2]) * ROOM
        width = max(sides[0], sides[1] * WIDTH / HEIGHT)
        scale = WIDTH / width
        corner = middle - np.array([WIDTH, HEIGHT]) / 2 / scale
        matrix = np.array([[scale, 0, -corner[0] * scale], [0, scale, -corner[1] * scale]])
        part = cv2.warpAffine(np.ascontiguousarray(frame), matrix, (WIDTH, HEIGHT), flags=cv2.INTER_LINEAR)
        columns, rows = self._see(((part - MEAN) / SPREAD).transpose(2, 0, 1)[None].astype(np.float32))
        places = np.stack([columns[0].argmax(-1), rows[0].argmax(-1)], axis=-1) / SPLIT
        sure = np.minimum(columns[0].max(-1), rows[0].max(-1))
        return Person(places / scale + corner, sure)


def dwpose(*, device: str, face: bool, hands: bool = False) -> Pose:
    """With both files."""
    find, see = (open_onnx(file_of("dwpose", part).path, device) for part in ("persons", "keypoints"))
    return Pose(find, see, face=face, hands=hands)


def _cells() -> tuple[np.ndarray, np.ndarray]:
    """[8400 2] columns and rows, [8400 1] strides of what the first net answers for."""
    centres, strides = [], []
    for stride in STRIDES:
        side = SEEN // stride
        y, x = np.mgrid[:side, :side]
        centres.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        strides.append(np.full((side * side, 1), stride))
    return np.concatenate(centres), np.concatenate(strides)
