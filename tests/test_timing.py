from collections.abc import Iterable, Iterator

import pytest

from vacestream import timing
from vacestream.timing import Timing


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now

    def stage(self, items: Iterable[int], seconds: float) -> Iterator[int]:
        for item in items:
            self.now += seconds
            yield item


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timing, "perf_counter", clock)
    return clock


def test_a_stage_is_not_charged_for_the_stages_before_it_or_for_its_consumer(clock):
    watched = Timing()
    read = watched.watch("read", clock.stage(range(3), 1.0))
    denoise = watched.watch("denoise", clock.stage(read, 10.0))
    decode = watched.watch("decode", clock.stage(denoise, 100.0))
    for _ in decode:
        clock.now += 1000.0
    assert watched.seconds == {"read": 3.0, "denoise": 30.0, "decode": 300.0}


def test_a_lap_starts_from_nothing(clock):
    watched = Timing()
    items = watched.watch("read", clock.stage(range(3), 2.0))
    laps = []
    for _ in items:
        laps.append(watched.lap())
    assert laps == [{"read": 2.0}] * 3


def test_a_stage_that_is_pulled_twice_an_item_is_charged_for_both(clock):
    watched = Timing()
    read = watched.watch("read", clock.stage(range(4), 1.0))
    pairs = watched.watch("pair", (a + b for a, b in zip(read, read, strict=True)))
    assert list(pairs) == [1, 5]
    assert watched.seconds == {"read": 4.0, "pair": 0.0}


def test_a_stage_that_fails_leaves_the_clocks_of_others_right(clock):
    watched = Timing()

    def broken() -> Iterator[int]:
        clock.now += 5.0
        raise RuntimeError("no more")
        yield

    with pytest.raises(RuntimeError, match="no more"):
        next(watched.watch("outer", clock.stage(watched.watch("inner", broken()), 1.0)))
    list(watched.watch("later", clock.stage(range(2), 3.0)))
    assert watched.seconds == {"inner": 5.0, "outer": 0.0, "later": 6.0}


def test_waiting_for_the_device_belongs_to_the_stage_that_gave_it_work(clock):
    pending = []

    def settle() -> None:
        clock.now += sum(pending)
        pending.clear()

    def launch(items: Iterable[int]) -> Iterator[int]:
        for item in items:
            pending.append(7.0)
            yield item

    watched = Timing(settle)
    for _ in watched.watch("decode", clock.stage(watched.watch("denoise", launch(range(2))), 1.0)):
        pass
    assert watched.seconds == {"denoise": 14.0, "decode": 2.0}
