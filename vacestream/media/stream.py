"""A stream on stdin or in a named pipe -> sources: resampled, fitted and cut as it comes in.

It is y4m, or MPEG-TS, Matroska or FLV, which the shipped ffmpeg makes y4m of.
"""

import subprocess
import sys
from contextlib import suppress
from fractions import Fraction
from io import BufferedReader
from pathlib import Path
from threading import Thread
from typing import BinaryIO, cast

import numpy as np

from vacestream.media import ffmpeg, y4m
from vacestream.media.fit import Fit, place
from vacestream.media.info import as_fraction, nearest
from vacestream.media.shared import Shared

SIGNATURES = (b"\x47", b"\x1a\x45\xdf\xa3", b"FLV")
"""How MPEG-TS, Matroska and FLV begin."""


class Y4mStream:
    """A stream and its readers."""

    def __init__(self, file: BinaryIO, name: str, *, ours: bool) -> None:
        """`ours`: closed with it."""
        self._file, self._child, self._ours = file, _decoder(file), ours
        if self._child is not None:
            stdout = self._child.process.stdout
            assert stdout is not None
            file = cast(BinaryIO, stdout)
        self.header = y4m.read_header(file, name)
        self.shared = Shared(name, lambda: y4m.read_frame(file, self.header, name))

    def close(self) -> None:
        """Let go of the pipe."""
        if self._child is not None:
            self._child.end(kill=True)
            self._child.log.close()
        if self._ours:
            self._file.close()


def _decoder(file: BinaryIO) -> ffmpeg.Child | None:
    """Makes y4m of what comes in a container; None where it is y4m, or nothing that is known."""
    if not isinstance(file, BufferedReader) or not file.peek(4).startswith(SIGNATURES):
        return None
    args = [*ffmpeg.PROMPT, "-i", "pipe:0", "-map", "0:V:0", "-fps_mode", "cfr"]
    args += ["-pix_fmt", "yuv420p", "-f", "yuv4mpegpipe", "pipe:1"]
    child = ffmpeg.start(args, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    Thread(target=_relay, args=(file, child), daemon=True).start()
    return child


def _relay(file: BufferedReader, child: ffmpeg.Child) -> None:
    """What comes in goes to the decoder, as it comes."""
    stdin = child.process.stdin
    assert stdin is not None
    with suppress(OSError, ValueError):  # the decoder has gone, or the pipe is closed
        while data := file.read1(1 << 16):
            stdin.write(data)
            stdin.flush()
    with suppress(OSError):
        stdin.close()


def is_stream(where: str) -> bool:
    """Whether this names stdin or a named pipe."""
    return where == "-" or Path(where).is_fifo()


def stream(where: str) -> Y4mStream:
    """The stream of this name; its first line is read once."""
    stdin = sys.stdin.buffer if where == "-" else None
    if (where, stdin) not in _open:
        file = stdin or Path(where).open("rb")  # noqa: SIM115  (closed when the last reader leaves)
        _open[where, stdin] = Y4mStream(file, "stdin" if stdin else where, ours=stdin is None)
    return _open[where, stdin]


_open: dict[tuple[str, BinaryIO | None], Y4mStream] = {}
"""By name, and stdin itself."""


def _forget(done: Y4mStream) -> None:
    for key in [key for key, known in _open.items() if known is done]:
        del _open[key]
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
        self._stream, self._reader = stream, stream.shared.reader()
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
        self._reader.leave()
        if self._stream.shared.is_done:
            _forget(self._stream)

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
