"""`vacestream init`: a recipe to start from."""

from pathlib import Path
from typing import Annotated

import typer

from vacestream.cli.options import say
from vacestream.errors import OutputError


def init(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task by VACE's name, such as depth.")],
    output: Annotated[
        str | None, typer.Option("-o", "--output", metavar="FILE", help="Write it there, not to stdout.")
    ] = None,
    yes: Annotated[bool, typer.Option("-y", help="Replace a file that exists.")] = False,
) -> None:
    """Print a commented recipe for a task. `vacestream tasks` lists the tasks."""
    from vacestream.recipe import Output
    from vacestream.starters import starter
    from vacestream.targets import Target, refuse_existing

    text = starter(task)
    if output is None or output == "-":
        print(text, end="")
        return
    if not yes:
        refuse_existing([Target(output, Output())])
    try:
        Path(output).write_text(text, encoding="utf-8")
    except OSError as e:
        raise OutputError(f"{output}: cannot be written ({e.strerror or e})") from e
    say(f"wrote {output}")
