"""The media that a recipe names -> sources on its timeline, and references."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from vacestream.annotators import arguments, load
from vacestream.annotators.options import asked_picture
from vacestream.errors import InputError
from vacestream.frames import to_pixels
from vacestream.media.compose import GRAY, Placed
from vacestream.media.fit import Fit, letterbox_on_white, place
from vacestream.media.images import read_image
from vacestream.media.probe import probe
from vacestream.media.sources import Source, Waits, open_source
from vacestream.plan import Plan
from vacestream.recipe import Reference, Time
from vacestream.recipe.values import media_kind
from vacestream.references import placed_references


def open_input(plan: Plan, stack: ExitStack) -> Source:
    """The recipe's input where the output shows it, mid-gray around it."""
    return framed(plan, open_footage(plan, stack), GRAY)


def open_start(plan: Plan, stack: ExitStack) -> Source | None:
    """The input whose own latents each chunk starts from, where `strength` says so."""
    starts = any(told.strength is not None for told in plan.told)
    return open_input(plan, stack) if starts else None


def open_footage(plan: Plan, stack: ExitStack, signal: str | None = None) -> Source:
    """The recipe's input in its own size and the output's rate; or a signal that it knows exactly."""
    given = plan.recipe.input
    assert given is not None
    source = open_source(
        given.path,
        size=plan.framing.size if plan.framing else plan.size,
        fps=plan.fps,
        fit=plan.recipe.fit,
        start=plan.seconds(given.start) or Fraction(0),
        end=plan.seconds(given.end),
        at_end=given.at_end or "stop",
        signal=signal,
        waits=_waits(plan),
    )
    stack.callback(source.close)
    return source


def _waits(plan: Plan) -> Waits:
    """What becomes of frames of a camera or a stream that the line does not keep up with."""
    seconds = plan.seconds(plan.recipe.live.latency_budget)
    assert seconds is not None
    return Waits(float(seconds), plan.recipe.live.overflow != "block")


def refuse_early_end(plan: Plan, num_frames: int) -> None:
    """Refuse to call a video done whose footage, a stream, ended before the length that was asked for."""
    if plan.num_frames is not None and num_frames < plan.num_frames:
        what = (
            f"ended after {num_frames} of {plan.num_frames} frames; shorten `length:`, or add `at_end: hold`"
        )
        raise InputError(str(plan.recipe.error(("input",), what)))


def load_reference(where: str, size: tuple[int, int], fit: Fit = "letterbox") -> Tensor:
    """A picture [3 H W], whole on white or filling it; sprites:SEED is the upright sprite of that clip."""
    if media_kind(where) == "sprites":
        from vacestream.sprites.source import reference

        return to_pixels(reference(int(where.partition(":")[2]), size)[None])[0]
    return _fitted(read_image(Path(where)), size, fit)


def prepare_reference(plan: Plan, reference: Reference) -> Tensor:
    """What a recipe means by a reference [3 H W]; ModelError for a missing net, InputError for no find."""
    assert plan.size is not None
    if reference.mode == "plain":
        return load_reference(reference.image, plan.size, reference.fit)
    row, asked = asked_picture(reference)
    cut_out = load(row)
    sprites = media_kind(reference.image) == "sprites"
    try:
        clip = open_source(reference.image, size=plan.size if sprites else None)
        part = cut_out(clip.read(1)[0], **arguments(row, asked), seed=plan.seed, device=plan.device)
    except InputError as error:
        known = (key for key, one in placed_references(plan.recipe) if one.image == reference.image)
        key = next(known, ("references",))
        raise InputError(str(plan.recipe.error(key, f"{reference.image}: {error}"))) from error
    return _fitted(part, plan.size, reference.fit)


def _fitted(picture: np.ndarray, size: tuple[int, int], fit: Fit) -> Tensor:
    cropped = fit == "crop"
    placed = place(picture.shape[:2], size).apply(picture) if cropped else letterbox_on_white(picture, size)
    return to_pixels(np.array(placed)[None])[0]


def open_file(
    plan: Plan,
    where: str,
    stack: ExitStack,
    *,
    signal: str | None = None,
    size: tuple[int, int] | None = None,
    start: Time | None = None,
    end: Time | None = None,
) -> Source:
    """Another file on the same timeline, in the output's size or another; a still stands for every frame."""
    still = media_kind(where) == "file" and probe(where).num_frames == 1
    source = open_source(
        where,
        size=size or plan.size,
        fps=plan.fps,
        fit=plan.recipe.fit,
        start=plan.seconds(start) or Fraction(0),
        end=plan.seconds(end),
        at_end="hold" if still else "stop",
        signal=signal,
        waits=_waits(plan),
    )
    stack.callback(source.close)
    return source


def framed(plan: Plan, source: Source, value: int) -> Source:
    """A source of the input's size as a part of the output, gray `value` around it."""
    placed = plan.framing
    return source if placed is None else Placed(source, placed.canvas, placed.corner, value)
