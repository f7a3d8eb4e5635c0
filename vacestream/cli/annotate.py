"""`vacestream annotate`: a control video, a mask video or anchors on gray, as files."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from vacestream.cli.interrupt import Stop, stopping
from vacestream.cli.options import DebugOption, JsonOption, say
from vacestream.errors import RecipeError, VacestreamError

if TYPE_CHECKING:
    from vacestream.annotate import Job


def annotate(
    task: Annotated[str, typer.Argument(metavar="TASK", help="A task by VACE's name, such as flow.")],
    input_: Annotated[
        str, typer.Argument(metavar="INPUT", help="Footage: what a recipe's `input` may name.")
    ],
    output: Annotated[
        str | None,
        typer.Option("-o", "--output", metavar="OUT", help="Instead of lossless INPUT.TASK.mkv here."),
    ] = None,
    sets: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="A parameter of the task, such as radius=20."),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", help="Replace outputs that exist.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the output paths only.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Make a control video or a mask from footage. `vacestream tasks` lists the tasks."""
    from vacestream.annotate import annotate as run
    from vacestream.annotate import make_job
    from vacestream.cli.progress import reporting
    from vacestream.recipe import Output
    from vacestream.targets import Target, refuse_absent_folders, refuse_existing

    stream = (sys.stderr if output == "-" else sys.stdout) if json else None
    try:
        job = make_job(task, input_, output, _settings(sets))
        targets = [Target(path, Output()) for path in job.files.values()]
        refuse_absent_folders(targets)
        if not yes:
            refuse_existing(targets)
        if not quiet and stream is None:
            say(_summary(job))
        stop = Stop(keeps=False)
        with reporting(task, json=stream, quiet=quiet, verbose=False) as report, stopping(stop):
            run(job, report=stop.watch(report))
    except VacestreamError as error:
        _envelope(stream, task, {"error": {"code": error.code, "message": str(error)}})
        raise
    paths = [path for path in job.files.values() if path != "-"]
    _envelope(stream, task, {"outputs": paths})
    if stream is None and paths:
        if quiet:
            print("\n".join(paths))
        else:
            say("\n".join(f"wrote {path}" for path in paths))


def _settings(sets: list[str] | None) -> dict[str, str]:
    settings = {}
    for item in sets or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise RecipeError(f"--set {item}: not KEY=VALUE; write --set radius=20")
        settings[key] = value
    return settings


def _envelope(stream: TextIO | None, task: str, result: dict[str, Any]) -> None:
    """The last line of --json."""
    if stream is None:
        return
    from vacestream.cli import version
    from vacestream.cli.progress import write_json

    ok = "error" not in result
    job = {"task": task, "ok": ok, **result}
    done = {"ok": ok, "command": "annotate", "version": version(), "jobs": [job]}
    write_json(stream, "vacestream.envelope/1", done)


def _summary(job: "Job") -> str:
    """What will be made, in a line."""
    return f"{job.row.name} of {job.where}: {job.model} -> {', '.join(job.files.values())}"
