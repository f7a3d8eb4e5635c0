"""What a recipe keeps of its input and anchors -> footage and mask on its timeline, white where it is made.

Merged as VACE merges tasks: what `outpaint` adds and what `mask` names are both made anew; an anchor stays
whatever the others say, and they act on the other frames.
"""

import warnings
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from sys import maxsize as FOREVER

import numpy as np

from vacestream.anchors import Anchor
from vacestream.annotators.masks import HALF
from vacestream.inputs import open_file, open_input
from vacestream.media.compose import (
    BLACK,
    GRAY,
    WHITE,
    Foreseen,
    Late,
    Mapped,
    Overlaid,
    Padded,
    WhiteAfter,
    plain,
    still,
)
from vacestream.media.contracts import Source
from vacestream.plan import Plan
from vacestream.recipe import Mask
from vacestream.regions import open_region

LEAST = 0.002
"""A share of the picture so small that it is hardly meant."""


Regions = Callable[[Plan, ExitStack], Source]
"""Opens what the masks of a plan name, white, on its timeline."""


def open_kept(plan: Plan, stack: ExitStack, regions: Regions | None = None) -> tuple[Source, Source] | None:
    """Footage and mask, or None where nothing is kept."""
    masked = any(one.mask for one in plan.told)
    if not masked and plan.framing is None and not plan.anchors:
        return None
    footage, white = _of_input(plan, stack, (regions or open_regions) if masked else None)
    spans = [(one.start, one.stop, anchor_frames(plan, one, stack)) for one in plan.anchors]
    kept = [(one.start, one.stop, anchor_mask(plan, one)) for one in plan.anchors]
    return Overlaid(footage, spans), Overlaid(white, kept)


def anchor_frames(plan: Plan, anchor: Anchor, stack: ExitStack) -> Late:
    """What an anchor shows, from its first frame on; nothing is read ahead of time."""
    return Late(_opener(plan, anchor, stack), anchor.first)


def outside(plan: Plan) -> np.ndarray:
    """[H W 3]: white around what `outpaint` keeps; all black without one."""
    assert plan.size is not None
    frame = np.full((*plan.size, 3), BLACK, np.uint8)
    if plan.framing is not None:
        top, left, bottom, right = plan.framing.inside
        frame[:] = WHITE
        frame[top:bottom, left:right] = BLACK
    return frame


def _of_input(plan: Plan, stack: ExitStack, regions: Regions | None) -> tuple[Source, Source]:
    """The input and where it is made anew, as long as the video."""
    assert plan.size is not None
    assert plan.fps is not None
    held = any(one.is_input for one in plan.anchors)
    if regions is None and (plan.framing is None or held):
        length = plan.num_frames
        return plain(GRAY, plan.size, plan.fps, length), plain(WHITE, plan.size, plan.fps, length)
    footage, around = open_input(plan, stack), outside(plan)
    white: Source = still(around, plan.fps)
    if regions is not None:
        region = regions(plan, stack)
        white = Mapped(region, lambda frames: np.maximum(frames, around)) if plan.framing else region
    if plan.anchors or plan.ends_free:
        footage = Foreseen(footage)
        return Padded(footage, GRAY), WhiteAfter(white, footage)
    return footage, white


def open_regions(plan: Plan, stack: ExitStack) -> Source:
    """What masks name, each from the change that brings it to the next; everything where there is none."""
    first, *later = plan.told
    ends = [*(told.frame for told in later[1:]), FOREVER]
    spans = [
        (told.frame, end, Late(partial(open_mask, plan, told.mask, stack), told.frame))
        for told, end in zip(later, ends, strict=False)
        if told.mask != first.mask
    ]
    region = open_mask(plan, first.mask, stack)
    return Overlaid(region, spans) if spans else region


def open_mask(plan: Plan, mask: Mask | None, stack: ExitStack) -> Source:
    """What one mask names; everything without one."""
    assert plan.size is not None
    assert plan.fps is not None
    if mask is None:
        return plain(WHITE, plan.size, plan.fps)
    return Mapped(open_region(plan, mask, stack), Doubt())


class Doubt:
    """Warns when the first frames of a mask [T H W 3] have next to nothing to make, or to keep."""

    def __init__(self) -> None:
        self._asked = False

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """The same frames."""
        share = float((frames[..., 0] > HALF).mean())
        if not self._asked and not LEAST < share < 1 - LEAST:
            what = "almost nothing is made anew" if share <= LEAST else "almost everything is made anew"
            warnings.warn(
                f"mask: {what} ({share:.1%} of the first frames); white is what is made,"
                " `invert: true` turns it round",
                stacklevel=2,
            )
        self._asked = True
        return frames


def anchor_mask(plan: Plan, anchor: Anchor) -> Source:
    """What is made anew in the frames of an anchor: around the input, nothing of a file."""
    assert plan.size is not None
    assert plan.fps is not None
    around = outside(plan)
    return still(around if anchor.is_input else np.full_like(around, BLACK), plan.fps)


def _opener(plan: Plan, anchor: Anchor, stack: ExitStack) -> Callable[[], Source]:
    if anchor.is_input:
        return lambda: open_input(plan, stack)
    clip = getattr(plan.recipe.extend, anchor.name, None)
    start, end = (None, None) if clip is None or isinstance(clip, str) else (clip.start, clip.end)
    return lambda: open_file(plan, anchor.where, stack, start=start, end=end)
