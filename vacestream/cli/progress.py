"""Events of a render -> what people or programs see: a bar, a line each 10 s, NDJSON, or nothing."""

import json as json_text
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TextIO

from vacestream.cli.options import say
from vacestream.errors import OutputError
from vacestream.events import Event

Report = Callable[[Event], None]
LINE_SECONDS = 10
"""Between two lines where nothing can be animated."""


@contextmanager
def reporting(name: str, *, json: TextIO | None, quiet: bool, verbose: bool) -> Iterator[Report]:
    """The way in which this run reports."""
    if json is not None:
        yield lambda event: write_json(json, f"vacestream.{event.kind}/1", _flat(name, event))
    elif quiet:
        yield lambda event: None
    elif sys.stderr.isatty():
        with _bar(name, verbose) as report:
            yield report
    else:
        yield Lines(name, verbose)


def write_json(stream: TextIO, schema: str, data: dict[str, Any]) -> None:
    """One line of NDJSON."""
    try:
        line = json_text.dumps({"schema": schema, **data}, default=str)
        print(f"{line}\n", end="", file=stream, flush=True)  # at once: other threads write lines, too
    except BrokenPipeError as gone:
        raise OutputError("--json: nobody reads this any more; what was made plays as NAME.part.*") from gone


@dataclass
class Countdown:
    """How fast frames are made, and when the last is: neither loading nor frames made before count."""

    num_frames: int | None = None
    begun: float = 0.0
    frame: int = 0
    waits: bool = True
    """Until the first chunk, which is slower than those to come."""

    def start(self, event: Event, now: float) -> None:
        """A job begins, perhaps in the middle."""
        self.num_frames, self.begun, self.frame = event.data.get("num_frames"), now, event.frame
        self.waits = True

    def words(self, event: Event, now: float) -> str:
        """Frames a second, and the time that is left."""
        rate = (event.frame - self.frame) / max(now - self.begun, 1e-6)
        if self.waits:
            self.begun, self.frame, self.waits = now, event.frame, False
        if not self.num_frames:
            return f"{rate:.1f} fps"
        return f"{rate:.1f} fps, {_clock((self.num_frames - event.frame) / max(rate, 1e-6))} left"


def _clock(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes // 60}:{minutes % 60:02}:{rest:02}" if minutes >= 60 else f"{minutes}:{rest:02}"


@dataclass
class Lines:
    """A plain line now and then, for logs."""

    name: str
    verbose: bool
    begun: float = 0.0
    told: float = 0.0
    pace: Countdown = field(default_factory=Countdown)

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        match event.kind:
            case "start":
                self.begun = self.told = now
                self.pace.start(event, now)
            case "chunk":
                self._chunk(event, now)
            case "warn" | "error":
                say(f"{_word(event)}: {event.data.get('message', '')}")
            case "done":
                say(f"{self.name}: {event.frame} frames in {now - self.begun:.1f} s")

    def _chunk(self, event: Event, now: float) -> None:
        words = self.pace.words(event, now)
        if now - self.told < LINE_SECONDS and not self.verbose:
            return
        self.told = now
        whole = f"/{self.pace.num_frames}" if self.pace.num_frames else ""
        stages = _stages(event) if self.verbose else ""
        say(f"{self.name}: {event.frame}{whole} frames, {words}{stages}")


def telling(name: str, *, json: TextIO | None, quiet: bool, verbose: bool) -> Report:
    """The way in which a live run reports: what happens, and how it is doing."""
    if json is not None:
        return lambda event: write_json(json, f"vacestream.{event.kind}/1", _flat(name, event))
    return (lambda event: None) if quiet else Status(name, every=0 if verbose else LINE_SECONDS)


@dataclass
class Status:
    """How a live line is doing, in a line now and then, or in one that stays where it is on a terminal."""

    name: str
    every: float
    told: float = 0.0

    def __call__(self, event: Event) -> None:
        from vacestream.live.status import words

        if event.kind in ("warn", "error"):
            say(f"{_word(event)}: {event.data.get('message', '')}")
        elif event.kind == "done":
            say(f"{self.name}: {event.frame} frames")
        elif event.kind == "chunk":
            now, stays = time.monotonic(), sys.stderr.isatty()
            if stays:
                print(f"\r\x1b[K{words(event.data)}", end="", file=sys.stderr, flush=True)
            elif now - self.told >= self.every:
                self.told = now
                say(f"{self.name}: {words(event.data)}")


@contextmanager
def _bar(name: str, verbose: bool) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} frames"),
        TextColumn("{task.fields[pace]}"),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=0, pace="")
        pace = Countdown()

        def report(event: Event) -> None:
            match event.kind:
                case "start":
                    pace.start(event, time.monotonic())
                    progress.update(task, total=pace.num_frames, completed=event.frame)
                case "chunk":
                    words = pace.words(event, time.monotonic())
                    progress.update(task, completed=event.frame, pace=words)
                    if verbose:
                        console.print(f"chunk {event.chunk}{_stages(event)}", highlight=False)
                case "warn" | "error":
                    console.print(
                        f"{_word(event)}: {event.data.get('message', '')}", highlight=False, markup=False
                    )
                case "done":
                    progress.update(task, completed=event.frame)

        yield report


def _word(event: Event) -> str:
    return "warning" if event.kind == "warn" else event.kind


def _stages(event: Event) -> str:
    timed = {name: value for name, value in event.data.items() if isinstance(value, float)}
    return "".join(f", {name} {value:.2f} s" for name, value in timed.items())


def _flat(name: str, event: Event) -> dict[str, Any]:
    return {"event": event.kind, "recipe": name, "frame": event.frame, "chunk": event.chunk, **event.data}
