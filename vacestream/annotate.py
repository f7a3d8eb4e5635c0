"""A task, footage and parameters -> control videos, masks, anchors on gray, as lossless files."""

import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from vacestream.annotators import Row, arguments, load, make, task
from vacestream.annotators.parameters import SPAN, Footage
from vacestream.errors import InputError, RecipeError
from vacestream.events import Event, Report, warnings_reported
from vacestream.recipe.base import Model
from vacestream.recipe.edits import with_override
from vacestream.recipe.messages import problems
from vacestream.recipe.text import Document, Place
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
    parameters: Model
    exact: bool = False
    """The source knows the signal itself."""

    @property
    def model(self) -> str:
        return f"exact, {self.where} knows it" if self.exact else self.row.model


def make_job(name: str, where: str, output: str | None, settings: Mapping[str, str]) -> Job:
    """All that can be refused before footage is read: the task, its weights, its parameters, the input."""
    from vacestream.media.probe import kind_of
    from vacestream.media.sinks import sink_kind

    row = task(name)
    exact = is_exact(name, where) and not settings.keys() - set(SPAN)
    parameters = _read(row.name, Footage if exact else row.parameters, settings)
    if not exact:
        row = row.chosen(parameters)
        load(row)
    kind = kind_of(where)
    pictured = row.group == "reference"
    files = _files(row, where, output, pictured or (kind == "still" and row.group != "extension"))
    for path in files.values():
        sink_kind(path)
    if pictured and kind not in ("still", "free"):
        raise InputError(f"{where}: is no picture; name one, such as a frame that was saved")
    if kind == "free" and not pictured and getattr(parameters, "end", None) is None:
        remedy = "add --set end=4s" if "end" in type(parameters).model_fields else "name a file"
        raise RecipeError(f"{where}: has no end; {remedy}")
    return Job(row, where, files, parameters, exact)


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
    from vacestream.annotators.kept import Taken, kept
    from vacestream.annotators.stream import Annotated
    from vacestream.annotators.view import View, at_rate
    from vacestream.media.compose import still
    from vacestream.media.contracts import Source
    from vacestream.media.info import as_fraction
    from vacestream.media.probe import probe
    from vacestream.media.sources import open_source

    moments = {key: getattr(job.parameters, key, None) for key in SPAN}
    fps = probe(job.where).fps if any(moments.values()) else Fraction(1)
    start, end = (at_rate(fps)(moment) / float(fps) if moment else None for moment in moments.values())
    signal = job.row.name if job.exact else None
    source = open_source(job.where, start=start or 0.0, end=end, signal=signal)
    stack.callback(source.close)
    if job.exact:
        return {"frames": source}
    if job.row.group == "reference":
        try:
            part = load(job.row)(source.read(1)[0], **arguments(job.row, job.parameters))
        except InputError as error:
            raise InputError(f"{job.where}: {error}") from error
        return {"frames": still(part, source.fps, 1)}
    if job.row.group not in ("control", "mask"):
        streams: dict[str, Any] = load(job.row)(source, **arguments(job.row, job.parameters))
        for stream in streams.values():
            stack.callback(stream.close)
        return streams
    view = View(at_rate(source.fps), source.size, num_frames=source.num_frames)
    taken = Taken(
        job.where, source.size, source.fps, source.num_frames,
        start=as_fraction(start or 0), end=None if end is None else as_fraction(end),
    )  # fmt: skip

    def made() -> Source:
        return Annotated(source, make(job.row, job.parameters, view))

    signal_source = kept(job.row, job.parameters, taken, made)
    stack.callback(signal_source.close)
    return {next(iter(job.files)): signal_source}


def _read(name: str, parameters: type[Model], settings: Mapping[str, str]) -> Model:
    """What `--set` says, as the parameters of a task."""
    for key, info in parameters.model_fields.items():
        if info.is_required() and key not in settings:
            what = (info.description or "").rstrip(".")
            raise RecipeError(f"{name}: needs {key}; add --set {key}=..., {what[:1].lower()}{what[1:]}")
    document = Document({}, {(): Place("--set")})
    for key, value in settings.items():
        document = with_override(document, parameters, key, value)
    try:
        return parameters.model_validate(document.data)
    except ValidationError as error:
        raise RecipeError("\n".join(problems(error, parameters, document))) from error


def _files(row: Row, where: str, output: str | None, still: bool) -> dict[str, str]:
    """frames, mask -> path: lossless, in the current folder, named after the input and the task."""
    what = "mask" if row.group == "mask" else row.name
    path = f"{_stem(where)}.{what}{'.png' if still else '.mkv'}"
    if output is not None:
        path = f"{output}{path}" if output.endswith("/") else output
    if row.group in ("control", "mask", "reference"):
        return {"mask" if row.group == "mask" else "frames": path}
    if path == "-":
        raise RecipeError(f"-: {row.name} makes two videos, frames and mask; name a file")
    file = Path(path)
    return {"frames": path, "mask": str(file.with_name(f"{file.stem}.mask{file.suffix}"))}


def _stem(where: str) -> str:
    if where == "-":
        return "stdin"
    if where.startswith(("sprites:", "test:")):
        return where.replace(":", "-")
    path = Path(where)
    return PATTERN.sub("", path.stem if path.suffix and not path.is_dir() else path.name) or "frames"
