"""One stream: everything that is carried from chunk to chunk, and the stages that carry it.

The state can be written to disk and restored; a restored stream goes on with the same frames.
"""

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vacestream.batch import WholeClip
from vacestream.decode import decode
from vacestream.denoise_state import DenoiseState, new_denoise_state
from vacestream.encode import Encode, EncodeState, are_same
from vacestream.engine import Denoiser, Trace, make_denoiser
from vacestream.method import PLAIN, Method
from vacestream.models.conditions import Condition, references_at
from vacestream.models.load import NONE, OWN, LoraFiles, Origin, Pipeline
from vacestream.models.reference_frames import frames_at
from vacestream.models.schedule import Noise, seeded_noise
from vacestream.models.transformer import CausalWan
from vacestream.models.vace import ContextAdapter
from vacestream.models.vae import Decoder
from vacestream.pipelines import VAE_STRIDE_T
from vacestream.source import MotionRule, NoiseRule, SteadyRule
from vacestream.step_batch import StepBatch
from vacestream.stream_state import identity, plain, take
from vacestream.timeline import Chunk
from vacestream.vcu import AS_BEGUN, VCU, Manner

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
    method: Method = PLAIN
    trace: Trace | None = None
    served: ContextAdapter | None = None
    """The adapter of the last chunk."""
    by_latent: bool = False
    """Frames are given latent by latent, not chunk by chunk."""
    transformer: CausalWan = field(init=False)
    loras: LoraFiles = field(init=False)
    """Those in `transformer`, which is the pipeline's until a chunk asks for others."""
    attached: tuple[str, LoraFiles] = field(init=False)
    """What the adapter was read from, and what is merged into it, as a chunk last asked."""
    ready: dict[Any, Any] = field(default_factory=dict)
    """Weights that were read ahead of time, by what asks for them."""
    shown: Tensor | None = None
    """The last frames [T 3 H W], as many as the latents of a recompute hold, where the row asks for that."""

    def __post_init__(self) -> None:
        pipe = self.pipeline
        self.transformer, self.loras, self.attached = pipe.transformer, pipe.loras, (pipe.context, pipe.loras)

    def __call__(
        self, vcus: Iterable[tuple[Chunk, VCU]], watch: Watch = _unwatched
    ) -> Iterator[tuple[Chunk, np.ndarray]]:
        """VCUs in order -> the frames of each chunk, or of each latent, uint8 [T H W 3]."""
        conditions = watch("encode", self._encode()(vcus, self.encoding, self._adapter_for))
        latents = watch("denoise", self._denoise(conditions, seeded_noise(self.seed)))
        return watch("decode", decode(latents, self.decoder, self._see, by_latent=self.by_latent))

    def _encode(self) -> Encode:
        """The encode stage."""
        pipe, noise = self.pipeline, seeded_noise(self.seed)
        return Encode(
            new_encoder=pipe.new_encoder,
            new_source_encoder=pipe.new_source_encoder,
            embed_prompt=pipe.text,
            reference_noise=lambda index, shape: noise(REFERENCE_CHUNK, index, shape),
            new_rule=self.new_rule,
            guided=pipe.spec.is_guided,
            as_source=self._as_source,
            sink_latents=pipe.spec.attention_sink_latents,
        )

    @torch.inference_mode()
    def prepare(self, prompt: str, pictures: tuple[Tensor, ...], manner: Manner = AS_BEGUN) -> None:
        """Make what chunks to come need for these, from another thread, beside the chunks in work.

        ModelError where LoRAs or context blocks do not fit.
        """
        pipe, state, loras = self.pipeline, self.denoising, manner.loras or ()
        self._read_ahead((manner.adapter or OWN, loras))
        embedding, adapter = pipe.text(prompt), self.adapter
        if adapter is None or loras != self.loras or pipe.spec.whole is not None:
            return
        text = state.text
        if text is None or state.prompt is None or not torch.equal(state.prompt, embedding):
            text = self.transformer.embed_text(embedding[None])
        if pictures and not are_same(pictures, self.encoding.pictures):
            references = self._encode().references_of(pictures)
            denoiser = make_denoiser(self.transformer, pipe.spec, method=self.method).in_manner(manner)
            for timestep in (*denoiser.schedule.timesteps, pipe.spec.context_timestep):
                references_at(timestep, self.transformer, text, adapter, references)
                if (when := denoiser.frame_time(timestep)) is not None:
                    frames_at(when, self.transformer, text, adapter, references, state.cache)
            self.encoding.ready = pictures, references
        state.ready = embedding, text

    def _denoise(self, conditions: Iterable[Condition], noise: Noise) -> Iterator[tuple[Condition, Tensor]]:
        """The denoise stage; a chunk that fails leaves no trace, here or in the encode stage."""
        stage, state = self._stage(), self.denoising
        try:
            for condition in conditions:
                manner = condition.manner
                stays = manner.loras is None or manner.loras == self.loras
                yield from stage.flush(state, noise, condition if stays else None)
                if not stays:
                    self.use_loras(manner.loras)
                    stage = self._stage()
                if manner.reset is not None:
                    state.reset()
                made = stage.push(condition, state, noise)
                self.encoding.commit()
                yield from made
        except BaseException:
            self.encoding.abort()
            raise
        yield from stage.flush(state, noise)

    def _stage(self) -> Denoiser | StepBatch | WholeClip:
        """How the row denoises."""
        pipe = self.pipeline
        if pipe.spec.whole is not None:
            return WholeClip(self.transformer, pipe.spec.whole, self.trace, self.method)
        denoiser = make_denoiser(
            self.transformer,
            pipe.spec,
            method=self.method,
            trace=self.trace,
            as_still=self._as_still,
        )
        return StepBatch(denoiser) if pipe.spec.step_batch else denoiser

    def _see(self, pixels: Tensor) -> None:
        if count := self.pipeline.spec.recompute_latents:
            seen = pixels if self.shown is None else torch.cat([self.shown, pixels])
            self.shown = seen[-VAE_STRIDE_T * (count - 1) - 1 :].clone()

    def _as_still(self) -> Tensor:
        """The oldest of the last frames as a latent [c 1 h w]."""
        assert self.shown is not None, "a chunk that is not shown yet cannot be gone on from"
        return self.pipeline.new_encoder().push(self.shown[:1])

    def new_rule(self, strength: float) -> NoiseRule:
        """How much noise chunks get that start from footage."""
        return MotionRule(strength) if self.pipeline.spec.source_motion else SteadyRule(strength)

    def _as_source(self, latents: Tensor) -> Tensor:
        """Some rows were trained to start from latents that are not scaled."""
        if self.pipeline.spec.source_normalised:
            return latents
        mean, std = self.pipeline.new_source_encoder().codec.statistics
        return (latents * std + mean).to(latents.dtype)

    def _read_ahead(self, asked: tuple[str, LoraFiles]) -> None:
        """Read the weights of chunks to come, so that none of them waits."""
        pipe, loras = self.pipeline, asked[1]
        if asked in (self.attached, (pipe.context, pipe.loras)) or pipe.origin is None:
            return
        pipe.origin.refuse_unfit(*asked)
        if loras not in (self.loras, pipe.loras):
            self.ready[loras] = pipe.origin.transformer(loras)
        if asked[0] != NONE:
            self.ready[asked] = pipe.origin.adapter(*asked)

    @property
    def _origin(self) -> Origin:
        assert self.pipeline.origin is not None, "a pipeline that was not loaded has no other weights"
        return self.pipeline.origin

    def use_loras(self, loras: LoraFiles | None) -> None:
        """From the next chunk on the transformer with these merged in; what it kept for itself is dropped."""
        if loras is None or loras == self.loras:
            return
        pipe = self.pipeline
        own = pipe.transformer if loras == pipe.loras else self.ready.pop(loras, None)
        self.transformer = own or self._origin.transformer(loras)
        self.loras = loras
        self.denoising.text = self.denoising.prompt = self.denoising.ready = None

    def attach(self, asked: tuple[str, LoraFiles]) -> None:
        """From the next chunk on the context blocks of this file, with these LoRAs merged in."""
        if asked == self.attached:
            return
        pipe = self.pipeline
        if asked[0] == NONE:
            self.adapter = None
        elif asked == (pipe.context, pipe.loras):
            self.adapter = pipe.adapter
        else:
            self.adapter = self.ready.pop(asked, None) or self._origin.adapter(*asked)
        self.attached = asked

    def _adapter_for(self, vcu: VCU) -> ContextAdapter | None:
        manner, (context, loras) = vcu.manner, self.attached
        self.attach((manner.adapter or context, loras if manner.loras is None else manner.loras))
        return self._attached()

    def unload_adapter(self) -> None:
        """From the next chunk on the bare base; when no other stream has the adapter, its memory is back."""
        self.adapter = self.pipeline.adapter = None
        self._attached()

    def _attached(self) -> ContextAdapter | None:
        """The adapter for the next chunk; what belongs to one that has gone is dropped."""
        if self.served is not None and self.served is not self.adapter:
            self.denoising.forget(self.served)
            self.encoding.references, self.encoding.pictures = None, ()
        self.served = self.adapter
        return self.adapter

    def save(self, path: Path) -> None:
        """Write the state; the file appears when it is complete, also after a power cut."""
        self._attached()
        part = path.with_name(path.name + ".part")
        torch.save({**identity(self), **plain(self)}, part)
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)

    def restore(self, path: Path) -> None:
        """Take the state of a stream of the same row, size, seed and dtype; ValueError for another."""
        state = torch.load(path, map_location=self.pipeline.device, weights_only=True)
        mine = identity(self)
        if (kept := {name: state[name] for name in mine}) != mine:
            raise ValueError(f"{path} is of {kept}, not {mine}")
        take(self, state)


def new_stream(pipeline: Pipeline, size: tuple[int, int], seed: int, *, method: Method = PLAIN) -> Stream:
    """A stream that has not started, for frames of (height, width) `size`."""
    stride = pipeline.vae.spatial_compression_ratio
    latent_size = size[0] // stride, size[1] // stride
    denoising = new_denoise_state(
        pipeline.transformer, pipeline.spec, latent_size, dtype=pipeline.dtype, device=pipeline.device
    )
    return Stream(
        pipeline,
        size,
        seed,
        denoising,
        pipeline.new_decoder(),
        pipeline.adapter,
        method=method,
    )
