"""What is measured of kept pixels: that they stay, how well they were made before, and the seams around them.

Where a recipe keeps nothing there is nothing to measure: these ask for `truth.given`.
"""

import torch
from torch import Tensor

from vacestream.evaluate.asks import Ask
from vacestream.evaluate.measures import LEVEL, Measure, psnr
from vacestream.evaluate.truth import Given, Truth


def _given(truth: Truth) -> Given:
    if truth.given is None:
        raise ValueError(f"clip {truth.seed} was asked for without anything that is kept")
    return truth.given


def _kept_equal(made: Tensor, truth: Truth, ask: Ask) -> float:
    """The share of kept pixels that are the source's, to the byte."""
    given = _given(truth)
    equal = ((made - given.source).abs() < LEVEL / 2).all(dim=1)
    return float(equal[given.share == 0].float().mean())


def _anchors(made: Tensor, truth: Truth, ask: Ask) -> float:
    """PSNR of the frames that are given whole, each against the clip's frame of its own index."""
    frames = _given(truth).frames
    return sum(psnr(made[t], truth.video[t]) for t in frames) / len(frames)


def _beside(made: Tensor, truth: Truth, ask: Ask) -> float:
    """PSNR of the frames next to those that are given whole."""
    frames = _given(truth).frames
    near = {t + way for t in frames for way in (-1, 1)} - {*frames, -1, len(made)}
    return sum(psnr(made[t], truth.video[t]) for t in near) / len(near)


def _seam(made: Tensor, truth: Truth, ask: Ask) -> float:
    """Gradient from kept pixels to made ones, over that of the source one pixel further inside."""
    share = _given(truth).share
    across = inside = count = torch.zeros(())
    for axis in (-2, -1):
        for turned in (False, True):
            kept, step = (
                (part.flip(axis) if turned else part)
                for part in (share == 0, (made.diff(dim=axis)).abs().mean(1))
            )
            first, second, third = (kept.narrow(axis, start, kept.shape[axis] - 2) for start in range(3))
            border = first & second & ~third
            inside = inside + step.narrow(axis, 0, step.shape[axis] - 1)[border].sum()
            across = across + step.narrow(axis, 1, step.shape[axis] - 1)[border].sum()
            count = count + border.sum()
    if not count:
        raise ValueError(f"clip {truth.seed} has no seam")
    return float(across / inside.clamp(min=count * LEVEL))


KEPT = Measure("kept pixels equal", _kept_equal, canvas=True)
ANCHORS = Measure("PSNR of anchors", _anchors, decoded=True)
BESIDE = Measure("PSNR beside anchors", _beside)
SEAM = Measure("seam: gradient over the source's", _seam, less=True, canvas=True)
