"""The names that other programs use are answered with ours."""

import re
from typing import Any

import pytest

from vacestream.errors import RecipeError
from vacestream.recipe import Recipe, load_recipe
from vacestream.recipe.names import KEYS
from vacestream.recipe.output import Output
from vacestream.recipe.parts import (
    Change,
    Control,
    Extend,
    Input,
    Keyframe,
    LayoutBox,
    Lora,
    Outpaint,
)
from vacestream.recipe.shape import fields

VACE = {
    "src_video": "input", "src_mask": "mask", "src_ref_images": "references", "frame_num": "length",
    "base_seed": "seed", "sample_steps": "steps", "sample_guide_scale": "guidance_scale",
    "sample_shift": "nothing", "sample_solver": "nothing", "ckpt_dir": "pipeline", "model_name": "pipeline",
    "offload_model": "offload", "t5_cpu": "offload", "save_file": "output", "save_dir": "output",
    "save_fps": "fps", "pre_save_dir": "output", "use_prompt_extend": "nothing", "task": "nothing",
    "base": "nothing", "video": "input", "image": "references", "bbox": "mask", "label": "mask",
    "caption": "prompt", "direction": "outpaint", "expand_ratio": "outpaint", "expand_num": "length",
    "maskaug_mode": "mask", "maskaug_ratio": "mask",
}  # fmt: skip
"""Options of its scripts; `mask`, `size`, `prompt`, `context_scale` and the like are ours too."""
DIFFUSERS = {
    "video": "input", "reference_images": "references", "conditioning_scale": "context_scale",
    "height": "size", "width": "size", "num_frames": "length", "num_inference_steps": "steps",
    "generator": "seed", "num_videos_per_prompt": "nothing", "flow_shift": "nothing",
    "torch_dtype": "precision", "enable_model_cpu_offload": "offload",
}  # fmt: skip
"""Arguments of WanVACEPipeline."""
COMFYUI = {
    "positive": "prompt", "negative": "negative_prompt", "width": "size", "height": "size",
    "batch_size": "nothing", "control_video": "controls", "control_masks": "mask",
    "reference_image": "references", "input_frames": "controls", "input_masks": "mask",
    "ref_images": "references", "noise_seed": "seed", "cfg": "guidance_scale", "sampler_name": "nothing",
    "scheduler": "nothing", "denoise": "strength", "frame_rate": "fps", "filename_prefix": "output",
    "shift": "nothing", "vace_strength": "context_scale",
}  # fmt: skip
"""Inputs of WanVaceToVideo, WanVideoVACEEncode, KSampler and the nodes that save video."""
NAMES = [
    pytest.param(name, ours, id=f"{system}-{name}")
    for system, names in (("vace", VACE), ("diffusers", DIFFUSERS), ("comfyui", COMFYUI))
    for name, ours in names.items()
]
PARTS = {part.__name__: part for part in (
    Recipe, Input, Control, Outpaint, Extend, Keyframe, LayoutBox, Change, Output, Lora,
)}  # fmt: skip


@pytest.mark.parametrize(("name", "ours"), NAMES)
def test_a_name_of_another_program_is_answered_with_ours(name: str, ours: str) -> None:
    with pytest.raises(RecipeError) as refusal:
        load_recipe(f"prompt: x\n{name}: 1\n", name="r.yaml")
    said = str(refusal.value)
    assert said.startswith(f"r.yaml:2: {name}: ")
    assert f"`{ours}:" in said if ours != "nothing" else f"{name!r} means nothing" in said


def test_every_answer_names_keys_that_exist_and_no_name_is_one_of_ours() -> None:
    ours: dict[str, Any] = {key: info for part in PARTS.values() for key, info in fields(part).items()}
    known = {*ours, "augment", "bbox", "mask", "feather", "points", "mode", "label", "caption", "at", "image"}
    for part, names in KEYS.items():
        own = set(fields(PARTS[part])) if part in PARTS else set()
        assert not own & set(names), part
        for answer in names.values():
            assert set(re.findall(r"`(\w+):", answer)) <= known, answer
            assert "`" in answer or answer.startswith("nothing: ")
