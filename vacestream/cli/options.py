"""Options that several commands share, and the recipes they name."""

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from vacestream.cli.matrix import Cell, named_apart
from vacestream.errors import RecipeError

if TYPE_CHECKING:
    from vacestream.plan import Plan
    from vacestream.recipe import Recipe

RENDERED = (".mp4", ".mkv", ".mov")
"""Endings of files that may carry the recipe that made them."""

Group = tuple[str, str, dict[str, Callable[..., None]]]
"""A command that others stand behind: its name, what it does, their words and they."""

Recipes = Annotated[
    list[str], typer.Argument(metavar="RECIPE", help="Recipe files, videos or sidecars made by one, or -.")
]
InputOption = Annotated[
    str | None,
    typer.Option("-i", "--input", metavar="IN", help="The recipe's `input`, relative to this folder."),
]
OutputOption = Annotated[
    list[str] | None,
    typer.Option("-o", "--output", metavar="OUT", help="The recipe's `output`; may be repeated."),
]
SetOption = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Any field of the recipe, such as controls.0.scale=0.5."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show tracebacks.")]
NoMediaOption = Annotated[
    bool, typer.Option("--no-media", help="Judge the text alone; the files that it names need not exist.")
]


def load(
    recipes: list[str],
    input_: str | None = None,
    output: list[str] | None = None,
    sets: list[str] | None = None,
    *,
    cells: Sequence[Cell] = (Cell(),),
) -> "list[Recipe]":
    """Read recipes, with what the command line sets on top; each as often as there are cells of a matrix."""
    from vacestream.recipe import load_recipe
    from vacestream.settings import machine_settings

    if recipes.count("-") > 1:
        raise RecipeError("-: stdin holds one recipe; name the others as files")
    overrides: list[tuple[str, object]] = [] if input_ is None else [("input", input_)]
    if output:
        overrides.append(("output", output[0] if len(output) == 1 else output))
    overrides += settings_of(sets)
    sources, settings = [(path, _source(path)) for path in recipes], machine_settings()
    return [
        named_apart(
            load_recipe(
                source,
                overrides=[*overrides, *cell.values],
                name=None if isinstance(source, Path) else path,
                machine=settings,
            ),
            cell,
        )
        for path, source in sources
        for cell in cells
    ]


def _source(path: str) -> "Path | str | dict[str, Any]":
    """What a recipe is read from: its file, the text on stdin, or the recipe that a rendered file carries."""
    if path != "-":
        made = made_by(path)
        for part in made.pop("redone", []) if made else []:
            say(f"note: frames {part['frames']} of {path} were redone by another recipe; this is the first")
        return made or Path(path)
    from vacestream.recipe import decoded

    return f"{decoded(sys.stdin.buffer.read(), path)}\n"


def settings_of(sets: list[str] | None) -> list[tuple[str, object]]:
    """What --set sets, key by key."""
    found: list[tuple[str, object]] = []
    for item in sets or []:
        key, equals, value = item.partition("=")
        if not equals or not key:
            raise RecipeError(f"--set {item}: not KEY=VALUE; write --set controls.0.scale=0.5")
        found.append((key, value))
    return found


def made_by(path: str) -> dict[str, Any] | None:
    """The recipe that a rendered file carries, or that its sidecar tells; None for any other file.

    `redone` in it lists parts that another recipe made.
    """
    suffix = Path(path).suffix.lower()
    if suffix == ".json" and Path(path).is_file():
        return _told(Path(path))
    if suffix not in RENDERED:
        return None
    from vacestream.media.probe import comment

    if not Path(path).is_file():
        raise RecipeError(f"{path}: cannot read this recipe (No such file or directory); check its name")
    try:
        recipe = json.loads(comment(path) or "")
    except ValueError:
        recipe = None
    if not isinstance(recipe, dict) or "version" not in recipe:
        raise RecipeError(f"{path}: carries no recipe; name a .yaml file, and give footage with -i")
    return recipe


def _told(path: Path) -> dict[str, Any] | None:
    try:
        data = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    told = isinstance(data, dict) and str(data.get("schema", "")).startswith("vacestream.sidecar/")
    if not told:
        return None
    return {**data["recipe"], **({"redone": data["redone"]} if "redone" in data else {})}


def summary(plan: "Plan") -> str:
    """What will be made, in a line."""
    from vacestream.ways import endless

    size = f"{plan.size[1]}x{plan.size[0]}" if plan.size else "size of the input"
    length = (
        "length of the input"
        if plan.num_frames is None
        else f"{plan.num_frames} frames in {plan.num_chunks} chunks"
    )
    given = plan.recipe.input
    if plan.recipe.length == "endless" or (plan.num_frames is None and given and endless(given.path)):
        length = "endless"
    paths = ", ".join(target.path for target in plan.outputs)
    return f"{plan.recipe.name}: {plan.task}, {size}, {length}, pipeline {plan.spec.name} -> {paths}"


def told_bytes(count: int) -> str:
    """Bytes as a disk counts them."""
    for power, unit in ((9, "GB"), (6, "MB"), (3, "kB")):
        if count >= 10**power:
            return f"{count / 10**power:.1f} {unit}"
    return f"{count} B"


def say(text: str) -> None:
    """A line for people."""
    print(text, file=sys.stderr, flush=True)
