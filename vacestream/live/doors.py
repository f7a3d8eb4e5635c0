"""Frames as they are made -> several outputs, each in a thread of its own, none slowing another.

Files and pipes lose nothing: the line waits for them. Cameras and streams are given a frame at every beat of
their own clock, the last one again where none is new, and lose the oldest where too many wait.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from threading import Condition, Thread
from time import monotonic, sleep

import numpy as np

from vacestream.errors import OutputError
from vacestream.media.adapted import shown_frames
from vacestream.media.contracts import Sink
from vacestream.media.fit import place
from vacestream.media.placeholder import placeholder

LATE = 1.0
"""Seconds that a clock makes up for by giving frames faster; a machine that slept longer goes on from now."""
PATIENCE = 5.0
"""Seconds that an output has to take its last frames once all is to stop."""
STEADY = 0.25
"""Seconds between two drawings of a placeholder."""


@dataclass(frozen=True)
class Waiting:
    """A frame [h w 3] on its way out."""

    frame: np.ndarray
    times: int
    """How often it is shown at the rate of its output."""
    taken: float
    """When what it shows was seen."""


class Door:
    """One output."""

    def __init__(
        self,
        name: str,
        sink: Sink,
        size: tuple[int, int],
        fps: Fraction,
        *,
        plays: bool,
        drops: bool,
        room: int,
        shows_placeholder: bool = False,
    ) -> None:
        """`plays`: keeps a clock of its own. `drops`: loses the oldest of more than `room` frames."""
        self.name, self.size, self.fps = name, size, fps
        self.dropped, self.latency = 0, 0.0
        self.held = 0
        """Beats at which the last frame was given again for want of a new one."""
        self.error: OutputError | None = None
        self._sink, self._drops, self._room, self._shows = sink, drops, room, shows_placeholder
        self._waiting: deque[Waiting] = deque()
        self._changed = Condition()
        self._ends = self._aborts = False
        self._made = 0
        self._words, self._since = "starting", monotonic()
        self._drawn: tuple[float, np.ndarray] = (0.0, np.empty(0))
        self._thread = Thread(target=self._run, args=(self._play if plays else self._pump,), daemon=True)
        self._thread.start()

    @property
    def depth(self) -> int:
        """Frames that wait."""
        return len(self._waiting)

    def say(self, words: str) -> None:
        """What is waited for, on the placeholder."""
        self._words = words

    def write(self, frames: np.ndarray, fps: Fraction, taken: float) -> None:
        """Frames [T h w 3] made at `fps`, the first seen at `taken`; waits for room where none is lost."""
        with self._changed:
            for i, frame in enumerate(frames):
                times = (shown_frames(self._made + n, self.fps / fps) for n in (0, 1))
                first, stop = times
                self._made += 1
                while not self._drops and len(self._waiting) >= self._room and self._is_open:
                    self._changed.wait()
                self._waiting.append(Waiting(frame, stop - first, taken + i / float(fps)))
            while len(self._waiting) > self._room and self._drops:
                self._waiting.popleft()
                self.dropped += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Give what waits, then close; OutputError where that failed."""
        with self._changed:
            self._ends = True
            self._changed.notify_all()
        self._thread.join()

    def abort(self) -> None:
        """Give no more."""
        with self._changed:
            self._ends = self._aborts = True
            self._waiting.clear()
            self._changed.notify_all()
        self._thread.join(PATIENCE)

    @property
    def _is_open(self) -> bool:
        return self.error is None and not self._ends

    def _run(self, work: Callable[[], None]) -> None:
        try:
            work()
            self._sink.abort() if self._aborts else self._sink.close()
        except OutputError as error:
            with self._changed:
                self.error = error
                self._waiting.clear()
                self._changed.notify_all()

    def _pump(self) -> None:
        """Every frame, as fast as the sink takes them."""
        while True:
            with self._changed:
                while not self._waiting and not self._ends:
                    self._changed.wait()
                waiting = list(self._waiting)
                self._waiting.clear()
                self._changed.notify_all()
            if not waiting:
                return
            shown = [self._fitted(one.frame) for one in waiting for _ in range(one.times)]
            if shown:
                self._sink.write(np.stack(shown))
            self.latency = monotonic() - waiting[-1].taken

    def _play(self) -> None:
        """A frame at every beat."""
        due, now = monotonic(), None
        left, last = 0, np.empty(0)
        while not self._aborts:
            sleep(max(0.0, due - monotonic()))
            if left == 0 and (now := self._next()) is not None:
                left, last = now.times, self._fitted(now.frame)
                self.latency = monotonic() - now.taken
            elif left == 0 and self._ends:
                return
            elif left == 0 and len(last):
                self.held += 1
            frame = last if len(last) else self._placeholder()
            if len(frame):
                self._sink.write(frame[None])
            left = max(0, left - 1)
            due = max(due + float(1 / self.fps), monotonic() - LATE)

    def _next(self) -> Waiting | None:
        """The next frame that is shown at all."""
        with self._changed:
            while self._waiting:
                one = self._waiting.popleft()
                self._changed.notify_all()
                if one.times:
                    return one
        return None

    def _fitted(self, frame: np.ndarray) -> np.ndarray:
        """[h w 3] -> [H W 3], letterboxed."""
        height, width = frame.shape[:2]
        return place((height, width), self.size, "letterbox").apply(frame)

    def _placeholder(self) -> np.ndarray:
        """[H W 3], or nothing where none is to be shown."""
        if not self._shows:
            return np.empty(0)
        seconds = monotonic() - self._since
        if not len(self._drawn[1]) or seconds - self._drawn[0] >= STEADY:
            self._drawn = seconds, placeholder(self.size, self._words, seconds)
        return self._drawn[1]
