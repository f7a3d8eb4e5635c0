"""What a render tells while it runs."""

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
