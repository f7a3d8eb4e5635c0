"""A task, footage and parameters -> control videos, masks, anchors on gray, as lossless files."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vacestream.annotators import Row, annotator, arguments, load, task
from vacestream.annotators.parameters import Footage
from vacestream.errors import InputError, RecipeError
from vacestream.events import Event, Report, warnings_reported
from vacestream.recipe.base import Model
from vacestream.recipe.edits import with_override
from vacestream.recipe.messages import problems
from vacestream.recipe.text import Document, Place
from vacestream.recipe.values import Time
from vacestream.signals import is_exact

PIECE = 8
"""Frames at once."""
PATTERN = re.compile(r"[-_.]?%\d*d")


@dataclass(frozen=True)
class Job:
    """What is made from what, and the files it goes to."""

    row: Row
    where: str
    files: dict[str, str]
    """frames, mask -> path."""
    exact: bool = False
    """The source knows the signal itself."""
    span: dict[str, Time] = field(default_factory=dict)
    """start, end of the footage."""
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def model(self) -> str:
        return f"exact, {self.where} knows it" if self.exact else self.row.model


def make_job(name: str, where: str, output: str | None, settings: Mapping[str, str]) -> Job:
    """All that can be refused before footage is read: the task, its weights, its parameters, the input."""
    row = task(name)
    exact = is_exact(name, where) and not settings.keys() - {"start", "end"}
    if not exact:
        load(row)
    given = _read(Footage if exact else row.parameters, settings)
    span = {key: value for key in ("start", "end") if (value := given.pop(key, None)) is not None}
    still = _is_still(where) and row.group != "extension"
    return Job(row, where, _files(row, where, output, still), exact, span, given)


def annotate(job: Job, *, report: Report) -> None:
    """Write the files of a job; `report` is told what happens."""
    from vacestream.media.sinks import open_sink

    with ExitStack() as stack:
        stack.enter_context(warnings_reported(report))
        streams = _open(job, stack)
        lead = streams["frames" if "frames" in streams else "mask"]
        report(Event("start", data={"num_frames": lead.num_frames, "task": job.row.name}))
        sinks = {}
        try:
            for kind, path in job.files.items():
                sinks[kind] = open_sink(path, lead.size, lead.fps)
            done = 0
            for count, pieces in _pieces(streams):
                for kind, frames in pieces.items():
                    sinks[kind].write(frames)
                done += count
                report(Event("chunk", done, -(-done // PIECE)))
            if not done:
                raise InputError(f"{job.where}: ended before its first frame")
        except BaseException:
            for sink in sinks.values():
                sink.abort()
            raise
        for sink in sinks.values():
            sink.close()
    report(Event("done", done, -(-done // PIECE), {"outputs": list(job.files.values())}))


def _pieces(streams: dict[str, Any]) -> Iterator[tuple[int, dict[str, Any]]]:
    """The streams in step, until the first of them ends."""
    first, *others = streams
    while len(frames := streams[first].read(PIECE)):
        yield len(frames), {first: frames, **{kind: streams[kind].read(len(frames)) for kind in others}}


def _open(job: Job, stack: ExitStack) -> dict[str, Any]:
    """The streams that the files get."""
    from vacestream.annotators.stream import Annotated
    from vacestream.annotators.view import View, at_rate
    from vacestream.media.probe import probe
    from vacestream.media.sources import open_source

    fps = probe(job.where).fps if job.span else Fraction(1)
    start, end = (_seconds(job.span.get(key), fps) for key in ("start", "end"))
    signal = job.row.name if job.exact else None
    source = open_source(job.where, start=start or 0, end=end, signal=signal)
    stack.callback(source.close)
    if source.num_frames is None and job.where != "-":
        raise RecipeError(f"{job.where}: has no end; add --set end=4s")
    if job.exact:
        return {"frames": source}
    if job.row.group not in ("control", "mask"):
        streams: dict[str, Any] = load(job.row)(source, **arguments(job.row, job.parameters))
        return streams
    view = View(at_rate(source.fps), source.size)
    made = annotator(job.row.name, view=view, **job.parameters)
    return {next(iter(job.files)): Annotated(source, made, job.row.lead)}


def _seconds(time: Time | None, fps: Fraction) -> Fraction | None:
    if time is None:
        return None
    if time.unit == "chunks":
        raise RecipeError(f"{time} means nothing in a file; write seconds, such as 4s, or frames: 96f")
    return time.amount if time.unit == "s" else time.amount / fps


def _read(parameters: type[Model], settings: Mapping[str, str]) -> dict[str, Any]:
    """What `--set` says, as the parameters of a task."""
    document = Document({}, {(): Place("--set")})
    for key, value in settings.items():
        document = with_override(document, parameters, key, value)
    try:
        read = parameters.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError("\n".join(problems(error, parameters, document))) from error
    return {name: getattr(read, name) for name in read.model_fields_set}


def _files(row: Row, where: str, output: str | None, still: bool) -> dict[str, str]:
    """frames, mask -> path: lossless, in the current folder, named after the input and the task."""
    kinds = {"control": ("frames",), "mask": ("mask",)}.get(row.group, ("frames", "mask"))
    ending = ".png" if still else ".mkv"
    own = {"frames": f"{_stem(where)}.{row.name}{ending}", "mask": f"{_stem(where)}.mask{ending}"}
    if output is None:
        return {kind: own[kind] for kind in kinds}
    if output.endswith("/"):
        return {kind: f"{output}{own[kind]}" for kind in kinds}
    if len(kinds) == 1:
        return {kinds[0]: output}
    if output == "-":
        raise RecipeError(f"-: {row.name} makes two videos, frames and mask; name a file")
    path = Path(output)
    return {"frames": output, "mask": str(path.with_name(f"{path.stem}.mask{path.suffix}"))}


def _stem(where: str) -> str:
    if where == "-":
        return "stdin"
    if where.startswith(("sprites:", "test:")):
        return where.replace(":", "-")
    path = Path(where)
    return PATTERN.sub("", path.stem if path.suffix and not path.is_dir() else path.name) or "frames"


def _is_still(where: str) -> bool:
    from vacestream.media.probe import kind_of

    return kind_of(where) == "still"
