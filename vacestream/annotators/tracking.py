"""A thing that moves, found in each frame without weights: carried along by flow, cut out by GrabCut.

Dense inverse search (arXiv 1603.03590) says where the region goes; GrabCut (Rother et al., 2004) with the
colours that it learnt at the start says what of its surroundings belongs to it. VACE follows with SAM2.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import cv2
import numpy as np

from vacestream.annotators.masks import filled, white_at
from vacestream.annotators.view import View
from vacestream.events import Sighting, tell_sightings
from vacestream.recipe.values import Box, Time

ROOM = 0.2
"""How far the thing is looked for around where flow takes it, in parts of its box."""
SMALLEST, LARGEST = 0.2, 5.0
"""A region of less or more than this, times that of the start, is not the thing."""
ITERATIONS = 3


@dataclass(frozen=True)
class _State:
    """Where the thing was last seen."""

    frame: np.ndarray  # [H W 3]
    region: np.ndarray  # [H W] bool
    found: bool = True
    moved: np.ndarray = field(default_factory=lambda: np.zeros(2))
    """x and y since the start."""


class Followed:
    """Starts at the frame `at`, from a box or a mask, and goes both ways; lost, the last region stays."""

    def __init__(
        self,
        *,
        view: View,
        bbox: Sequence[Box] | None = None,
        mask: str | None = None,
        at: Time | None = None,
        boxed: bool = False,
    ) -> None:
        self._view, self._boxes, self._mask, self._boxed = view, bbox, mask, boxed
        self.at = int(view.frame(at)) if at else 0
        self.lead = self.at + 1
        """Frames that the first piece has."""
        self._next = 0
        self._now: _State | None = None
        self._seen = True
        self._search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST)
        self._colours = np.zeros((1, 65)), np.zeros((1, 65))
        self._area, self._cuts = 0, True
        self._whole = np.zeros((0, 0), bool)

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3], white where it is."""
        if not len(frames):
            return frames
        states: list[_State] = []
        first = 0
        if self._now is None:
            first = min(self.at, len(frames) - 1)
            self._now = self._started(frames[first])
            states = [self._now]
            for frame in frames[:first][::-1]:
                states.insert(0, self._step(states[0], frame))
            first += 1
        for frame in frames[first:]:
            self._now = self._step(self._now, frame)
            states.append(self._now)
        if self._area:
            self._seen = tell_sightings([one.found for one in states], self._next, self._seen)
        self._next += len(frames)
        white = np.stack([one.region for one in states])[..., None].repeat(3, axis=-1)
        return np.where(white, 255, 0).astype(np.uint8)

    def _started(self, frame: np.ndarray) -> _State:
        """The region at the start: what GrabCut finds where it is said to be."""
        size = (frame.shape[0], frame.shape[1])
        said = self._said(size)
        if not said.any():
            warnings.warn(Sighting(self.at, found=False, what="names no pixel of the picture"), stacklevel=2)
            return _State(frame, said, found=False)
        x, y, width, height = cv2.boundingRect(said.astype(np.uint8))
        box = np.zeros(size, bool)
        box[y : y + height, x : x + width] = True
        likely = box if self._mask is None or self._boxed else said
        region = self._cut(frame, likely, box if likely is box else _grown(box), learn=True)
        self._cuts = bool(region.sum() > SMALLEST * likely.sum())
        if not self._cuts:
            what = "does not stand out by its colours, so all that is named is followed; try `net: sam2`"
            warnings.warn(f"mask: what is to be followed {what}", stacklevel=3)
        self._whole = region if self._cuts else likely
        self._area = int(self._whole.sum())
        return _State(frame, self._whole)

    def _said(self, size: tuple[int, int]) -> np.ndarray:
        """[H W] bool: the boxes, or the picture."""
        if self._boxes is not None:
            return filled(self._boxes, self._view, size)
        assert self._mask is not None
        return white_at(self._mask, self.at, size, self._view.fit)

    def _step(self, before: _State, frame: np.ndarray) -> _State:
        """The region in the next frame."""
        if not self._area:
            return before
        old, new = (
            cv2.cvtColor(np.ascontiguousarray(one), cv2.COLOR_RGB2GRAY) for one in (before.frame, frame)
        )
        flow = self._search.calc(old, new, None)
        motion = np.median(flow[before.region], axis=0)
        if self._cuts:
            moved = _shifted(before.region, motion)
            near = moved if moved.any() else before.region
            region = self._cut(frame, near, _grown(_boxed(near)), learn=False)
        else:
            region = _shifted(self._whole, before.moved + motion)
        found = bool(SMALLEST * self._area < region.sum() < LARGEST * self._area)
        return _State(frame, region, True, before.moved + motion) if found else replace(before, found=False)

    def _cut(self, frame: np.ndarray, likely: np.ndarray, near: np.ndarray, *, learn: bool) -> np.ndarray:
        """[H W] bool: the thing among the pixels `near`, which is perhaps the pixels `likely`."""
        cells = np.where(near, np.where(likely, cv2.GC_PR_FGD, cv2.GC_PR_BGD), cv2.GC_BGD).astype(np.uint8)
        if (cells != cv2.GC_BGD).all():
            cells[0, :] = cells[-1, :] = cv2.GC_BGD  # it must know some of the rest
        mode = cv2.GC_INIT_WITH_MASK if learn else cv2.GC_EVAL_FREEZE_MODEL
        cv2.setRNGSeed(0)
        cv2.grabCut(
            np.ascontiguousarray(frame), cells, None, *self._colours, ITERATIONS if learn else 1, mode
        )
        cut = np.isin(cells, (cv2.GC_FGD, cv2.GC_PR_FGD)).astype(np.uint8)
        return _largest(cut) if cut.any() else cut.astype(bool)


def _boxed(region: np.ndarray) -> np.ndarray:
    """[H W] bool: the box of a region."""
    x, y, width, height = cv2.boundingRect(region.astype(np.uint8))
    box = np.zeros_like(region)
    box[y : y + height, x : x + width] = True
    return box


def _grown(box: np.ndarray) -> np.ndarray:
    """[H W] bool: a box with room on every side."""
    _, _, width, height = cv2.boundingRect(box.astype(np.uint8))
    reach = 2 * round(ROOM * max(width, height, 10)) + 1
    return np.asarray(cv2.dilate(box.astype(np.uint8), np.ones((reach, reach), np.uint8)) > 0)


def _shifted(region: np.ndarray, motion: np.ndarray) -> np.ndarray:
    """[H W] bool: the region moved by whole pixels, x and y; what leaves the picture is gone."""
    across, down = np.rint(motion)
    matrix = np.array([[1, 0, across], [0, 1, down]], np.float32)
    size = region.shape[1], region.shape[0]
    return np.asarray(cv2.warpAffine(region.astype(np.uint8), matrix, size, flags=cv2.INTER_NEAREST) > 0)


def _largest(cut: np.ndarray) -> np.ndarray:
    """[H W] bool: the parts of at least a fifth of the largest one."""
    _, labels, stats, _ = cv2.connectedComponentsWithStats(cut)
    areas = stats[1:, cv2.CC_STAT_AREA]
    kept = 1 + np.flatnonzero(areas >= areas.max() / 5)
    return np.isin(labels, kept)
