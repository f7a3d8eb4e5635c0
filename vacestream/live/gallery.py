"""The last pictures of a running stream, for whoever looks: input, control, mask and output of one frame."""

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from threading import Lock
from time import monotonic

import numpy as np

from vacestream.changes import stream_of
from vacestream.inputs import open_input
from vacestream.plan import Plan
from vacestream.shown import frames_of, masks_of
from vacestream.timeline import Chunk
from vacestream.vcu import VCU

KEPT = 4
"""Chunks whose pictures are kept: those that are on their way to the outputs."""


class Gallery:
    """Side by side, what went into a frame and what came of it."""

    def __init__(self, plan: Plan) -> None:
        assert plan.fps is not None
        self._plan, self._fps = plan, float(plan.fps)
        self._given: OrderedDict[int, dict[str, np.ndarray]] = OrderedDict()
        self._made = np.empty((0, 0, 0, 3), np.uint8)
        self._first, self._chunk, self._since = 0, -1, 0.0
        self._lock = Lock()

    def watch(self, vcus: Iterable[tuple[Chunk, VCU]], stack: ExitStack) -> Iterator[tuple[Chunk, VCU]]:
        """The same VCUs, their pictures kept."""
        recipe = self._plan.recipe
        footage = open_input(self._plan, stack) if recipe.input else None
        for chunk, vcu in vcus:
            pictures = {} if footage is None else {"input": footage.read(chunk.num_wanted)}
            for i, control in enumerate(recipe.controls):
                pictures[f"{control.signal} {i}"] = frames_of(chunk, vcu, stream_of(recipe, i))
            if vcu.kept is not None:
                pictures["mask"] = masks_of(chunk, vcu)
            with self._lock:
                self._given[chunk.index] = pictures
                while len(self._given) > KEPT:
                    self._given.popitem(last=False)
            yield chunk, vcu

    def show(self, chunk: Chunk, first: int, frames: np.ndarray) -> None:
        """Frames [T H W 3] that go to the outputs, the first of them at `first` of the stream."""
        with self._lock:
            self._made, self._first, self._chunk = frames, first - chunk.start, chunk.index
            self._since = monotonic()

    def names(self) -> list[str]:
        """The pictures that there are."""
        with self._lock:
            return [*self._given.get(self._chunk, {}), "output"] if len(self._made) else []

    def picture(self, name: str) -> np.ndarray | None:
        """[H W 3] of the frame that is on show now; the frames of a burst come one after the other."""
        with self._lock:
            if not len(self._made):
                return None
            at = min(int((monotonic() - self._since) * self._fps), len(self._made) - 1)
            frames, first = self._made, 0
            if name != "output":
                frames, first = self._given.get(self._chunk, {}).get(name, frames[:0]), self._first
            return next(iter(frames[first + at :]), None)
