"""Sources made of sources: on a larger canvas, with other frames at some times, longer, changed, late."""

from collections.abc import Callable, Sequence
from fractions import Fraction

import numpy as np

from vacestream.media.contracts import Source
from vacestream.media.playback import IndexedSource

GRAY = 128
"""Of what is to be made: mid-gray, 127.5 rounded up."""
WHITE, BLACK = 255, 0
"""Of masks: to be made, to be kept."""
_SKIPPED_AT_ONCE = 32


def plain(value: int, size: tuple[int, int], fps: Fraction, num_frames: int | None = None) -> Source:
    """Frames of one gray."""
    return still(np.full((*size, 3), value, np.uint8), fps, num_frames)


def still(frame: np.ndarray, fps: Fraction, num_frames: int | None = None) -> Source:
    """One picture [H W 3], over and over."""
    height, width, _ = frame.shape
    return IndexedSource(lambda _: frame, size=(height, width), fps=fps, num_frames=num_frames)


class Mapped:
    """A source whose frames are changed, piece by piece."""

    def __init__(self, source: Source, change: Callable[[np.ndarray], np.ndarray]) -> None:
        self._source, self._change = source, change
        self.size, self.fps, self.num_frames = source.size, source.fps, source.num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = self._source.read(n)
        return self._change(frames) if len(frames) else frames

    def close(self) -> None:
        """Close it."""
        self._source.close()


class Placed:
    """A source in a part of a larger canvas of one gray."""

    def __init__(self, source: Source, canvas: tuple[int, int], corner: tuple[int, int], value: int) -> None:
        self._source, self._corner, self._value = source, corner, value
        self.size, self.fps, self.num_frames = canvas, source.fps, source.num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = self._source.read(n)
        (top, left), (height, width) = self._corner, self._source.size
        out = np.full((len(frames), *self.size, 3), self._value, np.uint8)
        out[:, top : top + height, left : left + width] = frames
        return out

    def close(self) -> None:
        """Close it."""
        self._source.close()


class Padded:
    """A source that goes on in one gray when it has ended."""

    def __init__(self, source: Source, value: int) -> None:
        self._source, self._value = source, value
        self.size, self.fps = source.size, source.fps
        self.num_frames: int | None = None

    def read(self, n: int) -> np.ndarray:
        """The next n frames, always."""
        frames = self._source.read(n)
        rest = np.full((n - len(frames), *self.size, 3), self._value, np.uint8)
        return np.concatenate([frames, rest])

    def close(self) -> None:
        """Close it."""
        self._source.close()


class Foreseen:
    """A source that says how far it goes before it is read there."""

    def __init__(self, source: Source) -> None:
        self._source, self._seen, self._done = source, 0, 0
        self.size, self.fps, self.num_frames = source.size, source.fps, source.num_frames
        self._ready = np.empty((0, *source.size, 3), np.uint8)

    def reaches(self, frame: int) -> int:
        """How many of the frames before this one there are."""
        if frame > self._seen and len(frames := self._source.read(frame - self._seen)):
            self._ready, self._seen = np.concatenate([self._ready, frames]), self._seen + len(frames)
        return min(frame, self._seen)

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        self.reaches(self._done + n)
        frames, self._ready = self._ready[:n], self._ready[n:]
        self._done += len(frames)
        return frames

    def close(self) -> None:
        """Close it."""
        self._source.close()


class WhiteAfter:
    """A mask as long as footage has frames, and white for ever after."""

    def __init__(self, mask: Source, footage: Foreseen) -> None:
        self._mask, self._footage, self._next = Padded(mask, WHITE), footage, 0
        self.size, self.fps = mask.size, mask.fps
        self.num_frames: int | None = None

    def read(self, n: int) -> np.ndarray:
        """The next n frames, always."""
        frames = self._mask.read(n)
        frames[max(0, self._footage.reaches(self._next + n) - self._next) :] = WHITE
        self._next += n
        return frames

    def close(self) -> None:
        """Close the mask."""
        self._mask.close()


class Late:
    """A source without its first frames, opened when it is first read."""

    def __init__(self, open_it: Callable[[], Source], first: int = 0) -> None:
        self._open, self._first = open_it, first
        self._source: Source | None = None

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        if self._source is None:
            self._source = self._open()
            for i in range(0, self._first, _SKIPPED_AT_ONCE):
                self._source.read(min(_SKIPPED_AT_ONCE, self._first - i))
        return self._source.read(n)


class Overlaid:
    """A source with other frames in place of some spans of it: (start, stop, what is shown there)."""

    def __init__(self, source: Source, spans: Sequence[tuple[int, int, "Late | Source"]]) -> None:
        self._source, self._spans, self._next = source, spans, 0
        self.size, self.fps, self.num_frames = source.size, source.fps, source.num_frames

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        frames = self._source.read(n).copy()
        here, end = self._next, self._next + len(frames)
        for start, stop, shown in self._spans:
            low, high = max(start, here), min(stop, end)
            if low < high:
                part = shown.read(high - low)
                frames[low - here : low - here + len(part)] = part
        self._next = end
        return frames

    def close(self) -> None:
        """Close the source beneath; what is laid on it was opened by others."""
        self._source.close()
