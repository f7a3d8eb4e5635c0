"""`vacestream render`: recipes to files."""

import sys
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from vacestream.cli.interrupt import Stop, stopping
from vacestream.cli.options import (
    DebugOption,
    InputOption,
    JsonOption,
    OutputOption,
    Recipes,
    SetOption,
    say,
    summary,
)
from vacestream.cli.options import load as load_all
from vacestream.errors import StoppedError, TerminatedError, VacestreamError

if TYPE_CHECKING:
    from vacestream.plan import Plan


def render(
    recipes: Recipes,
    input_: InputOption = None,
    output: OutputOption = None,
    sets: SetOption = None,
    yes: Annotated[bool, typer.Option("-y", help="Replace outputs that exist.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the output paths only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the time of each stage.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Render recipes to files."""
    from vacestream.plan import make_plan
    from vacestream.targets import refuse_absent_folders, refuse_existing, refuse_shared

    stream: TextIO | None = None
    if json:
        stream = sys.stderr if "-" in (output or []) else sys.stdout
    try:
        plans = [make_plan(recipe) for recipe in load_all(recipes, input_, output, sets)]
        refuse_shared([(plan.recipe, plan.outputs) for plan in plans])
        targets = [target for plan in plans for target in plan.outputs if not dry_run]
        refuse_absent_folders(targets)
        if not yes:
            refuse_existing(targets)
    except VacestreamError as error:
        _envelope(stream, [_failed("", error)])
        raise
    if dry_run:
        from vacestream.cli.plan import show_plans

        show_plans(plans, explain=False, json=json)
        return
    if stream and any(target.path == "-" for plan in plans for target in plan.outputs):
        stream = sys.stderr
    _render_all(plans, stream, quiet=quiet, verbose=verbose)


def _render_all(plans: "list[Plan]", stream: TextIO | None, *, quiet: bool, verbose: bool) -> None:
    """Each job in turn; one that fails does not stop the others."""
    jobs: list[dict[str, Any]] = []
    errors: list[VacestreamError] = []
    stop = Stop()
    for plan in plans:
        try:
            with stopping(stop):
                _render_one(plan, stream, stop, quiet=quiet, verbose=verbose)
        except (StoppedError, TerminatedError) as error:
            _envelope(stream, [*jobs, _failed(plan.recipe.name, error)])
            raise
        except VacestreamError as error:
            errors.append(error)
            jobs.append(_failed(plan.recipe.name, error))
            if len(plans) > 1:
                from vacestream.cli import show_error

                show_error(error)
        else:
            jobs.append({"recipe": plan.recipe.name, "ok": True, "outputs": _files(plan)})
    _envelope(stream, jobs)
    if errors:
        if len(plans) == 1:
            raise errors[0]
        raise VacestreamError(f"{len(errors)} of {len(plans)} jobs failed; see above")


def _render_one(plan: "Plan", stream: TextIO | None, stop: Stop, *, quiet: bool, verbose: bool) -> None:
    from vacestream.cli.progress import reporting
    from vacestream.run import render as run

    if not quiet and stream is None:
        say(summary(plan))
    with reporting(plan.recipe.name, json=stream, quiet=quiet, verbose=verbose) as report:
        run(plan, report=stop.watch(report))
    if quiet and stream is None:
        print("\n".join(_files(plan)))
    elif stream is None:
        say("".join(f"wrote {path}\n" for path in _files(plan)).rstrip())


def _files(plan: "Plan") -> list[str]:
    return [file for target in plan.outputs for file in target.files]


def _failed(name: str, error: VacestreamError) -> dict[str, Any]:
    return {"recipe": name, "ok": False, "error": {"code": error.code, "message": str(error)}}


def _envelope(stream: TextIO | None, jobs: list[dict[str, Any]]) -> None:
    """The last line of --json: how every job ended."""
    if stream is None:
        return
    from vacestream.cli import version
    from vacestream.cli.progress import write_json

    done = {"ok": all(job["ok"] for job in jobs), "command": "render", "version": version(), "jobs": jobs}
    write_json(stream, "vacestream.envelope/1", done)
