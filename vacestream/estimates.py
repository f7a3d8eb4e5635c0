"""A plan -> what it costs on this machine: time as measured here, bytes written, files to download."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vacestream.needs import parts_needed
from vacestream.pace import Pace, recall
from vacestream.plan import Plan
from vacestream.targets import Target
from vacestream.weights import PIPELINES, Part, look_up

BITS_A_PIXEL = {".mp4": 0.25, ".mov": 0.25, ".mkv": 6.0, ".png": 10.0, ".y4m": 12.0}
"""Of what is written, measured on footage to within a factor of 3 (scripts/LOG.md); only MP4 is lossy."""
CRF, CRF_HALVES = 18, 6
"""The quality that MP4's rate holds for, and by how much more it is half."""


@dataclass(frozen=True)
class Need:
    """One part of a model, and whether it is here."""

    name: str
    """transformer, vace, vae, ...; net, of an annotator."""
    part: Part
    here: bool

    @property
    def num_bytes(self) -> int | None:
        """Of the file that is fetched; None where it is not published."""
        return self.part.files[0].num_bytes

    def to_dict(self) -> dict[str, Any]:
        """The file as plain data."""
        return {"part": self.name, **self.part.to_dict(), "present": self.here}


@dataclass(frozen=True)
class Estimate:
    """What a render will cost here."""

    pace: Pace | None
    seconds: float | None
    num_bytes: int | None
    """Of the videos; None where their length or rate is not known."""
    downloads: tuple[Need, ...]

    @property
    def download_bytes(self) -> int:
        """Of the downloads whose size is published."""
        return sum(need.num_bytes or 0 for need in self.downloads)

    def to_dict(self) -> dict[str, Any]:
        """The estimate as plain data."""
        return {
            "seconds": None if self.seconds is None else round(self.seconds, 1),
            "measured_frames": self.pace.num_frames if self.pace else None,
            "output_bytes": self.num_bytes,
            "downloads": [need.to_dict() for need in self.downloads],
            "download_bytes": self.download_bytes,
        }


def estimate(plan: Plan) -> Estimate:
    """What a plan will cost on this machine."""
    pace = recall(plan)
    sizes = [_written(plan, target) for target in plan.outputs]
    known = [size for size in sizes if size is not None]
    parts = [_need(name, part) for (_, name), part in parts_needed(plan.recipe).items()]
    return Estimate(
        pace,
        pace.seconds(plan) if pace else None,
        _rounded(sum(known)) if len(known) == len(sizes) else None,
        tuple(need for need in parts if not need.here),
    )


def needs(pipeline: str) -> list[Need]:
    """What a pipeline is loaded from; nothing where that comes with the package."""
    row = PIPELINES.get(pipeline)
    return [_need(name, part) for name, part in row.parts.items()] if row else []


def _need(name: str, part: Part) -> Need:
    return Need(name, part, look_up(part) is not None)


def _written(plan: Plan, target: Target) -> float | None:
    """Bytes of one output; None where nobody measured its kind."""
    if target.path == "-":
        return 0.0
    rate = BITS_A_PIXEL.get(Path(target.path).suffix.lower())
    if rate is None or target.output.codec or plan.num_frames is None or plan.size is None:
        return None
    lossy = rate < 1
    rate *= 2 ** ((CRF - target.output.crf) / CRF_HALVES) if lossy else 1
    return rate * plan.size[0] * plan.size[1] * plan.num_frames / 8


def _rounded(count: float) -> int:
    """To one digit: an estimate says no more."""
    return int(float(f"{count:.0e}"))
