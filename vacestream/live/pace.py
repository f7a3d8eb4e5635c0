"""When a chunk may begin: not before its frames are due, and not while too many are on their way."""

from collections.abc import Iterable, Iterator
from fractions import Fraction
from threading import Event, Semaphore
from time import monotonic

from vacestream.timeline import Chunk

ON_THEIR_WAY = 3
"""Chunks between the source and the outputs: enough that encoding, denoising and decoding overlap."""
STEP_BATCH = 8
"""Chunks more where a row makes them in a step batch: one is done when as many follow as it has steps."""
LOOK = 0.05
"""Seconds between two looks at whether all is to stop."""


class Pace:
    """The clock of the line: frame n is due n / fps after the first, where its source keeps no time."""

    def __init__(self, fps: Fraction, stop: Event, *, step_batch: bool = False) -> None:
        self._fps, self._stop = fps, stop
        self._room = Semaphore(ON_THEIR_WAY + STEP_BATCH * step_batch)

    def watch(self, chunks: Iterable[Chunk], *, waits: bool) -> Iterator[Chunk]:
        """The same chunks, each when it may begin; the last one is the one before `stop`.

        `waits`: until its frames are due; cameras, streams and pipes keep time themselves. A line that is
        late makes up for a chunk, then goes on from now; nothing is left out.
        """
        due = monotonic()
        for chunk in chunks:
            while not self._room.acquire(timeout=LOOK):
                if self._stop.is_set():
                    return
            lasts = float(chunk.num_wanted / self._fps)
            due = max(due + lasts, monotonic() - lasts)
            if waits:
                self._stop.wait(max(0.0, due - monotonic()))
            if self._stop.is_set():
                return
            yield chunk

    def done(self) -> None:
        """A chunk has gone to the outputs."""
        self._room.release()
