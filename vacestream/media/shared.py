"""What can be read once, for several readers in step: a frame is kept until the last of them has it."""

from collections import deque
from collections.abc import Callable

import numpy as np

from vacestream.errors import InputError


class Shared:
    """The frames that `read` gives one by one, None at the end, for any number of readers."""

    def __init__(self, name: str, read: Callable[[], np.ndarray | None], *, late: bool = False) -> None:
        """`late`: a reader that comes later begins where the others are."""
        self.name, self._read, self._late = name, read, late
        self._kept: deque[np.ndarray] = deque()
        self._dropped = 0
        self._readers: list[Reader] = []

    @property
    def is_read(self) -> bool:
        """Whether there are readers."""
        return bool(self._readers)

    @property
    def is_done(self) -> bool:
        """Whether there were readers, and all have left."""
        return bool(self._dropped) and not self._readers

    def reader(self) -> "Reader":
        """One more."""
        if self._dropped and not self._late:
            raise InputError(f"{self.name}: can be read only once; write it to a file first")
        self._readers.append(reader := Reader(self, self._dropped))
        return reader

    def leave(self, reader: "Reader") -> None:
        """One less."""
        if reader in self._readers:
            self._readers.remove(reader)

    def frame(self, index: int) -> np.ndarray | None:
        """[H W 3]; None past the end."""
        if index == self._dropped + len(self._kept):
            frame = self._read()
            if frame is None:
                return None
            self._kept.append(frame)
        return self._kept[index - self._dropped]

    def drop(self) -> None:
        """Let go of what every reader has."""
        while self._kept and self._dropped < min((reader.at for reader in self._readers), default=0):
            self._kept.popleft()
            self._dropped += 1


class Reader:
    """One reader's place."""

    def __init__(self, shared: Shared, at: int) -> None:
        self._shared, self.at = shared, at

    def next(self) -> np.ndarray | None:
        """The next [H W 3]; None at the end."""
        frame = self._shared.frame(self.at)
        self.at += frame is not None
        self._shared.drop()
        return frame

    def leave(self) -> None:
        """Read no more."""
        self._shared.leave(self)
