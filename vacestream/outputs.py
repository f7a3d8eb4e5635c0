"""The outputs of a plan: sinks that get the frames, and what is saved beside them of what went in."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from vacestream.changes import stream_of
from vacestream.encodings import shown_fps, shown_size
from vacestream.errors import VacestreamError
from vacestream.media.adapted import Adapted
from vacestream.media.colour import Colour, colour_of
from vacestream.media.probe import probe
from vacestream.media.sinks import Sink, Tee, open_sink
from vacestream.plan import Plan
from vacestream.recipe import Recipe
from vacestream.recipe.values import media_kind
from vacestream.shown import Sheet, frames_of, masks_of
from vacestream.soundtrack import sound_for
from vacestream.targets import Target, keeps_a_part
from vacestream.timeline import Chunk
from vacestream.vcu import VCU


def _view(word: str, recipe: Recipe, chunk: Chunk, vcu: VCU) -> np.ndarray:
    """What is saved under this word: mask, control, control2, control3."""
    if word == "mask":
        return masks_of(chunk, vcu)
    return frames_of(chunk, vcu, stream_of(recipe, int(word[7:] or 1) - 1))


def _opened(plan: Plan, target: Target, note: dict[str, Any]) -> Sink:
    """The sink of one output, which takes frames as they are made."""
    assert plan.size is not None
    assert plan.fps is not None
    size, fps = shown_size(target.output, plan.size), shown_fps(target.output, plan.fps)
    sink = open_sink(
        target.path,
        size,
        fps,
        written=target.encoding,
        crf=target.output.crf,
        comment=json.dumps({**plan.recipe.resolved(Path(target.path).parent), **note}),
        audio=sound_for(plan, target),
        colour=_colour(plan),
    )
    unchanged = (size, fps) == (plan.size, plan.fps)
    return sink if unchanged else Adapted(sink, plan.size, size, rate=fps / plan.fps)


def _colour(plan: Plan) -> Colour | None:
    """That of the input, where its own pixels are kept; None: our own."""
    given = plan.recipe.input
    keeps = keeps_a_part(plan.recipe) or plan.recipe.strength is not None
    return colour_of(probe(given.path)) if given and keeps and media_kind(given.path) == "file" else None


class Outputs:
    """Every output of a plan; closed when the block ends well, aborted when it does not."""

    def __init__(self, plan: Plan, note: dict[str, Any] | None = None) -> None:
        self.plan, self.note = plan, note or {}
        self.files = [file for target in plan.outputs for file in target.files]
        self._stack = ExitStack()
        self._frame = 0

    def __enter__(self) -> Self:
        plan = self.plan
        assert plan.size is not None
        assert plan.fps is not None
        wants_sheet = any(dict(target.saves).get("sheet") for target in plan.outputs)
        self._sheet = Sheet(plan, self._stack) if wants_sheet else None
        self._sinks: list[Sink] = []
        self._saved: list[tuple[str, Sink]] = []
        try:
            for target in plan.outputs:
                self._sinks.append(_opened(plan, target, self.note))
                for word, path in target.saves:
                    if word != "sheet":
                        self._saved.append((word, open_sink(path, plan.size, plan.fps)))
        except VacestreamError:
            self._all.abort()
            self._stack.close()
            raise
        self._sink = Tee(self._sinks)
        return self

    @property
    def _all(self) -> Sink:
        return Tee([*self._sinks, *(sink for _, sink in self._saved)])

    def watch(self, vcus: Iterable[tuple[Chunk, VCU]]) -> Iterator[tuple[Chunk, VCU]]:
        """The same VCUs, seen by the contact sheet and what is saved of them."""
        for chunk, vcu in vcus:
            if self._sheet is not None:
                self._sheet.see(chunk, vcu)
            for word, sink in self._saved:
                sink.write(_view(word, self.plan.recipe, chunk, vcu))
            yield chunk, vcu

    def write(self, frames: np.ndarray) -> None:
        """The next frames [T H W 3] to every output."""
        if self._sheet is not None:
            self._sheet.add("output", self._frame, frames)
        self._sink.write(frames)
        self._frame += len(frames)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._stack:
            if error is not None:
                self._all.abort()
                return
            self._all.close()
            for target in self.plan.outputs:
                if self._sheet is not None and (path := dict(target.saves).get("sheet")):
                    self._sheet.write(Path(path))
