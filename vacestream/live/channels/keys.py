"""Keys of the terminal -> messages; the terminal is /dev/tty, so that stdin stays what it is."""

import os
import select
import sys
import termios
import tty
from collections import deque
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live

from vacestream.live.channels.view import Shown, drawn
from vacestream.live.desk import Desk
from vacestream.live.knobs import knobs

STEP = 0.05
"""Of the way of a knob, at each press."""
_PATIENCE = 1.0
"""Seconds for the last drawing: a terminal that was stopped takes none."""
_LOOK = 0.1
"""Seconds between two drawings."""
_NAMES = {b"\x1b[A": "up", b"\x1b[B": "down", b"\x1b[C": "right", b"\x1b[D": "left", b"\x1b": "escape",
          b"\r": "enter", b"\n": "enter", b"\x7f": "back", b"\x08": "back", b"\t": "down", b" ": "space",
          b"\x1b[Z": "up"}  # fmt: skip
_PLAIN: dict[str, dict[str, Any]] = {"r": {"reset": "soft"}, "R": {"reset": "hard"}, "q": {"stop": True}}
_LINES = {"p": "prompt", ":": ""}
"""Keys that begin a line -> the recipe's key that it sets; none: it says `key=value`, as --set does."""


class Keyboard:
    """What has been typed so far, and what it tells the desk."""

    def __init__(self, desk: Desk) -> None:
        self.desk, self.shown = desk, Shown()
        self._lock = Lock()
        self._answers: deque[dict[str, Any]] = deque(maxlen=6)
        self._status: dict[str, Any] = {}
        self._turned: dict[str, float | bool] = {}
        """Knobs as they were last turned, until that is answered."""
        self._unanswered = 0

    def press(self, key: str) -> None:
        """One key: a letter, or its name."""
        shown = self.shown
        if shown.line is not None:
            self._type(key)
        elif key in _LINES:
            shown.line, shown.about = "", _LINES[key]
        elif key in _PLAIN:
            self._tell(_PLAIN[key])
        elif key in ("b", "f"):
            name = {"b": "blackout", "f": "freeze"}[key]
            self._tell({name: not self.desk.state()[name]})
        elif key.isdecimal() and key != "0":
            self._tell({"scene": int(key)})
        elif key in ("up", "down"):
            shown.chosen = (shown.chosen + {"up": -1, "down": 1}[key]) % len(knobs(self.desk.recipe))
        elif key in ("left", "right", "space"):
            self._turn(key)

    def hear(self, answer: dict[str, Any]) -> None:
        """An answer or a status, from any thread."""
        with self._lock:
            if answer["type"] == "status":
                self._status = answer
            elif answer["type"] != "accepted":
                self._answers.append(answer)

    def _judged(self, answer: dict[str, Any]) -> None:
        """An answer to what was turned."""
        self.hear(answer)
        with self._lock:
            if answer["type"] != "took":
                self._unanswered -= 1
            if not self._unanswered and answer["type"] != "accepted":
                self._turned.clear()

    def look(self) -> Shown:
        """What the view shows now."""
        with self._lock:
            self.shown.status, self.shown.answers = dict(self._status), list(self._answers)
        self.shown.knobs = knobs(self.desk.recipe)
        self.shown.chosen = min(self.shown.chosen, len(self.shown.knobs) - 1)
        return self.shown

    def _type(self, key: str) -> None:
        shown = self.shown
        assert shown.line is not None
        if key == "enter":
            name, _, value = (shown.about, "", shown.line) if shown.about else shown.line.partition("=")
            shown.line = None
            if value:
                self._tell({"set": {name.strip(): value.strip()}})
        elif key == "escape":
            shown.line = None
        elif key == "back":
            shown.line = shown.line[:-1]
        elif key == "space" or len(key) == 1:
            shown.line += " " if key == "space" else key

    def _turn(self, key: str) -> None:
        knob = knobs(self.desk.recipe)[self.shown.chosen]
        now = self._turned.get(knob.key, knob.value)
        if knob.is_switch:
            value: float | bool = not now
        elif key == "space":
            return
        else:
            way = (1 if key == "right" else -1) * STEP * (knob.high - knob.low)
            value = round(min(max(now + way, knob.low), knob.high), 4)
        with self._lock:
            self._turned[knob.key], self._unanswered = value, self._unanswered + 1
        self.desk.post({"set": {knob.key: value}}, self._judged)

    def _tell(self, message: dict[str, Any]) -> None:
        self.desk.post(message, self.hear)


def keys_in(typed: bytes) -> list[str]:
    """The keys that these bytes of a terminal are."""
    found, text = [], typed
    while text:
        name = next((name for name in sorted(_NAMES, key=len, reverse=True) if text.startswith(name)), None)
        if name is not None:
            found.append(_NAMES[name])
            text = text[len(name) :]
            continue
        letter = next((text[:n] for n in range(1, 5) if _is_text(text[:n])), text[:1])
        if _is_text(letter) and letter.decode().isprintable():
            found.append(letter.decode())
        text = text[len(letter) :]
    return found


def _is_text(piece: bytes) -> bool:
    try:
        return len(piece.decode()) == 1
    except UnicodeDecodeError:
        return False


class Terminal:
    """The full-screen view, and the keys that are pressed in it; the terminal is as it was afterwards."""

    def __init__(self, desk: Desk, fd: int) -> None:
        """`fd`: the terminal, read and written."""
        self.keyboard = Keyboard(desk)
        self._fd, self._ends = fd, False
        self._thread = Thread(target=self._run, name="keys", daemon=True)

    def __enter__(self) -> Self:
        self._before = termios.tcgetattr(self._fd)
        tty.setcbreak(self._fd)
        self.keyboard.desk.listen(self.keyboard.hear)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends = True
        self._thread.join(_PATIENCE)
        termios.tcsetattr(self._fd, termios.TCSANOW, self._before)

    def _run(self) -> None:
        with os.fdopen(os.dup(self._fd), "w", encoding="utf-8") as screen:
            console = Console(file=screen, force_terminal=True)
            with Live(console=console, screen=True, auto_refresh=False, redirect_stdout=False) as view:
                while not self._ends:
                    view.update(drawn(self.keyboard.look()), refresh=True)
                    if select.select([self._fd], [], [], _LOOK)[0]:
                        for key in keys_in(os.read(self._fd, 1024)):
                            self.keyboard.press(key)


def terminal() -> int | None:
    """The terminal that this process was started from, whatever its stdin is; None without one."""
    if sys.platform == "win32":
        return None
    try:
        return os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY)
    except OSError:
        return None
