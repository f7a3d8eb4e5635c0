"""The line: recipe -> plan -> condition -> encode -> denoise -> decode -> sink, a chunk at a time."""

from contextlib import ExitStack

from vacestream.condition import make_vcus
from vacestream.events import Event, Report, warnings_reported
from vacestream.inputs import open_start, refuse_early_end
from vacestream.loading import Weights, load_stream
from vacestream.outputs import Outputs
from vacestream.passes import open_passes, steering
from vacestream.plan import Plan
from vacestream.resume import Keeper
from vacestream.room import memory_told
from vacestream.sidecar import Recorder
from vacestream.timing import Timing
from vacestream.unfinished import Unfinished


def render(
    plan: Plan, *, report: Report, weights: Weights | None = None, unfinished: Unfinished | None = None
) -> None:
    """Make the video that a plan describes, from where an unfinished one stopped.

    `report` is told what happens, and may raise to stop there; `weights` are shared with other jobs.
    """
    assert plan.size is not None
    record = Recorder(plan, report, unfinished)
    done = (unfinished.frame, unfinished.chunk) if unfinished else (0, 0)
    data = {"num_frames": plan.num_frames, "num_chunks": plan.num_chunks, "task": plan.task}
    record(Event("start", *done, data))
    with ExitStack() as stack:
        stack.enter_context(warnings_reported(record))
        stack.enter_context(memory_told(plan))
        passes, steer = open_passes(plan, stack), steering(plan)
        stream = load_stream(plan, weights)
        keeper = stack.enter_context(Keeper(plan, stream, record, unfinished))
        outputs = stack.enter_context(Outputs(plan))
        timing, start = Timing(), open_start(plan, stack)
        vcus = outputs.watch(
            make_vcus(plan.chunks(), passes, steer, plan.size, mask_time=plan.mask_time, source=start)
        )
        keeper.replay(vcus, outputs)
        for _, frames in keeper.watch(stream(timing.watch("condition", vcus), timing.watch)):
            outputs.write(frames)
            record(Event("chunk", keeper.frame, keeper.chunk, timing.lap()))
        refuse_early_end(plan, keeper.frame)
    record(Event("done", keeper.frame, keeper.chunk, {"outputs": outputs.files}))
