"""A y4m stream as a source: resampled, fitted and cut as it comes in."""

from fractions import Fraction
from typing import BinaryIO

import numpy as np

from vacestream.media import y4m
from vacestream.media.fit import Fit, place
from vacestream.media.info import as_fraction, nearest


class Y4mSource:
    """A y4m stream whose length is known when it ends."""

    def __init__(
        self,
        stream: BinaryIO,
        header: y4m.Header,
        *,
        size: tuple[int, int] | None = None,
        fps: Fraction | None = None,
        fit: Fit = "crop",
        start: Fraction | float = 0,
        end: Fraction | float | None = None,
    ) -> None:
        self.size, self.fps = size or header.size, fps or header.fps
        self.num_frames: int | None = None
        self._stream, self._header = stream, header
        self._place = place(header.size, self.size, fit)
        self._step = header.fps / self.fps
        self._skip = nearest(as_fraction(start) * header.fps)
        self._left = None if end is None else nearest((as_fraction(end) - as_fraction(start)) * self.fps)
        self._read, self._done = 0, 0
        self._now: np.ndarray | None = None

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]; waits until they are there."""
        count = n if self._left is None else min(n, self._left - self._done)
        frames: list[np.ndarray] = []
        while len(frames) < count and (frame := self._next()) is not None:
            frames.append(frame)
        return np.stack(frames) if frames else np.empty((0, *self.size, 3), np.uint8)

    def close(self) -> None:
        """The stream is not ours to close."""

    def _next(self) -> np.ndarray | None:
        """Output frame n is the last input frame i with i / step rounded to n or less."""
        wanted = self._skip + -int(-(self._done + Fraction(1, 2)) * self._step // 1)
        while self._read < wanted:
            raw = y4m.read_frame(self._stream, self._header)
            if raw is None:
                return None
            self._now = self._place.apply(raw)
            self._read += 1
        self._done += 1
        return self._now
