"""`--midi PORT`: control changes turn knobs, program changes turn to scenes; with the `midi` extra."""

from threading import Event, Thread
from types import TracebackType
from typing import Any, Self

from vacestream.errors import InputError
from vacestream.live.desk import Desk
from vacestream.live.knobs import Knob, knobs

EVERY = 0.02
"""Seconds between two looks at the port."""
TOP = 127
"""The highest value of a controller."""


class Midi:
    """Controller 1 is the first knob of the recipe, and so on; program 0 the first scene."""

    def __init__(self, desk: Desk, port: Any) -> None:
        """`port`: an open one of mido's."""
        self._desk, self._port, self._end = desk, port, Event()
        self._thread = Thread(target=self._read, name="midi", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._end.set()
        self._thread.join()
        self._port.close()

    def _read(self) -> None:
        while not self._end.wait(EVERY):
            turned: dict[str, float | bool] = {}
            for event in self._port.iter_pending():
                if event.type == "control_change":
                    turned.update(_turned(knobs(self._desk.recipe), event.control, event.value))
                elif event.type == "program_change":
                    self._desk.post({"scene": event.program + 1}, _unheard)
            if turned:  # a knob that is turned sends many: the last one counts
                self._desk.post({"set": turned}, _unheard)


def _unheard(_answer: dict[str, Any]) -> None:
    """A controller has nothing to show an answer on."""


def _turned(every: tuple[Knob, ...], control: int, value: int) -> dict[str, float | bool]:
    """The knob of this controller and what it is now; nothing where there is none."""
    if not 1 <= control <= len(every):
        return {}
    knob = every[control - 1]
    return {knob.key: knob.at(value / TOP)}


def open_port(name: str) -> Any:
    """The input port of this name, or whose name has it in it."""
    try:
        import mido
    except ImportError as error:
        raise InputError("--midi: needs mido; run `uv sync --extra midi`") from error
    try:
        names = list(mido.get_input_names())
    except (ImportError, OSError) as error:
        raise InputError(f"--midi: no MIDI on this machine ({error})") from error
    found = [one for one in names if name.lower() in one.lower()]
    if not found:
        raise InputError(f"--midi {name}: no such port; there are {', '.join(names) or 'none'}")
    return mido.open_input(found[0])


def midi_table(every: tuple[Knob, ...]) -> list[tuple[str, str]]:
    """What each controller turns."""
    return [(f"CC {i}", knob.key) for i, knob in enumerate(every, start=1)] + [("program 0 to 8", "scene")]
