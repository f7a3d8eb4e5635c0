"""Checkpoint files as published, but small enough for a test: names and layers kept, widths shrunk."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from vacestream.models.load import load_adapter, load_transformer, load_vae
from vacestream.models.load_text import load_text_encoder
from vacestream.pipelines import Transformer
from vacestream.weights import Found

Weights = dict[str, Tensor]

WIDTHS = {
    "wan": {1536: 24, 9216: 144, 8960: 40, 5120: 24, 30720: 144, 13824: 40, 4096: 16, 256: 8},
    "vae": {96: 8, 192: 16, 384: 32, 1152: 96, 768: 64},
    "text": {256384: 50, 4096: 16, 10240: 40, 64: 4},
}
"""Published width -> ours; others stay. 256 is also a LoRA's rank."""

WAN_1_3B = Transformer(24, 40, 30, 2, tuple(range(0, 30, 2)), text_dim=16, text_len=8, freq_dim=8)
WAN_14B = Transformer(24, 40, 40, 2, tuple(range(0, 40, 5)), text_dim=16, text_len=8, freq_dim=8)
VAE: dict[str, Any] = {
    "base_dim": 8, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [],
    "temperal_downsample": [False, True, True],
}  # fmt: skip
TEXT: dict[str, Any] = {
    "vocab_size": 50, "d_model": 16, "d_kv": 4, "d_ff": 40, "num_layers": 24, "num_heads": 4,
    "relative_attention_num_buckets": 32, "dropout_rate": 0.0, "pad_token_id": 0, "eos_token_id": 1,
}  # fmt: skip
CPU = torch.device("cpu")


def size_of(manifest: str) -> Transformer:
    return WAN_14B if "14B" in manifest else WAN_1_3B


def load_file_of(manifest: str, file: Found, dtype: torch.dtype = torch.float32) -> Any:
    """The function that loads such a file, as `load_pipeline` calls it."""
    if "vae" in manifest:
        return load_vae(VAE, file, CPU, dtype)
    if "umt5" in manifest:
        return load_text_encoder(TEXT, file, CPU, dtype)
    return load_transformer(size_of(manifest), file, CPU, dtype)


def load_context_of(manifest: str, file: Found) -> Any:
    return load_adapter(size_of(manifest), file, CPU, torch.float32)


def recorded(name: str) -> Any:
    """A recorded manifest or map; skips where there are none."""
    if not (folder := os.environ.get("VACESTREAM_GOLDEN")):
        pytest.skip("VACESTREAM_GOLDEN does not name the folder of records")
    return json.loads((Path(folder) / "manifests" / f"{name}.json").read_text())


def shrunk(name: str) -> Weights:
    """The weights that a manifest lists, narrow, each with values of its own."""
    kind = "vae" if "vae" in name else "text" if "umt5" in name else "wan"
    widths = WIDTHS[kind]
    generator = torch.Generator().manual_seed(len(name))
    return {
        key: torch.randn([widths.get(n, n) for n in shape], generator=generator)
        for key, (shape, _) in recorded(name)["keys"].items()
    }


def _sharded(weights: Weights, folder: Path, suffix: str) -> Path:
    keys = list(weights)
    parts = {f"a-{i + 1:05}-of-00003{suffix}": keys[i::3] for i in range(3)}
    for name, part in parts.items():
        _save({key: weights[key] for key in part}, folder / name)
    index = folder / f"a{suffix}.index.json"
    index.write_text(json.dumps({"weight_map": {key: name for name, part in parts.items() for key in part}}))
    return index


def _save(weights: Any, path: Path) -> Path:
    (save_file if path.suffix == ".safetensors" else torch.save)(weights, path)
    return path


def _prefixed(prefix: str, weights: Weights) -> Weights:
    return {prefix + key: value for key, value in weights.items()}


Form = Callable[[Weights, Path], Path]
FORMS: dict[str, Form] = {
    "safetensors": lambda w, folder: _save(w, folder / "a.safetensors"),
    "pt": lambda w, folder: _save(w, folder / "a.pt"),
    "generator": lambda w, folder: _save({"generator": w, "step": 3}, folder / "a.pt"),
    "generator_ema": lambda w, folder: _save(
        {"generator_ema": _prefixed("model._fsdp_wrapped_module.", w)}, folder / "a.pt"
    ),
    "model": lambda w, folder: _save({"model": w}, folder / "a.pth"),
    "prefixed": lambda w, folder: _save(_prefixed("model.diffusion_model.", w), folder / "a.safetensors"),
    "sharded": lambda w, folder: _sharded(w, folder, ".safetensors"),
    "sharded pt": lambda w, folder: _sharded(w, folder, ".bin"),
}
"""What the same weights are kept as."""
