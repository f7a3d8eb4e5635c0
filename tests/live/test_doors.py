"""Outputs of a live line, each in its thread: what they are given, and when."""

from fractions import Fraction
from threading import Event
from time import monotonic, sleep

import numpy as np
import pytest

from tests.live.cameras import Recording, recording
from tests.media.conftest import drawn, told
from vacestream.errors import OutputError
from vacestream.live.doors import Door
from vacestream.media.camera import CameraSink

SIZE = (32, 64)
FPS = Fraction(16)


class Kept:
    """A sink that keeps frames, and can be slow or fail."""

    def __init__(self) -> None:
        self.frames: list[np.ndarray] = []
        self.goes, self.ended = Event(), ""
        self.goes.set()
        self.error: OutputError | None = None

    def write(self, frames: np.ndarray) -> None:
        self.goes.wait(10)
        if self.error:
            raise self.error
        self.frames += list(frames)

    def close(self) -> None:
        self.ended = "closed"

    def abort(self) -> None:
        self.ended = "aborted"


def door(sink: object, *, plays: bool = False, drops: bool = False, room: int = 24, **more: object) -> Door:
    given = {"size": SIZE, "fps": FPS, **more}
    return Door("out", sink, plays=plays, drops=drops, room=room, **given)  # type: ignore[arg-type]


def numbered(*numbers: int) -> np.ndarray:
    return np.stack([drawn(number) for number in numbers])


def test_a_camera_keeps_its_beat_through_bursts_and_a_stall_and_is_opened_once() -> None:
    """Chunks of 12 frames come at once, late, and once not for 5 seconds; 64x32 into 160x120 at 30 fps."""
    fps, made = Fraction(30), 0
    with recording() as cameras:
        out = door(
            CameraSink("camera:out", (120, 160), fps), plays=True, drops=True, size=(120, 160), fps=fps,
            shows_placeholder=True,
        )  # fmt: skip
        begun = monotonic()
        sleep(0.6)
        for wait in (0.75, 0.3, 1.2, 5.0, 0.75):
            out.write(numbered(*range(made, made + 12)), FPS, monotonic())
            made += 12
            sleep(wait)
        out.close()
    (camera,) = cameras
    assert camera.closed
    assert camera.times[0] - begun < 1
    rate = (len(camera.times) - 1) / (camera.times[-1] - camera.times[0])
    assert abs(rate / 30 - 1) < 0.01
    first = next(i for i, when in enumerate(camera.times) if when > begun + 0.6) + 1
    assert len({camera.frames[i].tobytes() for i in range(first)}) > 1  # the placeholder moves
    shown = told_of(camera, first)
    assert sorted(set(shown)) == [*range(made)]  # none is lost
    assert shown == sorted(shown)  # in order
    assert max(shown.count(number) for number in set(shown)) > 30 * 3  # the last one is held
    assert out.dropped == 0
    assert out.held > 30 * 3


def told_of(camera: Recording, first: int) -> list[int]:
    """The numbers of letterboxed frames."""
    frames = np.stack(camera.frames[first:])
    assert not frames[:, :15].any()  # bars: 160x80 in 160x120
    return told(frames[:, 20:100])


def test_an_output_that_may_lose_frames_loses_the_oldest_and_never_waits() -> None:
    sink = Kept()
    sink.goes.clear()
    out = door(sink, drops=True, room=4)
    begun = monotonic()
    for number in range(20):
        out.write(numbered(number), FPS, begun)
    assert monotonic() - begun < 2
    sink.goes.set()
    out.close()
    kept = told(np.stack(sink.frames))
    assert kept[-4:] == [16, 17, 18, 19]
    assert out.dropped == 20 - len(kept)


def test_an_output_that_may_lose_nothing_makes_the_line_wait() -> None:
    sink, written = Kept(), Event()
    sink.goes.clear()
    out = door(sink, room=4)

    def write() -> None:
        for number in range(20):
            out.write(numbered(number), FPS, 0.0)
        written.set()

    from threading import Thread

    Thread(target=write, daemon=True).start()
    assert not written.wait(0.3)
    sink.goes.set()
    assert written.wait(5)
    out.close()
    assert told(np.stack(sink.frames)) == [*range(20)]
    assert sink.ended == "closed"


@pytest.mark.parametrize(("fps", "expected"), [(Fraction(8), 12), (Fraction(16), 24), (Fraction(32), 48)])
def test_an_output_of_another_rate_shows_as_long(fps: Fraction, expected: int) -> None:
    sink = Kept()
    out = door(sink, fps=fps)
    out.write(numbered(*range(24)), FPS, 0.0)
    out.close()
    assert len(sink.frames) == expected


def test_an_output_that_fails_says_so_and_keeps_nobody_waiting() -> None:
    sink = Kept()
    sink.error = OutputError("gone")
    out = door(sink, room=2)
    for number in range(20):
        out.write(numbered(number), FPS, 0.0)
    out.close()
    assert out.error is sink.error
