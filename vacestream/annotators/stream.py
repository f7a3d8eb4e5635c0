"""Footage and an annotator -> a source of the signal's frames, on the same timeline."""

import numpy as np

from vacestream.annotators import Annotator
from vacestream.media.contracts import Source


class Annotated:
    """Reads footage as far ahead as the annotator's first piece needs."""

    def __init__(self, source: Source, annotator: Annotator) -> None:
        self._source, self._annotator, self._lead = source, annotator, annotator.lead
        self.size, self.fps, self.num_frames = source.size, source.fps, source.num_frames
        self._ready = np.empty((0, *source.size, 3), np.uint8)

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        missing = max(n - len(self._ready), self._lead if n else 0)
        self._lead = 0
        if missing > 0 and len(frames := self._source.read(missing)):
            self._ready = np.concatenate([self._ready, self._annotator(frames)])
        frames, self._ready = self._ready[:n], self._ready[n:]
        return frames

    def close(self) -> None:
        """Close the footage."""
        self._source.close()
