"""Pipelines of a row without files: of random numbers, or of none at all, to measure and to count.

Time and memory do not ask what the numbers are, only how many there are.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor, nn

from vacestream.ledger import counted
from vacestream.models.device import slow_in_3d
from vacestream.models.fill import empty
from vacestream.models.flat import flatten
from vacestream.models.load import ONE_VAE, Pipeline, build_adapter, build_transformer
from vacestream.models.tiny_vae import TinyVAE
from vacestream.models.transformer import make_causal
from vacestream.models.vae import VAE
from vacestream.pipelines import PipelineSpec
from vacestream.stream import new_stream
from vacestream.timeline import Chunk, chunks
from vacestream.vcu import VCU, Layer
from vacestream.weights import LIGHT_VAE, WAN_CONFIG

META = torch.device("meta")
SETTLED = 3
"""Chunks behind which a stream of gray counts as settled."""


@dataclass(frozen=True)
class Scene:
    """What steers a stream that is only measured."""

    size: tuple[int, int]
    """(height, width)"""
    num_references: int = 0
    control: bool = False

    def vcus(self, spec: PipelineSpec, num_chunks: int) -> Iterator[tuple[Chunk, VCU]]:
        """Noise as footage, gray where nothing is given."""
        random = torch.Generator().manual_seed(0)

        def noise(count: int) -> Tensor:
            return torch.rand(count, 3, *self.size, generator=random) * 2 - 1

        references = tuple(noise(self.num_references))
        for chunk in chunks(spec, None):
            if chunk.index == num_chunks:
                return
            count = chunk.stop - chunk.start
            frames = noise(count) if self.control else torch.zeros(count, 3, *self.size)
            masks = torch.ones(count, 1, *self.size)
            layer = Layer(frames, masks, torch.ones(chunk.num_latents, 1, *self.size))
            layers = (layer,) if self.control or references else ()
            yield chunk, VCU("a", layers, references)


@dataclass(frozen=True)
class Counted:
    """Bytes of a stream by stage, weights and cache included, and what a chunk computes."""

    weights: int
    cache: int
    peaks: dict[str, int]
    held: int
    """Behind the last chunk."""
    flops: dict[str, int]
    """Of the last chunk, by stage."""
    num_frames: int
    """Of the last chunk."""


def make_pipeline(
    spec: PipelineSpec,
    device: torch.device,
    dtype: torch.dtype,
    *,
    context: bool = True,
    vaes: dict[str, str] = ONE_VAE,
) -> Pipeline:
    """A row's pipeline with random weights; on the meta device with none."""
    t = spec.transformer

    def made(module: nn.Module) -> nn.Module:
        nn.Module.to(module.to_empty(device=device), dtype)  # past diffusers' own, which warns of it
        for parameter in module.parameters() if device != META else ():
            nn.init.normal_(parameter, std=parameter[0].numel() ** -0.5)
        return module.eval().requires_grad_(False)

    vae: dict[str, VAE] = {kind: made(_vae(kind)) for kind in {*vaes.values()}}
    for one in vae.values():
        if slow_in_3d(device) and isinstance(one, AutoencoderKLWan):
            flatten(one)
    words = torch.zeros(t.text_len, t.text_dim, dtype=dtype, device=device)
    return Pipeline(
        spec=spec,
        transformer=make_causal(made(empty(lambda: build_transformer(t)))),
        adapter=made(empty(lambda: build_adapter(t))) if context else None,  # type: ignore[arg-type]
        vae=vae[vaes["control"]],
        source_vae=vae[vaes["source"]],
        output_vae=vae[vaes["output"]],
        text=lambda _: words,  # type: ignore[arg-type]
        device=device,
        dtype=dtype,
    )


def count(pipeline: Pipeline, scene: Scene, num_chunks: int) -> Counted:
    """Run a stream and count what it holds and computes."""
    footage = list(scene.vcus(pipeline.spec, num_chunks))
    vaes = {id(one): one for one in (pipeline.vae, pipeline.source_vae, pipeline.output_vae)}.values()
    text = getattr(pipeline.text, "model", None)
    models = [one for one in (pipeline.transformer, pipeline.adapter, text, *vaes) if one is not None]
    num_frames, laps = 0, [dict[str, int]()]
    with counted(pipeline.device) as ledger:
        ledger.leave_out([(layer.frames, layer.masks, layer.latent_masks) for layer in _layers(footage)])
        ledger.leave_out([vcu.references for _, vcu in footage])
        ledger.note([[*one.parameters(), *one.buffers()] for one in models])
        weights = ledger.live
        stream = new_stream(pipeline, scene.size, 0)
        cache = ledger.live - weights
        for _, frames in stream(ledger.watch("condition", footage), ledger.watch):
            laps.append(dict(ledger.flops))
            num_frames, ledger.settled = len(frames), len(laps) >= SETTLED
        held = ledger.live
    stages = ("encode", "denoise", "decode")
    flops = {stage: laps[-1].get(stage, 0) - laps[-2].get(stage, 0) for stage in stages}
    return Counted(weights, cache, {stage: ledger.peaks[stage] for stage in stages}, held, flops, num_frames)


def _layers(footage: list[tuple[Chunk, VCU]]) -> Iterator[Layer]:
    for _, vcu in footage:
        yield from vcu.layers


def _vae(kind: str) -> nn.Module:
    if kind == "tae":
        return empty(TinyVAE)
    config = {**WAN_CONFIG["vae"], **(LIGHT_VAE if kind == "light" else {})}
    return empty(lambda: AutoencoderKLWan(**config))
