"""What this machine answers where a recipe is silent: the environment, the project's file, the user's own.

The first that answers counts; what a recipe says is never changed.
"""

import os
import re
import sys
import tomllib
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from vacestream.errors import RecipeError
from vacestream.recipe.text import Document, Key, Place

FILE, PYPROJECT = "vacestream.toml", "pyproject.toml"
PREFIX = "VACESTREAM_"
KEYS = {"device": True, "precision": False, "offload": True}
"""Keys of a recipe that a machine may answer -> whether the answer holds for this machine alone.

Precision decides the frames, so the recipe that a file carries tells it to others.
"""
ENVIRONMENT = ("models", "golden", "cache", "cache_limit")
"""What only the environment says: folders of weights, records and kept files, and how much is kept."""


@dataclass(frozen=True)
class Setting:
    """One answer, and where it stands."""

    value: Any
    place: Place


def settings() -> dict[str, Setting]:
    """Every setting that holds in the current folder; RecipeError for a name that is none."""
    found: dict[str, Setting] = {}
    for file in (user_file(), project_file()):
        if file is not None and file.is_file():
            found |= _told_by(file)
    return found | dict(_environment())


def machine_settings() -> Document:
    """The settings of recipe keys, as a recipe that stands beneath every other."""
    answers = settings()
    places: dict[Key, Place] = {(): Place("settings")}
    places |= {(key,): replace(setting.place, local=KEYS[key]) for key, setting in answers.items()}
    data = {key: setting.value for key, setting in answers.items()}
    return Document(data, places)


def project_file() -> Path | None:
    """vacestream.toml, or the pyproject.toml with [tool.vacestream], of this folder or the nearest above."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE).is_file():
            return folder / FILE
        pyproject = folder / PYPROJECT
        if pyproject.is_file() and _section(_parsed(pyproject)) is not None:
            return pyproject
    return None


def user_file() -> Path | None:
    """Where the user's own settings stand on this system; None where there is no home."""
    homes = {"win32": ("APPDATA", "~/AppData/Roaming"), "darwin": ("", "~/Library/Application Support")}
    variable, default = homes.get(sys.platform, ("XDG_CONFIG_HOME", "~/.config"))
    with suppress(RuntimeError):
        return Path(os.environ.get(variable) or default).expanduser() / "vacestream" / FILE
    return None


def _environment() -> Iterator[tuple[str, Setting]]:
    for name, value in sorted(os.environ.items()):
        key = name.removeprefix(PREFIX).lower()
        if not name.startswith(PREFIX) or not value or key in ENVIRONMENT:
            continue
        _check(name, key, name, [PREFIX + ours.upper() for ours in (*KEYS, "models")])
        yield key, Setting({"true": True, "false": False}.get(value, value), Place(name))


def _told_by(file: Path) -> dict[str, Setting]:
    data, text = _parsed(file), file.read_text(encoding="utf-8")
    told = data if file.name == FILE else _section(data) or {}
    found = {}
    for key, value in told.items():
        place = Place(_shown(file), _line(text, key, file.name))
        _check(key, key, str(place), list(KEYS))
        found[key] = Setting(value, place)
    return found


def _check(name: str, key: str, where: str, ours: list[str]) -> None:
    """Refuse a name that is no setting, with the nearest."""
    from vacestream.recipe import Recipe

    if key in KEYS:
        return
    if key in Recipe.model_fields:
        what = f"{name!r} is no setting but a key of recipes, which no machine changes; write `{key}:` there"
    else:
        near = get_close_matches(name, ours, 1, 0.6)
        hint = f"did you mean {near[0]!r}?" if near else f"write one of {', '.join(ours)}"
        what = f"{name!r} is no setting; {hint}"
    raise RecipeError(f"{where}: {what}" if where != name else f"the environment: {what}")


def _parsed(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise RecipeError(f"{_shown(file)}: not readable as TOML ({error}); correct it") from error
    except OSError as error:
        raise RecipeError(f"{_shown(file)}: cannot be read ({error.strerror}); let it be read") from error


def _section(data: dict[str, Any]) -> dict[str, Any] | None:
    tools = data.get("tool")
    section = tools.get("vacestream") if isinstance(tools, dict) else None
    return section if isinstance(section, dict) else None


def _line(text: str, key: str, name: str) -> int:
    """Where a key stands; 0 where it is written in a way that is not looked for."""
    start = text.find("[tool.vacestream]") if name == PYPROJECT else 0
    found = re.compile(rf"^[ \t]*[\"']?{re.escape(key)}[\"']?[ \t]*=", re.M).search(text, max(0, start))
    return text.count("\n", 0, found.start()) + 1 if found else 0


def _shown(file: Path) -> str:
    """The name of a file of this folder, the whole path of others."""
    return file.name if file.parent == Path.cwd() else str(file)
