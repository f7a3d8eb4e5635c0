"""Asks -> frames, in each way that is compared: the clip itself, through the VAE, whole, streaming."""

from collections.abc import Callable
from importlib.resources import files
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from diffusers import WanVACETransformer3DModel
from torch import Tensor

from vacestream.encode import encode_layer
from vacestream.evaluate.asks import Ask
from vacestream.evaluate.truth import Truth
from vacestream.frames import to_frames
from vacestream.models import checkpoint
from vacestream.models.load import Pipeline, load_pipeline
from vacestream.models.schedule import seeded_noise
from vacestream.models.vae import Decoder, Encoder
from vacestream.pipelines import PIPELINES, VAE_STRIDE_T, PipelineSpec
from vacestream.stream import REFERENCE_CHUNK, new_stream
from vacestream.timeline import Chunk, chunks
from vacestream.weights import EMBEDDED

BATCH_STEPS = 8

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


def streaming(pipeline: Pipeline) -> Sampler:
    """Chunk by chunk on the causal base, as `render` does it."""

    def sample(ask: Ask, truth: Truth) -> Tensor:
        stream = new_stream(pipeline, truth.size, truth.seed)
        vcus = ask.vcus(truth, chunks(pipeline.spec, ask.num_frames))
        return _unit(np.concatenate([frames for _, frames in stream(vcus)]))

    return sample


def batch(pipeline: Pipeline) -> Sampler:
    """Whole clips as VACE was published: bidirectional base, references in the latents, plain Euler steps."""
    model, transformer = _bidirectional(pipeline), pipeline.spec.transformer
    side = pipeline.vae.spatial_compression_ratio

    @torch.inference_mode()
    def sample(ask: Ask, truth: Truth) -> Tensor:
        whole = Chunk(0, 0, 1 + (ask.num_frames - 1) // VAE_STRIDE_T)
        ((_, vcu),) = ask.vcus(truth, [whole])
        channels = transformer.context_channels
        shape = transformer.channels, whole.num_latents, *(length // side for length in truth.size)
        pictures = [Encoder(pipeline.vae).push(image[None]) for image in vcu.references]
        context = torch.zeros(channels, *shape[1:])
        if vcu.layers:
            context = encode_layer(vcu.layers[0], Encoder(pipeline.vae), Encoder(pipeline.vae))
        before = [torch.cat([one, one.new_zeros(channels - len(one), *one.shape[1:])]) for one in pictures]
        noise = seeded_noise(truth.seed)
        start = [noise(REFERENCE_CHUNK, i, tuple(one.shape)) for i, one in enumerate(pictures)]
        scale = ask.scale if vcu.layers else 0.0
        x = _euler(
            model,
            torch.cat([*start, noise(0, 0, shape)], dim=1)[None],
            text=pipeline.text(vcu.prompt)[None],
            context=torch.cat([*before, context], dim=1)[None],
            scale=torch.full((len(transformer.context_layers),), scale),
            shift=pipeline.spec.shift,
        )
        return _written(Decoder(pipeline.vae).push(x[0, :, len(pictures) :]))

    return sample


def load(spec: PipelineSpec = PIPELINES["sprites"]) -> Pipeline:
    """The embedded model, in the numbers that it is measured in."""
    return load_pipeline(spec, torch.device("cpu"), torch.float32)


def _bidirectional(pipeline: Pipeline) -> WanVACETransformer3DModel:
    """diffusers' own model of the base that the adapter was trained on, with the pipeline's adapter."""
    assert pipeline.adapter is not None
    size = pipeline.spec.transformer
    path = Path(str(files(EMBEDDED[pipeline.spec.name]))) / "weights" / "base.safetensors"
    base = checkpoint.to_diffusers(checkpoint.read(path), where=str(path))
    model = WanVACETransformer3DModel(
        patch_size=size.patch,
        num_attention_heads=size.heads,
        attention_head_dim=size.head_dim,
        in_channels=size.channels,
        out_channels=size.channels,
        text_dim=size.text_dim,
        freq_dim=size.freq_dim,
        ffn_dim=size.ffn_dim,
        num_layers=size.layers,
        vace_layers=list(size.context_layers),
        vace_in_channels=size.context_channels,
    )
    checkpoint.load(model, base | pipeline.adapter.state_dict(), str(path), dtype=pipeline.dtype)
    return model.eval().requires_grad_(False)


def _euler(
    model: WanVACETransformer3DModel, x: Tensor, *, text: Tensor, context: Tensor, scale: Tensor, shift: float
) -> Tensor:
    """Latents [1 c n+f h w] from noise, in equal steps of the shifted schedule."""
    even = torch.linspace(1, 0, BATCH_STEPS + 1)
    for level, lower in pairwise((shift * even / (1 + (shift - 1) * even)).tolist()):
        times = torch.full((1,), level * 1000)
        flow = model(
            x, times, text,
            control_hidden_states=context, control_hidden_states_scale=scale, return_dict=False,
        )[0]  # fmt: skip
        x = x + (lower - level) * flow
    return x


def _written(pixels: Tensor) -> Tensor:
    """[T 3 H W] in -1..1 -> 0..1, in steps of a byte."""
    return _unit(to_frames(pixels))


def _unit(frames: np.ndarray) -> Tensor:
    return torch.from_numpy(frames).movedim(-1, 1).float() / 255
