"""What a recipe says of how a signal is made -> the parameters of its task."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from vacestream.annotators import ANNOTATORS
from vacestream.annotators.parameters import SPAN, Footage
from vacestream.annotators.rows import Row
from vacestream.recipe import Control
from vacestream.recipe.base import Model
from vacestream.recipe.messages import problems
from vacestream.recipe.text import Document, Place


def refused(signal: str, options: Mapping[str, Any]) -> str | None:
    """What is wrong with the options of a signal; None where nothing is."""
    kind = ANNOTATORS[signal].parameters
    if cut := [key for key in SPAN if key in options]:
        return f"{cut[0]} is of the input; write it beside `path:`"
    try:
        kind.model_validate(dict(options))
    except ValidationError as error:
        said = problems(error, kind, Document(dict(options), {(): Place("")}))
        return said[0].lstrip(": ")
    return None


def asked(control: Control) -> tuple[Row, Model]:
    """The row of what makes a control's signal, and its parameters; without boxes and tracks."""
    row = ANNOTATORS[control.signal]
    drawn = control.boxes is not None or control.track is not None or control.video is not None
    parameters = Footage() if drawn else row.parameters.model_validate(control.options or {})
    return row.chosen(parameters), parameters
