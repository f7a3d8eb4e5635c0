"""Names of cameras, screens and addresses -> how the shipped ffmpeg reads them: a row each system."""

import os
import re
import subprocess
import sys
from collections.abc import Callable
from fractions import Fraction

from vacestream.errors import InputError
from vacestream.media import ffmpeg
from vacestream.media.camera import labelled

SECONDS = 10
"""Without a byte from an address, after which it is lost."""


def reading(where: str, fps: Fraction) -> list[str]:
    """ffmpeg's arguments that open this source; InputError where there is no such device."""
    kind, _, name = where.partition(":")
    if where.startswith("/dev/"):
        return ["-f", "v4l2", "-i", where]
    if kind == "camera":
        return _system(CAMERAS, "cameras")(name)
    if kind == "screen":
        return _system(SCREENS, "screens")(name, fps)
    return _address(where)


def cameras() -> dict[str, str]:
    """What each camera of this machine is called -> what says where it is."""
    if sys.platform == "linux":
        return labelled()
    return dict(enumerated(sys.platform))


def _system(table: dict[str, Callable[..., list[str]]], what: str) -> Callable[..., list[str]]:
    if sys.platform not in table:
        raise InputError(f"{what} are not read on {sys.platform}; pipe them in with `-i -`")
    return table[sys.platform]


def _v4l2(name: str) -> list[str]:
    if name.isdecimal():
        return ["-f", "v4l2", "-i", f"/dev/video{name}"]
    return ["-f", "v4l2", "-i", labelled()[_known(name, list(labelled()))]]


def _avfoundation(name: str) -> list[str]:
    name = name if name.isdecimal() else _known(name, [*cameras()])
    return ["-f", "avfoundation", "-framerate", "30", "-i", f"{name}:none"]


def _dshow(name: str) -> list[str]:
    there = [*cameras()]
    number = int(name) if name.isdecimal() else None
    known = there[number] if number is not None and number < len(there) else _known(name, there)
    return ["-f", "dshow", "-rtbufsize", "256M", "-i", f"video={known}"]


def _x11(name: str, fps: Fraction) -> list[str]:
    display = os.environ.get("DISPLAY")
    if display is None:
        raise InputError("screen: there is no X11 display (DISPLAY is not set); pipe one in with `-i -`")
    window = ["-window_id", name] if name else []
    return ["-f", "x11grab", "-framerate", str(fps), *window, "-i", display]


def _mac_screen(name: str, fps: Fraction) -> list[str]:
    said = f"Capture screen {name or 0}:none"
    return ["-f", "avfoundation", "-framerate", str(fps), "-capture_cursor", "1", "-i", said]


def _gdi(name: str, fps: Fraction) -> list[str]:
    return ["-f", "gdigrab", "-framerate", str(fps), "-i", f"title={name}" if name else "desktop"]


CAMERAS: dict[str, Callable[..., list[str]]] = {"linux": _v4l2, "darwin": _avfoundation, "win32": _dshow}
SCREENS: dict[str, Callable[..., list[str]]] = {"linux": _x11, "darwin": _mac_screen, "win32": _gdi}
"""By sys.platform; a screen's name is a window: its X11 id or its title."""


def _known(name: str, there: list[str]) -> str:
    """The camera of this name, or the only one that has it in its name."""
    found = [one for one in there if one == name] or [one for one in there if name.lower() in one.lower()]
    if len(found) == 1:
        return found[0]
    if found:
        raise InputError(f"camera:{name}: is {' and '.join(found)}; write more of its name")
    said = f"there are {', '.join(there)}" if there else "none is connected"
    raise InputError(f"camera:{name}: there is no such camera; {said}; `vacestream devices` lists them")


def enumerated(platform: str) -> list[tuple[str, str]]:
    """The cameras that ffmpeg lists on macOS and Windows."""
    device = "avfoundation" if platform == "darwin" else "dshow"
    args = [ffmpeg.exe(), "-hide_banner", "-f", device, "-list_devices", "true", "-i", ""]
    said = subprocess.run(args, capture_output=True, check=False, text=True, errors="replace").stderr
    return listed(said)


def listed(said: str) -> list[tuple[str, str]]:
    """Cameras in what ffmpeg says of its devices; microphones and screens left out."""
    video = said.partition("audio devices:")[0]
    mac = re.findall(r"\] \[(\d+)\] (.+)", video)
    if mac:
        return [(name.strip(), number) for number, name in mac if not name.startswith("Capture screen")]
    return [(name, name) for name in re.findall(r'"([^"@]+)" \(video\)', said)]


_RTSP = ("-rtsp_transport", "tcp", "-timeout", f"{SECONDS}000000")
_RTSP_CALLED = ("-rtsp_flags", "listen", "-listen_timeout", "30")
_HTTP = ("-re", "-rw_timeout", f"{SECONDS}000000")
ADDRESSES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "rtsp": (_RTSP, _RTSP_CALLED),
    "rtmp": (("-rw_timeout", f"{SECONDS}000000"), ("-listen", "1")),
    "http": (_HTTP, ("-listen", "1")),
    "https": (_HTTP, ()),
}
"""ffmpeg's options of an address that it calls, and of one ending in `?listen`, where it is called."""


def _address(where: str) -> list[str]:
    calls, waits = ADDRESSES.get(where.partition(":")[0], ((), ()))
    address = where.removesuffix("?listen")
    if address == where:
        return [*calls, *(ffmpeg.PROMPT if ends(where) else ffmpeg.NOW), "-i", where]
    return [*waits, *ffmpeg.NOW, "-i", address if waits else where]


def ends(where: str) -> bool:
    """Whether a source that stops well is at its end: a file that is served, unlike a camera or a call."""
    return where.startswith(("http://", "https://")) and not where.endswith("?listen")
