"""Outputs of a recipe -> the files that will be written; two jobs never write one file."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path

from vacestream.encodings import how_written
from vacestream.errors import OutputError, RecipeError
from vacestream.media.formats import CONTAINERS, Encoding
from vacestream.media.stream import is_stream
from vacestream.recipe import Output, Recipe
from vacestream.recipe.values import media_kind

FIELDS = ("recipe", "input", "task", "seed", "pipeline")
"""Names that stand in braces in an output path."""

SUFFIXES = {"sheet": ".png", "control": ".mkv", "mask": ".mkv"}
"""Of what is saved beside a video: pictures, and videos without loss."""


@dataclass(frozen=True)
class Target:
    """One output, its path filled in."""

    path: str
    output: Output
    encoding: Encoding | None = None
    """How a video is written; None: pictures, or what only `live` writes."""
    saves: tuple[tuple[str, str], ...] = ()
    """What is saved beside it -> its path."""
    sidecar: str | None = None
    """Where it says how it was made; outputs that differ only in their ending share one."""

    @property
    def files(self) -> tuple[str, ...]:
        """What this output shows: the video and the pictures beside it."""
        own = (self.path,) if media_kind(self.path) == "file" else ()
        return (*own, *(path for _, path in self.saves))

    @property
    def written(self) -> tuple[str, ...]:
        """Every file that this output writes."""
        return (*self.files, self.sidecar) if self.sidecar else self.files


def targets(recipe: Recipe, task: str) -> tuple[Target, ...]:
    """The outputs of this recipe; refuses a path that cannot be meant."""
    made: tuple[Target, ...] = ()
    for i, output in enumerate(recipe.output):
        target = _target(recipe, output, task, i)
        shared = target.sidecar in [other.sidecar for other in made]
        made += (replace(target, sidecar=None) if shared else target,)
    _refuse_twice(((recipe, i, target) for i, target in enumerate(made)))
    return made


def refuse_shared(jobs: Iterable[tuple[Recipe, tuple[Target, ...]]]) -> None:
    """Refuse two jobs that would write one file, or read one pipe."""
    jobs = tuple(jobs)
    _refuse_twice((recipe, i, target) for recipe, made in jobs for i, target in enumerate(made))
    piped = [recipe for recipe, _ in jobs if recipe.input and is_stream(recipe.input.path)]
    for one, other in combinations(piped, 2):
        if one.input and other.input and one.input.path == other.input.path:
            raise other.error(("input", "path"), "is piped in, which can be read once; render one recipe")


def refuse_existing(made: Iterable[Target]) -> None:
    """Refuse to write over what is there."""
    for target in made:
        for file in target.written:
            if is_there(file):
                raise RecipeError(f"{file}: exists already; add -y to replace it, or name another with -o")


def is_there(file: str) -> bool:
    """Whether a file would be written over: of numbered pictures, the first."""
    path = Path(file)
    path = path.with_name(re.sub(r"%\d*d", lambda place: place[0] % 1, path.name))
    return path.exists() and not path.is_fifo()


def keeps_a_part(recipe: Recipe) -> bool:
    """Whether a part of the video is given, so that a mask says which."""
    return any(part is not None for part in (recipe.mask, recipe.outpaint, recipe.extend))


def refuse_absent_folders(made: Iterable[Target]) -> None:
    """Refuse to write into a folder that is not there; that of numbered pictures is made."""
    for target in made:
        for file in target.written:
            folder = Path(file).parent.parent if "%" in Path(file).name else Path(file).parent
            if not folder.is_dir():
                raise OutputError(f"{file}: there is no folder '{folder}'; make it first")


def _refuse_twice(made: Iterable[tuple[Recipe, int, Target]]) -> None:
    seen: set[str] = set()
    for recipe, i, target in made:
        for file in dict.fromkeys((target.path, *target.written)):
            same = str(Path(file).absolute())
            if same in seen:
                key = ("output", i, "path")
                raise recipe.error(
                    key, f"{file} would be written twice; give each its own name, such as {{seed}}.mp4"
                )
            seen.add(same)


def _target(recipe: Recipe, output: Output, task: str, index: int) -> Target:
    key = ("output", index, "path")
    path = output.path or "{recipe}" + CONTAINERS[output.format or "mp4"].suffix
    if media_kind(path) != "file":
        if media_kind(path) in ("sprites", "test", "screen"):
            raise recipe.error(key, f"{path} is a source, which nothing can be written to; name a file")
        made = how_written(recipe, index, path)
        return Target(path, output, made, tuple(_saves(Path(f"{recipe.name}.mp4"), recipe, index)))
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
    if Path(filled).suffix == "" and not (output.format or Path(filled).is_fifo()):
        raise recipe.error(key, f"{filled} has no ending; write {filled}.mp4, or {filled}/ for a folder")
    made = how_written(recipe, index, filled)
    stem = beside(filled)
    sidecar = None if Path(filled).is_fifo() else _sidecar(recipe, stem)
    return Target(filled, output, made, tuple(_saves(stem, recipe, index)), sidecar)


def beside(path: str) -> Path:
    """What the files beside an output are named after: a.png for a.%05d.png, a.png for a/%05d.png."""
    file = Path(path)
    name = re.sub(r"[-_.]?%\d*d", "", file.name)
    if name != file.suffix:
        return file.with_name(name)
    folder = file.parent
    return folder.parent / f"{folder.name or 'frames'}{file.suffix}"


def suffixed(path: str, suffix: str) -> str:
    """a.mp4 -> aSUFFIX.mp4, a.%05d.png -> aSUFFIX.%05d.png, a/%05d.png -> aSUFFIX/%05d.png."""
    file = Path(path)
    if re.fullmatch(r"%\d*d", file.stem):
        return str(file.parent.with_name(file.parent.name + suffix) / file.name)
    stem, ending = re.fullmatch(r"(.*?)([-_.]?%\d*d.*|\.[^.]*)?", file.name).groups()  # type: ignore[union-attr]
    return str(file.with_name(f"{stem}{suffix}{ending or ''}"))


def _saves(stem: Path, recipe: Recipe, index: int) -> Iterator[tuple[str, str]]:
    """Each word of `save:` and its path; of several controls the second is control2."""
    counts = {"sheet": 1, "mask": int(keeps_a_part(recipe)), "control": len(recipe.controls)}
    for word in dict.fromkeys(recipe.output[index].save):
        if not counts[word]:
            raise recipe.error(("output", index, "save"), f"there is no {word} to save; leave it out")
        for name in (word, *(f"{word}{i}" for i in range(2, counts[word] + 1))):
            yield name, str(stem.with_suffix(f".{name}{SUFFIXES[word]}"))


def _sidecar(recipe: Recipe, stem: Path) -> str:
    """NAME.json, or NAME.mp4.json where the first is the recipe itself."""
    path = stem.with_suffix(".json")
    own = Path((recipe.origin(()) or "").removesuffix(":1"))
    return str(stem.with_name(f"{stem.name}.json") if path.absolute() == own.absolute() else path)


def _word(text: str) -> str:
    """Text as a part of a file name."""
    return re.sub(r"[^A-Za-z0-9_.]+", "-", text).strip("-").lower() if " " in text or ":" in text else text
