"""`vacestream eval`: how well the embedded model obeys, against levels that it must not fall under."""

import json as json_text
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vacestream.cli.eval_tasks import eval_tasks
from vacestream.cli.options import DebugOption, JsonOption, say
from vacestream.errors import NotMetError, RecipeError

if TYPE_CHECKING:
    from vacestream.evaluate.levels import Result

CLIPS, ASSERTED_CLIPS = 24, 4
"""By default: in full, and of the short set that --assert makes."""
WIDTH = 110
"""Letters of a line where there is no terminal."""


def eval(
    what: Annotated[str, typer.Argument(metavar="WHAT", help="What is evaluated: sprites, or tasks.")],
    clips: Annotated[
        int | None,
        typer.Option("--clips", metavar="N", min=1, help="Clips; 24, or 4 with --assert; 8 of tasks."),
    ] = None,
    size: Annotated[
        str | None,
        typer.Option(
            "--size", metavar="WxH", help="Of the clips; the pipeline's own by default, 64x64 of tasks."
        ),
    ] = None,
    assert_: Annotated[
        bool, typer.Option("--assert", help="Make the short set; exit 7 where a level is not met.")
    ] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Record what was measured: levels, or the README's table.")
    ] = False,
    strip: Annotated[
        Path | None, typer.Option("--strip", metavar="PNG", help="Only draw context_scale 0 to 2.")
    ] = None,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Measure how well the embedded model obeys, on clips that its training never saw.

    sprites: against levels that it must not fall under. tasks: each of VACE's tasks, as a recipe, streaming
    and in batch, and without what it asks.
    """
    if what not in ("sprites", "tasks"):
        raise RecipeError(f"{what} cannot be evaluated; write `eval sprites` or `eval tasks`")
    if what == "tasks":
        if assert_ or strip:
            raise RecipeError(f"{'--assert' if assert_ else '--strip'}: is of `eval sprites`; leave it out")
        eval_tasks(clips, _size(size) if size else None, write=write, json=json)
        return
    if write and assert_:
        raise RecipeError("--write: records all rows, --assert makes a few; leave one of them out")
    from vacestream.evaluate import levels
    from vacestream.evaluate.evaluation import evaluate
    from vacestream.evaluate.rows import ROWS

    area, before = _size(size), levels.read()
    if strip is not None:
        _draw(strip, area)
        return
    if assert_ and area != before.size:
        raise RecipeError(
            f"--assert: no levels were measured at {area[1]}x{area[0]}; measure them with --write, or give "
            "--size as they were measured"
        )
    count = clips or (ASSERTED_CLIPS if assert_ else CLIPS)
    rows = [row for row in ROWS if row.quick or not assert_]
    values = evaluate(rows, clips=count, size=area, tell=lambda text: say(f"eval: {text}"))
    if area != before.size:
        before = levels.Levels(area, before.targets, {})
    if write:
        before = levels.Levels(area, before.targets, {**before.values, **values})
        levels.write(before)
    found = levels.results(values, before)
    _show(found, area, count, json=json)
    if assert_ and (low := [one for one in found if one.holds is False]):
        raise NotMetError("\n".join(_complaint(one) for one in low))


def _size(text: str | None) -> tuple[int, int]:
    """(height, width)."""
    from vacestream.pipelines import PIPELINES
    from vacestream.sizes import default_size

    if text is None:
        return default_size(PIPELINES["sprites"].area)
    width, _, height = text.partition("x")
    if not (width.isdigit() and height.isdigit() and int(width) % 16 == int(height) % 16 == 0 < int(height)):
        raise RecipeError(f"--size {text}: not WIDTHxHEIGHT in steps of 16; write --size 64x64")
    return int(height), int(width)


def _draw(path: Path, size: tuple[int, int]) -> None:
    from vacestream.evaluate.strip import scale_strip
    from vacestream.media.images import write_image

    write_image(path, scale_strip(size))
    say(f"wrote {path}")


def _show(found: "list[Result]", size: tuple[int, int], clips: int, *, json: bool) -> None:
    if json:
        document = {
            "schema": "vacestream.eval/1",
            "of": "sprites",
            "size": f"{size[1]}x{size[0]}",
            "clips": clips,
            "ok": all(one.holds is not False for one in found),
            "rows": [one.to_dict() for one in found],
        }
        print(json_text.dumps(document, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=f"sprites, {size[1]}x{size[0]}, {clips} clips", show_edge=False, title_justify="left")
    table.add_column("")
    for name in ("mean", "95 %", "target", "asserted", "last"):
        table.add_column(name, justify="right")
    for group in dict.fromkeys(one.row.group for one in found):
        rows = [one for one in found if one.row.group == group]
        table.add_section()
        table.add_row(f"[bold]{group}[/bold]{' (less is better)' if rows[0].row.less else ''}")
        for one in rows:
            table.add_row(f"  {one.row.label}", *_cells(one))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def _cells(one: "Result") -> list[str]:
    known = one.now.high < float("inf")
    target = "" if one.target is None else f"{one.target:g}{'' if one.on_target else ' missed'}"
    asserted = "" if one.asserted is None else f"{one.asserted:.3g}{'' if one.holds else ' NOT MET'}"
    return [
        f"{one.now.mean:.3g}",
        f"{one.now.low:.3g} .. {one.now.high:.3g}" if known else "",
        target,
        asserted,
        "" if one.last is None else f"{one.last:.3g}",
    ]


def _complaint(one: "Result") -> str:
    least = "at most" if one.row.less else "at least"
    return (
        f"{one.row.name}: {one.now.mean:.4g} over {one.clips} clips, {least} {one.asserted:.4g} is asserted "
        f"(last {one.last:.4g}); find what changed, or record it with `vacestream eval sprites --write`"
    )
