"""What a recipe says of how a signal is made -> the parameters of its task."""

from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from vacestream.annotators import ANNOTATORS, MASKS, TASKS
from vacestream.annotators.parameters import SPAN, Footage
from vacestream.annotators.rows import Row
from vacestream.errors import RecipeError
from vacestream.recipe import Control, Mask, Reference
from vacestream.recipe.base import Model
from vacestream.recipe.messages import problems
from vacestream.recipe.text import Document, Place

_REGION = ("bbox", "mask", "points", "label", "caption", "at")
"""Keys of a mask that are parameters of what finds it."""
_PART = ("mask", "bbox", "points", "label", "caption", "augment")
"""Keys of a reference that are parameters of what cuts it out."""
_PICTURE = TASKS["image_reference"]


def refused(row: Row, options: Mapping[str, Any]) -> str | None:
    """What is wrong with the options of a task; None where nothing is."""
    kind = row.parameters
    if cut := [key for key in SPAN if key in options]:
        return f"{cut[0]} is of the input; write it beside `path:`"
    try:
        row.chosen(read := kind.model_validate(dict(options))).refuse_ignored(read)
    except RecipeError as error:
        return str(error)
    except ValidationError as error:
        said = problems(error, kind, Document(dict(options), {(): Place("")}))
        return said[0].lstrip(": ")
    return None


def refused_region(mask: Mask) -> str | None:
    """What is wrong with the options of a mask; None where nothing is."""
    options, row = mask.options or {}, MASKS[mask.mode]
    if beside := [key for key in options if key in _REGION or key == "invert"]:
        return f"{beside[0]} stands beside `mode:`; write it there"
    if row.name in ("mask", "bbox"):
        return f"{row.name} has none; leave them out"
    return refused(row, {**_region(mask, row), **options})


def asked_region(mask: Mask) -> tuple[Row, Model]:
    """The row of what finds a region, and its parameters, in frames that are not turned round yet."""
    row = MASKS[mask.mode]
    parameters = row.parameters.model_validate({**_region(mask, row), **(mask.options or {})})
    return row.chosen(parameters), parameters


def _region(mask: Mask, row: Row) -> dict[str, Any]:
    """What the mask itself says of where it is."""
    said = {key: getattr(mask, key) for key in _REGION if key in row.parameters.model_fields}
    return {key: value for key, value in said.items() if value is not None}


def refused_picture(reference: Reference) -> str | None:
    """What is wrong with the options of a reference; None where nothing is."""
    options = reference.options or {}
    if beside := [key for key in options if key in (*_PART, "mode")]:
        return f"{beside[0]} stands beside `image:`; write it there"
    return refused(_PICTURE, {**_part(reference), **options})


def asked_picture(reference: Reference) -> tuple[Row, Model]:
    """The row of what cuts a reference out, and its parameters."""
    parameters = _PICTURE.parameters.model_validate({**_part(reference), **(reference.options or {})})
    return _PICTURE.chosen(parameters), parameters


def _part(reference: Reference) -> dict[str, Any]:
    """What the reference itself says of its part."""
    said = {key: getattr(reference, key) for key in _PART}
    return {"mode": reference.mode, **{key: value for key, value in said.items() if value is not None}}


def asked(control: Control) -> tuple[Row, Model]:
    """The row of what makes a control's signal, and its parameters; without boxes and tracks."""
    row = ANNOTATORS[control.signal]
    drawn = control.boxes is not None or control.track is not None or control.video is not None
    parameters = Footage() if drawn else row.parameters.model_validate(control.options or {})
    return row.chosen(parameters), parameters
