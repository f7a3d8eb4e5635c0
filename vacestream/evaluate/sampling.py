"""Asks -> frames, in each way that is compared: the clip itself, through the VAE, whole, streaming."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import Tensor

from vacestream.evaluate.asks import Ask
from vacestream.evaluate.truth import Truth
from vacestream.frames import to_frames
from vacestream.method import PLAIN, Method
from vacestream.models.load import Pipeline, load_pipeline
from vacestream.models.vae import Decoder, Encoder
from vacestream.pipelines import PIPELINES, PipelineSpec
from vacestream.stream import new_stream
from vacestream.timeline import chunks, num_latents

Sampler = Callable[[Ask, Truth], Tensor]
"""-> frames [T 3 H W] in 0..1, as they would be written."""


def through_nothing(_ask: Ask, truth: Truth) -> Tensor:
    """The clip itself."""
    return truth.video


def through_vae(pipeline: Pipeline) -> Sampler:
    """The clip, encoded and decoded: as well as anything can be made."""

    def sample(_ask: Ask, truth: Truth) -> Tensor:
        return _written(Decoder(pipeline.vae).push(Encoder(pipeline.vae).push(truth.video * 2 - 1)))

    return sample


def streaming(pipeline: Pipeline, method: Method = PLAIN) -> Sampler:
    """Chunk by chunk, as `render` does it."""

    def sample(ask: Ask, truth: Truth) -> Tensor:
        stream = new_stream(pipeline, truth.size, truth.seed, method=method)
        vcus = ask.vcus(truth, chunks(pipeline.spec, ask.num_frames))
        return unit(np.concatenate([frames for _, frames in stream(vcus)]))

    return sample


def batch() -> Sampler:
    """Whole clips on the bidirectional base, as `mode: batch` makes them: references in the latents."""
    spec = PIPELINES["sprites"]
    assert spec.batch is not None
    pipeline = load(spec.whole_clip(spec.batch.max_latents))

    def sample(ask: Ask, truth: Truth) -> Tensor:
        whole = spec.whole_clip(num_latents(ask.num_frames))
        return streaming(replace(pipeline, spec=whole))(ask, truth)

    return sample


def load(spec: PipelineSpec = PIPELINES["sprites"]) -> Pipeline:
    """The embedded model, in the numbers that it is measured in."""
    return load_pipeline(spec, torch.device("cpu"), torch.float32)


def _written(pixels: Tensor) -> Tensor:
    """[T 3 H W] in -1..1 -> 0..1, in steps of a byte."""
    return unit(to_frames(pixels))


def unit(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).movedim(-1, 1).float() / 255
