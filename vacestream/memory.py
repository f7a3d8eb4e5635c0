"""A row and a size -> the bytes that a stream needs, from counts alone (no torch)."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from vacestream.models.slots import cache_shape
from vacestream.pipelines import VAE_STRIDE, VAE_STRIDE_T, PipelineSpec, Transformer

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1}
"""A number of the weights; keys and values are never smaller than two bytes."""

UMT5_XXL = 256384 * 4096 + 24 * (4 * 4096 * 4096 + 3 * 4096 * 10240 + 2 * 4096 + 32 * 64) + 4096
"""Numbers in the text encoder of Wan2.1: embedding, 24 layers (attention, gated MLP, norms), last norm."""
WAN_VAE = 126_892_531
"""Numbers in the Wan2.1 VAE, both ways."""
VAE_WIDTH, SPRITES_VAE_WIDTH = 96, 12
"""Channels of the VAE at full size."""
ENCODER_MAPS, DECODER_MAPS = 10, 22
"""Full-size maps of four frames that are alive at most, with the frames that each convolution keeps.

Measured on a CPU at 192x192; two encoders, of which one works while the other keeps its frames.
"""
_SHIPPED = Path(__file__).parent / "sprites" / "weights"


@dataclass(frozen=True)
class Activations:
    """Bytes that each stage works in, one stage at a time; rough: a third more or less."""

    encode: int
    """The VAE's encoders over a latent."""
    denoise: int
    """A main and a context block over a chunk."""
    decode: int
    """The VAE's decoder over a latent."""


@dataclass(frozen=True)
class Memory:
    """Bytes on the device while a stream runs."""

    transformer: int
    context_blocks: int
    text_encoder: int
    vae: int
    kv_cache: int
    kv_aside: int
    """Slots kept aside while a chunk is made, so that it can be taken back."""
    text_kv: int
    """Cross-attention K/V of a prompt, in main and context blocks."""
    reference_kv: int
    """K/V of the references in each context block, at each timestep."""
    activations: Activations

    @property
    def held(self) -> dict[str, int]:
        """What is held from chunk to chunk, by name."""
        return {name: count for name, count in asdict(self).items() if name != "activations"}

    @property
    def weights(self) -> int:
        """What every stream of a pipeline shares."""
        return self.transformer + self.context_blocks + self.text_encoder + self.vae

    @property
    def total(self) -> int:
        """All that is held."""
        return sum(self.held.values())

    @property
    def peak(self) -> int:
        """All that is held, and the stage that works in most."""
        work = self.activations
        return self.total + max(work.encode, work.denoise, work.decode)


def tokens_per_latent(spec: PipelineSpec, size: tuple[int, int]) -> int:
    """Tokens of one latent of a (height, width) picture."""
    _, down, across = spec.transformer.patch
    return (size[0] // (VAE_STRIDE * down)) * (size[1] // (VAE_STRIDE * across))


def dtype_of(precision: str, device: str) -> str:
    """The type of numbers that `auto` means: bf16 on a CUDA device, fp32 elsewhere."""
    if precision != "auto":
        return precision
    cuda = device.startswith("cuda") or (device == "auto" and shutil.which("nvidia-smi") is not None)
    return "bf16" if cuda else "fp32"


def memory(
    spec: PipelineSpec, size: tuple[int, int], dtype: str, *, num_references: int = 0, context: bool = True
) -> Memory:
    """What a stream of (height, width) `size` needs; `context`: with VACE's blocks."""
    t, tokens = spec.transformer, tokens_per_latent(spec, size)
    weight, value = BYTES[dtype], max(2, BYTES[dtype])
    text, vae = (UMT5_XXL, WAN_VAE) if t.text_dim == 4096 else (_shipped("text"), _shipped("vae"))
    num_context = len(t.context_layers) if context else 0
    chunk = max(spec.chunk_latents, spec.first_chunk_latents)
    at_once = chunk + num_references if spec.whole else chunk
    prompts = 2 if spec.is_guided else 1
    passes = 0 if spec.whole else len(spec.steps) + spec.commit_pass
    slot = 0 if spec.whole else 2 * t.layers * tokens * t.dim * value
    rows = len(spec.source_steps or spec.steps) if spec.step_batch else 1
    cache = cache_shape(spec, t.layers, t.heads, t.head_dim, (1, tokens))
    return Memory(
        transformer=num_weights(t) * weight,
        context_blocks=num_context_weights(t) * weight if context else 0,
        text_encoder=text * value,
        vae=vae * value,
        kv_cache=rows * cache.num_slots * slot,
        kv_aside=rows * cache.num_aside(chunk) * slot,
        text_kv=prompts * 2 * (t.layers + num_context) * t.text_len * t.dim * value,
        reference_kv=2 * passes * num_context * num_references * tokens * t.dim * value,
        activations=Activations(
            encode=_feature_maps(t, size, value, ENCODER_MAPS) if context else 0,
            denoise=at_once * tokens * _per_token(t, value, context),
            decode=_feature_maps(t, size, value, DECODER_MAPS),
        ),
    )


def _feature_maps(t: Transformer, size: tuple[int, int], value: int, count: int) -> int:
    """Maps of the VAE's first width at full size, over the four frames of a latent."""
    width = VAE_WIDTH if t.text_dim == 4096 else SPRITES_VAE_WIDTH
    return count * width * VAE_STRIDE_T * size[0] * size[1] * value


def _per_token(t: Transformer, value: int, context: bool) -> int:
    """Activations of a token: its hidden layer twice, and some ten vectors, half of them in four bytes."""
    vectors = 5 * value + 5 * 4 + (2 * value if context else 0)
    return 2 * t.ffn_dim * value + vectors * t.dim


def num_weights(t: Transformer) -> int:
    """Numbers in the transformer."""
    cell = t.patch[0] * t.patch[1] * t.patch[2]
    embed = t.channels * cell * t.dim + t.dim
    time = _linear(t.freq_dim, t.dim) + _linear(t.dim, t.dim) + _linear(t.dim, 6 * t.dim)
    text = _linear(t.text_dim, t.dim) + _linear(t.dim, t.dim)
    head = 2 * t.dim + _linear(t.dim, t.channels * cell)
    return embed + time + text + t.layers * _block(t) + head


def num_context_weights(t: Transformer) -> int:
    """Numbers in VACE's context embedder and blocks."""
    cell = t.patch[0] * t.patch[1] * t.patch[2]
    project = _linear(t.dim, t.dim)
    count = len(t.context_layers)
    return t.context_channels * cell * t.dim + t.dim + count * (_block(t) + project) + project


def _block(t: Transformer) -> int:
    attention = 4 * _linear(t.dim, t.dim) + 2 * t.dim
    return 6 * t.dim + 2 * attention + 2 * t.dim + _linear(t.dim, t.ffn_dim) + _linear(t.ffn_dim, t.dim)


def _linear(inner: int, outer: int) -> int:
    return inner * outer + outer


def _shipped(name: str) -> int:
    """Numbers in a file of the package, which holds two bytes for each."""
    path = _SHIPPED / f"{name}.safetensors"
    return path.stat().st_size // BYTES["bf16"] if path.exists() else 0
