"""Other people's names for what a recipe says: VACE's, diffusers', ComfyUI's; answered with ours."""

from difflib import get_close_matches

_CONTROL_OR_INPUT = (
    "`input:` for footage, or `controls: [{signal: depth, video: FILE}]` for a ready-made signal"
)
_OWN = "nothing: that belongs to the pipeline's row; leave it out"

MAX_LISTED = 16
"""More names than these at once help nobody."""

KEYS: dict[str, dict[str, str]] = {
    "Recipe": {
        **dict.fromkeys(
            (
                "num_frames",
                "frame_num",
                "frames",
                "n_frames",
                "video_length",
                "duration",
                "seconds",
                "expand_num",
            ),
            "`length:`, such as `length: 81f` or `length: 5s`",
        ),
        **dict.fromkeys(
            ("src_video", "video", "vace_video", "input_video", "source", "footage"), _CONTROL_OR_INPUT
        ),
        **dict.fromkeys(
            ("control_video", "control_frames", "input_frames"), "`controls: [{signal: depth, video: FILE}]`"
        ),
        **dict.fromkeys(
            (
                "src_mask",
                "vace_mask",
                "masks",
                "control_masks",
                "input_masks",
                "mask_video",
                "src_video_mask",
            ),
            "`mask:`",
        ),
        **dict.fromkeys(
            (
                "refs",
                "ref",
                "reference",
                "src_ref_images",
                "src_ref_image",
                "ref_images",
                "reference_images",
                "reference_image",
                "vace_reference_images",
                "subject",
            ),
            "`references:`",
        ),
        **dict.fromkeys(
            ("image", "images"), "`references:`, or `extend: {firstframe: FILE}` to start from it"
        ),
        **dict.fromkeys(
            ("first_image", "start_image", "first_frame", "firstframe", "init_image"),
            "`extend: {firstframe: FILE}`",
        ),
        **dict.fromkeys(
            ("last_image", "end_image", "last_frame", "lastframe"), "`extend: {lastframe: FILE}`"
        ),
        **dict.fromkeys(
            ("firstclip", "lastclip", "keyframes", "firstlastframe", "frameref", "clipref"), "`extend:`"
        ),
        **dict.fromkeys(("width", "height", "resolution"), "`size:`, such as `size: 832x480`"),
        **dict.fromkeys(
            ("num_inference_steps", "sample_steps", "sampling_steps", "inference_steps"), "`steps:`"
        ),
        **dict.fromkeys(
            ("cfg", "cfg_scale", "sample_guide_scale", "guide_scale", "guidance"), "`guidance_scale:`"
        ),
        **dict.fromkeys(("base_seed", "noise_seed", "generator"), "`seed:`"),
        **dict.fromkeys(
            (
                "conditioning_scale",
                "vace_context_scale",
                "controlnet_conditioning_scale",
                "vace_strength",
                "scale",
            ),
            "`context_scale:`",
        ),
        **dict.fromkeys(("denoise", "denoising_strength", "noise_scale", "denoise_strength"), "`strength:`"),
        **dict.fromkeys(
            ("model", "model_name", "model_id", "ckpt_dir", "ckpt_path", "checkpoint"), "`pipeline:`"
        ),
        **dict.fromkeys(("negative", "neg_prompt", "n_prompt"), "`negative_prompt:`"),
        **dict.fromkeys(("positive", "text", "caption", "positive_prompt"), "`prompt:`"),
        **dict.fromkeys(("prompts", "schedule"), "`prompt:` and `timeline: [{at: 4s, prompt: ...}]`"),
        **dict.fromkeys(("frame_rate", "save_fps", "framerate"), "`fps:`"),
        **dict.fromkeys(
            ("save_dir", "save_file", "pre_save_dir", "out", "output_path", "filename_prefix", "outputs"),
            "`output:`",
        ),
        **dict.fromkeys(("bbox", "label", "points"), "`mask:`, such as `mask: {label: dog}`"),
        **dict.fromkeys(
            ("maskaug_mode", "maskaug_ratio", "mask_cfg", "maskaug"), "`mask: {augment: hull_expand}`"
        ),
        **dict.fromkeys(
            ("direction", "expand_ratio", "outpainting"), "`outpaint: {left: 0.25, right: 0.25}`"
        ),
        **dict.fromkeys(("inpaint", "inpainting"), "`mask:`"),
        **dict.fromkeys(("lora", "lora_path", "lora_paths"), "`loras:`"),
        **dict.fromkeys(("dtype", "torch_dtype", "param_dtype"), "`precision:`"),
        **dict.fromkeys(
            ("offload_model", "enable_model_cpu_offload", "t5_cpu", "offload_to_cpu"), "`offload:`"
        ),
        **dict.fromkeys(("control", "annotator", "preprocessor", "signal", "signals"), "`controls:`"),
        **dict.fromkeys(
            ("depth", "pose", "flow", "scribble", "gray"), "`controls:`, such as `controls: [depth]`"
        ),
        **dict.fromkeys(
            ("task", "base"), "nothing: the task follows from what is given; `expect:` checks it"
        ),
        **dict.fromkeys(("extends", "include"), "`preset:`"),
        **dict.fromkeys(
            (
                "shift",
                "sample_shift",
                "flow_shift",
                "sampler",
                "sampler_name",
                "scheduler",
                "sample_solver",
                "denoising_step_list",
                "kv_cache_num_frames",
                "local_attn_size",
                "sink_size",
                "num_frame_per_block",
            ),
            _OWN,
        ),
        **dict.fromkeys(
            ("num_videos_per_prompt", "num_images_per_prompt", "batch_size", "batch"),
            "nothing: a recipe makes one video; render it again with another `seed:`",
        ),
        "use_prompt_extend": "nothing: the prompt is taken as written; leave it out",
    },
    "Input": {
        **dict.fromkeys(("file", "video", "image", "url", "src", "name"), "`path:`"),
        **dict.fromkeys(("loop", "repeat"), "`at_end: loop`"),
        **dict.fromkeys(("from", "begin", "ss"), "`start:`"),
        **dict.fromkeys(("to", "until", "stop"), "`end:`"),
        **dict.fromkeys(
            ("duration", "length", "num_frames"), "`start:` and `end:`, or the recipe's `length:`"
        ),
    },
    "Reference": {
        **dict.fromkeys(("path", "file", "url", "ref"), "`image:`"),
        **dict.fromkeys(("remove_background", "cutout"), "`mode: salient`"),
        **dict.fromkeys(("strength", "weight", "conditioning_scale"), "`scale:`"),
    },
    "Control": {
        **dict.fromkeys(("kind", "type", "name", "preprocessor", "annotator", "task", "mode"), "`signal:`"),
        **dict.fromkeys(("strength", "weight", "conditioning_scale", "context_scale"), "`scale:`"),
        **dict.fromkeys(
            ("start_percent", "end_percent", "start", "end"), "`steps: 1..2`, or `frames: 0..47`"
        ),
        **dict.fromkeys(("input", "source"), "`from:`"),
        **dict.fromkeys(("path", "file", "src_video"), "`video:` if it is ready-made, `from:` if not"),
        **dict.fromkeys(("bbox", "box", "label"), "`boxes: [{at: 0s, bbox: [x1, y1, x2, y2]}]`"),
        "mask": "`track:`",
    },
    "Mask": {
        **dict.fromkeys(("path", "file", "image", "video", "src_mask"), "`mask:`"),
        **dict.fromkeys(("box", "boxes", "bboxes"), "`bbox:`"),
        **dict.fromkeys(
            ("dilate", "grow", "expand", "maskaug_mode", "maskaug_ratio", "mask_cfg"), "`augment:`"
        ),
        **dict.fromkeys(("blur", "soft"), "`feather:`"),
        **dict.fromkeys(("point", "click", "clicks"), "`points:`"),
        **dict.fromkeys(("type", "kind", "task"), "`mode:`"),
        **dict.fromkeys(("text", "prompt"), "`label:` or `caption:`"),
        **dict.fromkeys(("frame", "t"), "`at:`"),
    },
    "Outpaint": {
        **dict.fromkeys(("direction", "ratio", "expand_ratio"), "`left:`, `right:`, `up:` and `down:`"),
        **dict.fromkeys(("top",), "`up:`"),
        **dict.fromkeys(("bottom",), "`down:`"),
    },
    "Extend": {
        **dict.fromkeys(("first_frame", "first", "start_image", "image", "first_image"), "`firstframe:`"),
        **dict.fromkeys(("last_frame", "last", "end_image", "last_image"), "`lastframe:`"),
        "first_clip": "`firstclip:`",
        "last_clip": "`lastclip:`",
        "clip": "`firstclip:` or `lastclip:`",
        "firstlastframe": "`firstframe:` and `lastframe:`",
        "firstlastclip": "`firstclip:` and `lastclip:`",
    },
    "Keyframe": dict.fromkeys(("path", "file", "frame"), "`image:`"),
    "LayoutBox": dict.fromkeys(("box", "xyxy"), "`bbox:`"),
    "Change": {
        **dict.fromkeys(("time", "t", "start", "frame", "when"), "`at:`"),
        **dict.fromkeys(("text", "positive"), "`prompt:`"),
        **dict.fromkeys(("transition", "fade", "interpolate"), "`blend:`"),
        **dict.fromkeys(("refs", "reference", "reference_images"), "`references:`"),
        **dict.fromkeys(("vace_context_scale", "conditioning_scale"), "`context_scale:`"),
    },
    "Output": {
        **dict.fromkeys(("file", "name", "filename", "out"), "`path:`"),
        **dict.fromkeys(("quality", "bitrate", "qp"), "`crf:`"),
        **dict.fromkeys(("container", "ext"), "`format:`"),
        **dict.fromkeys(("frame_rate", "save_fps"), "`fps:`"),
        **dict.fromkeys(("width", "height", "resolution"), "`size:`"),
    },
    "Lora": {
        **dict.fromkeys(("file", "name", "lora"), "`path:`"),
        **dict.fromkeys(("strength", "weight", "strength_model"), "`scale:`"),
    },
}
"""By part of the recipe: a key of somebody else's -> what to write instead."""

