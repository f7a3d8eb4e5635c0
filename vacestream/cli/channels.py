"""The channels that a live run is steered through, as the command line asks for them."""

import sys
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vacestream.cli.options import say
from vacestream.errors import RecipeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from vacestream.live.channels.keys import Terminal
    from vacestream.live.channels.midi import Midi
    from vacestream.live.channels.osc import Osc
    from vacestream.live.channels.page import Page
    from vacestream.live.desk import Desk
    from vacestream.recipe import Recipe

PAGE = "127.0.0.1:8765"

KeysOption = Annotated[
    bool, typer.Option("--keys", help="A full-screen view with keys: p prompt, arrows, b, f, r, 1 to 9, q.")
]
WatchOption = Annotated[
    bool, typer.Option("--watch", help="Read the recipe again whenever its file changes.")
]
CommandsOption = Annotated[
    str | None, typer.Option(metavar="-", help='Messages on stdin, one a line: {"set": {"prompt": "..."}}.')
]
OscOption = Annotated[
    str | None,
    typer.Option(
        metavar="PORT[:REPLY]", help="OSC over UDP on 127.0.0.1; /vacestream/ and the recipe's keys."
    ),
]
MidiOption = Annotated[
    str | None, typer.Option(metavar="PORT", help="A MIDI input: controllers turn what can be turned.")
]
PageOption = Annotated[bool, typer.Option("--page", help=f"A page to look and steer, on http://{PAGE}/.")]
PageAtOption = Annotated[
    str | None,
    typer.Option(metavar="HOST:PORT", help="Where the page is; elsewhere than here it asks for a token."),
]


@dataclass(frozen=True)
class Channels:
    """What was asked for."""

    keys: bool = False
    watch: bool = False
    commands: str | None = None
    osc: str | None = None
    midi: str | None = None
    page: str | None = None

    def refuse_two_on_stdin(self, recipes: list[str], recipe: "Recipe") -> None:
        """Refuse a second reader of stdin, and a file to watch that is none."""
        if self.commands is not None and self.commands != "-":
            raise RecipeError(f"--commands {self.commands}: messages come on stdin; write `--commands -`")
        taken = "the recipe" if "-" in recipes else "the input"
        if self.commands and ("-" in recipes or (recipe.input and recipe.input.path == "-")):
            raise RecipeError(f"--commands -: stdin holds {taken} already; put one of the two in a file")
        if self.watch and not Path(recipes[0]).is_file():
            raise RecipeError(f"--watch: {recipes[0]} is no file that could change; name a recipe file")

    def open(self, desk: "Desk", load: "Callable[[], Recipe]", path: str) -> ExitStack:
        """Every channel, until the stack is closed; what people need to know of each is said."""
        with ExitStack() as stack:
            if self.watch:
                from vacestream.live.channels.watch import Watch

                stack.enter_context(Watch(desk, Path(path), load, _told))
            if self.commands:
                from vacestream.live.channels.commands import Commands

                taken = any(target.path == "-" for target in desk.plan.outputs)
                answers = sys.stderr if taken else sys.stdout
                stack.enter_context(Commands(desk, sys.stdin.fileno(), answers))
            if self.osc:
                stack.enter_context(_osc(desk, self.osc))
            if self.midi:
                stack.enter_context(_midi(desk, self.midi))
            if self.page:
                stack.enter_context(_page(desk, self.page))
            if self.keys:
                stack.enter_context(_terminal(desk))
            return stack.pop_all()


def _told(answer: dict[str, Any]) -> None:
    """What became of an edit of the recipe's file."""
    if answer["type"] == "refused":
        say(f"--watch: ignored: {answer['message']}")
    elif answer["type"] == "took":
        say(f"--watch: from frame {answer['frame']}: {', '.join(answer['set'])}")


def _osc(desk: "Desk", asked: str) -> "Osc":
    from vacestream.live.channels.osc import Osc, osc_table

    port, _, reply = asked.partition(":")
    if not port.isdecimal() or (reply and not reply.isdecimal()):
        raise RecipeError(f"--osc {asked}: not a port; write --osc 9000, or 9000:9001 to answer to 9001")
    osc = Osc(desk, int(port), reply=int(reply) if reply else None)
    say(f"OSC on 127.0.0.1, UDP port {osc.port}:")
    rows = osc_table(desk.recipe)
    width = max(len(address) for address, _, _ in rows)
    for address, takes, does in rows:
        say(f"  {address:{width}}  {takes:13}  {does}")
    return osc


def _midi(desk: "Desk", name: str) -> "Midi":
    from vacestream.live.channels.midi import Midi, midi_table, open_port
    from vacestream.live.knobs import knobs

    midi = Midi(desk, open_port(name))
    for control, key in midi_table(knobs(desk.recipe)):
        say(f"  {control}: {key}")
    return midi


def _page(desk: "Desk", where: str) -> "Page":
    from vacestream.live.channels.page import Page
    from vacestream.live.gallery import Gallery

    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal():
        raise RecipeError(f"--page-at {where}: not HOST:PORT; write --page-at 0.0.0.0:8765")
    desk.gallery = Gallery(desk.plan)
    page = Page(desk, desk.gallery, host, int(port))
    say(f"page: {page.url}")
    return page


def _terminal(desk: "Desk") -> "Terminal":
    if sys.platform == "win32":
        raise RecipeError("--keys: needs a terminal as Unix has it; use --page")
    from vacestream.live.channels.keys import Terminal, terminal

    fd = terminal()
    if fd is None:
        raise RecipeError("--keys: there is no terminal to read keys from; use --commands -, --osc or --page")
    return Terminal(desk, fd)
