"""The command line: a small module a command; errors become exit codes here and nowhere else."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Annotated, Any

import typer

from vacestream.cli import (
    annotate,
    bench,
    cache,
    devices,
    doctor,
    init,
    live,
    models,
    pipelines,
    plan,
    presets,
    preview,
    render,
    schema,
    tasks,
    validate,
)
from vacestream.cli import eval as evaluate
from vacestream.errors import OutputError, VacestreamError

app = typer.Typer(
    name="vacestream",
    help="Render one YAML recipe through a streaming video diffusion model with VACE control.",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _piped(command: Callable[..., None]) -> Callable[..., None]:
    """The same command; a reader of stdout that leaves, such as `head`, ends it without a word."""

    @wraps(command)
    def run_piped(*args: Any, **kwargs: Any) -> None:
        try:
            command(*args, **kwargs)
        except BrokenPipeError as gone:
            raise typer.Exit(OutputError.exit_code) from gone

    return run_piped


for _command in (
    render.render, live.live, annotate.annotate, plan.plan, preview.preview, validate.validate, init.init,
    tasks.tasks, devices.devices, pipelines.pipelines, presets.presets, schema.schema, doctor.doctor,
    evaluate.eval, bench.bench,
):  # fmt: skip
    app.command()(_piped(_command))

for _name, _help, _commands in (models.GROUP, cache.GROUP):
    _group = typer.Typer(help=_help, no_args_is_help=True, rich_markup_mode=None)
    for _word, _inner in _commands.items():
        _group.command(_word)(_piped(_inner))
    app.add_typer(_group, name=_name)


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"vacestream {version()}")
        raise typer.Exit


@app.callback()
def _vacestream(
    show_version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    pass


def version() -> str:
    """The version that is installed."""
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed

    try:
        return installed("vacestream")
    except PackageNotFoundError:
        return "0+source"


def main() -> None:
    """The command itself."""
    code = run(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what is still buffered
        code = code or OutputError.exit_code
    sys.exit(code)


def run(args: Sequence[str]) -> int:
    """Run the command line; every error is a line on stderr and an exit code, which is returned."""
    debug = "--debug" in args
    try:
        app(list(args), prog_name="vacestream")
    except SystemExit as done:
        return done.code if isinstance(done.code, int) else 0
    except VacestreamError as error:
        if debug:
            traceback.print_exc()
        show_error(error)
        return error.exit_code
    except Exception as error:
        if debug:
            raise
        what = f"unexpected {type(error).__name__}: {error}"
        print(f"error: {what}; add --debug to see where   [VS-BUG]", file=sys.stderr)
        return 1
    return 0


def show_error(error: VacestreamError) -> None:
    """What, where and what to do instead, a line for each finding."""
    for line in str(error).splitlines():
        print(f"error: {line}   [{error.code}]", file=sys.stderr)
