"""`vacestream preview`: what the model would get, to look at."""

import sys
from typing import Annotated, Any, TextIO

import typer

from vacestream.cli.options import DebugOption, InputOption, JsonOption, SetOption, load, say
from vacestream.errors import VacestreamError


def preview(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A recipe, or a video made by one, or -.")],
    output: Annotated[
        str | None,
        typer.Option(
            "-o", "--output", metavar="OUT", help="A .png (else RECIPE.preview.png), a folder/, .safetensors."
        ),
    ] = None,
    input_: InputOption = None,
    sets: SetOption = None,
    lossless: Annotated[
        bool, typer.Option("--lossless", help="In a folder, .mkv without loss instead of .mp4.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", help="Replace outputs that exist.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the output paths only.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Show what the model would get: source, control, mask, references. Loads no weights."""
    from vacestream.cli.progress import reporting
    from vacestream.preview import make_preview
    from vacestream.preview import preview as run
    from vacestream.recipe import Output
    from vacestream.targets import Target, refuse_existing

    stream, name = sys.stdout if json else None, recipe
    try:
        made = load([recipe], input_, None, sets)[0]
        name, job = made.name, make_preview(made, output, lossless=lossless)
        if not yes:
            refuse_existing(Target(path, Output()) for path in job.files)
        if not quiet and stream is None:
            say(f"{name}: {job.plan.task} -> {job.path}")
        with reporting(name, json=stream, quiet=quiet, verbose=False) as report:
            run(job, report=report)
    except VacestreamError as error:
        _envelope(stream, name, {"error": {"code": error.code, "message": str(error)}})
        raise
    _envelope(stream, name, {"outputs": list(job.files)})
    if stream is None and quiet:
        print("\n".join(job.files))
    elif stream is None:
        say("\n".join(f"wrote {path}" for path in job.files))


def _envelope(stream: TextIO | None, name: str, result: dict[str, Any]) -> None:
    """The last line of --json."""
    if stream is None:
        return
    from vacestream.cli import version
    from vacestream.cli.progress import write_json

    ok = "error" not in result
    job = {"recipe": name, "ok": ok, **result}
    done = {"ok": ok, "command": "preview", "version": version(), "jobs": [job]}
    write_json(stream, "vacestream.envelope/1", done)
