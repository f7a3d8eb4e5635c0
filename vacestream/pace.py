"""How fast renders are here: measured as they run, kept in the cache, told by the next plan."""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass
from itertools import islice
from time import perf_counter
from typing import Any

from vacestream import cache
from vacestream.calls import calls
from vacestream.events import Event
from vacestream.plan import Plan

KIND = "timings"


@dataclass(frozen=True)
class Pace:
    """What the last render of its kind took."""

    first_chunk: float
    """Seconds until it was there, loading included."""
    seconds_a_frame: float
    """After it."""
    num_frames: int
    """What that was measured over."""

    def seconds(self, plan: Plan) -> float | None:
        """What a plan will take at this pace; None where it has no end or its length is unknown."""
        if plan.num_frames is None:
            return None
        first = next(islice(plan.chunks(), 1)).num_frames
        return self.first_chunk + self.seconds_a_frame * max(0, plan.num_frames - first)


class Watch:
    """Times a render by its events; keeps its pace when it is done."""

    def __init__(self, plan: Plan) -> None:
        cache.limit()  # refused now rather than when all is done
        self._plan, self._began = plan, perf_counter()
        self._marks: list[tuple[int, float]] = []
        """Frames done, and when."""

    def see(self, event: Event) -> None:
        """One event, when it happens."""
        if event.kind == "chunk":
            self._marks.append((event.frame, perf_counter() - self._began))
        if event.kind == "done" and (pace := self._pace()):
            data = json.dumps(asdict(pace)).encode()
            cache.put(KIND, _key(self._plan), _name(self._plan), ".json", data)

    def _pace(self) -> Pace | None:
        if not self._marks:
            return None
        (first, early), (last, late) = self._marks[0], self._marks[-1]
        rate = (late - early) / (last - first) if last > first else early / max(1, first)
        return Pace(round(early, 3), round(rate, 5), last)


def recall(plan: Plan) -> Pace | None:
    """The pace of the last render like this one on this machine; None before the first."""
    if plan.size is None or (path := cache.find(KIND, _key(plan))) is None:
        return None
    with suppress(OSError, ValueError, TypeError):  # gone since, or written by another version
        return Pace(**json.loads(path.read_text(encoding="utf-8")))
    return None


def _key(plan: Plan) -> str:
    return cache.key(_like(plan))


def _like(plan: Plan) -> dict[str, Any]:
    """What renders of one pace have in common."""
    recipe = plan.recipe
    return {
        "pipeline": plan.spec.name,
        "size": plan.size,
        "device": plan.device,
        "dtype": plan.dtype,
        "context passes": max(len(recipe.controls), int(plan.task != "T2V")),
        "sampling": (recipe.mode, recipe.steps, recipe.guidance_scale, recipe.vae),
        "calls": calls(recipe, plan.spec),
    }


def _name(plan: Plan) -> str:
    assert plan.size is not None
    return f"{plan.spec.name}.{plan.size[1]}x{plan.size[0]}.{plan.device}"
