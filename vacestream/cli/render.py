"""`vacestream render`: recipes to files."""

import sys
from typing import TYPE_CHECKING, Annotated, TextIO

import typer

from vacestream.cli.matrix import cells
from vacestream.cli.options import DebugOption, InputOption, JsonOption, OutputOption, Recipes, SetOption
from vacestream.cli.options import load as load_all
from vacestream.errors import RecipeError, VacestreamError

if TYPE_CHECKING:
    from vacestream.cli.jobs import Job
    from vacestream.plan import Plan


def render(
    recipes: Recipes,
    input_: InputOption = None,
    output: OutputOption = None,
    sets: SetOption = None,
    matrix: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUES",
            help="A job for each value, such as seed=1..8 or context_scale=0.5,1; repeat it to combine. "
            "{seed}, {context_scale}, ... in -o, else a suffix, keep the files apart.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on where a render stopped; what is finished is left alone.")
    ] = False,
    stop_after: Annotated[
        str | None,
        typer.Option(
            metavar="T", help="Stop at the first chunk border at or past 4s, 96f or '2 chunks'; see --resume."
        ),
    ] = None,
    redo: Annotated[
        str | None,
        typer.Option(
            metavar="RANGE",
            help="Make a part of a finished video anew, such as 12s..18s, in whole chunks: writes "
            "NAME.redo.mp4, with -y replaces. The rest stays; up to there the old recipe is run again.",
        ),
    ] = None,
    yes: Annotated[bool, typer.Option("-y", help="Replace outputs that exist.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print the output paths only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Show the time of each stage.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Render recipes to files."""
    from vacestream.cli.jobs import failed, make_jobs, run_jobs, write_envelope
    from vacestream.plan import make_plan
    from vacestream.targets import refuse_shared

    stream: TextIO | None = None
    if json:
        stream = sys.stderr if "-" in (output or []) else sys.stdout
    jobs: list[Job] = []
    try:
        _refuse_together(yes=yes, resume=resume, redo=redo, matrix=matrix, stop_after=stop_after)
        made = load_all(recipes, input_, output, sets, cells=cells(matrix or []))
        plans: list[Plan] = [make_plan(recipe) for recipe in made]
        refuse_shared([(plan.recipe, plan.outputs) for plan in plans])
        if not dry_run:
            jobs = make_jobs(plans, yes=yes, resume=resume, stop_after=stop_after, redo=redo)
    except VacestreamError as error:
        write_envelope(stream, [failed("", error)])
        raise
    if dry_run:
        from vacestream.cli.plan import show_plans

        show_plans(plans, explain=False, json=json)
        return
    if stream and any(target.path == "-" for plan in plans for target in plan.outputs):
        stream = sys.stderr
    run_jobs(jobs, stream, quiet=quiet, verbose=verbose)


def _refuse_together(
    *, yes: bool, resume: bool, redo: str | None, matrix: list[str] | None, stop_after: str | None
) -> None:
    """Refuse options that mean the opposite of each other."""
    if resume and yes:
        raise RecipeError("--resume goes on with what is there, -y starts over; leave one of them out")
    others = {"--resume": resume, "--matrix": matrix, "--stop-after": stop_after}
    if redo and (named := [option for option, given in others.items() if given]):
        raise RecipeError(f"--redo is of a finished video; leave {' and '.join(named)} out")
