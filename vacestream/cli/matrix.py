"""`--matrix seed=1..8`: one recipe -> a recipe for each combination of values, with a name of its own."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from vacestream.errors import RecipeError

if TYPE_CHECKING:
    from vacestream.recipe import Output, Recipe

LONGEST = 40
"""Letters of a value in a file name."""
MAX_VALUES = 1000
_ITEM = re.compile(r"""(?:\[[^\]]*\]|\{[^}]*\}|"[^"]*"|[^,\[{"])+""")


@dataclass(frozen=True)
class Cell:
    """One combination: what `--set` would say."""

    values: tuple[tuple[str, str], ...] = ()

    @property
    def sets(self) -> list[str]:
        return [f"{key}={value}" for key, value in self.values]


def cells(matrix: Sequence[str]) -> list[Cell]:
    """Every combination of `KEY=1..8` and `KEY=a,b,c`; one that is empty where nothing is asked."""
    axes = [_axis(text) for text in matrix]
    keys = [key for key, _ in axes]
    for key in keys:
        if keys.count(key) > 1:
            raise RecipeError(f"--matrix {key}: stands twice; write all its values once, {key}=1,2,3")
    return [Cell(tuple(zip(keys, values, strict=True))) for values in product(*(axis for _, axis in axes))]


def named_apart(recipe: "Recipe", cell: Cell) -> "Recipe":
    """The recipe with what varies in the name of each output: `{key}` where that stands, else a suffix."""
    outputs = tuple(_named(output, cell) for output in recipe.output)
    return recipe.model_copy(update={"output": outputs})


def _axis(text: str) -> tuple[str, list[str]]:
    key, equals, said = text.partition("=")
    if not equals or not key or not said:
        raise RecipeError(f"--matrix {text}: not KEY=VALUES; write seed=1..8 or context_scale=0.5,1.0")
    if ends := re.fullmatch(r"(\d{1,18})\.\.(\d{1,18})", said):
        first, last = int(ends[1]), int(ends[2])
        if not 0 <= last - first < MAX_VALUES:
            raise RecipeError(f"--matrix {text}: not 1 to {MAX_VALUES} values; write the smaller end first")
        return key, [str(value) for value in range(first, last + 1)]
    if ".." in said and "," not in said and re.fullmatch(r"[\d.]+", said):
        raise RecipeError(f"--matrix {text}: a range is of whole numbers; list the values, {key}=0.5,0.75,1")
    return key, [_unquoted(value.strip()) for value in _ITEM.findall(said)]


def _unquoted(value: str) -> str:
    return value[1:-1] if len(value) > 1 and value[0] == value[-1] == '"' else value


def _named(output: "Output", cell: Cell) -> "Output":
    from vacestream.recipe.values import media_kind
    from vacestream.targets import FIELDS, suffixed

    path, suffix = output.path or "{recipe}.mp4", ""
    path = f"{path}{{recipe}}.mp4" if path.endswith("/") else path
    if media_kind(path) != "file":
        return output
    for key, value in cell.values:
        field = f"{{{key.removesuffix('.path')}}}"
        if field in path:
            path = path if field[1:-1] in FIELDS else path.replace(field, _slug(value))
        else:
            suffix += f"-{key}{_slug(value)}"
    return output.model_copy(update={"path": suffixed(path, suffix)})


def _slug(value: str) -> str:
    return re.sub(r"[^A-Za-z0-9_.]+", "-", value).strip("-")[:LONGEST]
