"""A row and what a recipe asks of it -> the bytes that a stream needs, from counts alone (no torch).

The formulas follow the tensors that are alive in each stage; `vacestream.ledger` counts the same in a run.
"""

import shutil
from dataclasses import asdict, dataclass
from typing import Literal

from vacestream.counts import (
    UMT5_LINEAR,
    UMT5_XXL,
    VAE_COSTS,
    VaeCost,
    block_matrices,
    block_weights,
    num_context_weights,
    num_weights,
    shipped,
)
from vacestream.method import PLAIN, Method
from vacestream.models.slots import cache_shape
from vacestream.pipelines import VAE_STRIDE, VAE_STRIDE_T, PipelineSpec, Transformer

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}
"""A number of the weights; all else is never smaller than two bytes."""
FLOAT = 4
ROPES = 8
"""Tables of angles that are kept; see models/attention.py."""

Offload = Literal["none", "text", "model", "group"]
"""What waits in main memory: nothing, the text encoder, every model out of work, every block out of work."""


@dataclass(frozen=True)
class Demand:
    """What is asked of a row that decides how much it takes."""

    size: tuple[int, int]
    """(height, width)"""
    dtype: str
    """fp32, bf16, fp16, fp8 or int8: of the base."""
    context_dtype: str | None = None
    """Of the context blocks; None: as the base."""
    text_dtype: str | None = None
    """Of the layers of the text encoder; None: as all else."""
    vaes: tuple[str, str, str] = ("wan", "wan", "wan")
    """What encodes control and source, and decodes."""
    flat: bool = False
    """Whether convolutions are done in 2-D, as on a CPU."""
    context: bool = True
    """Whether VACE's blocks are there."""
    num_references: int = 0
    num_passes: int = 1
    """Of the context blocks: one a control."""
    method: Method = PLAIN
    keeps: bool = False
    """Whether footage is kept, which has a stream of its own in the VAE."""
    from_source: bool = False
    """Whether chunks start from the input's own latents."""
    recaches: bool = False
    """Whether a new prompt makes the cache again, in one pass over the window."""
    offload: Offload = "none"

    @property
    def value(self) -> int:
        """Bytes of a number that is no weight of a block."""
        return max(2, BYTES[self.dtype])

    @property
    def num_streams(self) -> int:
        """Encoders that remember: two a pass, and that of kept footage."""
        return 2 * self.num_passes + self.keeps if self.context else 0

    @property
    def pixels(self) -> int:
        return self.size[0] * self.size[1]


@dataclass(frozen=True)
class Activations:
    """Bytes that each stage works in, beside what is held; one stage at a time."""

    encode: int
    """The VAE's encoders over a latent, and what they remembered before."""
    denoise: int
    """A main and a context block over a chunk, and what the chunk overwrites in the cache."""
    decode: int
    """The VAE's decoder over a chunk, and what it remembered before."""


@dataclass(frozen=True)
class Memory:
    """Bytes on the device while a stream runs."""

    transformer: int
    context_blocks: int
    text_encoder: int
    vae: int
    kv_cache: int
    text_kv: int
    """Cross-attention K/V of a prompt, in main and context blocks."""
    reference_kv: int
    """K/V of the references in each context block, at each timestep; as frames, in each main block too."""
    context_memory: int
    """K/V of earlier control in each context block, of each control."""
    vae_streams: int
    """What the convolutions of encoders and decoder remember."""
    between: int
    """The last latents and frames, and tables of angles."""
    activations: Activations
    text_stays: bool
    """Else the text encoder is gone before the rest comes."""
    away: Activations
    """Of the weights: what waits in main memory while a stage works."""
    text_away: bool

    @property
    def held(self) -> dict[str, int]:
        """What is held from chunk to chunk, by name, wherever weights wait."""
        names = ("activations", "text_stays", "away", "text_away")
        return {
            name: 0 if name == "text_encoder" and not self.text_stays else count
            for name, count in asdict(self).items()
            if name not in names
        }

    @property
    def weights(self) -> int:
        """What every stream of a pipeline shares."""
        text = self.text_encoder if self.text_stays else 0
        return self.transformer + self.context_blocks + text + self.vae

    @property
    def total(self) -> int:
        """All that is held."""
        return sum(self.held.values())

    @property
    def stages(self) -> dict[str, int]:
        """Bytes on the device at most, by stage; text: while prompts are embedded."""
        work, away = asdict(self.activations), asdict(self.away)
        found = {stage: self.total - away[stage] + work[stage] for stage in work}
        return {"text": 0 if self.text_away or self.text_stays else self.text_encoder, **found}

    @property
    def peak(self) -> int:
        """The stage that takes most."""
        return max(self.stages.values())


