"""A plan -> the context passes of its video, and what steers each chunk."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from typing import Literal

from torch import Tensor

from vacestream.ahead import anchors_ahead
from vacestream.annotators import annotator, make
from vacestream.annotators.kept import Taken, kept
from vacestream.annotators.options import asked
from vacestream.annotators.outline import Outline
from vacestream.annotators.stream import Annotated
from vacestream.changes import Told, plain, streams
from vacestream.condition import Pass, Steering
from vacestream.inputs import framed, open_file, open_footage, open_input, prepare_reference
from vacestream.kept import Regions, open_kept, open_regions
from vacestream.media import compose
from vacestream.media.compose import GRAY, WHITE, Padded
from vacestream.media.contracts import Source
from vacestream.moments import frame_at
from vacestream.needs import refuse_missing_nets
from vacestream.pipelines import PIPELINES
from vacestream.plan import Plan
from vacestream.recipe import Control, Reference, Span
from vacestream.regions import open_region, view_of
from vacestream.sampling import stepped
from vacestream.signals import maker
from vacestream.timeline import Chunk
from vacestream.vcu import Fading, Manner

MAX_PICTURES = 32
"""References that are kept once they were loaded."""


def open_passes(plan: Plan, stack: ExitStack, regions: Regions = open_regions) -> list[Pass]:
    """A pass a control, what is kept around each; and one for what no control carries.

    `regions` opens what the masks of the plan name.
    """
    refuse_missing_nets(plan.recipe)
    refuse_missing_nets(plan.recipe)
    footage, mask = open_kept(plan, stack, regions) or (None, None)
    feather = max((one.mask.feather for one in plan.told if one.mask), default=0)
    passes = []
    for control in streams(plan.recipe):
        source, steps = _open_control(plan, control, stack), control.steps
        span = _frames(plan, control.frames) if control.frames else None
        acts = (steps.first, steps.last) if steps else None
        passes.append(Pass(source, footage, mask, control.acts, span, acts, feather=feather))
    if plan.has_rest:
        passes.append(Pass(None, footage, mask, rest=True, feather=feather))
    if passes and _looks_at_footage(plan):
        passes[0] = replace(passes[0], footage=open_input(plan, stack))
    return passes


def _looks_at_footage(plan: Plan) -> bool:
    """Whether the input is looked at for itself, and not read as what chunks start from."""
    reanchor = plan.recipe.reanchor
    return reanchor is not None and reanchor.from_ == "source" and plan.recipe.strength is None


def steering(plan: Plan) -> Callable[[Chunk], Steering]:
    """What each chunk is told: all that holds since the last change before it."""
    tell, ahead = teller(plan), anchors_ahead(plan)
    held = {told.chunk: tell(told) for told in plan.told}

    def steer(chunk: Chunk) -> Steering:
        start = max(start for start in held if start <= chunk.index)
        now = held[start]
        manner = now.manner if chunk.index == start else replace(now.manner, reset=None)
        return replace(
            now,
            manner=manner,
            fading=fading_at(plan, chunk.index),
            ahead=ahead(chunk),
            anchor=anchor_at(plan, chunk.index, now.references),
        )

    return steer


def teller(plan: Plan) -> Callable[[Told], Steering]:
    """What holds -> what chunks are told of it; a picture that is named again is the same tensor."""
    negative = plan.recipe.negative_prompt or ""

    @lru_cache(MAX_PICTURES)
    def prepared(said: str) -> Tensor:
        return prepare_reference(plan, Reference.model_validate_json(said))

    def prepare(reference: Reference) -> Tensor:
        """However its scale changes, it is one picture."""
        return prepared(reference.model_copy(update={"scale": 1.0}).model_dump_json(exclude_defaults=True))

    def tell(told: Told) -> Steering:
        return Steering(
            told.prompt,
            tuple(prepare(reference) for reference in told.references),
            told.context_scale,
            told.strength,
            negative,
            scales=_scales(plan, told.controls),
            reference_scales=tuple(one.scale for one in told.references),
            manner=manner_of(plan, told),
            neutral=told.vace.neutral == "encoded",
        )

    return tell


def manner_of(plan: Plan, told: Told) -> Manner:
    """How chunks are made from a change on; a cut is of its first chunk alone."""
    spec, row = plan.spec, PIPELINES[plan.spec.name]
    if not spec.whole:
        spec = row if told.steps is None else stepped(row, told.steps, from_source=told.strength is not None)
    return Manner(
        seed=told.seed,
        steps=spec.steps if spec.steps != plan.spec.steps else None,
        source_steps=spec.source_steps if spec.source_steps != plan.spec.source_steps else None,
        method=told.method,
        loras=told.lora_files,
        adapter=told.vace.adapter,
        switch=told.switch,
        reset="hard" if told.cut else None,
    )


def anchor_at(
    plan: Plan, chunk: int, references: tuple[Tensor, ...]
) -> Tensor | Literal["first", "source"] | None:
    """What the attention sink is made anew of before a chunk."""
    reanchor, every = plan.recipe.reanchor, plan.reanchored_every
    if reanchor is None or not every or not chunk or chunk % every:
        return None
    if reanchor.from_ == "reference":
        return references[0] if references else None
    return reanchor.from_


def fading_at(plan: Plan, chunk: int) -> Fading | None:
    """The prompt that a chunk comes from while a blend lasts."""
    prompt, fading = plan.recipe.prompt, None
    for switch in plan.switches:
        change, age = plan.recipe.timeline[switch.index], chunk - switch.chunk
        if change.prompt is None or age < 0:
            continue
        lasts = age < switch.blend
        fading = Fading(prompt, (age + 1) / (switch.blend + 1), change.blend_by) if lasts else None
        prompt = change.prompt
    return fading


def _scales(plan: Plan, controls: tuple[Control, ...]) -> tuple[float, ...]:
    """Of every pass: 0 for a control that does not act now."""
    own = [
        sum(one.acts for one in controls if plain(one) == plain(stream)) for stream in streams(plan.recipe)
    ]
    return (*own, 1.0) if plan.has_rest else tuple(own)


def _frames(plan: Plan, span: Span) -> tuple[int, int]:
    """The first frame, and one past the last."""
    start, stop = (frame_at(time, plan.spec, plan.fps) for time in (span.start, span.stop))
    assert start is not None
    assert stop is not None
    return start, stop + span.inclusive


def _open_control(plan: Plan, control: Control, stack: ExitStack) -> Source:
    """A ready-made signal, the exact one of a source that knows it, or one that an annotator reads."""
    source = _signal(plan, control, stack)
    return Padded(source, GRAY) if plan.anchors or plan.ends_free else source


def _signal(plan: Plan, control: Control, stack: ExitStack) -> Source:
    if control.video is not None:
        return open_file(plan, control.video, stack)
    made_by = maker(plan.recipe, control)
    signal = control.signal if made_by.kind == "exact" else None
    if control.boxes is not None:
        made = annotator(control.signal, view=view_of(plan), boxes=control.boxes)
        return framed(plan, Annotated(_white(plan), made), WHITE)
    if control.track is not None:
        return Annotated(open_region(plan, control.track, stack), Outline())

    def footage() -> Source:
        if control.from_ is not None:
            return open_file(plan, control.from_, stack, signal=signal)
        return open_footage(plan, stack, signal)

    if signal is not None:
        source = footage()
    else:
        row, parameters = asked(control)

        def made_of_footage() -> Source:
            return Annotated(footage(), make(row, parameters, view_of(plan), plan.device))

        source = kept(row, parameters, _taken(plan, control), made_of_footage)
        stack.callback(source.close)
    return framed(plan, source, GRAY) if control.from_ is None else source


def _taken(plan: Plan, control: Control) -> Taken:
    """The frames that a signal is made from."""
    given = plan.recipe.input if control.from_ is None else None
    size = plan.framing.size if plan.framing and given else plan.size
    assert size is not None
    assert plan.fps is not None
    return Taken(
        control.from_ or (given.path if given else ""),
        size,
        plan.fps,
        plan.num_frames,
        start=(plan.seconds(given.start) if given else None) or Fraction(0),
        end=plan.seconds(given.end) if given else None,
        fit=plan.recipe.fit,
        at_end=(given.at_end if given else None) or "stop",
    )


def _white(plan: Plan) -> Source:
    """White frames of the input's size, as many as the video has."""
    size = plan.framing.size if plan.framing else plan.size
    assert size is not None
    assert plan.fps is not None
    return compose.plain(WHITE, size, plan.fps, plan.num_frames)