VALUES: dict[str, str] = {
    **dict.fromkeys(("openpose", "dwpose", "skeleton", "pose_bodyface"), "pose"),
    **dict.fromkeys(("grey", "grayscale", "greyscale", "color", "colour"), "gray"),
    **dict.fromkeys(("optical_flow", "raft", "motion"), "flow"),
    **dict.fromkeys(("edge", "edges", "lineart", "sketch", "hed"), "scribble"),
    **dict.fromkeys(("midas", "depth_anything", "zoe"), "depth"),
    **dict.fromkeys(("layout", "bbox", "boxes", "box"), "layout_bbox"),
    **dict.fromkeys(("frames", "first_last"), "firstlastframe"),
    **dict.fromkeys(("crop_to_fill", "cover", "fill"), "crop"),
    **dict.fromkeys(("pad", "contain"), "letterbox"),
    **dict.fromkeys(("bfloat16", "half"), "bf16"),
    **dict.fromkeys(("float16", "fp16_fast"), "fp16"),
    **dict.fromkeys(("float32", "full"), "fp32"),
    "repeat": "loop",
    "freeze": "hold",
    "gpu": "cuda",
}
"""A value of somebody else's -> ours."""

ELSEWHERE: dict[str, str] = {
    **dict.fromkeys(("inpainting", "inpaint", "masktrack"), "`mask:`"),
    **dict.fromkeys(("outpainting", "outpaint"), "`outpaint:`"),
    **dict.fromkeys(
        ("firstframe", "lastframe", "firstlastframe", "frameref", "clipref", "firstclip"), "`extend:`"
    ),
    **dict.fromkeys(("image_reference", "reference", "face", "salient"), "`references:`"),
}
"""Tasks of VACE that are no signal -> the key that asks for them."""


