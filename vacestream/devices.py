"""What can be seen, shown and turned on this machine: a table, a row a kind."""

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass

from vacestream.media.camera import loopbacks
from vacestream.media.devices import cameras


@dataclass(frozen=True)
class Kind:
    """One kind of device."""

    name: str
    use: str
    find: Callable[[], dict[str, str]]
    """How it is named -> where it is."""
    instead: str = ""
    """What to do where there is none."""


def _cameras() -> dict[str, str]:
    writable = loopbacks()
    return {f"camera:{name}": where for name, where in cameras().items() if name not in writable}


def _screens() -> dict[str, str]:
    if sys.platform != "linux":
        return {"screen": "the whole screen"}
    display = os.environ.get("DISPLAY")
    return {"screen": f"X11 display {display}"} if display else {}


def _midi() -> dict[str, str]:
    """MIDI inputs, where the packages of the `midi` extra are."""
    try:
        import mido

        return dict.fromkeys(mido.get_input_names(), "MIDI input")
    except (ImportError, OSError):
        return {}


ROWS = (
    Kind("cameras", "-i", _cameras),
    Kind("screens", "-i", _screens, "set DISPLAY, or pipe one in with -i -"),
    Kind(
        "virtual cameras",
        "-o",
        lambda: {f"camera:{name}": where for name, where in loopbacks().items()},
        "see `vacestream doctor camera`",
    ),
    Kind("MIDI inputs", "--midi", _midi, "connect one, and `pip install vacestream[midi]`"),
    Kind("OSC", "--osc PORT", lambda: {"any free UDP port": "on 127.0.0.1"}),
)
"""The table."""
