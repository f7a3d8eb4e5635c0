"""`--commands -`: a message a line in JSON; every answer is a line."""

import json
import os
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self, TextIO

from vacestream.live.desk import Desk

LONGEST = 1 << 20
"""Bytes of a line; what is longer is no message."""
_PATIENCE = 0.2
"""Seconds to wait for a reader that may sit there for ever."""


class Commands:
    """Reads messages from a file descriptor until it ends; the stream goes on without them."""

    def __init__(self, desk: Desk, fd: int, answers: TextIO) -> None:
        self._desk, self._fd, self._answers = desk, fd, answers
        self._lock = Lock()
        self.thread = Thread(target=self._read, name="commands", daemon=True)

    def __enter__(self) -> Self:
        self.thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.thread.join(_PATIENCE)

    def _read(self) -> None:
        rest = b""
        while piece := os.read(self._fd, 1 << 16):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                self._tell(line)
            if len(rest) > LONGEST:
                rest = b"?"  # what comes up to the next line break is refused as one line
        self._tell(rest)

    def _tell(self, line: bytes) -> None:
        """Post a line; whatever is on it, an answer comes."""
        if not line.strip():
            return
        try:
            data: Any = json.loads(line)
        except (ValueError, RecursionError):
            data = line.decode(errors="replace")[:80]
        self._desk.post(data, self.answer)

    def answer(self, answer: dict[str, Any]) -> None:
        """One line; nobody may read them any more."""
        with self._lock:
            try:
                print(json.dumps(answer, default=str), file=self._answers, flush=True)
            except (OSError, ValueError):
                return
