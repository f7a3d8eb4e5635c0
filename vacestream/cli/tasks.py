"""`vacestream tasks`: what can be asked for, by VACE's names."""

import json as json_text
from typing import TYPE_CHECKING, Any

from vacestream.cli.options import JsonOption

if TYPE_CHECKING:
    from vacestream.annotators import Row


def tasks(json: JsonOption = False) -> None:
    """List VACE's tasks: what makes each, what it needs, its licence, whether `annotate` makes it."""
    from vacestream.annotators import TASKS

    rows = list(TASKS.values())
    if json:
        print(json_text.dumps([_data(row) for row in rows], indent=2))
        return
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            print(f"{group}")
        print(f"  {row.name:<18} {'built' if row.built else '-':<6} {row.summary}{_needs(row)}")


def _data(row: "Row") -> dict[str, Any]:
    """The row, and which of its weights are here."""
    from vacestream.weights import look_up

    weights = [{**part.to_dict(), "present": look_up(part) is not None} for part in row.parts]
    return {**row.to_dict(), "weights": weights}


def _needs(row: "Row") -> str:
    from vacestream.annotators.parameters import SPAN

    names = [name for name in row.parameters.model_fields if name not in SPAN]
    said = f"; --set {', '.join(names)}" if names else ""
    by = f" ({row.model}, {row.licence})"
    if row.built:
        return by + said
    return f"{by}; needs {row.missing}" if row.weights else f"; in a recipe: {row.recipe}"
