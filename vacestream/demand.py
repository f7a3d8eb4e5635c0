"""A recipe and its row -> what it asks of a device (no torch)."""

from collections.abc import Collection

from vacestream.changes import Told
from vacestream.memory import Demand, dtype_of, is_cuda
from vacestream.method import Frames, Method
from vacestream.moments import Switch
from vacestream.pipelines import PipelineSpec
from vacestream.recipe import Recipe


def demand(
    recipe: Recipe,
    spec: PipelineSpec,
    size: tuple[int, int],
    held: Collection[Told],
    switches: Collection[Switch],
    *,
    num_passes: int,
    device: str,
) -> Demand:
    """What a recipe asks of its row at this (height, width) and there; without passes VACE's blocks rest."""
    dtype, vae = dtype_of(recipe.precision, device), recipe.vae
    keeps = bool(recipe.outpaint or recipe.extend or any(one.mask for one in held))
    own = recipe.vace.precision
    return Demand(
        size,
        dtype,
        context_dtype=own if own != "whole" else ("bf16" if dtype in ("int8", "fp8") else dtype),
        text_dtype=None if recipe.text_encoder == "whole" else recipe.text_encoder,
        vaes=(vae.control, vae.source, vae.output),
        flat=device != "mps" and not is_cuda(device),
        context=num_passes > 0,
        num_references=max(len(one.references) for one in held),
        num_passes=num_passes,
        method=_costliest([one.method for one in held], spec),
        keeps=keeps,
        from_source=recipe.strength is not None,
        recaches=spec.recache != "none" and any("prompt" in one.keys for one in switches),
        offload="none" if recipe.offload == "auto" or not is_cuda(device) else recipe.offload,
    )


def _costliest(methods: Collection[Method], spec: PipelineSpec) -> Method:
    """The choices that take most, each by itself."""
    ways: tuple[Frames, ...] = ("hints", "sink", "prefix")
    most = max((one.references or spec.references for one in methods), key=ways.index)
    return Method(references=most, memory=max(one.memory for one in methods))
