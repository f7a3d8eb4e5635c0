"""Seconds that each stage of the line takes, measured from outside it."""

from collections.abc import Callable, Iterable, Iterator
from time import perf_counter
from typing import TypeVar

Item = TypeVar("Item")


class Timing:
    """Own time of nested generators: a stage's wait for the one before it is not counted."""

    def __init__(self, settle: Callable[[], None] = lambda: None) -> None:
        self.seconds: dict[str, float] = {}
        self._inner: list[float] = []
        self._settle = settle
        """Waits for the device before a clock is read."""

    def watch(self, stage: str, items: Iterable[Item]) -> Iterator[Item]:
        """The same items."""
        iterator = iter(items)
        while True:
            start = perf_counter()
            self._inner.append(0.0)
            try:
                item = next(iterator)
            except StopIteration:
                return
            finally:
                self._settle()
                elapsed = perf_counter() - start
                self.seconds[stage] = self.seconds.get(stage, 0.0) + elapsed - self._inner.pop()
                if self._inner:
                    self._inner[-1] += elapsed
            yield item

    def lap(self) -> dict[str, float]:
        """Seconds by stage since the last lap."""
        seconds, self.seconds = self.seconds, {}
        return seconds
