"""Ctrl-C, SIGTERM and --stop-after -> the end of a render whose files play: after a chunk, or at once."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from types import FrameType
from typing import NoReturn

from vacestream.errors import EnoughError, StoppedError, TerminatedError
from vacestream.events import Event, Report


class _Terminate(KeyboardInterrupt):
    """SIGTERM on its way through the line."""


@dataclass
class Stop:
    """Whether the end was asked for, and how far the job in work is."""

    asked: bool = False
    frame: int = 0
    num_frames: int | None = None
    until: int | None = None
    """The frame that is enough for now."""
    keeps: bool = True
    """Whether --resume goes on with it."""
    seconds: float | None = None
    """What the last chunk took."""
    begun: float = field(default_factory=time.monotonic)
    report: Report = lambda event: None
    obey: Callable[[], None] = lambda: None
    """Called when the end is asked for."""

    def watch(self, report: Report) -> Report:
        """The same report; raises between two chunks once the end was asked for."""
        self.report = report

        def watched(event: Event) -> None:
            report(event)
            if event.kind in ("start", "chunk"):
                self._note(event)
                if self.num_frames is None or event.frame < self.num_frames:
                    if self.asked:
                        raise StoppedError(self.words("interrupted"))
                    if self.until is not None and event.frame >= self.until:
                        raise EnoughError(self.words("stopped, as asked,"))

        return watched

    def words(self, how: str) -> str:
        """What became of the job."""
        if not self.frame:
            return f"{how} before the first chunk was made; nothing is written"
        whole = f" of {self.num_frames}" if self.num_frames else ""
        way = "--resume goes on with it" if self.keeps else "-y makes it again"
        return f"{how} after {self.frame}{whole} frames; what was made plays as NAME.part.*; {way}"

    def _note(self, event: Event) -> None:
        now = time.monotonic()
        if event.kind == "start":
            self.num_frames = event.data.get("num_frames")
        self.seconds = now - self.begun if event.kind == "chunk" else None
        self.frame, self.begun = event.frame, now


@contextmanager
def stopping(stop: Stop) -> Iterator[None]:
    """The first Ctrl-C ends the render after the chunk in work; the second, and SIGTERM, at once."""

    def interrupt(_signal: int, _frame: FrameType | None) -> None:
        if stop.asked:
            raise KeyboardInterrupt
        stop.asked = True
        stop.obey()
        with suppress(RuntimeError):  # this very stream was being written to
            stop.report(Event("warn", stop.frame, data={"message": _promise(stop)}))

    def terminate(_signal: int, _frame: FrameType | None) -> NoReturn:
        raise _Terminate

    handlers = {signal.SIGINT: interrupt, signal.SIGTERM: terminate}
    if threading.current_thread() is not threading.main_thread():
        handlers = {}  # only the main thread is told of signals
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    except _Terminate:
        raise TerminatedError(stop.words("terminated")) from None
    except KeyboardInterrupt:
        raise StoppedError(stop.words("interrupted")) from None
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _promise(stop: Stop) -> str:
    """When it will stop."""
    if stop.seconds is None:
        return "stopping when this chunk is made; Ctrl-C again stops now"
    left = max(0, stop.begun + stop.seconds - time.monotonic())
    return f"stopping when this chunk is made, in about {left:.0f} s; Ctrl-C again stops now"
