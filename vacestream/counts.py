"""How many numbers the models hold, from their sizes alone (no torch)."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from vacestream.pipelines import VAE_STRIDE_T, PipelineSpec, Transformer

UMT5_EMBEDDING = 256384 * 4096
UMT5_LINEAR = 24 * (4 * 4096 * 4096 + 3 * 4096 * 10240)
UMT5_XXL = UMT5_EMBEDDING + UMT5_LINEAR + 24 * (2 * 4096 + 32 * 64) + 4096
"""Of the text encoder of Wan2.1: embedding, 24 layers (attention, gated MLP, norms), last norm."""

_SHIPPED = Path(__file__).parent / "sprites" / "weights"
_SHIPPED_BYTES = 2
"""Of a number in the files of the package."""


@dataclass(frozen=True)
class VaeCost:
    """What a VAE takes; bytes are of each pixel of a frame, with numbers of two bytes and of four."""

    weights: int
    """Numbers, both ways."""
    encoder: float
    """Numbers a pixel that the convolutions of an encoder remember from one latent to the next."""
    decoder: float
    encode: tuple[int, int]
    """Bytes that an encoder works in over a latent."""
    decode: tuple[int, int]
    """Bytes that the decoder works in over three latents, what it remembers of them included."""
    encode_flat: tuple[int, int]
    """The same where convolutions are done in 2-D; see models/flat.py."""
    decode_flat: tuple[int, int]


def shipped(name: str) -> int:
    """Numbers in a file of the package."""
    path = _SHIPPED / f"{name}.safetensors"
    return path.stat().st_size // _SHIPPED_BYTES if path.exists() else 0


def num_weights(t: Transformer) -> int:
    """Numbers in the transformer."""
    cell = t.patch[0] * t.patch[1] * t.patch[2]
    embed = t.channels * cell * t.dim + t.dim
    time = _linear(t.freq_dim, t.dim) + _linear(t.dim, t.dim) + _linear(t.dim, 6 * t.dim)
    text = _linear(t.text_dim, t.dim) + _linear(t.dim, t.dim)
    head = 2 * t.dim + _linear(t.dim, t.channels * cell)
    return embed + time + text + t.layers * block_weights(t) + head


def num_context_weights(t: Transformer) -> int:
    """Numbers in VACE's context embedder and blocks."""
    cell = t.patch[0] * t.patch[1] * t.patch[2]
    project = _linear(t.dim, t.dim)
    count = len(t.context_layers)
    return t.context_channels * cell * t.dim + t.dim + count * (block_weights(t) + project) + project


def block_weights(t: Transformer) -> int:
    """Numbers in a main block; a context block has a projection more."""
    attention = 4 * _linear(t.dim, t.dim) + 2 * t.dim
    return 6 * t.dim + 2 * attention + 2 * t.dim + _linear(t.dim, t.ffn_dim) + _linear(t.ffn_dim, t.dim)


def block_matrices(t: Transformer) -> int:
    """Numbers in the matrices of a main block: those that int8 and fp8 make smaller."""
    return 8 * t.dim * t.dim + 2 * t.dim * t.ffn_dim


ENCODE_FLOPS, DECODE_FLOPS = 5_050_000, 8_490_000
"""Operations of Wan's VAE for a pixel of a frame, counted by `vacestream.ledger`."""


def chunk_flops(
    spec: PipelineSpec, size: tuple[int, int], tokens: int, num_references: int, *, encoded: int
) -> int:
    """Operations of a chunk in the middle of a stream, VACE and Wan's VAE included.

    `tokens` are those of a latent; `encoded` streams of footage change, others settled long ago.
    """
    t = spec.transformer
    n, window = spec.chunk_latents * tokens, (spec.window_latents + spec.bank_latents) * tokens
    linear = n * 2 * (6 * t.dim**2 + 2 * t.dim * t.ffn_dim)
    across = 4 * n * t.text_len * t.dim
    main = linear + across + 4 * n * window * t.dim
    side = linear + across + 2 * n * t.dim**2 + 4 * n * (n + num_references * tokens) * t.dim
    calls = spec.num_steps + spec.commit_pass + bool(spec.recompute_latents)
    denoise = calls * (t.layers * main + len(t.context_layers) * side)
    pixels = size[0] * size[1] * VAE_STRIDE_T * spec.chunk_latents
    return denoise + pixels * (encoded * ENCODE_FLOPS + DECODE_FLOPS)


def _linear(inner: int, outer: int) -> int:
    return inner * outer + outer


VAE_COSTS: Mapping[str, VaeCost] = {
    "wan": VaeCost(
        126_892_531, 1404, 2364.5,
        encode=(4649, 8534), decode=(12458, 19575), encode_flat=(7351, 14703), decode_flat=(12872, 25744),
    ),
    "light": VaeCost(
        8_035_003, 355.5, 591.5,
        encode=(1193, 2180), decode=(3152, 4977), encode_flat=(1851, 3702), decode_flat=(3249, 6499),
    ),
    "tae": VaeCost(
        11_315_539, 63, 84,
        encode=(1025, 2050), decode=(1272, 2544), encode_flat=(1025, 2050), decode_flat=(1272, 2544),
    ),
    "sprites": VaeCost(
        shipped("vae"), 64.5, 209,
        encode=(425, 760), decode=(1427, 2190), encode_flat=(633, 1266), decode_flat=(1475, 2950),
    ),
}  # fmt: skip
"""As recipes call them, and the one of the embedded model; bytes counted by `vacestream.ledger`."""
