"""`vacestream presets`: recipes to start from."""

import json as json_text
from typing import Any

from vacestream.cli.options import JsonOption


def presets(json: JsonOption = False) -> None:
    """List the presets. A recipe starts from one with `preset: NAME`."""
    from vacestream.presets import NAMES, named

    found = [named(name) for name in NAMES]
    if json:
        rows = [{"preset": one.name, "summary": one.summary, "recipe": one.document.data} for one in found]
        print(json_text.dumps(rows, indent=2))
        return
    for one in found:
        says = ", ".join(f"{key}: {_short(value)}" for key, value in one.document.data.items())
        print(f"{one.name:<10} {one.summary}\n{'':<10} {says}")


def _short(value: Any) -> str:
    """A value in a line, as a recipe may write it."""
    match value:
        case dict():
            return "{" + ", ".join(f"{key}: {_short(inner)}" for key, inner in value.items()) + "}"
        case list():
            return "[" + ", ".join(map(_short, value)) + "]"
        case _:
            return str(value)
