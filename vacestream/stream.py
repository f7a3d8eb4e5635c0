"""One stream: everything that is carried from chunk to chunk, and the stages that carry it.

The state can be written to disk and restored; a restored stream goes on with the same frames.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from vacestream.decode import decode
from vacestream.encode import Encode, EncodeState
from vacestream.engine import DenoiseState, Trace, make_denoiser, new_denoise_state
from vacestream.models.conditions import Context
from vacestream.models.load import Pipeline
from vacestream.models.schedule import seeded_noise
from vacestream.models.vace import ContextAdapter
from vacestream.models.vae import Decoder, Encoder
from vacestream.timeline import Chunk
from vacestream.vcu import VCU

REFERENCE_CHUNK = -1
"""Where the noise of references stands among the chunks of a stream."""

Watch = Callable[[str, Iterable[Any]], Iterator[Any]]
"""(stage, its items) -> the same items; for timing a stage from outside."""


def _unwatched(_stage: str, items: Iterable[Any]) -> Iterator[Any]:
    return iter(items)


@dataclass
class Stream:
    """A running video: weights are the pipeline's, all else is here."""

    pipeline: Pipeline
    size: tuple[int, int]
    seed: int
    denoising: DenoiseState
    decoder: Decoder
    adapter: ContextAdapter | None
    """Attached, swapped or set to None at any chunk border."""
    encoding: EncodeState = field(default_factory=EncodeState)
    commit_hints: bool = True
    trace: Trace | None = None

    def __call__(
        self, vcus: Iterable[tuple[Chunk, VCU]], watch: Watch = _unwatched
    ) -> Iterator[tuple[Chunk, np.ndarray]]:
        """VCUs in order -> the frames of each chunk, uint8 [T H W 3]."""
        pipe, noise = self.pipeline, seeded_noise(self.seed)
        encode = Encode(
            new_encoder=lambda: Encoder(pipe.vae),
            embed_prompt=pipe.text,
            reference_noise=lambda index, shape: noise(REFERENCE_CHUNK, index, shape),
        )
        denoise = make_denoiser(pipe.transformer, pipe.spec, commit_hints=self.commit_hints, trace=self.trace)
        conditions = watch("encode", encode(vcus, self.encoding, self._attached))
        latents = watch("denoise", denoise(conditions, self.denoising, noise))
        return watch("decode", decode(latents, self.decoder))

    def _attached(self) -> ContextAdapter | None:
        """The adapter for the next chunk; what belongs to one that has gone is dropped."""
        used = {c.adapter for _, contexts in self.denoising.recent for c in contexts} - {self.adapter}
        if used:
            self.denoising.forget(used)
            self.encoding.references, self.encoding.pictures = None, ()
        return self.adapter

    def save(self, path: Path) -> None:
        """Write the state; the file appears when it is complete."""
        part = path.with_name(path.name + ".part")
        torch.save({"size": self.size, "seed": self.seed, **_plain(self)}, part)
        part.replace(path)

    def restore(self, path: Path) -> None:
        """Take the state of a stream of the same row, size and seed; ValueError for another."""
        state = torch.load(path, map_location=self.pipeline.device, weights_only=True)
        if (state["size"], state["seed"]) != (self.size, self.seed):
            raise ValueError(
                f"{path} is of {state['size']} and seed {state['seed']}, not {self.size} and {self.seed}"
            )
        _take(self, state)


def new_stream(pipeline: Pipeline, size: tuple[int, int], seed: int, *, commit_hints: bool = True) -> Stream:
    """A stream that has not started, for frames of (height, width) `size`."""
    stride = pipeline.vae.spatial_compression_ratio
    latent_size = size[0] // stride, size[1] // stride
    denoising = new_denoise_state(
        pipeline.transformer, pipeline.spec, latent_size, dtype=pipeline.dtype, device=pipeline.device
    )
    return Stream(
        pipeline, size, seed, denoising, Decoder(pipeline.vae), pipeline.adapter, commit_hints=commit_hints
    )


def _plain(stream: Stream) -> dict[str, Any]:
    """The state as tensors, numbers, text and lists of them.

    Text and references are left out: they are made again, to the bit, from the prompt and the pictures.
    """
    denoising = stream.denoising
    return {
        "encoders": [[encoder.state() for encoder in pair] for pair in stream.encoding.streams],
        "decoder": stream.decoder.state(),
        "cache": denoising.cache.state(),
        "next_latent": denoising.next_latent,
        "prompt": denoising.prompt,
        "recent": [
            (clean, [(context.latents, context.scale) for context in contexts])
            for clean, contexts in denoising.recent
        ],
    }


def _take(stream: Stream, state: dict[str, Any]) -> None:
    pipe = stream.pipeline
    stream.encoding = EncodeState(
        streams=[tuple(Encoder(pipe.vae).restored(one) for one in pair) for pair in state["encoders"]]  # type: ignore[misc]
    )
    stream.decoder.restored(state["decoder"])
    denoising = stream.denoising
    denoising.cache.take(state["cache"])
    denoising.next_latent, denoising.prompt, denoising.text = state["next_latent"], state["prompt"], None
    denoising.recent = [
        (clean, tuple(Context(pipe.adapter, latents, scale) for latents, scale in contexts))
        for clean, contexts in state["recent"]
    ]
