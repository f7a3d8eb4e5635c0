"""`vacestream eval tasks`: each of VACE's tasks on the embedded world; the README's table of them."""

import json as json_text
import sys
from typing import TYPE_CHECKING

from vacestream.cli.options import say

if TYPE_CHECKING:
    from vacestream.evaluate.task_table import TaskTable

CLIPS, SIZE = 8, (64, 64)
"""By default; (height, width)."""
WIDTH = 170
"""Letters of a line where there is no terminal."""


def eval_tasks(clips: int | None, size: tuple[int, int] | None, *, write: bool, json: bool) -> None:
    """Measure, show, and with `write` keep the table."""
    from vacestream.evaluate import asking, task_table
    from vacestream.evaluate.tasks import TASKS

    size = size or SIZE
    values = asking.measured(
        TASKS,
        clips=range(clips or CLIPS),
        size=size,
        maker=asking.through_the_line(),
        tell=lambda text: say(f"eval: {text}"),
    )
    table = task_table.TaskTable(task_table.weights_of_now(), size, values)
    if write:
        task_table.write(table)
    _show(table, json=json)


def _show(table: "TaskTable", *, json: bool) -> None:
    from vacestream.evaluate.asking import COLUMNS
    from vacestream.evaluate.task_table import cell

    if json:
        rows = [
            {
                "name": line.name,
                "better": "less" if line.measure.less else "more",
                **{
                    name: {"mean": round(one.mean, 4), "interval": one.interval}
                    for name, one in found.items()
                },
            }
            for line, found in table.rows()
        ]
        document = {
            "schema": "vacestream.eval/1",
            "of": "tasks",
            "size": table.shown_size,
            "weights": table.weights,
            "clips": table.num_clips,
            "rows": rows,
        }
        print(json_text.dumps(document, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=f"tasks, {table.shown_size}, {table.num_clips} clips", show_edge=False)
    shown.add_column("")
    for name in COLUMNS:
        shown.add_column(name, justify="right")
    for line, found in table.rows():
        shown.add_row(line.name, *(cell(found[name]) if name in found else "" for name in COLUMNS))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(shown)
