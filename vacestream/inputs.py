"""The media that a recipe names -> sources on its timeline, and references."""

from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

from torch import Tensor

from vacestream.errors import InputError
from vacestream.frames import to_pixels
from vacestream.media.compose import GRAY, Placed
from vacestream.media.fit import letterbox_on_white
from vacestream.media.images import read_image
from vacestream.media.probe import probe
from vacestream.media.sources import Source, open_source
from vacestream.plan import Plan
from vacestream.recipe import Time
from vacestream.recipe.values import media_kind


def open_input(plan: Plan, stack: ExitStack) -> Source:
    """The recipe's input where the output shows it, mid-gray around it."""
    return framed(plan, open_footage(plan, stack), GRAY)


def open_start(plan: Plan, stack: ExitStack) -> Source | None:
    """The input whose own latents each chunk starts from, where `strength` says so."""
    return None if plan.recipe.strength is None else open_input(plan, stack)


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
    )
    stack.callback(source.close)
    return source


def refuse_early_end(plan: Plan, num_frames: int) -> None:
    """Refuse to call a video done whose footage, a stream, ended before the length that was asked for."""
    if plan.num_frames is not None and num_frames < plan.num_frames:
        what = (
            f"ended after {num_frames} of {plan.num_frames} frames; shorten `length:`, or add `at_end: hold`"
        )
        raise InputError(str(plan.recipe.error(("input",), what)))


def load_reference(where: str, size: tuple[int, int]) -> Tensor:
    """A picture whole, on white [3 H W]; sprites:SEED is the upright sprite of that clip."""
    kind, _, seed = where.partition(":")
    if kind == "sprites":
        from vacestream.sprites.source import reference

        picture = reference(int(seed), size)
    else:
        picture = letterbox_on_white(read_image(Path(where)), size)
    return to_pixels(picture[None])[0]


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
    )
    stack.callback(source.close)
    return source


def framed(plan: Plan, source: Source, value: int) -> Source:
    """A source of the input's size as a part of the output, gray `value` around it."""
    placed = plan.framing
    return source if placed is None else Placed(source, placed.canvas, placed.corner, value)
