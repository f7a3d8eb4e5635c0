"""The shipped weights in the streaming engine, on held-out clips: is the adapter still obeyed?"""

import numpy as np
import torch
from torch import Tensor

from scripts.sprites.evaluate import FIRST_SEED, OTHER, colour_right, overlap
from scripts.sprites.presets import Size
from vacestream.models.load import Pipeline, load_pipeline
from vacestream.pipelines import PIPELINES
from vacestream.sprites.signals import SIGNALS
from vacestream.sprites.world import Clip, captions, draw_scenes, ground_words, reference_picture, render
from vacestream.stream import new_stream
from vacestream.timeline import chunks
from vacestream.vcu import VCU, Layer


def generate(
    pipeline: Pipeline, prompt: str, control: Tensor | None, references: tuple[Tensor, ...], shape: torch.Size
) -> Tensor:
    """Control [T 3 H W] and references [3 H W] in -1..1 -> frames [T 3 H W] in 0..1."""
    T, _, H, W = shape
    stream = new_stream(pipeline, (H, W), seed=0)

    def vcus():  # type: ignore[no-untyped-def]
        for chunk in chunks(pipeline.spec, T):
            frames = torch.zeros(chunk.num_frames, 3, H, W)
            if control is not None:
                part = control[chunk.start : chunk.stop]
                frames[: len(part)] = part
            ones = torch.ones(chunk.num_frames, 1, H, W)
            layer = Layer(frames, ones, ones[: chunk.num_latents])
            yield chunk, VCU(prompt, (layer,) if control is not None or references else (), references)

    made = np.concatenate([frames for _, frames in stream(vcus())])[:T]
    return torch.from_numpy(made).movedim(-1, 1).float() / 255


def stream_clips(
    pipeline: Pipeline, clip: Clip, kind: str, references: Tensor | None, *, full: bool
) -> Tensor:
    """[B T 3 H W] in 0..1, one stream a clip."""
    made = []
    controls = SIGNALS[kind](clip) * 2 - 1 if kind in SIGNALS else None
    lines = (
        captions(clip.scenes)
        if full
        else [ground_words(clip.scenes, b) for b in range(len(clip.scenes.seeds))]
    )
    for b, line in enumerate(lines):
        own = () if references is None else (references[b],)
        control = None if controls is None else controls[b]
        made.append(
            generate(
                pipeline, line, control, own, torch.Size([len(clip.times), 3, *clip.distance.shape[-2:]])
            )
        )
    return torch.stack(made)


def measure(size: Size, *, clips: int = 12, num_frames: int = 33) -> dict[str, tuple[float, float]]:
    """Silhouette overlap and share of right colours for each way of asking, four steps a chunk."""
    pipeline = load_pipeline(PIPELINES["sprites"], torch.device("cpu"), torch.float32)
    scenes = draw_scenes(range(FIRST_SEED, FIRST_SEED + clips), max_sprites=1)
    clip = render(scenes, range(num_frames), size)
    pictures = reference_picture(scenes, torch.zeros(clips, dtype=torch.long), size) * 2 - 1
    asked = {
        "no hint, full caption": ("none", None, True),
        "depth, full caption": ("depth", None, True),
        "depth, no sprite words": ("depth", None, False),
        "depth + reference, no sprite words": ("depth", pictures, False),
        OTHER: ("depth", pictures.roll(1, 0), False),
        "scribble, full caption": ("scribble", None, True),
        "pose, full caption": ("pose", None, True),
        "reference only": ("none", pictures, False),
    }
    rows = {}
    for name, (kind, references, full) in asked.items():
        frames = stream_clips(pipeline, clip, kind, references, full=full)
        wanted = scenes.colours[:, 0].roll(1) if name == OTHER else None
        right = colour_right(frames, clip, anywhere=kind == "none", wanted=wanted)
        rows[name] = float(overlap(frames, clip).mean()), float(right.float().mean())
        print(f"stream, {name}: IoU {rows[name][0]:.2f}, colour right {rows[name][1]:.2f}", flush=True)
    return rows
