"""A render that can go on: the frames that were made, and the state of the stream behind them, on disk.

The frames are kept as they were made. To go on, fresh outputs are given them again and the stream makes the
rest, so that the files are those of a render that was never stopped, whatever their format and sound.
"""

import os
import shutil
from collections.abc import Iterable, Iterator
from time import monotonic
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np

from vacestream.errors import InputError, StoppedError, VacestreamError
from vacestream.events import Event
from vacestream.outputs import Outputs
from vacestream.plan import Plan
from vacestream.sidecar import Recorder, input_hashes, numbers, used_weights, versions, write
from vacestream.stream import Stream
from vacestream.timeline import Chunk
from vacestream.unfinished import LOGS, Unfinished, folder_of
from vacestream.vcu import VCU

SHARE = 20
"""A state is written when this many times the time that it takes has passed: it costs a twentieth at most."""
BYTES_A_SECOND = 1e9
"""How fast a state is written, until one has been."""
FRAMES = "frames.rgb"


def made_of(plan: Plan) -> dict[str, Any]:
    """All that decides the frames, as plain data: one render goes on with another that shares it."""
    folder = folder_of(plan.outputs)
    recipe = plan.recipe.resolved(folder.parent if folder else None)
    return {
        "recipe": {key: value for key, value in recipe.items() if key not in ("output", "expect")},
        "num_frames": plan.num_frames,
        **{key: value for key, value in numbers(plan).items() if key != "seed"},
        "inputs": input_hashes(plan.recipe),
        "weights": used_weights(plan),
        "versions": versions(),
    }


class Keeper:
    """Keeps what a render makes until its outputs are complete.

    Written at chunk borders, as often as that is cheap, and when the render is told to stop there.
    """

    def __init__(self, plan: Plan, stream: Stream, record: Recorder, unfinished: Unfinished | None) -> None:
        self.plan, self.stream, self.record, self.unfinished = plan, stream, record, unfinished
        self.frame, self.chunk = (unfinished.frame, unfinished.chunk) if unfinished else (0, 0)
        self._saved = self.frame
        self._state = unfinished.state if unfinished else None
        self._folder = folder_of(plan.outputs)
        self._file: BinaryIO | None = None
        self._cost = (plan.memory.kv_cache if plan.memory else 0) / BYTES_A_SECOND
        self._since = monotonic()
        self._made_of: dict[str, Any] | None = unfinished.made_of if unfinished else None

    def __enter__(self) -> Self:
        if self._folder is not None:
            if self.unfinished is None:
                shutil.rmtree(self._folder, ignore_errors=True)
            try:
                self._folder.mkdir(exist_ok=True)
                self._file = (self._folder / FRAMES).open("r+b" if self.unfinished else "w+b")
            except OSError as error:
                self._give_up(error)
        return self

    def replay(self, vcus: Iterator[tuple[Chunk, VCU]], outputs: Outputs) -> None:
        """Give fresh outputs the frames that were made, and the stream the state behind them.

        Chunks that were on their way are in that state, so their VCUs have been taken, too.
        """
        if self.unfinished is None:
            return
        assert self._file is not None
        for _ in range(self.unfinished.chunk):
            chunk, _ = next(vcus)
            outputs.write(self._read(chunk.num_wanted))
        self._file.truncate()
        self.stream.restore(self.unfinished.folder / self.unfinished.state)
        for _ in self.stream.denoising.in_flight:
            next(vcus)
        self._since = monotonic()

    def watch(self, made: Iterable[tuple[Chunk, np.ndarray]]) -> Iterator[tuple[Chunk, np.ndarray]]:
        """The same frames; what `frame` and `chunk` count is kept before the next chunk is begun."""
        for chunk, frames in made:
            self._keep(frames)
            self.frame, self.chunk = self.frame + len(frames), self.chunk + 1
            yield chunk, frames
            if monotonic() - self._since >= SHARE * self._cost:
                self._save()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, StoppedError) and self.frame > self._saved:
            self._save()
        if self._file is not None:
            self._file.close()
        if self._folder is not None and (error is None or self._state is None):
            shutil.rmtree(self._folder, ignore_errors=True)

    def _read(self, num_frames: int) -> np.ndarray:
        """The next kept frames [T H W 3]."""
        assert self._file is not None
        assert self.plan.size is not None
        shape = num_frames, *self.plan.size, 3
        data = self._file.read(int(np.prod(shape)))
        if len(data) < np.prod(shape):
            raise InputError(
                f"{self._file.name}: is cut off, so nothing can go on from it; start over with -y"
            )
        return np.frombuffer(data, np.uint8).reshape(shape)

    def _keep(self, frames: np.ndarray) -> None:
        if self._file is None:
            return
        try:
            self._file.write(np.ascontiguousarray(frames).data)
        except OSError as error:
            self._give_up(error)

    def _save(self) -> None:
        """Write the state and what it belongs to; the state before it is good until this one is complete."""
        if self._file is None or self._folder is None:
            return
        begun, before, state = monotonic(), self._state, f"{self.chunk}.state"
        try:
            if self._made_of is None:
                self._made_of = made_of(self.plan)
                begun = monotonic()
            self._file.flush()
            os.fsync(self._file.fileno())
            self.stream.save(self._folder / state)
            write(self._folder / "job.json", {**self._progress(), "state": state})
        except (OSError, VacestreamError, RuntimeError) as error:  # torch tells a full disk as a RuntimeError
            self._give_up(error)
            return
        if before is not None and before != state:
            (self._folder / before).unlink(missing_ok=True)
        self._state, self._saved, self._since = state, self.frame, monotonic()
        self._cost = self._since - begun

    def _progress(self) -> dict[str, Any]:
        return {
            "frame": self.frame,
            "chunk": self.chunk,
            "num_frames": self.plan.num_frames,
            "made_of": self._made_of,
            **{key: getattr(self.record, key) for key in LOGS},
        }

    def _give_up(self, error: Exception) -> None:
        """Go on without keeping more: a video is worth more than a way back to it."""
        if self._file is not None:
            self._file.close()
        self._file = None
        what = f"what is made from here on cannot be kept for --resume ({error})"
        self.record(Event("warn", self.frame, self.chunk, {"message": what}))
