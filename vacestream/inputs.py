"""The media that a recipe names -> context passes on its timeline, references, and what steers each chunk."""

from collections.abc import Callable
from contextlib import ExitStack
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from vacestream.annotators import ANNOTATORS, annotator
from vacestream.annotators.kept import Taken, kept
from vacestream.annotators.masks import filled
from vacestream.annotators.stream import Annotated
from vacestream.annotators.view import View
from vacestream.condition import Pass, Steering
from vacestream.errors import InputError
from vacestream.frames import to_pixels
from vacestream.media.fit import letterbox_on_white
from vacestream.media.images import read_image
from vacestream.media.playback import IndexedSource
from vacestream.media.probe import probe
from vacestream.media.sources import Source, open_source
from vacestream.moments import frame_at
from vacestream.plan import Plan
from vacestream.recipe import Control, Mask, Time
from vacestream.recipe.values import media_kind
from vacestream.signals import maker
from vacestream.timeline import Chunk
from vacestream.vcu import Fading


class Inverted:
    """A mask the other way round."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3]."""
        return 255 - self._source.read(n)


def open_passes(plan: Plan, stack: ExitStack) -> list[Pass]:
    """One pass a control; with a mask the input is kept around it; none where only the prompt speaks."""
    recipe = plan.recipe

    def keep() -> tuple[Source | None, Source | Inverted | None]:
        return (
            (open_input(plan, stack), _open_mask(plan, recipe.mask, stack)) if recipe.mask else (None, None)
        )

    passes = []
    for control in recipe.controls:
        kept, mask = keep()
        passes.append(Pass(_open_control(plan, control, stack), kept, mask, control.scale))
    if recipe.mask and not passes:
        kept, mask = keep()
        passes.append(Pass(None, kept, mask))
    return passes or ([Pass()] if recipe.references else [])


def open_start(plan: Plan, stack: ExitStack) -> Source | None:
    """The input whose own latents each chunk starts from, where `strength` says so."""
    return None if plan.recipe.strength is None else open_input(plan, stack)


def open_input(plan: Plan, stack: ExitStack, signal: str | None = None) -> Source:
    """The recipe's input, fitted to the output's size and rate; or a signal that it knows exactly."""
    given = plan.recipe.input
    assert given is not None
    source = open_source(
        given.path,
        size=plan.size,
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


def steering(plan: Plan) -> Callable[[Chunk], Steering]:
    """What each chunk is told: the prompt of the last switch before it, the references."""
    assert plan.size is not None
    recipe = plan.recipe
    references = tuple(load_reference(reference.image, plan.size) for reference in recipe.references)
    strength = 1.0 if recipe.strength is None else recipe.strength

    def steer(chunk: Chunk) -> Steering:
        prompt, fading = prompt_at(plan, chunk.index)
        negative = recipe.negative_prompt or ""
        return Steering(prompt, references, recipe.context_scale, strength, negative, fading)

    return steer


def prompt_at(plan: Plan, chunk: int) -> tuple[str, Fading | None]:
    """The prompt of a chunk, and the one that it comes from while a blend lasts."""
    prompt, fading = plan.recipe.prompt, None
    for switch in plan.switches:
        change, age = plan.recipe.timeline[switch.index], chunk - switch.chunk
        if change.prompt is None or age < 0:
            continue
        lasts = age < switch.blend
        fading = Fading(prompt, (age + 1) / (switch.blend + 1), change.blend_by) if lasts else None
        prompt = change.prompt
    return prompt, fading


def load_reference(where: str, size: tuple[int, int]) -> Tensor:
    """A picture whole, on white [3 H W]; sprites:SEED is the upright sprite of that clip."""
    kind, _, seed = where.partition(":")
    if kind == "sprites":
        from vacestream.sprites.source import reference

        picture = reference(int(seed), size)
    else:
        picture = letterbox_on_white(read_image(Path(where)), size)
    return to_pixels(picture[None])[0]


def _open_control(plan: Plan, control: Control, stack: ExitStack) -> Source:
    """A ready-made signal, the exact one of a source that knows it, or one that an annotator reads."""
    if control.video is not None:
        return _open(plan, control.video, stack)
    exact = maker(plan.recipe, control).kind == "exact"
    signal = control.signal if exact else None
    if control.boxes is not None:
        made = annotator(control.signal, view=_view(plan), boxes=control.boxes)
        return Annotated(_blank(plan), made)

    def footage() -> Source:
        if control.from_ is not None:
            return _open(plan, control.from_, stack, signal)
        return open_input(plan, stack, signal)

    if exact:
        return footage()
    row = ANNOTATORS[control.signal]
    source = kept(
        row,
        row.parameters(),
        _taken(plan, control),
        lambda: Annotated(footage(), annotator(control.signal), row.lead),
    )
    stack.callback(source.close)
    return source


def _taken(plan: Plan, control: Control) -> Taken:
    """The frames that a signal is made from."""
    assert plan.size is not None
    assert plan.fps is not None
    given = plan.recipe.input if control.from_ is None else None
    return Taken(
        control.from_ or (given.path if given else ""),
        plan.size,
        plan.fps,
        plan.num_frames,
        start=(plan.seconds(given.start) if given else None) or Fraction(0),
        end=plan.seconds(given.end) if given else None,
        fit=plan.recipe.fit,
        at_end=(given.at_end if given else None) or "stop",
    )


def _open_mask(plan: Plan, mask: Mask, stack: ExitStack) -> Source | Inverted:
    """White = generate."""
    assert plan.size is not None
    assert plan.fps is not None
    if mask.mode == "bbox":
        frame = _boxes(plan, mask)
        source: Source = IndexedSource(lambda _: frame, size=plan.size, fps=plan.fps)
    else:
        assert mask.mask is not None
        signal = "mask" if media_kind(mask.mask) == "sprites" else None
        source = _open(plan, mask.mask, stack, signal)
    return Inverted(source) if mask.invert else source


def _open(plan: Plan, where: str, stack: ExitStack, signal: str | None = None) -> Source:
    """Another file on the same timeline; a still stands for every frame."""
    still = media_kind(where) == "file" and probe(where).num_frames == 1
    source = open_source(
        where,
        size=plan.size,
        fps=plan.fps,
        fit=plan.recipe.fit,
        at_end="hold" if still else "stop",
        signal=signal,
    )
    stack.callback(source.close)
    return source


def _boxes(plan: Plan, mask: Mask) -> np.ndarray:
    """[H W 3]: white in the boxes, which are in pixels of the input as displayed."""
    assert plan.size is not None
    assert mask.bbox is not None
    inside = filled(mask.bbox, _view(plan), plan.size)
    return np.where(inside[..., None], 255, 0).astype(np.uint8).repeat(3, axis=-1)


def _view(plan: Plan) -> View:
    """How the input became frames of the output."""
    given = plan.recipe.input
    known = given and media_kind(given.path) in ("file", "stdin")
    native = probe(given.path).size if given and known else plan.size

    def frame(time: Time) -> float:
        at = frame_at(time, plan.spec, plan.fps)
        assert at is not None
        return at

    return View(frame, native, plan.recipe.fit, plan.num_frames)


def _blank(plan: Plan) -> Source:
    """White frames as long as the video."""
    assert plan.size is not None
    assert plan.fps is not None
    white = np.full((*plan.size, 3), 255, np.uint8)
    return IndexedSource(lambda _: white, size=plan.size, fps=plan.fps, num_frames=plan.num_frames)
