"""A plan -> its pipeline, loaded once for all jobs that want the same, and a stream that has not started."""

from typing import Any

from vacestream.models.device import free_memory, pick_device, pick_dtype
from vacestream.models.load import Pipeline, load_pipeline
from vacestream.needs import parts_left_out, quantized
from vacestream.plan import Plan
from vacestream.room import refuse_too_big
from vacestream.stream import Stream, new_stream


class Weights:
    """The pipeline of the last job, kept for the next one that wants the same."""

    def __init__(self) -> None:
        self._asked: dict[str, Any] = {}
        self._loaded: Pipeline | None = None

    def of(self, plan: Plan) -> Pipeline:
        """The pipeline of a plan, loaded; refused where its device is too small."""
        recipe, device = plan.recipe, pick_device(plan.device)
        dtype = pick_dtype(recipe.precision, device)
        asked: dict[str, Any] = {
            "spec": plan.spec,
            "device": device,
            "dtype": dtype,
            "left_out": parts_left_out(recipe),
            "loras": plan.told[0].lora_files,
            "vaes": recipe.vae.kinds,
            "quantized": quantized(recipe),
            "context": plan.told[0].vace.adapter,
            "offload": "none" if recipe.offload == "auto" else recipe.offload,
        }
        prompts = [recipe.prompt, *(change.prompt or "" for change in recipe.timeline)]
        prompts += [recipe.negative_prompt or ""] if plan.spec.is_guided else []
        loaded = self._loaded is not None and asked == self._asked
        self._loaded = self._loaded if loaded else None  # before the next takes its place
        refuse_too_big(plan, str(device), free_memory(device), loaded=loaded)
        self._loaded, self._asked = self._loaded or load_pipeline(**asked, prompts=prompts), asked
        return self._loaded


def load_stream(plan: Plan, weights: Weights | None = None) -> Stream:
    """The pipeline of a plan, loaded, and a stream that has not started."""
    assert plan.size is not None
    pipeline = (weights or Weights()).of(plan)
    for asked in {(told.vace.adapter, told.lora_files) for told in plan.told[1:]}:
        assert pipeline.origin is not None
        pipeline.origin.refuse_unfit(*asked)
    return new_stream(pipeline, plan.size, plan.told[0].seed, method=plan.told[0].method)