def tokens_per_latent(spec: PipelineSpec, size: tuple[int, int]) -> int:
    """Tokens of one latent of a (height, width) picture."""
    _, down, across = spec.transformer.patch
    return (size[0] // (VAE_STRIDE * down)) * (size[1] // (VAE_STRIDE * across))


def dtype_of(precision: str, device: str) -> str:
    """The type of numbers that `auto` means: bf16 on a CUDA device, fp32 elsewhere."""
    if precision != "auto":
        return precision
    return "bf16" if is_cuda(device) else "fp32"


def is_cuda(device: str) -> bool:
    """Whether the word for a device means one with a memory of its own."""
    return device.startswith("cuda") or (device == "auto" and shutil.which("nvidia-smi") is not None)


def memory(spec: PipelineSpec, asked: Demand) -> Memory:
    """What a stream of a row needs."""
    t, tokens, value = spec.transformer, tokens_per_latent(spec, asked.size), asked.value
    num_context = len(t.context_layers) if asked.context else 0
    prompts = 2 if spec.is_guided else 1
    passes = 0 if spec.whole else len(spec.steps) + spec.commit_pass
    transformer = _weights(num_weights(t), t.layers * block_matrices(t), asked.dtype, value)
    matrices = num_context * (block_matrices(t) + t.dim * t.dim) + t.dim * t.dim
    kind = asked.context_dtype or asked.dtype
    context = _weights(num_context_weights(t), matrices, kind, value) if asked.context else 0
    vae = value * sum(_cost(t, kind).weights for kind in {_kind(t, kind) for kind in asked.vaes})
    slots = cache_shape(spec, t.layers, t.heads, t.head_dim, (1, tokens)).num_slots
    latent = 2 * tokens * t.dim * value  # keys and values in one block
    as_frames = {"hints": 0, "sink": min(passes, 1), "prefix": passes}[
        asked.method.references or spec.references
    ]
    reference_blocks = passes * num_context + as_frames * t.layers * asked.context
    return Memory(
        transformer=transformer,
        context_blocks=context,
        text_encoder=_text(t, asked),
        vae=vae,
        kv_cache=_rows(spec) * slots * _slot(spec, tokens, value),
        text_kv=prompts * 2 * (t.layers + num_context) * t.text_len * t.dim * value,
        reference_kv=reference_blocks * asked.num_references * latent,
        context_memory=asked.num_passes * num_context * asked.method.memory * latent,
        vae_streams=_vae_streams(spec, asked),
        between=_between(spec, asked, tokens),
        activations=_activations(spec, asked, tokens),
        text_stays=t.text_dim != 4096,
        away=_away(t, asked, transformer, context, vae),
        text_away=asked.offload != "none",
    )


def kv_aside(spec: PipelineSpec, asked: Demand) -> int:
    """What a chunk overwrites in the cache, kept while it is made, so that it can be taken back."""
    latents = cache_shape(spec, 1, 1, 1, (1, 1)).num_aside(_chunk(spec))
    return _rows(spec) * latents * _slot(spec, tokens_per_latent(spec, asked.size), asked.value)


def _weights(count: int, matrices: int, kind: str, value: int) -> int:
    """Bytes of so many numbers, of which those in matrices of blocks are of a kind of their own."""
    return (count - matrices) * value + matrices * BYTES[kind] if BYTES[kind] < 2 else count * value


def _text(t: Transformer, asked: Demand) -> int:
    if t.text_dim != 4096:
        return shipped("text") * asked.value
    kind = asked.text_dtype
    return _weights(UMT5_XXL, UMT5_LINEAR, kind, asked.value) if kind else UMT5_XXL * asked.value


def _rows(spec: PipelineSpec) -> int:
    """Caches side by side."""
    return len(spec.source_steps or spec.steps) if spec.step_batch else 1


def _slot(spec: PipelineSpec, tokens: int, value: int) -> int:
    """Bytes of one latent in the cache."""
    return 0 if spec.whole else 2 * spec.transformer.layers * tokens * spec.transformer.dim * value


def _chunk(spec: PipelineSpec) -> int:
    return max(spec.chunk_latents, spec.first_chunk_latents)


def _kind(t: Transformer, kind: str) -> str:
    return kind if t.text_dim == 4096 else "sprites"


def _cost(t: Transformer, kind: str) -> VaeCost:
    return VAE_COSTS[_kind(t, kind)]


def _vae_streams(spec: PipelineSpec, asked: Demand) -> int:
    control, source, output = (_cost(spec.transformer, kind) for kind in asked.vaes)
    remembered = asked.num_streams * control.encoder + asked.from_source * source.encoder
    return int((remembered + output.decoder) * asked.pixels * asked.value)


def _between(spec: PipelineSpec, asked: Demand, tokens: int) -> int:
    t, chunk = spec.transformer, _chunk(spec)
    latents = chunk if spec.whole else spec.window_latents + chunk
    channels = t.channels + (asked.num_passes * t.context_channels if asked.context else 0)
    cells = asked.pixels // VAE_STRIDE**2
    frames = VAE_STRIDE_T * chunk * 3 * asked.pixels
    text = t.text_len * (t.text_dim + t.dim)
    angles = ROPES * chunk * tokens * t.head_dim * FLOAT
    return (latents * channels * cells + frames + text) * asked.value + angles


def _activations(spec: PipelineSpec, asked: Demand, tokens: int) -> Activations:
    control, source, output = (_cost(spec.transformer, kind) for kind in asked.vaes)
    wide = asked.value // 2 - 1
    remembered = asked.num_streams * control.encoder + asked.from_source * source.encoder
    before = 0 if spec.whole else int(remembered * asked.pixels * asked.value)
    encode = (control.encode_flat if asked.flat else control.encode)[wide] * asked.pixels
    decode = (output.decode_flat if asked.flat else output.decode)[wide] * asked.pixels
    return Activations(
        encode=encode + before if asked.context or asked.from_source else 0,
        denoise=kv_aside(spec, asked) + before + _denoise(spec, asked, tokens),
        decode=decode,
    )


def _denoise(spec: PipelineSpec, asked: Demand, tokens: int) -> int:
    """The wider of two moments of a block: its hidden layer twice, or a key turned in four bytes.

    Beside it are the vectors of each token: what goes through, what came in, what VACE's blocks carry.
    """
    t, value, latents = spec.transformer, asked.value, _rows(spec) * _chunk(spec)
    latents += asked.num_references if spec.whole else 0
    latents = max(latents, spec.window_latents if asked.recaches else 0, spec.recompute_latents)
    count = latents * tokens
    turned = spec.window_latents * tokens if spec.rope == "relative" else count
    side = 1 + asked.num_passes if asked.context else 0
    hidden = 2 * t.ffn_dim * value + t.dim * ((4 + side) * value + FLOAT)
    turning = t.dim * ((7 + side) * value + FLOAT)
    return max(count * hidden, count * turning + turned * 3 * FLOAT * t.dim)


def _away(t: Transformer, asked: Demand, transformer: int, context: int, vae: int) -> Activations:
    """What waits: a model while others work, or all blocks but the one that works."""
    if asked.offload == "model":
        return Activations(encode=transformer + context, denoise=vae, decode=transformer + context)
    if asked.offload != "group":
        return Activations(0, 0, 0)
    base = _weights(block_weights(t), block_matrices(t), asked.dtype, asked.value)
    extra = t.dim * t.dim
    kind = asked.context_dtype or asked.dtype
    side = _weights(block_weights(t) + extra, block_matrices(t) + extra, kind, asked.value)
    side = side if asked.context else 0
    blocks = t.layers * base + len(t.context_layers) * side
    return Activations(encode=blocks, denoise=blocks - max(base, side), decode=blocks)
