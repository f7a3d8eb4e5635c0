"""Frames -> a virtual camera: v4l2loopback on Linux, OBS on macOS and Windows, through pyvirtualcam."""

import sys
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from vacestream.errors import OutputError

V4L = Path("/sys/class/video4linux")
MODULES = Path("/sys/module")
NUMBER = 10
"""Of the device that the modprobe line makes: above those of real cameras."""


def modprobe(label: str = "vacestream") -> str:
    """The line that makes a loopback device which browsers and OBS see as a camera."""
    return f'sudo modprobe v4l2loopback devices=1 video_nr={NUMBER} card_label="{label}" exclusive_caps=1'


def module_parameter(name: str) -> str | None:
    """What v4l2loopback was loaded with; None where it is not loaded."""
    path = MODULES / "v4l2loopback" / "parameters" / name
    return path.read_text().strip() if path.is_file() else None


def is_loaded() -> bool:
    """Whether the kernel has v4l2loopback."""
    return (MODULES / "v4l2loopback").is_dir()


def loopbacks() -> dict[str, str]:
    """The device of each label that can be written to: those that no hardware stands behind."""
    return {
        label: device
        for label, device in labelled().items()
        if "virtual" in (V4L / Path(device).name).resolve().parts
    }


def labelled() -> dict[str, str]:
    """The device of each label: /dev/video10 of vacestream."""
    folders = sorted(V4L.iterdir()) if V4L.is_dir() else []
    names = {folder.name: folder / "name" for folder in folders}
    return {path.read_text().strip(): f"/dev/{name}" for name, path in names.items() if path.is_file()}


class CameraSink:
    """Frames of one size and rate, as long as the device is open; the caller keeps the time."""

    def __init__(self, where: str, size: tuple[int, int], fps: Fraction) -> None:
        """`where`: camera:LABEL, or /dev/videoN."""
        self._where, self._size = where, size
        label = where.removeprefix("camera:")
        try:
            import pyvirtualcam
        except ImportError as error:
            what = f"{where}: writing to a camera needs pyvirtualcam; `pip install vacestream[camera]`"
            raise OutputError(what) from error
        device = _device(where, label)
        try:
            self._camera: Any = pyvirtualcam.Camera(
                size[1], size[0], float(fps), device=device, print_fps=False
            )
        except (RuntimeError, OSError) as error:
            raise OutputError(f"{where}: cannot be opened ({_said(error)}); {_instead(label)}") from error

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3], each at once."""
        for frame in frames:
            try:
                self._camera.send(np.ascontiguousarray(frame))
            except (RuntimeError, OSError) as error:
                raise OutputError(f"{self._where}: the camera stopped ({_said(error)})") from error

    def close(self) -> None:
        """Let go of the device."""
        self._camera.close()

    def abort(self) -> None:
        """Let go of the device."""
        self._camera.close()


def _device(where: str, label: str) -> str:
    """The device of a label; backends of other systems than Linux know their own."""
    from pyvirtualcam.camera import BACKENDS

    there = loopbacks()
    if label in there or label.startswith("/dev/") or "v4l2loopback" not in BACKENDS:
        return there.get(label, label)
    said = f"there are {', '.join(there)}" if there else "there is none"
    raise OutputError(f"{where}: no virtual camera is called {label}, {said}; {_instead(label)}")


def _said(error: Exception) -> str:
    lines = [line.strip(" -'") for line in str(error).splitlines() if line.strip(" -'")]
    return lines[-1] if lines else type(error).__name__


def _instead(label: str) -> str:
    if sys.platform == "linux":
        return f"make the device with `{modprobe(label)}`; `vacestream doctor camera` looks closer"
    return "install OBS and start its virtual camera once, then close it"
