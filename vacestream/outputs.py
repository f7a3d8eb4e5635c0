"""The outputs of a plan: sinks that get the frames, and contact sheets of what went in and came out."""

import json
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from torch import Tensor

from vacestream.errors import VacestreamError
from vacestream.frames import to_frames
from vacestream.inputs import open_input
from vacestream.media.images import write_image
from vacestream.media.sheet import chosen, contact_sheet
from vacestream.media.sinks import Sink, Tee, open_sink
from vacestream.plan import Plan
from vacestream.timeline import Chunk
from vacestream.vcu import VCU

SHEET_COLUMNS = 8


class Sheet:
    """The frames of a contact sheet, picked as they pass."""

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        self.plan = plan
        self.source = open_input(plan, stack) if plan.recipe.input else None
        self.rows: dict[str, list[np.ndarray]] = {}
        self.references: tuple[Tensor, ...] = ()
        self.picked = set(chosen(plan.num_frames or 1, SHEET_COLUMNS))

    def add(self, name: str, start: int, frames: np.ndarray) -> None:
        """Frames [T H W 3] of a row, the first at `start` of the timeline."""
        for i, frame in enumerate(frames, start):
            if i in self.picked:
                self.rows.setdefault(name, []).append(frame.copy())

    def see(self, chunk: Chunk, vcu: VCU) -> None:
        """What one chunk is asked to be."""
        wanted = chunk.num_wanted
        if self.source is not None:
            self.add("source", chunk.start, self.source.read(wanted))
        for control, layer in zip(self.plan.recipe.controls, vcu.layers, strict=False):
            self.add(control.signal, chunk.start, to_frames(layer.frames[:wanted]))
        if self.plan.recipe.mask:
            masks = vcu.layers[0].masks[:wanted].expand(-1, 3, -1, -1)
            self.add("mask", chunk.start, to_frames(masks * 2 - 1))
        self.references = vcu.references

    def write(self, path: Path) -> None:
        """The sheet as an image file."""
        rows = [(name, np.stack(frames)) for name, frames in self.rows.items()]
        references = [to_frames(image[None])[0] for image in self.references]
        write_image(path, contact_sheet(rows, references, numbers=sorted(self.picked), title=self.title()))

    def title(self) -> str:
        """What was made, in a line."""
        recipe = self.plan.recipe
        return f"{self.plan.task}   {recipe.prompt}   {recipe.pipeline}, seed {recipe.seed}"


class Outputs:
    """Every output of a plan; closed when the block ends well, aborted when it does not."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.files = [file for target in plan.outputs for file in target.files]
        self._stack = ExitStack()
        self._frame = 0

    def __enter__(self) -> Self:
        plan = self.plan
        assert plan.size is not None
        assert plan.fps is not None
        comment = json.dumps(plan.recipe.resolved())
        wants_sheet = any(dict(target.saves).get("sheet") for target in plan.outputs)
        self._sheet = Sheet(plan, self._stack) if wants_sheet else None
        self._sinks: list[Sink] = []
        try:
            for target in plan.outputs:
                sink = open_sink(target.path, plan.size, plan.fps, crf=target.output.crf, comment=comment)
                self._sinks.append(sink)
        except VacestreamError:
            Tee(self._sinks).abort()
            raise
        self._sink = Tee(self._sinks)
        return self

    def watch(self, vcus: Iterable[tuple[Chunk, VCU]]) -> Iterator[tuple[Chunk, VCU]]:
        """The same VCUs, seen by the contact sheet."""
        for chunk, vcu in vcus:
            if self._sheet is not None:
                self._sheet.see(chunk, vcu)
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
                self._sink.abort()
                return
            self._sink.close()
            for target in self.plan.outputs:
                if self._sheet is not None and (path := dict(target.saves).get("sheet")):
                    self._sheet.write(Path(path))
