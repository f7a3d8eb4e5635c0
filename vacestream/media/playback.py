"""How frames are played: by number, over and over, held at the end, from later on."""

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from vacestream.errors import InputError
from vacestream.media.contracts import SignalledSource, Source

_SKIPPED_AT_ONCE = 32


class IndexedSource:
    """Frames that can be had by number: images, patterns."""

    def __init__(
        self,
        frame_at: Callable[[int], np.ndarray],
        *,
        size: tuple[int, int],
        fps: Fraction,
        first: int = 0,
        num_frames: int | None = None,
    ) -> None:
        self.size, self.fps, self.num_frames = size, fps, num_frames
        self._frame_at, self._first, self._done = frame_at, first, 0

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        count = n if self.num_frames is None else min(n, self.num_frames - self._done)
        frames = [self._frame_at(self._first + self._done + i) for i in range(count)]
        self._done += count
        return np.stack(frames) if frames else np.empty((0, *self.size, 3), np.uint8)

    def close(self) -> None:
        """Nothing is held."""


class LoopSource:
    """Opens a source again each time that it ends."""

    def __init__(self, reopen: Callable[[], Source]) -> None:
        self._reopen, self._source = reopen, reopen()
        self.size, self.fps = self._source.size, self._source.fps
        self.num_frames: int | None = None

    def read(self, n: int) -> np.ndarray:
        """The next n frames, always."""
        parts, missing = [], n
        while missing:
            part = self._source.read(missing)
            if len(part) < missing:
                self._source.close()
                self._source = self._reopen()
            parts.append(part)
            missing -= len(part)
        return np.concatenate(parts)

    def close(self) -> None:
        """Close the pass that is open."""
        self._source.close()


class HoldSource:
    """Repeats the last frame of a source for ever."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self.size, self.fps = source.size, source.fps
        self.num_frames: int | None = None
        self._last: np.ndarray | None = None

    def read(self, n: int) -> np.ndarray:
        """The next n frames, always."""
        frames = self._source.read(n)
        if len(frames):
            self._last = frames[-1:].copy()
        if self._last is None:
            raise InputError("the stream ended before its first frame")
        return np.concatenate([frames, np.repeat(self._last, n - len(frames), axis=0)])

    def close(self) -> None:
        """Close what is held."""
        self._source.close()


class LateSource:
    """A source, and its signals, without the first frames."""

    def __init__(self, source: SignalledSource, first: int) -> None:
        self._source, self._first, self._skipped = source, first, False
        self.size, self.fps = source.size, source.fps
        self.num_frames = None if source.num_frames is None else source.num_frames - first

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        for i in range(0, 0 if self._skipped else self._first, _SKIPPED_AT_ONCE):
            self._source.read(min(_SKIPPED_AT_ONCE, self._first - i))
        self._skipped = True
        return self._source.read(n)

    def signal(self, name: str) -> "LateSource":
        """The signal of the frames that are left."""
        return LateSource(self._source.signal(name), self._first)

    def close(self) -> None:
        """Close what is read."""
        self._source.close()
