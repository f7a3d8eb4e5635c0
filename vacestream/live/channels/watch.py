"""`--watch`: the recipe's file, read again when it changes; a wrong edit is told and ignored."""

from collections.abc import Callable
from pathlib import Path
from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from vacestream.errors import VacestreamError
from vacestream.live.desk import Desk
from vacestream.live.orders import Reply
from vacestream.recipe import Recipe

EVERY = 0.3
"""Seconds between two looks at the file."""


class Watch:
    """Turns a stream to what the file says now."""

    def __init__(self, desk: Desk, path: Path, load: Callable[[], Recipe], reply: Reply) -> None:
        """`load` reads the recipe anew, with what the command line sets on top."""
        self._desk, self._path, self._load, self._reply = desk, path, load, reply
        self._recipe, self._seen = load(), _stamp(path)
        self._end = Event()
        self._thread = Thread(target=self._watch, name="watch", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._end.wait(EVERY):
            seen = _stamp(self._path)
            if seen is not None and seen != self._seen:
                self._seen = seen
                self._read()

    def _read(self) -> None:
        try:
            recipe = self._load()
        except VacestreamError as error:
            self._desk.refuse(error, self._reply)
            return
        before, self._recipe = self._recipe, recipe
        changed = [key for key in Recipe.model_fields if getattr(recipe, key) != getattr(before, key)]

        def reply(answer: dict[str, Any]) -> None:
            if answer["type"] == "refused":
                self._recipe = before  # the next edit is one of what runs
            self._reply(answer)

        if changed:
            self._desk.turn(recipe, changed, reply)


def _stamp(path: Path) -> tuple[int, int] | None:
    """What tells a file from what it was before; None while an editor replaces it."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
