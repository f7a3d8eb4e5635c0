"""Events of a render -> what people or programs see: a bar, a line each 10 s, NDJSON, or nothing."""

import json as json_text
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
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
        print(json_text.dumps({"schema": schema, **data}, default=str), file=stream, flush=True)
    except BrokenPipeError as gone:
        raise OutputError("--json: nobody reads this any more; what was made plays as NAME.part.*") from gone


@dataclass
class Lines:
    """A plain line now and then, for logs."""

    name: str
    verbose: bool
    begun: float = 0.0
    told: float = 0.0
    num_frames: int | None = None

    def __call__(self, event: Event) -> None:
        now = time.monotonic()
        match event.kind:
            case "start":
                self.begun = self.told = now
                self.num_frames = event.data.get("num_frames")
            case "chunk" if now - self.told >= LINE_SECONDS or self.verbose:
                self.told = now
                say(f"{self.name}: {self._state(event, now)}{_stages(event) if self.verbose else ''}")
            case "warn" | "error":
                say(f"{_word(event)}: {event.data.get('message', '')}")
            case "done":
                say(f"{self.name}: {event.frame} frames in {now - self.begun:.1f} s")

    def _state(self, event: Event, now: float) -> str:
        rate = event.frame / max(now - self.begun, 1e-6)
        if not self.num_frames:
            return f"{event.frame} frames, {rate:.1f} fps"
        left = (self.num_frames - event.frame) / max(rate, 1e-6)
        return f"{event.frame}/{self.num_frames} frames, {rate:.1f} fps, {left:.0f} s left"


@contextmanager
def _bar(name: str, verbose: bool) -> Iterator[Report]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:.0f}/{task.total:.0f} frames"),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console) as progress:
        task = progress.add_task(name, total=0, rate="")
        begun = time.monotonic()

        def report(event: Event) -> None:
            nonlocal begun
            match event.kind:
                case "start":
                    begun = time.monotonic()
                    progress.update(task, total=event.data.get("num_frames"))
                case "chunk":
                    rate = event.frame / max(time.monotonic() - begun, 1e-6)
                    progress.update(task, completed=event.frame, rate=f"{rate:.1f} fps")
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
