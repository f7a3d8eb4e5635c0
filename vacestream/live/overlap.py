"""Stages of the line side by side: each works ahead of the next by no more than a bounded queue."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import TypeVar

Item = TypeVar("Item")

LOOK = 0.1
"""Seconds between two looks at whether all is to stop."""
PATIENCE = 5.0
"""Seconds that a stage has to notice it."""


@dataclass(frozen=True)
class _End:
    """What a stage ended with; None: well."""

    error: BaseException | None


def ahead(items: Iterable[Item], stop: Event, *, depth: int = 1) -> Iterator[Item]:
    """The same items, made in a thread up to `depth` before they are asked for.

    What making them raises is raised here, behind the items before it. Once `stop` is set, or this iterator
    is closed, the thread makes no more.
    """
    queue: Queue[Item | _End] = Queue(depth)
    left = Event()
    thread = Thread(target=_make, args=(items, queue, stop, left), daemon=True)
    thread.start()
    try:
        while not stop.is_set():
            try:
                item = queue.get(timeout=LOOK)
            except Empty:
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item
    finally:
        left.set()
        thread.join(PATIENCE)


def _make(items: Iterable[Item], queue: "Queue[Item | _End]", stop: Event, left: Event) -> None:
    end, iterator = _End(None), iter(items)
    try:
        for item in iterator:
            if not _put(queue, item, stop, left):
                break
    except BaseException as error:
        end = _End(error)
    finally:
        close = getattr(iterator, "close", None)  # a stage that is left in the middle cleans up here
        if close is not None:
            close()
    _put(queue, end, stop, left)


def _put(queue: "Queue[Item | _End]", item: Item | _End, stop: Event, left: Event) -> bool:
    """Whether it was wanted."""
    while not (stop.is_set() or left.is_set()):
        try:
            queue.put(item, timeout=LOOK)
        except Full:
            continue
        return True
    return False
