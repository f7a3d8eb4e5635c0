"""Outputs of a recipe -> the files that will be written; two jobs never write one file."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from vacestream.errors import RecipeError
from vacestream.recipe import Output, Recipe
from vacestream.recipe.values import media_kind

FIELDS = ("recipe", "input", "task", "seed", "pipeline")
"""Names that stand in braces in an output path."""

SHEET_SUFFIX = ".png"


@dataclass(frozen=True)
class Target:
    """One output, its path filled in."""

    path: str
    output: Output
    saves: tuple[tuple[str, str], ...] = ()
    """What is saved beside it -> its path."""

    @property
    def files(self) -> tuple[str, ...]:
        """Every file that this output writes."""
        own = (self.path,) if media_kind(self.path) == "file" else ()
        return (*own, *(path for _, path in self.saves))


def targets(recipe: Recipe, task: str) -> tuple[Target, ...]:
    """The outputs of this recipe; refuses a path that cannot be meant."""
    made = tuple(_target(recipe, output, task, i) for i, output in enumerate(recipe.output))
    _refuse_twice(((recipe, i, target) for i, target in enumerate(made)))
    return made


def refuse_shared(jobs: Iterable[tuple[Recipe, tuple[Target, ...]]]) -> None:
    """Refuse two jobs that would write one file."""
    _refuse_twice((recipe, i, target) for recipe, made in jobs for i, target in enumerate(made))


def refuse_existing(made: Iterable[Target]) -> None:
    """Refuse to write over what is there."""
    for target in made:
        for file in target.files:
            if Path(file).exists() and not Path(file).is_fifo():
                raise RecipeError(f"{file}: exists already; add -y to replace it, or name another with -o")


def _refuse_twice(made: Iterable[tuple[Recipe, int, Target]]) -> None:
    seen: set[str] = set()
    for recipe, i, target in made:
        for file in target.files or (target.path,):
            same = str(Path(file).absolute())
            if same in seen:
                key = ("output", i, "path")
                raise recipe.error(
                    key, f"{file} would be written twice; give each its own name, such as {{seed}}.mp4"
                )
            seen.add(same)


def _target(recipe: Recipe, output: Output, task: str, index: int) -> Target:
    path = output.path or "{recipe}.mp4"
    if media_kind(path) != "file":
        return Target(path, output, tuple(_saves(f"{recipe.name}.mp4", output)))
    key = ("output", index, "path")
    path = path + "{recipe}.mp4" if path.endswith("/") else path
    values = {
        "recipe": recipe.name,
        "input": _word(Path(recipe.input.path).stem if recipe.input else "none"),
        "task": _word(task),
        "seed": str(recipe.seed),
        "pipeline": recipe.pipeline,
    }

    def fill(found: re.Match[str]) -> str:
        if found[1] not in values:
            near = get_close_matches(found[1], FIELDS, 1)
            hint = f"did you mean {{{near[0]}}}?" if near else f"write one of {', '.join(FIELDS)}"
            raise recipe.error(key, f"{{{found[1]}}} stands for nothing; {hint}")
        return values[found[1]]

    filled = re.sub(r"\{([^{}]*)\}", fill, path)
    _refuse_ending(recipe, key, filled)
    return Target(filled, output, tuple(_saves(filled, output)))


def _refuse_ending(recipe: Recipe, key: tuple[str | int, ...], path: str) -> None:
    from vacestream.media.sinks import sink_kind

    if Path(path).suffix == "" and not Path(path).is_fifo():
        raise recipe.error(key, f"{path} has no ending; write {path}.mp4, or {path}/ for a folder")
    try:
        sink_kind(path)
    except RecipeError as error:
        raise recipe.error(key, str(error)) from error


def _saves(path: str, output: Output) -> Iterator[tuple[str, str]]:
    base = Path(re.sub(r"[-_.]?%\d*d", "", path))
    suffix = base.suffix or ".mp4"
    for word in dict.fromkeys(output.save):
        yield word, str(base.with_suffix(f".{word}{SHEET_SUFFIX if word == 'sheet' else suffix}"))


def _word(text: str) -> str:
    """Text as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-").lower() if " " in text or ":" in text else text