def unknown_key(key: str, part: str, ours: list[str]) -> str:
    """What is wrong with this key of this part, and what to write instead."""
    if answer := KEYS.get(part, {}).get(key.lower()):
        return f"{key!r} is not a key here; write {answer}" if answer[0] == "`" else f"{key!r} means {answer}"
    near = get_close_matches(key, ours, 1, 0.6)
    if near:
        return f"unknown key {key[:40]!r}; did you mean {near[0]!r}?"
    listed = (
        f"the keys here are {', '.join(ours)}"
        if len(ours) <= MAX_LISTED
        else "`vacestream schema` lists them all"
    )
    return f"unknown key {key[:40]!r}; {listed}"


def unknown_word(word: str, noun: str, ours: list[str]) -> str:
    """What is wrong with this word where one of ours is meant."""
    if word in ELSEWHERE and (noun == "signal" or "stream" in ours):
        return f"{word!r} is not a {noun}; write {ELSEWHERE[word]} instead"
    known = VALUES.get(word.lower())
    near = [known] if known in ours else get_close_matches(word, ours, 1, 0.6)
    article = "an" if noun[:1] in "aeiou" else "a"
    said = f"{word[:40]!r} is not {article} {noun}"
    return f"{said}; did you mean {near[0]!r}?" if near else f"{said}; write one of {', '.join(ours)}"
