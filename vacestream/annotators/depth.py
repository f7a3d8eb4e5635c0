"""How near things are, near is bright: MiDaS (arXiv 1907.01341) and Depth Anything V2 (arXiv 2406.09414).

Both see a frame at a time and know no scale. VACE stretches each frame to black and white by itself, so that
all flickers when one thing comes near; here one range holds over time.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import nn

from vacestream.annotators.nets import (
    IMAGENET,
    as_tensor,
    load_net,
    load_pretrained,
    quiet,
    resized,
    side_of,
)
from vacestream.annotators.ranges import Over, Range
from vacestream.annotators.view import View
from vacestream.errors import RecipeError

LARGEST = 1024
"""Shorter side that MiDaS sees at most, as in VACE."""
STEP = 64
"""MiDaS' sides are times this, as in VACE."""
PATCH, TRAINED = 14, 518
"""Depth Anything's patch, and the shorter side that it was trained with."""

See = Callable[[np.ndarray, int | None], np.ndarray]
"""A frame [H W 3], the shorter side to look at it with -> inverse depth [h w]."""


class Depth:
    """Inverse depth of each frame, in one range over time."""

    def __init__(
        self,
        see: See,
        *,
        view: View,
        over: Over = "running",
        low: float | None = None,
        high: float | None = None,
        side: int | None = None,
    ) -> None:
        if over == "clip" and view.num_frames is None:
            raise RecipeError("over: clip needs footage whose end is known; write `over: running`")
        self.lead = view.num_frames or 1 if over == "clip" else 1
        self._see, self._range, self._side = see, Range(over, low, high), side

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        near = np.empty(frames.shape[:3], np.float32)
        for i, frame in enumerate(frames):
            near[i] = resized(self._see(frame, self._side), frame.shape[:2])
        return np.repeat(self._range(near)[..., None], 3, axis=-1)


def midas(*, device: str, **choices: Any) -> Depth:
    """DPT-hybrid, as VACE uses it: colours from -1 to 1, the sides of the frame itself."""
    with quiet():
        from controlnet_aux.midas.midas.dpt_depth import DPTDepthModel

        net: nn.Module = load_net("midas", lambda: DPTDepthModel(backbone="vitb_rn50_384"), device)

    @torch.inference_mode()
    def see(frame: np.ndarray, side: int | None) -> np.ndarray:
        size = side_of(frame.shape[:2], side or min(*frame.shape[:2], LARGEST), STEP)
        depth: np.ndarray = net(as_tensor(resized(frame, size) / 127.5 - 1, net))[0].cpu().numpy()
        return depth

    return Depth(see, **choices)


def depth_anything(*, net: str, device: str, **choices: Any) -> Depth:
    """A vision transformer; `net` is small, base or large."""
    from transformers import DepthAnythingForDepthEstimation

    seer = load_pretrained(net, DepthAnythingForDepthEstimation, device)
    mean, spread = IMAGENET

    @torch.inference_mode()
    def see(frame: np.ndarray, side: int | None) -> np.ndarray:
        size = side_of(frame.shape[:2], side or TRAINED, PATCH)
        colours = (resized(frame, size) / np.float32(255) - mean) / spread
        depth: np.ndarray = seer(pixel_values=as_tensor(colours, seer)).predicted_depth[0].cpu().numpy()
        return depth

    return Depth(see, **choices)
