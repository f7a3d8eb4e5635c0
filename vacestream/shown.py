"""What the model is given, made visible: frames and masks of each chunk, contact sheets."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from torch import Tensor

from vacestream.changes import stream_of
from vacestream.frames import to_frames
from vacestream.inputs import open_input
from vacestream.media.images import write_image
from vacestream.media.sheet import chosen, contact_sheet
from vacestream.plan import Plan
from vacestream.targets import keeps_a_part
from vacestream.timeline import Chunk
from vacestream.vcu import VCU

COLUMNS = 8
"""Of a contact sheet: frames across the whole video."""


def frames_of(chunk: Chunk, vcu: VCU, layer: int = 0) -> np.ndarray:
    """The frames of a pass [T H W 3], without those made past the end."""
    return to_frames(vcu.layers[layer].frames[: chunk.num_wanted])


def masks_of(chunk: Chunk, vcu: VCU, layer: int = 0) -> np.ndarray:
    """The masks of a pass [T H W 3], white = generate, without those made past the end."""
    return to_frames(vcu.layers[layer].masks[: chunk.num_wanted].expand(-1, 3, -1, -1) * 2 - 1)


def references_of(vcu: VCU) -> list[np.ndarray]:
    """The references [H W 3]."""
    return [to_frames(image[None])[0] for image in vcu.references]


class Sheet:
    """The frames of a contact sheet, picked as they pass."""

    def __init__(self, plan: Plan, stack: ExitStack) -> None:
        self.plan = plan
        self.source = open_input(plan, stack) if plan.recipe.input else None
        self.rows: dict[str, dict[int, np.ndarray]] = {}
        self.references: list[np.ndarray] = []
        self.picked = set(chosen(plan.num_frames, COLUMNS)) if plan.num_frames else None
        self.every = 1
        """One frame in so many is kept where the length is not known before the end."""
        self._pictures: tuple[Tensor, ...] = ()

    def add(self, name: str, start: int, frames: np.ndarray) -> None:
        """Frames [T H W 3] of a row, the first at `start` of the timeline."""
        row = self.rows.setdefault(name, {})
        for i, frame in enumerate(frames, start):
            if i % self.every == 0 if self.picked is None else i in self.picked:
                row[i] = frame.copy()
        while self.picked is None and len(row) > 4 * COLUMNS:
            self.every *= 2
            for kept in self.rows.values():
                for i in [i for i in kept if i % self.every]:
                    del kept[i]

    def see(self, chunk: Chunk, vcu: VCU) -> None:
        """What one chunk is asked to be."""
        if self.source is not None:
            self.add("source", chunk.start, self.source.read(chunk.num_wanted))
        for layer, name in self._layers():
            self.add(name, chunk.start, frames_of(chunk, vcu, layer))
        if keeps_a_part(self.plan.recipe):
            self.add("mask", chunk.start, masks_of(chunk, vcu))
        if vcu.references is not self._pictures:
            self._pictures, self.references = vcu.references, references_of(vcu)

    def _layers(self) -> Iterator[tuple[int, str]]:
        """The pass of each control, and what its frames are called; none where they are all gray."""
        recipe = self.plan.recipe
        signals = [control.signal for control in recipe.controls]
        for i, signal in enumerate(signals):
            yield stream_of(recipe, i), signal if signals.count(signal) == 1 else f"{signal} {i + 1}"
        if not signals and keeps_a_part(recipe):
            yield 0, "frames"

    def write(self, path: Path) -> None:
        """The sheet as an image file."""
        seen = sorted(self.picked or max(self.rows.values(), key=len, default={}))
        numbers = [seen[i] for i in chosen(len(seen), COLUMNS)]
        shown = {name: [row[i] for i in numbers if i in row] for name, row in self.rows.items()}
        rows = [(name, np.stack(frames)) for name, frames in shown.items() if frames]
        sheet = contact_sheet(rows, self.references, numbers=numbers, title=self.title())
        write_image(path, sheet)

    def title(self) -> str:
        """What was made, in a line."""
        recipe = self.plan.recipe
        return f"{self.plan.task}   {recipe.prompt}   {recipe.pipeline}, seed {recipe.seed}"
