"""What a source and a sink promise to the line."""

from fractions import Fraction
from typing import Protocol

import numpy as np


class Source(Protocol):
    """Frames of one timeline, read once and in order."""

    size: tuple[int, int]
    """(height, width) of what read() gives."""
    fps: Fraction
    num_frames: int | None
    """None = endless, or unknown until it ends."""

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3] uint8 RGB, t <= n; t < n only at the end."""
        ...

    def close(self) -> None:
        """Let go of files and processes; safe to call twice."""
        ...


class SignalledSource(Source, Protocol):
    """A source that also knows the exact signals of its frames."""

    def signal(self, name: str) -> "SignalledSource":
        """Such as depth, on the same timeline, from its first frame on."""
        ...


class Sink(Protocol):
    """Takes the frames of one output, in order."""

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3] uint8; what is written is visible now, not at close."""
        ...

    def close(self) -> None:
        """Finish: the file gets its name."""
        ...

    def abort(self) -> None:
        """Stop after an error: what was written stays, playable, as NAME.part."""
        ...
