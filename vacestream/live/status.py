"""How a live line is doing: frames a second, how old what is shown is, what waits, what was left out."""

from collections import deque
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

WINDOW = 5.0
"""Seconds over which frames a second are counted."""


@dataclass
class Rate:
    """Frames a second, of late."""

    made: deque[tuple[float, int]] = field(default_factory=deque)

    def add(self, num_frames: int) -> float:
        """More frames are made; how many a second there were of late."""
        now = monotonic()
        self.made.append((now, num_frames))
        while len(self.made) > 2 and now - self.made[0][0] > WINDOW:
            self.made.popleft()
        begun = self.made[0][0]
        return sum(count for when, count in self.made if when > begun) / max(now - begun, 1e-6)


def words(status: dict[str, Any]) -> str:
    """A status as a line for people."""
    late = status["latency"] * 1000
    said = [f"{status['fps']:.1f} fps", f"{late:.0f} ms from seen to shown (OBS sync offset {late:.0f} ms)"]
    said += [f"{name} holds {count}" for name, count in status["queues"].items() if count]
    said += [f"{name} left out {count}" for name, count in status["drops"].items() if count]
    for name, told in status["inputs"].items():
        said += [f"{name} {word} {told[word]}" for word in ("waiting", "dropped", "held") if told[word]]
    return ", ".join(
        [f"frame {status['frame']}", *said, f"chunk {status['chunk']}", f"prompt: {status['prompt']}"]
    )
