"""The face in a picture: YuNet (Wu, Peng and Yu, 2023), an ONNX file read by OpenCV."""

import cv2
import numpy as np
from cv2.utils import logging

from vacestream.annotators.nets import resized
from vacestream.errors import ModelError
from vacestream.weights import file_of

SEEN = 640
"""Longer side of what it looks at, at most: it was taught faces of 10 to 300 pixels."""
SURE = 0.6
"""Faces less likely than this are none."""


def face_in(picture: np.ndarray) -> tuple[int, int, int, int] | None:
    """[H W 3] -> x1, y1, x2, y2 of the surest face, inside the picture."""
    height, width = picture.shape[:2]
    scale = min(1.0, SEEN / max(height, width))
    size = max(1, round(height * scale)), max(1, round(width * scale))
    path = file_of("yunet").path
    told = logging.setLogLevel(logging.LOG_LEVEL_ERROR)  # it warns of its own detector
    try:
        net = cv2.FaceDetectorYN.create(str(path), "", size[::-1], SURE)
        _, faces = net.detect(np.ascontiguousarray(resized(picture, size)[..., ::-1]))
    except cv2.error as error:
        raise ModelError(f"{path}: not a readable net ({error.err}); fetch it again") from error
    finally:
        logging.setLogLevel(told)
    if faces is None:
        return None
    x, y, across, down = faces[faces[:, -1].argmax(), :4] / scale
    left, top, right, bottom = (round(float(side)) for side in (x, y, x + across, y + down))
    box = max(0, left), max(0, top), min(width, right), min(height, bottom)
    return box if box[0] < box[2] and box[1] < box[3] else None
