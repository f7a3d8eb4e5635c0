"""What turns footage into control signals and masks: the contract, the table, and how one is made."""

from importlib import import_module
from typing import TYPE_CHECKING, Any, Protocol

from vacestream.annotators.parameters import SPAN
from vacestream.annotators.rows import Row as Row
from vacestream.annotators.table import TASKS as TASKS
from vacestream.errors import ModelError, RecipeError
from vacestream.recipe.base import Model
from vacestream.recipe.names import unknown_word
from vacestream.weights import refuse_missing

if TYPE_CHECKING:
    import numpy as np

    from vacestream.annotators.view import View

ANNOTATORS: dict[str, Row] = {row.name: row for row in TASKS.values() if row.group == "control"}
"""The control signals, by VACE's name."""

MASKS: dict[str, Row] = {row.name: row for row in TASKS.values() if row.group == "mask"}
"""The ways to find a region; an annotator whose frames are white where to make anew."""

_OTHER_NAMES = {
    **dict.fromkeys(("inpainting", "inpainting_mask", "image_inpainting", "inpaint"), "mask"),
    "inpainting_bbox": "bbox",
    "image_outpainting": "outpainting",
    "outpaint": "outpainting",
    **{f"inpainting_{name}": name for name in ("masktrack", "bboxtrack", "label", "caption")},
}


class Annotator(Protocol):
    """Footage -> a signal of the same frames.

    It is called on consecutive pieces of one stream, in order, and may remember; however the stream is cut,
    the signal is the same. The first piece has at least `lead` frames, or is all there is.
    """

    @property
    def lead(self) -> int:
        """Frames that the first piece has, where there are as many."""
        ...

    def __call__(self, frames: "np.ndarray") -> "np.ndarray":
        """[T H W 3] uint8 -> [T H W 3] uint8."""
        ...


def annotator(name: str, *, view: "View | None" = None, device: str = "auto", **parameters: Any) -> Annotator:
    """A new annotator for one stream; `view` says what its moments and pixels mean."""
    row = task(name)
    if row.group not in ("control", "mask"):
        raise RecipeError(f"{name}: is no signal of footage; `vacestream annotate {name}` writes its files")
    return make(row, row.parameters.model_validate(parameters), view, device)


def make(row: Row, parameters: Model, view: "View | None" = None, device: str = "auto") -> Annotator:
    """The annotator of a row, with parameters that were read already; a net of it runs on the device."""
    row = row.chosen(parameters)
    where = {"device": device} if row.weights else {}
    made: Annotator = load(row)(**arguments(row, parameters), **_seen(row, view), **where)
    return made


def task(name: str) -> Row:
    """The row of this name, or the nearest names."""
    if name in TASKS:
        return TASKS[name]
    if name in _OTHER_NAMES:
        raise RecipeError(f"'{name}' is not a task; write '{_OTHER_NAMES[name]}'")
    raise RecipeError(f"{unknown_word(name, 'task', list(TASKS))}; `vacestream tasks` lists them")


def load(row: Row) -> Any:
    """What makes it; ModelError names weights that are missing."""
    if row.place:
        refuse_missing(row.weights)
        module, _, name = row.place.partition(":")
        return getattr(import_module(f"vacestream.annotators.{module}"), name)
    if row.weights:
        remedy = "bring it ready-made as `video: FILE`" if row.group == "control" else "bring it ready-made"
        raise ModelError(
            f"{row.name}: needs {row.missing}, which this version cannot load yet; {remedy},"
            " or see `vacestream tasks` for what works without weights"
        )
    raise RecipeError(f"{row.name}: has no file of its own; ask for it in a recipe: {row.recipe}")


def arguments(row: Row, parameters: Model) -> dict[str, Any]:
    """What the row's maker is told: the parameters without those that say which footage."""
    row.refuse_ignored(parameters)
    own = {name: value for name, value in parameters if name not in (*SPAN, *row.ignored)}
    return {**own, **row.fixed}


def _seen(row: Row, view: "View | None") -> dict[str, "View"]:
    if not row.viewed:
        return {}
    from vacestream.annotators.view import IN_FRAMES

    return {"view": view or IN_FRAMES}
