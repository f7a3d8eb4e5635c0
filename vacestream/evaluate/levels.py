"""The one table of targets, asserted levels and what was last measured: `levels.json`, written by --write.

It keeps the value of every clip, so that a run over fewer clips is held against the same clips.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from vacestream.evaluate.estimate import Estimate, estimate, ratio, shortfall
from vacestream.evaluate.rows import TABLE, Line, Row

FILE = Path(__file__).with_name("levels.json")

Values = Mapping[str, Sequence[float]]
"""Name of a row -> a value a clip."""


@dataclass(frozen=True)
class Levels:
    """What was asked for, and what was measured last."""

    size: tuple[int, int] | None
    """(height, width) of the clips."""
    targets: Mapping[str, float]
    values: Values

    def asserted(self, row: Line, clips: int | None = None) -> float | None:
        """The level of a row over its first clips; None where it is a baseline, or was never measured."""
        before = None if row.baseline else judged(row, self.values, clips)
        return None if before is None else round(before.level(less=row.less), 4)


@dataclass(frozen=True)
class Result:
    """A row as it came out."""

    row: Line
    now: Estimate
    clips: int
    target: float | None
    asserted: float | None
    last: float | None

    @property
    def on_target(self) -> bool | None:
        return None if self.target is None else self._reaches(self.target)

    @property
    def holds(self) -> bool | None:
        """Whether it is at least at its asserted level."""
        return None if self.asserted is None else self._reaches(self.asserted)

    def _reaches(self, level: float) -> bool:
        return self.now.mean <= level if self.row.less else self.now.mean >= level

    def to_dict(self) -> dict[str, Any]:
        """Plain data; an interval that is not known is null."""
        return {
            "name": self.row.name,
            "clips": self.clips,
            "mean": round(self.now.mean, 4),
            "interval": self.now.interval,
            "better": "less" if self.row.less else "more",
            "target": self.target,
            "on_target": self.on_target,
            "asserted": self.asserted,
            "holds": self.holds,
            "last": self.last,
        }


def judged(row: Line, values: Values, clips: int | None = None) -> Estimate | None:
    """What values say of a row, over its first clips; None where there are none."""
    if isinstance(row, Row):
        own = values.get(row.name, ())[:clips]
        return _rounded(estimate(own, share=row.measure.share)) if own else None
    top, bottom = values.get(row.top.name, ())[:clips], values.get(row.bottom.name, ())[:clips]
    n = min(len(top), len(bottom))
    how = ratio if row.how == "ratio" else shortfall
    return _rounded(how(top[:n], bottom[:n])) if n else None


def results(values: Values, levels: Levels) -> list[Result]:
    """Every row that has values, against its levels."""
    found = []
    for row in TABLE:
        now = judged(row, values)
        if now is None:
            continue
        clips = len(values[row.name if isinstance(row, Row) else row.top.name])
        before = judged(row, levels.values, clips)
        last = None if before is None else before.mean
        found.append(Result(row, now, clips, levels.targets.get(row.name), levels.asserted(row, clips), last))
    return found


def read(path: Path = FILE) -> Levels:
    """The table as it is on disk."""
    data = json.loads(path.read_text())
    width, _, height = (data["size"] or "").partition("x")
    rows = data["rows"]
    return Levels(
        size=(int(height), int(width)) if height else None,
        targets={name: row["target"] for name, row in rows.items() if row["target"] is not None},
        values={name: row["clips"] for name, row in rows.items() if row.get("clips")},
    )


def write(levels: Levels, path: Path = FILE) -> None:
    """A line a row: target, asserted level, mean and interval, and what each clip gave."""
    lines = []
    for row in TABLE:
        line: dict[str, Any] = {"target": levels.targets.get(row.name)}
        if (measured := judged(row, levels.values)) is not None:
            line |= {
                "asserted": levels.asserted(row),
                "measured": measured.mean,
                "interval": measured.interval,
            }
            line |= {"clips": list(levels.values[row.name])} if isinstance(row, Row) else {}
        lines.append(f"  {json.dumps(row.name)}: {json.dumps(line)}")
    size = f"{levels.size[1]}x{levels.size[0]}" if levels.size else None
    path.write_text(f'{{"size": {json.dumps(size)}, "rows": {{\n' + ",\n".join(lines) + "\n}}\n")


def _rounded(found: Estimate) -> Estimate:
    return Estimate(*(round(value, 4) for value in (found.mean, found.low, found.high)))
