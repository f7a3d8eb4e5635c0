"""A virtual camera that writes down what it is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import numpy as np
import pyvirtualcam
from pyvirtualcam import camera


class Recording:
    """A backend of pyvirtualcam."""

    opened: "list[Recording]" = []

    def __init__(self, *, width: int, height: int, fps: float, device: str | None, **_: Any) -> None:
        self.size, self.fps, self.name = (height, width), fps, device or "recording"
        self.frames: list[np.ndarray] = []
        self.times: list[float] = []
        self.closed = False
        Recording.opened.append(self)

    def close(self) -> None:
        self.closed = True

    def send(self, frame: np.ndarray) -> None:
        assert not self.closed
        self.frames.append(frame.reshape(*self.size, 3).copy())
        self.times.append(monotonic())

    @property
    def device(self) -> str:
        return self.name

    @property
    def native_fourcc(self) -> int | None:
        return None


@contextmanager
def recording() -> Iterator[list[Recording]]:
    """Cameras that are opened meanwhile, in order."""
    before = dict(camera.BACKENDS)
    camera.BACKENDS.clear()
    pyvirtualcam.register_backend("recording", Recording)
    Recording.opened = []
    try:
        yield Recording.opened
    finally:
        camera.BACKENDS.clear()
        camera.BACKENDS.update(before)
