"""What a render tells while it runs."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True)
class Event:
    """One moment of a render; `frame` and `chunk` count what is done."""

    kind: Literal["start", "chunk", "warn", "done", "error"]
    frame: int = 0
    chunk: int = 0
    data: dict[str, Any] = field(default_factory=dict)
    """start: num_frames, num_chunks, task; chunk: seconds by stage; warn, error: message; done: outputs."""


Report = Callable[[Event], None]


class Sighting(UserWarning):
    """A thing that is followed is lost at a frame, or found again."""

    def __init__(self, frame: int, *, found: bool, what: str = "") -> None:
        said = "is found again" if found else "is lost; its last region is held"
        super().__init__(f"mask: from frame {frame} on, what is followed {what or said}")
        self.data = {"frame": frame, "found": found}


def tell_sightings(found: Sequence[bool], first: int, before: bool = True) -> bool:
    """Warn of each frame, the first of them `first`, from which on a thing is lost or seen again.

    `before`: whether it was found in the frame before; what is returned says so of the last one.
    """
    for frame, here in enumerate(found, first):
        if here != before:
            warnings.warn(Sighting(frame, found=here), stacklevel=3)
        before = here
    return before


@contextmanager
def warnings_reported(report: Report) -> Iterator[None]:
    """Python's UserWarnings (damaged footage, HDR) become warn events."""

    def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
        if issubclass(category, UserWarning):
            report(Event("warn", data={"message": str(message), **getattr(message, "data", {})}))

    with warnings.catch_warnings():
        warnings.simplefilter("always", UserWarning)
        warnings.showwarning = show
        yield
