"""The overlap helper: the same items, in order, however the threads run."""

import threading
from collections.abc import Iterator
from threading import Event

import pytest

from vacestream.live.overlap import ahead


def test_the_items_are_the_same_and_in_order_through_any_number_of_stages() -> None:
    stop, items = Event(), iter(range(100))
    for depth in (1, 2, 3):
        items = ahead(items, stop, depth=depth)
    assert list(items) == [*range(100)]


def test_what_a_stage_raises_comes_behind_the_items_before_it_through_the_stages_after_it() -> None:
    def broken() -> Iterator[int]:
        yield from (1, 2, 3)
        raise ValueError("four")

    stop = Event()
    items = ahead((item * 10 for item in ahead(broken(), stop)), stop)
    assert [next(items), next(items), next(items)] == [10, 20, 30]
    with pytest.raises(ValueError, match="four"):
        next(items)


def test_no_more_is_made_than_the_queue_holds_and_one_in_work() -> None:
    made: list[int] = []

    def counted() -> Iterator[int]:
        for item in range(100):
            made.append(item)
            yield item

    full = Event()
    items = ahead(counted(), full, depth=2)
    next(items)
    full.wait(0.3)
    assert made == [0, 1, 2, 3]


@pytest.mark.parametrize("how", ["stop", "close"])
def test_a_stage_whose_items_nobody_wants_any_more_cleans_up_and_its_thread_ends(how: str) -> None:
    stop, cleaned, before = Event(), Event(), threading.active_count()

    def endless() -> Iterator[int]:
        try:
            while True:
                yield 1
        finally:
            cleaned.set()

    items = ahead(endless(), stop)
    next(items)
    stop.set() if how == "stop" else None
    items.close()  # type: ignore[attr-defined]
    assert cleaned.is_set()
    assert threading.active_count() == before
