"""A row and a size -> the bytes that a stream needs, from counts alone (no torch)."""

import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

from vacestream.pipelines import VAE_STRIDE, PipelineSpec, Transformer

BYTES = {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1}
"""A number of the weights; keys and values are never smaller than two bytes."""

UMT5_XXL = 256384 * 4096 + 24 * (4 * 4096 * 4096 + 3 * 4096 * 10240 + 2 * 4096 + 32 * 64) + 4096
"""Numbers in the text encoder of Wan2.1: embedding, 24 layers (attention, gated MLP, norms), last norm."""
WAN_VAE = 126_892_531
"""Numbers in the Wan2.1 VAE, both ways."""
_SHIPPED = Path(__file__).parent / "sprites" / "weights"


@dataclass(frozen=True)
class Memory:
    """Bytes on the device while a stream runs, without activations."""

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

    @property
    def total(self) -> int:
        return sum(asdict(self).values())


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
    passes = len(spec.steps) + spec.commit_pass
    slot = 2 * t.layers * tokens * t.dim * value
    return Memory(
        transformer=num_weights(t) * weight,
        context_blocks=num_context_weights(t) * weight if context else 0,
        text_encoder=text * weight,
        vae=vae * weight,
        kv_cache=spec.window_latents * slot,
        kv_aside=max(spec.chunk_latents, spec.first_chunk_latents) * slot,
        text_kv=2 * (t.layers + num_context) * t.text_len * t.dim * value,
        reference_kv=2 * passes * num_context * num_references * tokens * t.dim * value,
    )


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
