"""`vacestream live`: a recipe in real time."""

import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from threading import Event as Flag
from typing import TYPE_CHECKING, Annotated, Literal, TextIO

import typer

from vacestream.cli.channels import (
    PAGE,
    Channels,
    CommandsOption,
    KeysOption,
    MidiOption,
    OscOption,
    PageAtOption,
    PageOption,
    WatchOption,
)
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
from vacestream.errors import StoppedError, VacestreamError

if TYPE_CHECKING:
    from vacestream.live.desk import Desk
    from vacestream.plan import Plan
    from vacestream.recipe import Recipe


def live(
    recipes: Recipes,
    input_: InputOption = None,
    output: OutputOption = None,
    sets: SetOption = None,
    latency_budget: Annotated[
        str | None,
        typer.Option(metavar="T", help="How much may wait, such as 500ms; the recipe's live.latency_budget."),
    ] = None,
    overflow: Annotated[
        Literal["block", "drop-oldest"] | None,
        typer.Option(help="What outputs do that cannot keep up; the recipe's live.overflow."),
    ] = None,
    keys: KeysOption = False,
    watch: WatchOption = False,
    commands: CommandsOption = None,
    osc: OscOption = None,
    midi: MidiOption = None,
    page: PageOption = False,
    page_at: PageAtOption = None,
    yes: Annotated[bool, typer.Option("-y", help="Replace recordings that exist.")] = False,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print errors only.")] = False,
    verbose: Annotated[bool, typer.Option("-v", "--verbose", help="Tell every chunk.")] = False,
    json: JsonOption = False,
    debug: DebugOption = False,
) -> None:
    """Run recipes in real time; the others are scenes that the stream can turn to."""
    from vacestream.cli.jobs import failed, write_envelope
    from vacestream.plan import make_plan
    from vacestream.targets import refuse_absent_folders, refuse_existing

    stream = (sys.stderr if "-" in (output or []) else sys.stdout) if json else None
    given = {"live.latency_budget": latency_budget, "live.overflow": overflow}
    sets = [*(sets or []), *(f"{key}={value}" for key, value in given.items() if value is not None)]
    name, place = "", page_at or (PAGE if page else None)

    def load() -> "Recipe":
        return load_all(recipes[:1], input_, output, sets)[0]

    channels = Channels(keys=keys, watch=watch, commands=commands, osc=osc, midi=midi, page=place)
    try:
        made = load_all(recipes, input_, output, sets)
        channels.refuse_two_on_stdin(recipes, made[0])
        plans = [make_plan(recipe, way="live") for recipe in made]
        plan, name = plans[0], plans[0].recipe.name
        refuse_absent_folders(plan.outputs)
        if not yes:
            refuse_existing(target for target in plan.outputs if target.output.kind == "file")
        if stream and any(target.path == "-" for target in plan.outputs):
            stream = sys.stderr
        opened = partial(channels.open, load=load, path=recipes[0])
        _run(plans, opened, stream, quiet=quiet or keys, verbose=verbose)
    except VacestreamError as error:
        write_envelope(stream, [failed(name, error)], "live")
        raise
    write_envelope(stream, [{"recipe": name, "ok": True}], "live")


def _run(
    plans: "list[Plan]",
    opened: "Callable[[Desk], ExitStack]",
    stream: TextIO | None,
    *,
    quiet: bool,
    verbose: bool,
) -> None:
    """The outputs open first, so that none is dark while the model is loaded."""
    from vacestream.cli.progress import telling
    from vacestream.events import Event
    from vacestream.live.outputs import Doors

    plan, flag = plans[0], Flag()
    stop = Stop(keeps=False, obey=flag.set)
    tell = telling(plan.recipe.name, json=stream, quiet=quiet, verbose=verbose)

    def report(event: Event) -> None:
        stop.frame = max(stop.frame, event.frame)
        tell(event)

    stop.report = report
    if not quiet and stream is None:
        say(summary(plan))
    with stopping(stop), Doors(plan) as doors:
        doors.say("starting")
        from vacestream.live.desk import Desk
        from vacestream.live.line import live

        with Desk(plans) as desk, opened(desk):
            live(desk, doors, report=report, stop=flag)
    if stop.asked:
        raise StoppedError(f"stopped after {stop.frame} frames; what was written is complete")
