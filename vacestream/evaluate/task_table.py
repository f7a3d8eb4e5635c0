"""The table of tasks: kept in `tasks.json`, a value a clip, and shown in the README."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from vacestream.errors import VacestreamError
from vacestream.evaluate.asking import COLUMNS, Line, Values, lines
from vacestream.evaluate.estimate import Estimate, estimate
from vacestream.evaluate.tasks import TASKS

FILE = Path(__file__).with_name("tasks.json")
SUMS = Path(__file__).parents[1] / "sprites" / "weights" / "SHA256SUMS"
README = Path(__file__).parents[2] / "README.md"
BEGIN, END = "<!-- tasks: written by `vacestream eval tasks --write` -->\n", "<!-- end of tasks -->\n"


@dataclass(frozen=True)
class TaskTable:
    """What a run found."""

    weights: str
    """Whose they are: the beginning of the sum over the sums of their files."""
    size: tuple[int, int]
    """(height, width) of the clips."""
    values: Values

    @property
    def shown_size(self) -> str:
        return f"{self.size[1]}x{self.size[0]}"

    @property
    def num_clips(self) -> int:
        return max((len(one) for row in self.values.values() for one in row.values()), default=0)

    def rows(self) -> Iterator[tuple[Line, Mapping[str, Estimate]]]:
        """Each measure of each task that was run, with what was found in each column."""
        for line in lines(TASKS):
            if line.name in self.values:
                row = self.values[line.name]
                yield line, {one: _found(line, row[one]) for one in COLUMNS if one in row}


def read(path: Path = FILE) -> TaskTable:
    """The table as it is on disk."""
    data = json.loads(path.read_text())
    width, _, height = data["size"].partition("x")
    return TaskTable(data["weights"], (int(height), int(width)), data["values"])


def weights_of_now() -> str:
    """Of the embedded model's weights, in 8 letters."""
    sums = [line for line in SUMS.read_text().splitlines() if line.endswith(".safetensors")]
    return sha256("\n".join(sums).encode()).hexdigest()[:8]


def write(table: TaskTable, path: Path = FILE, readme: Path = README) -> None:
    """Keep the table, and put it into the README of the source tree."""
    text = readme.read_text(encoding="utf-8") if readme.is_file() else ""
    if BEGIN not in text or END not in text:
        raise VacestreamError(f"{readme}: no place for the table; run this in the source tree of vacestream")
    rows = (f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in table.values.items())
    head = f'{{"weights": "{table.weights}", "size": "{table.shown_size}", "values": {{\n'
    path.write_text(head + ",\n".join(rows) + "\n}}\n")
    before, _, rest = text.partition(BEGIN)
    readme.write_text(before + BEGIN + markdown(table) + END + rest.partition(END)[2], encoding="utf-8")


def markdown(table: TaskTable) -> str:
    """What the README shows."""
    of = f"{table.num_clips} clips of {table.shown_size}, weights {table.weights}"
    head = ["task", "measure", *COLUMNS]
    out = [
        f"From `vacestream eval tasks`: {of}.",
        "",
        "| " + " | ".join(head) + " |",
        "|" + "---|" * len(head),
    ]
    last = ""
    for line, found in table.rows():
        name = "" if line.task.name == last else line.task.name
        last = line.task.name
        sign = " (less is better)" if line.measure.less else ""
        cells = [cell(found[one]) if one in found else "" for one in COLUMNS]
        out.append("| " + " | ".join([name, f"{line.measure.name}{sign}", *cells]) + " |")
    return "\n".join(out) + "\n"


def cell(found: Estimate) -> str:
    """Mean and interval."""
    mean, low, high = (_short(value) for value in vars(found).values())
    return mean if found.interval is None or low == high else f"{mean} ({low} .. {high})"


def _short(value: float) -> str:
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _found(line: Line, values: list[float]) -> Estimate:
    found = estimate(values, share=line.measure.share)
    return Estimate(*(round(value, 4) for value in vars(found).values()))
