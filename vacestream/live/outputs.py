"""The outputs of a recipe that runs live: what each is, opened before anything heavy is loaded."""

import json
import warnings
from collections.abc import Callable
from contextlib import suppress
from fractions import Fraction
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from vacestream.encodings import shown_fps, shown_size
from vacestream.errors import OutputError, StoppedError, VacestreamError
from vacestream.live.doors import Door
from vacestream.media.broadcast import BroadcastSink, Reopened
from vacestream.media.camera import CameraSink
from vacestream.media.contracts import Sink
from vacestream.media.sinks import open_sink
from vacestream.plan import Plan
from vacestream.targets import Target

RECORDED = 256 << 20
"""Bytes of frames that wait for a slow disk before the line does."""
PIPED = 24
"""Frames that wait for the reader of a pipe before the line does."""


class Doors:
    """Every output of a plan, open for as long as the block lasts; closed well also when it is stopped."""

    def __init__(self, plan: Plan) -> None:
        assert plan.size is not None
        assert plan.fps is not None
        self.plan, self.size, self.fps = plan, plan.size, plan.fps
        self.doors: list[Door] = []
        self._lost: set[str] = set()

    def __enter__(self) -> Self:
        try:
            for target in self.plan.outputs:
                self.doors.append(_door(self.plan, target))
        except VacestreamError:
            self._abort()
            raise
        return self

    def say(self, words: str) -> None:
        """What is waited for, where a placeholder is shown."""
        for door in self.doors:
            door.say(words)

    def write(self, frames: np.ndarray, fps: Fraction, taken: float) -> None:
        """The next frames [T H W 3], made at `fps`, to every output; OutputError when none is left."""
        for door in self.doors:
            if door.error is None:
                door.write(frames, fps, taken)
            elif door.name not in self._lost:
                self._lost.add(door.name)
                if len(self._lost) < len(self.doors):
                    warnings.warn(f"{door.error}; the other outputs go on", stacklevel=2)
        if len(self._lost) == len(self.doors):
            raise next(door.error for door in self.doors if door.error)

    def status(self) -> dict[str, Any]:
        """By output: frames that wait, were left out, and how old the last one was when it was given."""
        return {
            "queues": {door.name: door.depth for door in self.doors},
            "drops": {door.name: door.dropped for door in self.doors},
            "held": {door.name: door.held for door in self.doors},
            "latency": max((door.latency for door in self.doors), default=0.0),
        }

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and not isinstance(error, StoppedError):
            self._abort()
            return
        for door in self.doors:
            door.close()
        failures = [door.error for door in self.doors if door.error and door.name not in self._lost]
        if failures:
            raise failures[0]

    def _abort(self) -> None:
        for door in self.doors:
            with suppress(OutputError):
                door.abort()


def _door(plan: Plan, target: Target) -> Door:
    assert plan.size is not None
    assert plan.fps is not None
    live, output = plan.recipe.live, target.output
    size, fps = shown_size(output, plan.size), shown_fps(output, plan.fps)
    kind, drops = output.kind, live.overflow == "drop-oldest"
    if kind in ("camera", "url", "playlist"):
        size = size[0] // 2 * 2, size[1] // 2 * 2
        seconds = plan.seconds(live.latency_budget)
        assert seconds is not None
        room = max(PIPED, round(seconds * plan.fps))
        opened: Callable[[], Sink] = (
            partial(CameraSink, target.path, size, fps)
            if kind == "camera"
            else partial(Reopened, partial(BroadcastSink, target.path, size, fps))
        )
        drops = live.overflow != "block"
        return Door(
            target.path, opened(), size, fps, plays=True, drops=drops, room=room,
            shows_placeholder=kind == "camera",
        )  # fmt: skip
    piped = kind == "stdin" or Path(target.path).is_fifo()
    room = PIPED if piped else max(PIPED, RECORDED // (3 * plan.size[0] * plan.size[1]))
    return Door(target.path, _file(plan, target, size, fps), size, fps, plays=False, drops=drops, room=room)


def _file(plan: Plan, target: Target, size: tuple[int, int], fps: Fraction) -> Sink:
    """A recording or a pipe, silent: the sound of what is live does not come through here."""
    said = json.dumps(plan.recipe.resolved(Path(target.path).parent))
    return open_sink(target.path, size, fps, written=target.encoding, crf=target.output.crf, comment=said)
