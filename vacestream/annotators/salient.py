"""What stands out in a picture: U2-Net (arXiv 2005.09007), an ONNX file read by OpenCV."""

from typing import Literal

import cv2
import numpy as np

from vacestream.annotators.nets import IMAGENET, resized
from vacestream.annotators.sam2 import STARTS, Start, Tracked, first_frame
from vacestream.annotators.view import View
from vacestream.errors import ModelError
from vacestream.recipe.values import Time
from vacestream.weights import file_of

SIDE = 320
"""What it sees, whatever the shape of the picture."""


class U2Net:
    """A picture -> how much each pixel stands out."""

    def __init__(self) -> None:
        path = file_of("u2net").path
        try:
            self._net = cv2.dnn.readNetFromONNX(str(path))
        except cv2.error as error:
            raise ModelError(f"{path}: not a readable net ({error.err}); fetch it again") from error

    def __call__(self, picture: np.ndarray) -> np.ndarray:
        """[H W 3] -> [H W] from 0 to 1."""
        mean, spread = IMAGENET
        small = resized(picture, (SIDE, SIDE)).astype(np.float32)
        colours = (small / max(float(small.max()), 1) - mean) / spread
        self._net.setInput(np.ascontiguousarray(colours.transpose(2, 0, 1)[None]))
        out = np.asarray(self._net.forward(self._net.getUnconnectedOutLayersNames())[0])[0, 0]
        stretched = (out - out.min()) / max(float(np.ptp(out)), 1e-6)
        return np.asarray(resized(stretched, picture.shape[:2])).clip(0, 1)


class Salient:
    """What stands out in the first frame, as the mask of every frame."""

    lead = 1

    def __init__(self, *, device: str, threshold: float = 0.5, invert: bool = False) -> None:
        self._see, self._threshold, self._invert = U2Net(), threshold, invert
        self._mask: np.ndarray | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        if self._mask is None and len(frames):
            white = (self._see(frames[0]) > self._threshold) != self._invert
            self._mask = np.where(white[..., None], 255, 0).astype(np.uint8).repeat(3, axis=-1)
        return np.zeros_like(frames) if self._mask is None else np.stack([self._mask] * len(frames))


def salient_tracked(
    *,
    kind: Literal["region", "box"],
    device: str,
    view: View,
    threshold: float = 0.5,
    at: Time | None = None,
) -> Tracked:
    """Follow what stands out at a frame, by its region or its box."""
    see = U2Net()

    def begin(frame: np.ndarray) -> Start:
        return STARTS[kind](see(frame) > threshold)

    return Tracked(begin, device=device, at=first_frame(view, at))
