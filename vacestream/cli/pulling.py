"""Bytes that come -> what people or programs see: a bar, a line each 10 s, or NDJSON."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from vacestream.cli.options import say
from vacestream.cli.progress import LINE_SECONDS, write_json

if TYPE_CHECKING:
    from vacestream.weights.pull import Order, Progress

Report = Callable[["Progress"], None]
SCHEMA = "vacestream.pull"


@contextmanager
def reporting(order: "Order", *, json: bool) -> Iterator[Report]:
    """The total first; then how far it is, how fast, and how long it takes."""
    num_files = len(order.remotes)
    if json:
        start = {"num_files": num_files, "num_bytes": order.num_bytes, "num_left": order.num_left}
        write_json(sys.stdout, f"{SCHEMA}.start/1", start)
        yield _Ndjson()
        return
    left = f"{size(order.num_left)} of {size(order.num_bytes)} to come"
    say(f"{len(order.here)} here, {num_files} to fetch, {left}")
    for remote in order.remotes:
        say(f"  {remote.file.path} of {remote.file.repo}, {size(remote.num_bytes)}")
    if num_files and sys.stderr.isatty():
        with _bar(order) as report:
            yield report
    else:
        yield _Lines()


def size(count: int | None) -> str:
    """Bytes in words; ? where they are not known."""
    if count is None:
        return "?"
    return f"{count / 1e9:.2f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


@dataclass
class _Lines:
    """A plain line now and then, for logs."""

    begun: float = field(default_factory=time.monotonic)
    told: float = field(default_factory=time.monotonic)

    def __call__(self, progress: "Progress") -> None:
        now = time.monotonic()
        if now - self.told >= LINE_SECONDS:
            self.told = now
            rate = progress.num_came / max(now - self.begun, 1e-6)
            done = f"{size(progress.num_done)} of {size(progress.num_bytes)}"
            left = progress.num_left / max(rate, 1e-6)
            say(f"{progress.file.path}: {done}, {size(int(rate))}/s, {left:.0f} s left")


@dataclass
class _Ndjson:
    """An event a second."""

    begun: float = field(default_factory=time.monotonic)
    told: float = 0.0

    def __call__(self, progress: "Progress") -> None:
        now = time.monotonic()
        if now - self.told < 1 and progress.num_left:
            return
        self.told = now
        rate = progress.num_came / max(now - self.begun, 1e-6)
        data = {
            "file": progress.file.path,
            "repo": progress.file.repo,
            "num_done": progress.num_done,
            "num_bytes": progress.num_bytes,
            "bytes_per_second": round(rate),
            "seconds_left": round(progress.num_left / max(rate, 1e-6)),
        }
        write_json(sys.stdout, f"{SCHEMA}.progress/1", data)


@contextmanager
def _bar(order: "Order") -> Iterator[Report]:
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.DownloadColumn(),
        rich.TransferSpeedColumn(),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=order.num_bytes, completed=order.num_bytes - order.num_left)
        yield lambda now: bar.update(task, completed=now.num_done, description=now.file.name)
