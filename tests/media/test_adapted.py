"""Another size and rate than the one made."""

from fractions import Fraction

import numpy as np
import pytest

from vacestream.media.adapted import Adapted, shown_frames


class Kept:
    """A sink that keeps what it gets."""

    def __init__(self) -> None:
        self.frames = np.empty((0, 8, 8, 3), np.uint8)

    def write(self, frames: np.ndarray) -> None:
        self.frames = np.concatenate([self.frames, frames])

    def close(self) -> None: ...

    def abort(self) -> None: ...


def shown(num_frames: int, rate: Fraction, n: int) -> list[int]:
    """Which made frames are shown, when n are written at a time."""
    sink = Kept()
    adapted = Adapted(sink, (4, 8), (8, 8), rate=rate)
    made = (
        np.arange(1, num_frames + 1, dtype=np.uint8)[:, None, None, None]
        .repeat(4, 1)
        .repeat(8, 2)
        .repeat(3, 3)
    )
    for i in range(0, num_frames, n):
        adapted.write(made[i : i + n])
    assert not sink.frames[:, :2].any()
    assert not sink.frames[:, 6:].any()
    return list(sink.frames[:, 4, 4, 0])


@pytest.mark.parametrize(
    "rate", [Fraction(3, 2), Fraction(2, 3), Fraction(1001, 1000), Fraction(1, 7), Fraction(5)]
)
@pytest.mark.parametrize("num_frames", [1, 2, 9, 33, 100])
def test_frames_are_repeated_or_left_out_at_equal_duration(num_frames: int, rate: Fraction) -> None:
    whole = shown(num_frames, rate, num_frames)
    assert shown(num_frames, rate, 1) == shown(num_frames, rate, 4) == whole
    assert len(whole) == shown_frames(num_frames, rate) == max(1, int(num_frames * rate + Fraction(1, 2)))
    assert whole == sorted(whole)
    assert whole[0] == 1 or rate < 1
    assert max(abs(number - 1 - i / rate) for i, number in enumerate(whole)) <= max(1, 1 / rate)
