"""The moments that a recipe names -> frames and chunks of its timeline."""

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from vacestream.footage import nearest
from vacestream.pipelines import VAE_STRIDE_T, PipelineSpec
from vacestream.recipe import Recipe, Time
from vacestream.timeline import Chunk, chunks


@dataclass(frozen=True)
class Switch:
    """A change of the timeline and the chunk border where it takes effect."""

    index: int
    """Its place in recipe.timeline."""
    at: int
    """The frame that was asked for."""
    frame: int
    """The frame where it takes effect: the first of a chunk."""
    chunk: int
    keys: tuple[str, ...]
    """What changes."""
    blend: int = 0
    """Chunks that the change takes, this one the first of them; 0: it is at once."""


def frame_at(time: Time, spec: PipelineSpec, fps: Fraction | None) -> int | None:
    """The output frame of a moment; None where the rate is not known."""
    match time.unit:
        case "f":
            return int(time.amount)
        case "chunks":
            return _start_of(int(time.amount), spec)
        case "s":
            return None if fps is None else nearest(time.amount * fps)


def _start_of(chunk: int, spec: PipelineSpec) -> int:
    """The first frame of a chunk."""
    latents = spec.first_chunk_latents + (chunk - 1) * spec.chunk_latents
    return Chunk(chunk, latents, 1).start if chunk else 0


def refuse_idle_controls(
    recipe: Recipe, spec: PipelineSpec, fps: Fraction | None, num_frames: int | None
) -> None:
    """Refuse a control that acts in no step, or on no frame."""
    anchors = recipe.extend.anchors if recipe.extend else {}
    first = 1 if "firstframe" in anchors else 0
    last = num_frames if num_frames is None or "lastframe" not in anchors else num_frames - 1
    for i, control in enumerate(recipe.controls):
        if control.steps and control.steps.first > spec.num_steps:
            key, takes = ("controls", i, "steps"), f"{spec.name} takes {spec.num_steps}"
            raise recipe.error(key, f"{control.steps} acts in no step: {takes}; write 1..2")
        if control.frames is None:
            continue
        start, stop = (frame_at(time, spec, fps) for time in (control.frames.start, control.frames.stop))
        stop = None if stop is None else stop + control.frames.inclusive
        late = start is not None and last is not None and start >= last
        if late or (stop is not None and stop <= first):
            what = f"{control.frames} acts on no frame"
            raise recipe.error(
                ("controls", i, "frames"), f"{what}; write frames from {first} to {(last or 0) - 1}"
            )


def refuse_nearest_of_endless(recipe: Recipe, num_frames: int | None) -> None:
    """Refuse to spread the frames of a mask evenly over a video whose end is not known."""
    if recipe.mask and recipe.mask.time == "nearest" and num_frames is None:
        what = "nearest is of a whole clip, and this one has no end; add `length:`, or write `group`"
        raise recipe.error(("mask", "time"), what)


def switches(
    recipe: Recipe, spec: PipelineSpec, fps: Fraction | None, num_frames: int | None
) -> Iterator[Switch]:
    taken: dict[int, int] = {}
    for i, change in enumerate(recipe.timeline):
        key, at = ("timeline", i, "at"), frame_at(change.at, spec, fps)
        if at is None:
            continue
        if num_frames is not None and at >= num_frames:
            raise recipe.error(
                key, f"{change.at} is frame {at}, past the end at {num_frames}; write an earlier moment"
            )
        chunk = next((chunk for chunk in chunks(spec, num_frames) if chunk.start >= at), None)
        if chunk is None:
            last = max(chunk.start for chunk in chunks(spec, num_frames))
            raise recipe.error(
                key, f"{change.at} is in the last chunk, so nothing changes; write {last}f or earlier"
            )
        if chunk.index in taken:
            raise recipe.error(
                key, f"{change.at} and another change meet at frame {chunk.start}; move one by a chunk"
            )
        taken[chunk.index] = i
        keys = (*change.changed, *(("cut",) if change.cut else ()))
        yield Switch(i, at, chunk.start, chunk.index, keys, num_blended(change.blend, spec, fps))


def num_blended(blend: Time | None, spec: PipelineSpec, fps: Fraction | None) -> int:
    """Chunks over which a change is spread."""
    return 0 if blend is None else num_chunks_in(blend, spec, fps)


def num_chunks_in(time: Time, spec: PipelineSpec, fps: Fraction | None) -> int:
    """The chunks that a length of time takes, the last perhaps in part; 0 where the rate is not known."""
    if time.unit == "chunks":
        return int(time.amount)
    num_frames = frame_at(time, spec, fps) or 0
    return -(-num_frames // (VAE_STRIDE_T * spec.chunk_latents))
