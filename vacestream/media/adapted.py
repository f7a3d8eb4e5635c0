"""Frames as they are made -> the size and the rate at which one output shows them."""

from fractions import Fraction

import numpy as np

from vacestream.media.contracts import Sink
from vacestream.media.fit import place
from vacestream.media.info import nearest


class Adapted:
    """A sink for frames of another size and rate: letterboxed, repeated or left out at equal duration."""

    def __init__(
        self, sink: Sink, made: tuple[int, int], shown: tuple[int, int], *, rate: Fraction = Fraction(1)
    ) -> None:
        """`rate`: frames shown for each that is made."""
        self._sink, self._rate, self._shown = sink, rate, shown
        self._place = place(made, shown, "letterbox")
        self._done = 0

    def write(self, frames: np.ndarray) -> None:
        """[T h w 3] as made -> [t H W 3] as shown, at once."""
        parts = []
        for frame in frames:
            first, stop = (shown_frames(n, self._rate) for n in (self._done, self._done + 1))
            self._done += 1
            if first < stop:
                parts.append(np.repeat(self._place.apply(frame)[None], stop - first, axis=0))
        self._sink.write(np.concatenate(parts) if parts else np.empty((0, *self._shown, 3), np.uint8))

    def close(self) -> None:
        """Finish the sink."""
        self._sink.close()

    def abort(self) -> None:
        """Stop the sink."""
        self._sink.abort()


def shown_frames(num_frames: int, rate: Fraction) -> int:
    """How many are shown of the first `num_frames` that are made; the first always is."""
    return max(min(num_frames, 1), nearest(num_frames * rate))
