"""What stands between `live` and a camera that other programs see, and the command that brings it."""

import os
import sys
from collections.abc import Iterator

from vacestream.doctor import CAMERA, Finding, look_for
from vacestream.errors import OutputError
from vacestream.media import camera


def examine_camera(label: str = "vacestream") -> Iterator[Finding]:
    """Each thing that a virtual camera of this label needs, in the order in which it is brought."""
    yield look_for(CAMERA, OutputError.exit_code)
    if sys.platform != "linux":
        what = "macOS and Windows have one camera of this kind, which OBS brings"
        yield Finding("device", True, what, "install OBS and start its virtual camera once, then close it")
        return
    line, code = camera.modprobe(label), OutputError.exit_code
    if not camera.is_loaded():
        instead = f"install v4l2loopback (Debian: `sudo apt install v4l2loopback-dkms`), then: {line}"
        yield Finding("v4l2loopback", False, "is not in the kernel", instead, code)
        return
    yield Finding("v4l2loopback", True, "is in the kernel")
    devices, again = camera.loopbacks(), f"sudo modprobe -r v4l2loopback && {line}"
    if label not in devices:
        there = f"there are {', '.join(devices)}" if devices else "there is no device"
        yield Finding("device", False, f"none is called {label}; {there}", again, code)
        return
    device = devices[label]
    yield Finding("device", True, f"{device} is called {label}")
    writable = os.access(device, os.W_OK)
    instead = "" if writable else "sudo usermod -aG video $USER, then log in again"
    yield Finding("permission", writable, f"{device} can be written" if writable else "no", instead, code)
    caps = (camera.module_parameter("exclusive_caps") or "").partition(",")[0]
    what = "Chrome, Zoom and Teams see it" if caps == "Y" else "Chrome, Zoom and Teams do not see it"
    yield Finding("exclusive_caps", caps == "Y", what, "" if caps == "Y" else again, code)
