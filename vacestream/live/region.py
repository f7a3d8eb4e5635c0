"""The region that a running stream makes anew; it can be swapped for another at a chunk border."""

from contextlib import ExitStack
from functools import partial
from typing import Protocol

import numpy as np

from vacestream.kept import open_mask
from vacestream.media.compose import Late
from vacestream.plan import Plan
from vacestream.recipe import Mask


class Frames(Protocol):
    """What gives frames in order."""

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""


class Region:
    """Frames of the mask in force, white where it is made; one that ends is held."""

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        assert plan.size is not None
        assert plan.fps is not None
        self.size, self.fps = plan.size, plan.fps
        self.num_frames: int | None = None
        self._plan, self._stack = plan, stack
        self._shown = self.open(plan.told[0].mask)
        self._last = np.empty((0, *plan.size, 3), np.uint8)

    def open(self, mask: Mask | None, *, frame: int = 0) -> Frames:
        """Another mask, opened now; with `frame`, when it is read, and caught up from the start to there."""
        if frame:
            return Late(partial(open_mask, self._plan, mask, self._stack), frame)
        return open_mask(self._plan, mask, self._stack)

    def swap(self, shown: Frames) -> None:
        """Show this from the next frame on."""
        self._shown = shown

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = self._shown.read(n)
        last = frames[-1:] if len(frames) else self._last
        frames = np.concatenate([frames, last.repeat(n - len(frames), axis=0)])
        self._last = frames[-1:]
        return frames

    def close(self) -> None:
        """Nothing: what it shows is closed with the stack that it was opened on."""
