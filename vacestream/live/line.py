"""The line in real time: its stages side by side, frames given out latent by latent, until it is stopped."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from threading import Event as Flag
from time import monotonic
from typing import Any

from vacestream.condition import make_vcus
from vacestream.events import Event, Report, warnings_reported
from vacestream.inputs import open_start
from vacestream.live.desk import Desk
from vacestream.live.outputs import Doors
from vacestream.live.overlap import ahead
from vacestream.live.pace import Pace
from vacestream.live.status import Rate
from vacestream.loading import load_stream
from vacestream.media.feed import feeds
from vacestream.passes import open_passes
from vacestream.room import memory_told
from vacestream.stream import Stream
from vacestream.timeline import Chunk
from vacestream.timing import Timing
from vacestream.vcu import VCU
from vacestream.ways import keeps_time


def live(desk: Desk, doors: Doors, *, report: Report, stop: Flag) -> None:
    """Make a video in real time until its source ends or it is told to stop; what is on its way is shown."""
    plan = desk.plan
    with ExitStack() as stack:
        stack.enter_context(warnings_reported(report))
        stack.enter_context(memory_told(plan))
        doors.say("loading the model")
        stream = load_stream(plan)
        stream.by_latent = True
        desk.prepare = lambda told: stream.prepare(told.prompt, told.references, told.manner)
        doors.say("waiting for the input")
        line = Line(desk, stream, doors, report, stop)
        line.run(stack)
    report(Event("done", line.frame, line.chunk, {"outputs": [door.name for door in doors.doors]}))


class Line:
    """One stream of frames from its sources to the outputs, steered from a desk."""

    def __init__(self, desk: Desk, stream: Stream, doors: Doors, report: Report, stop: Flag) -> None:
        self.desk, self.stream, self.doors, self.report = desk, stream, doors, report
        self.frame = self.chunk = 0
        assert desk.plan.fps is not None
        self._fps = desk.plan.fps
        self._pace = Pace(self._fps, stop, step_batch=bool(stream.pipeline.spec.step_batch))
        self._broken = Flag()
        """Set when nothing more is wanted of any stage."""
        self._timing, self._rate = Timing(), Rate()
        self._taken: dict[int, float] = {}
        """By chunk: when the first of its frames was seen."""
        self._start = 0
        """The first frame of the chunk that is given out."""

    def run(self, stack: ExitStack) -> None:
        """From the first chunk to the last."""
        desk, plan = self.desk, self.desk.plan
        assert plan.size is not None
        passes, start = open_passes(plan, stack, desk.regions), open_start(plan, stack)
        stack.callback(self._broken.set)
        chunks = self._pace.watch(desk.chunks(), waits=not keeps_time(plan.recipe))
        vcus = desk.watch(
            make_vcus(chunks, passes, desk.at, plan.size, mask_time=plan.mask_time, source=start), stack
        )
        self.report(Event("start", data={"num_frames": plan.num_frames, "task": plan.task}))
        for chunk, frames in self.stream(self._watch("condition", self._seen(vcus)), self._watch):
            self._give(chunk, frames)

    def _seen(self, vcus: Iterable[tuple[Chunk, VCU]]) -> Iterator[tuple[Chunk, VCU]]:
        """The same, with the time at which their frames were there."""
        for chunk, vcu in vcus:
            age = max((feed.age for feed in feeds()), default=0.0)
            self._taken[chunk.index] = monotonic() - age - (chunk.num_wanted - 1) / float(self._fps)
            yield chunk, vcu

    def _watch(self, stage: str, items: Iterable[Any]) -> Iterator[Any]:
        """The items of a stage, timed, and made ahead unless the stage looks back at what became of them."""
        timed = self._timing.watch(stage, items)
        looks_back = stage == "denoise" and self.stream.pipeline.spec.recompute_latents
        if stage == "decode" or looks_back:
            return timed
        return self._timing.watch("wait", ahead(timed, self._broken))

    def _give(self, chunk: Chunk, frames: Any) -> None:
        """Frames of one latent to the outputs; with the last of a chunk, room for another."""
        at = self.frame - self._start
        frames = self.desk.shown(chunk, frames)
        self.doors.write(frames, self._fps, self._taken[chunk.index] + at / float(self._fps))
        self.frame += len(frames)
        if at + len(frames) < chunk.num_wanted:
            return
        self._start = self.frame
        self.chunk += 1
        self._pace.done()
        del self._taken[chunk.index]
        status = {"fps": self._rate.add(chunk.num_wanted), "chunk": self.chunk, **self.doors.status()}
        status["inputs"] = {feed.name: feed.status() for feed in feeds()}
        self.desk.status(status)
        self.report(Event("chunk", self.frame, self.chunk, {**self.desk.state(), **status, **self._lap()}))

    def _lap(self) -> dict[str, Any]:
        return {"seconds": {stage: round(value, 4) for stage, value in self._timing.lap().items()}}
