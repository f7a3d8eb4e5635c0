"""`--commands -`: a message a line in JSON; every answer is a line."""

import json
import os
from queue import Full, Queue
from threading import Thread
from types import TracebackType
from typing import Any, Self, TextIO

from vacestream.live.desk import Desk

LONGEST = 1 << 20
"""Bytes of a line; what is longer is no message."""
UNREAD = 1000
"""Answers that wait for a reader; who does not read loses the others."""
_PATIENCE = 0.2
"""Seconds for a reader or a writer that may sit there for ever."""


class Commands:
    """Reads messages from a file descriptor until it ends; the stream goes on without them."""

    def __init__(self, desk: Desk, fd: int, answers: TextIO) -> None:
        self._desk, self._fd, self._answers = desk, fd, answers
        self._unread: Queue[dict[str, Any] | None] = Queue(UNREAD)
        self.threads = [Thread(target=one, name="commands", daemon=True) for one in (self._read, self._write)]

    def __enter__(self) -> Self:
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._answer(None)
        for thread in self.threads:
            thread.join(_PATIENCE)

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
        self._desk.post(data, self._answer)

    def _answer(self, answer: dict[str, Any] | None) -> None:
        """Keep it for the writer; None: there are no more."""
        try:
            self._unread.put_nowait(answer)
        except Full:
            return

    def _write(self) -> None:
        while (answer := self._unread.get()) is not None:
            try:
                self._answers.write(json.dumps(answer, default=str) + "\n")
                self._answers.flush()
            except (OSError, ValueError):  # nobody reads them any more
                return
