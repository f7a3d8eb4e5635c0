"""The line: recipe -> plan -> condition -> encode -> denoise -> decode -> sink, a chunk at a time."""

from contextlib import ExitStack
from pathlib import Path
from typing import Any

from vacestream.condition import make_vcus
from vacestream.events import Event, Report, warnings_reported
from vacestream.inputs import open_start, refuse_early_end
from vacestream.models.device import free_memory, pick_device, pick_dtype
from vacestream.models.load import Pipeline, load_pipeline
from vacestream.needs import parts_left_out, quantized
from vacestream.outputs import Outputs
from vacestream.passes import open_passes, steering
from vacestream.plan import Plan
from vacestream.resume import Keeper
from vacestream.room import memory_told, refuse_too_big
from vacestream.sidecar import Recorder
from vacestream.stream import Stream, new_stream
from vacestream.timing import Timing
from vacestream.unfinished import Unfinished


class Weights:
    """The pipeline of the last job, kept for the next one that wants the same."""

    def __init__(self) -> None:
        self._asked: dict[str, Any] = {}
        self._loaded: Pipeline | None = None

    def of(self, plan: Plan) -> Pipeline:
        """The pipeline of a plan, loaded; refused where its device is too small."""
        recipe, device = plan.recipe, pick_device(plan.device)
        loras = [(Path(lora.path), lora.scale) for lora in recipe.loras]
        dtype = pick_dtype(recipe.precision, device)
        asked: dict[str, Any] = {
            "spec": plan.spec,
            "device": device,
            "dtype": dtype,
            "left_out": parts_left_out(recipe),
            "loras": loras,
            "vaes": recipe.vae.kinds,
            "quantized": quantized(recipe),
        }
        prompts = [recipe.prompt, *(change.prompt or "" for change in recipe.timeline)]
        prompts += [recipe.negative_prompt or ""] if plan.spec.is_guided else []
        loaded = self._loaded is not None and asked == self._asked
        self._loaded = self._loaded if loaded else None  # before the next takes its place
        refuse_too_big(plan, str(device), free_memory(device), loaded=loaded)
        self._loaded, self._asked = self._loaded or load_pipeline(**asked, prompts=prompts), asked
        return self._loaded


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
        passes = open_passes(plan, stack)
        stream = load_stream(plan, weights)
        keeper = stack.enter_context(Keeper(plan, stream, record, unfinished))
        outputs = stack.enter_context(Outputs(plan))
        timing, start = Timing(), open_start(plan, stack)
        steer, mask_time = steering(plan), plan.mask_time
        vcus = outputs.watch(
            make_vcus(plan.chunks(), passes, steer, plan.size, mask_time=mask_time, source=start)
        )
        keeper.replay(vcus, outputs)
        for _, frames in keeper.watch(stream(timing.watch("condition", vcus), timing.watch)):
            outputs.write(frames)
            record(Event("chunk", keeper.frame, keeper.chunk, timing.lap()))
        refuse_early_end(plan, keeper.frame)
    record(Event("done", keeper.frame, keeper.chunk, {"outputs": outputs.files}))


def load_stream(plan: Plan, weights: Weights | None = None) -> Stream:
    """The pipeline of a plan, loaded, and a stream that has not started."""
    assert plan.size is not None
    pipeline = (weights or Weights()).of(plan)
    return new_stream(pipeline, plan.size, plan.seed, commit_hints=plan.recipe.vace.commit_hints)
