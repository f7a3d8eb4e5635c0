"""A thing that is followed from a frame on, both ways: SAM 2 (arXiv 2408.00714), frame by frame."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
import torch

from vacestream.annotators.masks import white_at
from vacestream.annotators.nets import load_pretrained
from vacestream.annotators.view import View
from vacestream.events import Sighting, tell_sightings
from vacestream.recipe.values import Box, Point, Time

MEMORY = 16
"""Frames that it looks back at; older ones are forgotten, so that a stream stays as large as it is."""


@dataclass(frozen=True)
class Start:
    """What is followed, in pixels of a frame: each box is a thing, all points are one."""

    boxes: tuple[tuple[float, float, float, float], ...] = ()
    points: tuple[tuple[float, float], ...] = ()
    region: np.ndarray | None = None  # [H W] bool

    @property
    def prompts(self) -> dict[str, Any]:
        """As transformers takes them; empty where nothing is meant."""
        if self.boxes:
            return {
                "obj_ids": list(range(len(self.boxes))),
                "input_boxes": [[list(box) for box in self.boxes]],
            }
        if self.points:
            points = [list(point) for point in self.points]
            return {"obj_ids": [0], "input_points": [[points]], "input_labels": [[[1] * len(points)]]}
        if self.region is not None and self.region.any():
            return {"obj_ids": [0], "input_masks": [self.region]}
        return {}


Begin = Callable[[np.ndarray], Start]
"""The frame [H W 3] to start at -> what to follow."""


class Tracked:
    """White where the thing is; lost, the last region stays. `every` so many frames it is looked for anew."""

    def __init__(
        self, begin: Begin, *, device: str, net: str = "sam2", at: int = 0, every: int | None = None
    ) -> None:
        from transformers import Sam2VideoModel

        self._net = load_pretrained(net, Sam2VideoModel, device)
        self._begin, self._at, self._every = begin, at, every
        self.lead = at + 1
        self._next = 0
        self._seen = True
        self._session: _Session | None = None

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        white, found = np.zeros(frames.shape[:3], bool), [True] * len(frames)
        first = 0
        if self._next == 0 and len(frames):
            first = min(self._at, len(frames) - 1)
            start = self._begin(frames[first])
            if not start.prompts:
                warnings.warn(Sighting(first, found=False, what="is nowhere to be found"), stacklevel=2)
            back = _Session(self._net, start)
            for i in range(first, -1, -1):
                white[i], found[i] = back.step(frames[i])
            self._session = _Session(self._net, start)
        for i in range(first, len(frames)):
            assert self._session is not None
            self._look_again(frames[i], self._next + i)
            white[i], found[i] = self._session.step(frames[i])
        self._seen = tell_sightings(found, self._next, self._seen)
        self._next += len(frames)
        return np.where(white[..., None], 255, 0).astype(np.uint8).repeat(3, axis=-1)

    def _look_again(self, frame: np.ndarray, index: int) -> None:
        """Start anew where that is due and something is found."""
        if self._every and index > self._at and not (index - self._at) % self._every:
            start = self._begin(frame)
            if start.prompts:
                self._session = _Session(self._net, start)


class _Session:
    """What SAM 2 remembers of one pass over the frames."""

    def __init__(self, net: Any, start: Start) -> None:
        from transformers import Sam2ImageProcessor, Sam2VideoProcessor, Sam2VideoVideoProcessor

        side = net.config.image_size
        size = {"height": side, "width": side}
        self._processor = Sam2VideoProcessor(
            Sam2ImageProcessor(size=size), Sam2VideoVideoProcessor(size=size), target_size=side
        )
        self._net, self._start = net, start
        self._state = self._processor.init_video_session(inference_device=net.device, dtype=net.dtype)
        self._done = 0
        self._region: np.ndarray | None = None

    @torch.inference_mode()
    def step(self, frame: np.ndarray) -> tuple[np.ndarray, bool]:
        """[H W 3] -> [H W] bool, and whether it is found there."""
        size = (frame.shape[0], frame.shape[1])
        prompts = self._start.prompts
        if not prompts:
            return np.zeros(size, bool), True
        given = self._processor(images=np.ascontiguousarray(frame), return_tensors="pt")
        if not self._done:
            if "input_masks" not in prompts:
                prompts["original_size"] = size
            self._processor.add_inputs_to_inference_session(self._state, frame_idx=0, **prompts)
        seen = self._net(inference_session=self._state, frame=given["pixel_values"][0], frame_idx=self._done)
        masks = self._processor.post_process_masks([seen.pred_masks], [size])[0]
        self._forget()
        self._done += 1
        found = bool((seen.object_score_logits > 0).any())
        if found or self._region is None:
            self._region = np.asarray(masks.cpu().numpy().any(axis=(0, 1)))
        return self._region, found

    def _forget(self) -> None:
        """Keep of the session what the next frames look back at."""
        state, now = self._state, self._done
        for old in [index for index in state.processed_frames if index < now]:
            del state.processed_frames[old]
        for outputs in state.output_dict_per_obj.values():
            tracked = outputs["non_cond_frame_outputs"]
            for old in [index for index in tracked if index <= now - MEMORY]:
                del tracked[old]
        for seen in state.frames_tracked_per_obj.values():
            for old in [index for index in seen if index <= now - MEMORY]:
                del seen[old]


def from_boxes(
    *, bbox: tuple[Box, ...], net: str, view: View, device: str, at: Time | None = None
) -> Tracked:
    """Follow what is in each box."""

    def begin(frame: np.ndarray) -> Start:
        return Start(boxes=tuple(view.corners(box, (frame.shape[0], frame.shape[1])) for box in bbox))

    return Tracked(begin, net=net, device=device, at=first_frame(view, at))


def from_points(*, points: tuple[Point, ...], view: View, device: str, at: Time | None = None) -> Tracked:
    """Follow what all points touch."""

    def begin(frame: np.ndarray) -> Start:
        boxes = [Box(point.x, point.y, point.x, point.y) for point in points]
        corners = [view.corners(box, (frame.shape[0], frame.shape[1])) for box in boxes]
        return Start(points=tuple((x, y) for x, y, _, _ in corners))

    return Tracked(begin, device=device, at=first_frame(view, at))


def from_mask(
    *, mask: str, kind: str, net: str = "sam2", view: View, device: str, at: Time | None = None
) -> Tracked:
    """Follow what a picture shows white: its `region`, its box, or the middles of its blobs as points."""
    first = first_frame(view, at)

    def begin(frame: np.ndarray) -> Start:
        return STARTS[kind](white_at(mask, first, (frame.shape[0], frame.shape[1]), view.fit))

    return Tracked(begin, net=net, device=device, at=first)


def first_frame(view: View, at: Time | None) -> int:
    """The frame that is meant; the first where none is named."""
    return int(view.frame(at)) if at else 0


def box_of(region: np.ndarray) -> Start:
    """The box around a region [H W]."""
    x, y, width, height = cv2.boundingRect(region.astype(np.uint8))
    return Start(boxes=((x, y, x + width, y + height),)) if width else Start()


def middles_of(region: np.ndarray) -> Start:
    """The middle of each blob of a region [H W]."""
    _, _, _, middles = cv2.connectedComponentsWithStats(region.astype(np.uint8))
    return Start(points=tuple((float(x), float(y)) for x, y in middles[1:]))


STARTS: dict[str, Callable[[np.ndarray], Start]] = {
    "region": lambda region: Start(region=region),
    "box": box_of,
    "points": middles_of,
}
"""What a region [H W] says of the thing to follow."""
