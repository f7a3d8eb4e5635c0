"""Seconds that each stage of the line takes, measured from outside it."""

import threading
from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TypeVar

Item = TypeVar("Item")


class Timing:
    """Own time of nested generators, in whatever thread: a wait for the stage before is not counted."""

    def __init__(self, settle: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self._local = threading.local()
        self._settle = settle
        """Waits for the device before a clock is read."""

    def watch(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The same items."""
        iterator = iter(items)
        while True:
            inner, start = self._inner(), perf_counter()
            inner.append(0.0)
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._settle()
                elapsed = perf_counter() - start
                self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed - inner.pop()
                if inner:
                    inner[-1] += elapsed
            yield item

    def _inner(self) -> list[float]:
        """Of each stage in work in this thread, the seconds that went into those before it."""
        if not hasattr(self._local, "inner"):
            self._local.inner = []
        return self._local.inner  # type: ignore[no-any-return]

    def lap(self) -> dict[str, float]:
        """Seconds by stage since the last lap."""
        seconds, self.seconds = self.seconds, {}
        return seconds
