"""A finished video and a range -> the same video with that part made anew, in whole chunks.

The recipe that made it is run again, unseen, up to the first chunk of the part, so the part goes on from the
very state that the video was in there; then the new recipe makes the part. Other frames are the old file's.
"""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from vacestream.condition import make_vcus
from vacestream.errors import InputError, RecipeError
from vacestream.events import Event, Report, warnings_reported
from vacestream.loading import Weights, load_stream
from vacestream.media.sources import Source, open_source
from vacestream.moments import frame_at
from vacestream.needs import parts_left_out
from vacestream.outputs import Outputs
from vacestream.passes import open_passes, steering
from vacestream.plan import Plan
from vacestream.recipe.values import parse_span
from vacestream.room import memory_told
from vacestream.sidecar import Recorder
from vacestream.stream import Stream
from vacestream.targets import Target, beside, suffixed
from vacestream.timeline import Chunk


@dataclass(frozen=True)
class Redo:
    """What is made anew of a video."""

    old: Plan
    """What made the video."""
    new: Plan
    """What makes the part."""
    files: tuple[str, ...]
    """The video, as each output has it."""
    written: Plan
    """The old plan with the files to write as its outputs."""
    chunks: range
    frames: range
    before: tuple[dict[str, Any], ...] = ()
    """Parts that were made anew already."""

    @property
    def words(self) -> str:
        """What is made anew, in a line."""
        part = f"frames {self.frames.start}..{self.frames.stop - 1} of {self.old.num_frames}"
        return f"redo: {part} (chunks {self.chunks.start}..{self.chunks.stop - 1}) of {', '.join(self.files)}"

    @property
    def redone(self) -> list[dict[str, Any]]:
        """The parts that another recipe made, and that recipe."""
        frames = f"{self.frames.start}..{self.frames.stop - 1}"
        folder = Path(self.written.outputs[0].path).parent
        return [*self.before, {"frames": frames, "recipe": self.new.recipe.resolved(folder)}]


def make_redo(
    old: Plan, new: Plan, span: str, *, in_place: bool, before: tuple[dict[str, Any], ...] = ()
) -> Redo:
    """What `--redo` asks for; refuses what would not fit into the old video."""
    files = [target for target in new.outputs if target.sidecar or target.files]
    for what, then, now in (
        ("pipeline", old.spec, new.spec),
        ("size", old.size, new.size),
        ("fps", old.fps, new.fps),
        ("length", old.num_frames, new.num_frames),
        ("precision", old.dtype, new.dtype),
    ):
        if then != now:
            raise RecipeError(f"--redo: {what} is another than the video's; a part keeps it, render it whole")
    chunks, frames = _part(old, span)
    targets = tuple(target if in_place else _beside(target) for target in files)
    written = replace(old, outputs=tuple(replace(target, saves=()) for target in targets))
    return Redo(old, new, tuple(target.path for target in files), written, chunks, frames, before)


def render_redo(redo: Redo, *, report: Report, weights: Weights | None = None) -> None:
    """Write the video with its part made anew."""
    record = Recorder(redo.written, report, also={"redone": redo.redone})
    plan = redo.old
    record(
        Event("start", data={"num_frames": plan.num_frames, "num_chunks": plan.num_chunks, "task": plan.task})
    )
    with ExitStack() as stack:
        stack.enter_context(warnings_reported(record))
        stack.enter_context(memory_told(plan))
        fuller = min((redo.old, redo.new), key=lambda one: len(parts_left_out(one.recipe)))
        made = _made(redo, load_stream(fuller, weights), stack)
        outputs = [
            stack.enter_context(
                Outputs(replace(redo.written, outputs=(target,)), note={"redone": redo.redone})
            )
            for target in redo.written.outputs
        ]
        videos = [_open(redo, file, stack) for file in redo.files]
        for chunk in plan.chunks():
            new = next(made, None)
            for output, video in zip(outputs, videos, strict=True):
                old = video.read(chunk.num_wanted)
                output.write(new if new is not None and chunk.index in redo.chunks else old)
            record(Event("chunk", chunk.start + chunk.num_wanted, chunk.index + 1))
        for video in videos:
            video.close()
    record(Event("done", plan.num_frames or 0, plan.num_chunks or 0, {"outputs": _files(redo)}))


def _made(redo: Redo, stream: Stream, stack: ExitStack) -> Iterator[np.ndarray]:
    """The frames of each chunk up to the end of the part."""
    first, last = redo.chunks.start, redo.chunks.stop
    for plan, begin, end in ((redo.old, 0, first), (redo.new, first, last)):
        assert plan.size is not None
        passes = open_passes(plan, stack)
        vcus = make_vcus(plan.chunks(), passes, steering(plan), plan.size, mask_time=plan.mask_time)
        for _, frames in stream(islice(vcus, begin, end)):
            yield frames


def _part(plan: Plan, span: str) -> tuple[range, range]:
    """The chunks that hold a range, and their frames."""
    try:
        asked = parse_span(span)
    except ValueError as error:
        raise RecipeError(f"--redo: {error}") from error
    start, stop = (frame_at(time, plan.spec, plan.fps) for time in (asked.start, asked.stop))
    assert start is not None
    assert stop is not None
    assert plan.num_frames is not None
    stop += asked.inclusive
    if not start < stop <= plan.num_frames:
        what = f"{span} is frames {start}..{stop - 1} of a video of 0..{plan.num_frames - 1}"
        raise RecipeError(f"--redo: {what}; write a range inside it")
    inside: list[Chunk] = [c for c in plan.chunks() if c.start < stop and c.start + c.num_wanted > start]
    end = inside[-1].start + inside[-1].num_wanted
    return range(inside[0].index, inside[-1].index + 1), range(inside[0].start, end)


def _beside(target: Target) -> Target:
    """NAME.redo.mp4 for NAME.mp4."""
    path = suffixed(target.path, ".redo")
    return replace(
        target, path=path, sidecar=str(beside(path).with_suffix(".json")) if target.sidecar else None
    )


def _open(redo: Redo, file: str, stack: ExitStack) -> Source:
    """The old video; refused where it is not the one that the recipe made."""
    video = open_source(file)
    stack.callback(video.close)
    if (video.size, video.num_frames) != (redo.old.size, redo.old.num_frames):
        raise InputError(f"{file}: is not as its recipe makes it, in size or length; render it whole")
    return video


def _files(redo: Redo) -> list[str]:
    return [target.path for target in redo.written.outputs]
