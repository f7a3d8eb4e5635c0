"""When chunks begin, by a clock that the test turns."""

from fractions import Fraction
from threading import Event

import pytest

from vacestream.live import pace
from vacestream.live.pace import Pace
from vacestream.timeline import Chunk

CHUNKS = [Chunk(0, 0, 3), *(Chunk(i, 3 * i, 3) for i in range(1, 8))]
"""9 frames, then 12 at a time."""


class Clock(Event):
    """Time passes only while somebody waits."""

    now = 100.0

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        return self.is_set()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(pace, "monotonic", lambda: made.now)
    return made


def test_a_chunk_begins_when_the_last_of_its_frames_is_due(clock: Clock) -> None:
    paced, begun = Pace(Fraction(12), clock), []
    for _ in paced.watch(CHUNKS[:4], waits=True):
        begun.append(clock.now - 100)
        paced.done()
    assert begun == [0.75, 1.75, 2.75, 3.75]


def test_a_line_that_was_late_makes_up_for_a_chunk_and_leaves_nothing_out(clock: Clock) -> None:
    paced, begun = Pace(Fraction(12), clock), []
    for chunk in paced.watch(CHUNKS[:5], waits=True):
        begun.append((chunk.index, clock.now - 100))
        clock.now += 10.0 if chunk.index == 1 else 0.0
        paced.done()
    assert begun == [(0, 0.75), (1, 1.75), (2, 11.75), (3, 11.75), (4, 12.75)]


def test_a_source_of_its_own_time_is_never_waited_for(clock: Clock) -> None:
    paced = Pace(Fraction(12), clock)
    for _ in paced.watch(CHUNKS, waits=False):
        paced.done()
    assert clock.now == 100


def test_no_more_chunks_are_on_their_way_than_there_is_room_for(clock: Clock) -> None:
    for step_batch, room in ((False, pace.ON_THEIR_WAY), (True, pace.ON_THEIR_WAY + pace.STEP_BATCH)):
        stop = Event()
        begun = Pace(Fraction(12), stop, step_batch=step_batch).watch(CHUNKS * 3, waits=False)
        taken = [next(begun) for _ in range(room)]
        stop.set()
        assert [*begun] == []
        assert len(taken) == room


def test_the_last_chunk_is_the_one_before_the_stop(clock: Clock) -> None:
    paced, begun = Pace(Fraction(12), clock), []
    for chunk in paced.watch(CHUNKS, waits=True):
        begun.append(chunk.index)
        paced.done()
        if chunk.index == 2:
            clock.set()
    assert begun == [0, 1, 2]
