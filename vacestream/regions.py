"""The region that a recipe names -> frames on its timeline, white where it is."""

from contextlib import ExitStack

import numpy as np

from vacestream.annotators import make
from vacestream.annotators.augment import Augmented
from vacestream.annotators.masks import HALF, filled
from vacestream.annotators.options import asked_region
from vacestream.annotators.stream import Annotated
from vacestream.annotators.view import View
from vacestream.inputs import framed, open_file, open_footage
from vacestream.media.compose import BLACK, WHITE, Mapped, still
from vacestream.media.contracts import Source
from vacestream.media.probe import probe
from vacestream.moments import frame_at
from vacestream.plan import Plan
from vacestream.recipe import Mask, Time
from vacestream.recipe.values import media_kind


def open_region(plan: Plan, mask: Mask, stack: ExitStack) -> Source:
    """The region, widened and turned round as the mask says, in the size of the output."""
    source = _found(plan, mask, stack)
    if mask.augment is not None:
        widen = Augmented(mask.augment.mode, mask.augment.ratio, seed=plan.seed)
        source = Mapped(source, widen)
    return Mapped(source, lambda frames: WHITE - frames) if mask.invert else source


def view_of(plan: Plan) -> View:
    """How the input became frames of the output."""
    given = plan.recipe.input
    size = plan.framing.size if plan.framing else plan.size
    known = given and media_kind(given.path) in ("file", "stdin")
    native = probe(given.path).size if given and known else size

    def frame(time: Time) -> float:
        at = frame_at(time, plan.spec, plan.fps)
        assert at is not None
        return at

    return View(frame, native, plan.recipe.fit, plan.num_frames)


def _found(plan: Plan, mask: Mask, stack: ExitStack) -> Source:
    """White where the thing is that the mask names, black elsewhere."""
    assert plan.fps is not None
    size = plan.framing.size if plan.framing else plan.size
    assert size is not None
    match mask.mode:
        case "bbox":
            assert mask.bbox is not None
            inside = filled(mask.bbox, view_of(plan), size)
            box = np.where(inside[..., None], WHITE, BLACK).astype(np.uint8).repeat(3, axis=-1)
            return framed(plan, still(box, plan.fps), BLACK)
        case "mask":
            assert mask.mask is not None
            signal = "mask" if media_kind(mask.mask) == "sprites" else None
            source = open_file(plan, mask.mask, stack, signal=signal, size=size)
            return framed(plan, Mapped(source, _binary), BLACK)
        case _:
            return framed(plan, _followed(plan, mask, stack), BLACK)


def _followed(plan: Plan, mask: Mask, stack: ExitStack) -> Source:
    """A thing that moves, found in each frame of the input."""
    row, parameters = asked_region(mask)
    return Annotated(open_footage(plan, stack), make(row, parameters, view_of(plan), plan.device))


def _binary(frames: np.ndarray) -> np.ndarray:
    """Black and white [T H W 3]."""
    white = frames.mean(axis=-1, keepdims=True) > HALF
    return np.where(white, WHITE, BLACK).astype(np.uint8).repeat(3, axis=-1)
