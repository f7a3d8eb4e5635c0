"""The line: recipe -> plan -> condition -> encode -> denoise -> decode -> sink, a chunk at a time."""

from contextlib import ExitStack
from pathlib import Path

from vacestream.condition import make_vcus
from vacestream.events import Event, Report, warnings_reported
from vacestream.inputs import open_passes, refuse_early_end, steering
from vacestream.models.device import free_memory, pick_device, pick_dtype
from vacestream.models.load import load_pipeline
from vacestream.needs import parts_left_out
from vacestream.outputs import Outputs
from vacestream.plan import Plan
from vacestream.room import memory_told, refuse_too_big
from vacestream.sidecar import Recorder
from vacestream.stream import Stream, new_stream
from vacestream.timing import Timing


def render(plan: Plan, *, report: Report) -> None:
    """Make the video that a plan describes; `report` is told what happens, and may raise to stop there."""
    assert plan.size is not None
    report = Recorder(plan, report)
    report(
        Event("start", data={"num_frames": plan.num_frames, "num_chunks": plan.num_chunks, "task": plan.task})
    )
    with ExitStack() as stack:
        stack.enter_context(warnings_reported(report))
        stack.enter_context(memory_told(plan))
        passes = open_passes(plan, stack)
        stream = load_stream(plan)
        outputs = stack.enter_context(Outputs(plan))
        timing, frame = Timing(), 0
        vcus = make_vcus(plan.chunks(), passes, steering(plan), plan.size, mask_time=plan.mask_time)
        for chunk, frames in stream(timing.watch("condition", outputs.watch(vcus)), timing.watch):
            outputs.write(frames)
            frame += len(frames)
            report(Event("chunk", frame, chunk.index + 1, timing.lap()))
        refuse_early_end(plan, frame)
    report(Event("done", frame, plan.num_chunks or 0, {"outputs": outputs.files}))


def load_stream(plan: Plan) -> Stream:
    """The pipeline of a plan, loaded, and a stream that has not started."""
    assert plan.size is not None
    device = pick_device(plan.device)
    refuse_too_big(plan, str(device), free_memory(device))
    dtype = pick_dtype(plan.recipe.precision, device)
    loras = [(Path(lora.path), lora.scale) for lora in plan.recipe.loras]
    prompts = [plan.recipe.prompt, *(change.prompt or "" for change in plan.recipe.timeline)]
    pipeline = load_pipeline(plan.spec, device, dtype, parts_left_out(plan.recipe), loras, prompts)
    return new_stream(pipeline, plan.size, plan.seed, commit_hints=plan.recipe.vace.commit_hints)
