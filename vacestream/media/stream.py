"""A y4m stream, on stdin or in a named pipe -> sources: resampled, fitted and cut as it comes in."""

import sys
from collections import deque
from fractions import Fraction
from pathlib import Path
from typing import BinaryIO

import numpy as np

from vacestream.errors import InputError
from vacestream.media import y4m
from vacestream.media.fit import Fit, place
from vacestream.media.info import as_fraction, nearest


class Y4mStream:
    """What can be read once, for several readers in step: a frame is kept until the last of them has it."""

    def __init__(self, file: BinaryIO, name: str) -> None:
        self.name, self.header = name, y4m.read_header(file, name)
        self._file = file
        self._kept: deque[np.ndarray] = deque()
        self._dropped = 0
        self._readers: list[Reader] = []

    def close(self) -> None:
        """Let go of the pipe."""
        self._file.close()

    def reader(self) -> "Reader":
        """One more, from the first frame on."""
        if self._dropped:
            raise InputError(f"{self.name}: can be read only once; write it to a file first")
        self._readers.append(reader := Reader(self))
        return reader

    def frame(self, index: int) -> np.ndarray | None:
        """[H W 3]; None past the end."""
        if index == self._dropped + len(self._kept):
            frame = y4m.read_frame(self._file, self.header, self.name)
            if frame is None:
                return None
            self._kept.append(frame)
        return self._kept[index - self._dropped]

    def drop(self) -> None:
        """Let go of what every reader has."""
        while self._kept and self._dropped < min((reader.at for reader in self._readers), default=0):
            self._kept.popleft()
            self._dropped += 1

    def leave(self, reader: "Reader") -> None:
        """One less; after the last, what is left is nobody's."""
        if reader in self._readers:
            self._readers.remove(reader)
        if self._dropped and not self._readers:
            _forget(self)


class Reader:
    """One reader's place in a stream."""

    def __init__(self, stream: Y4mStream) -> None:
        self.stream, self.at = stream, 0

    def next(self) -> np.ndarray | None:
        """The next [H W 3]; None at the end."""
        frame = self.stream.frame(self.at)
        self.at += frame is not None
        self.stream.drop()
        return frame


def is_stream(where: str) -> bool:
    """Whether this names stdin or a named pipe."""
    return where == "-" or Path(where).is_fifo()


def stream(where: str) -> Y4mStream:
    """The stream of this name; its first line is read once."""
    stdin = sys.stdin.buffer if where == "-" else None
    if (where, stdin) not in _open:
        file = stdin or Path(where).open("rb")  # noqa: SIM115  (closed when the last reader leaves)
        _open[where, stdin] = Y4mStream(file, "stdin" if stdin else where)
    return _open[where, stdin]


_open: dict[tuple[str, BinaryIO | None], Y4mStream] = {}
"""By name, and stdin itself."""


def _forget(done: Y4mStream) -> None:
    for key in [key for key, known in _open.items() if known is done]:
        del _open[key]
        if key[1] is None:
            done.close()


class Y4mSource:
    """A y4m stream whose length is known when it ends."""

    def __init__(
        self,
        stream: Y4mStream,
        *,
        size: tuple[int, int] | None = None,
        fps: Fraction | None = None,
        fit: Fit = "crop",
        start: Fraction | float = 0,
        end: Fraction | float | None = None,
    ) -> None:
        header = stream.header
        self.size, self.fps = size or header.size, fps or header.fps
        self.num_frames: int | None = None
        self._stream, self._reader = stream, stream.reader()
        self._place = place(header.size, self.size, fit)
        self._step = header.fps / self.fps
        self._skip = nearest(as_fraction(start) * header.fps)
        self._left = None if end is None else nearest((as_fraction(end) - as_fraction(start)) * self.fps)
        self._done = 0
        self._now: np.ndarray | None = None

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]; waits until they are there."""
        count = n if self._left is None else min(n, self._left - self._done)
        frames: list[np.ndarray] = []
        while len(frames) < count and (frame := self._next()) is not None:
            frames.append(frame)
        return np.stack(frames) if frames else np.empty((0, *self.size, 3), np.uint8)

    def close(self) -> None:
        """Keep no frame for this source; the stream is not ours to close."""
        self._stream.leave(self._reader)

    def _next(self) -> np.ndarray | None:
        """Output frame n is the last input frame i with i / step rounded to n or less."""
        wanted = self._skip + -int(-(self._done + Fraction(1, 2)) * self._step // 1)
        raw = None
        while self._reader.at < wanted:
            raw = self._reader.next()
            if raw is None:
                return None
        self._now = self._now if raw is None else self._place.apply(raw)
        self._done += 1
        return self._now
