"""Checkpoint files -> modules: unwrap, rename original Wan2.1 keys to diffusers', load strictly.

Original names are those of the Wan2.1, VACE and Self Forcing releases; modules carry diffusers' names.
"""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vacestream.errors import ModelError

WRAPPERS = ("generator_ema", "generator", "model", "state_dict")
"""Entries that training checkpoints keep the weights under, first found wins."""

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "model.")

WRAPPED = re.compile(r"\b(_fsdp_wrapped_module|_checkpoint_wrapped_module|_orig_mod)\.")
"""What FSDP, checkpointing and compilation put into names, anywhere."""

WAN_KEYS = (
    (r"^time_embedding\.0\.", "condition_embedder.time_embedder.linear_1."),
    (r"^time_embedding\.2\.", "condition_embedder.time_embedder.linear_2."),
    (r"^text_embedding\.0\.", "condition_embedder.text_embedder.linear_1."),
    (r"^text_embedding\.2\.", "condition_embedder.text_embedder.linear_2."),
    (r"^time_projection\.1\.", "condition_embedder.time_proj."),
    (r"^head\.head\.", "proj_out."),
    (r"^head\.modulation$", "scale_shift_table"),
    (r"^((?:vace_)?blocks\.\d+)\.modulation$", r"\1.scale_shift_table"),
    (r"^((?:vace_)?blocks\.\d+)\.self_attn\.([qkv])\.", r"\1.attn1.to_\2."),
    (r"^((?:vace_)?blocks\.\d+)\.self_attn\.o\.", r"\1.attn1.to_out.0."),
    (r"^((?:vace_)?blocks\.\d+)\.self_attn\.norm_", r"\1.attn1.norm_"),
    (r"^((?:vace_)?blocks\.\d+)\.cross_attn\.([qkv])\.", r"\1.attn2.to_\2."),
    (r"^((?:vace_)?blocks\.\d+)\.cross_attn\.o\.", r"\1.attn2.to_out.0."),
    (r"^((?:vace_)?blocks\.\d+)\.cross_attn\.norm_", r"\1.attn2.norm_"),
    (r"^((?:vace_)?blocks\.\d+)\.norm3\.", r"\1.norm2."),
    (r"^((?:vace_)?blocks\.\d+)\.ffn\.0\.", r"\1.ffn.net.0.proj."),
    (r"^((?:vace_)?blocks\.\d+)\.ffn\.2\.", r"\1.ffn.net.2."),
    (r"^(vace_blocks\.\d+)\.before_proj\.", r"\1.proj_in."),
    (r"^(vace_blocks\.\d+)\.after_proj\.", r"\1.proj_out."),
)
"""Original -> diffusers. norm2 and norm3 swap names; only the affine one has weights."""

VACE_PREFIX = "vace_"


def read(path: Path) -> dict[str, Tensor]:
    """The weights in a .safetensors or .pt file, memory-mapped, free of wrappers and prefixes."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; the model's weights are missing")
    try:
        weights = load_file(path) if path.suffix == ".safetensors" else torch.load(path, "cpu", mmap=True)
    except Exception as error:
        raise ModelError(f"{path}: not a readable checkpoint ({error}); fetch it again") from error
    return {_bare(key): value for key, value in _unwrap(weights).items()}


def to_diffusers(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Original transformer and VACE keys renamed; diffusers' keys pass through."""
    if any(key.startswith("condition_embedder.") or ".attn1." in key for key in weights):
        return dict(weights)
    return {_rename(key): value for key, value in weights.items()}


def load(module: nn.Module, weights: Mapping[str, Tensor], where: str) -> None:
    """Fill a module strictly; a missing, unknown or misshapen key is refused by name."""
    want = {key: value.shape for key, value in module.state_dict().items()}
    missing, extra = sorted(want.keys() - weights.keys()), sorted(weights.keys() - want.keys())
    wrong = [key for key in want.keys() & weights.keys() if weights[key].shape != want[key]]
    if missing or extra:
        raise ModelError(f"{where}: not these weights: {_some('missing', missing)}{_some('unknown', extra)}")
    if wrong:
        key = min(wrong)
        raise ModelError(f"{where}: {key} is {tuple(weights[key].shape)}, want {tuple(want[key])}")
    module.load_state_dict(dict(weights), assign=True)


def split_vace(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A full VACE checkpoint -> the transformer's weights, the adapter's."""
    base = {key: value for key, value in weights.items() if not key.startswith(VACE_PREFIX)}
    return base, {key: value for key, value in weights.items() if key.startswith(VACE_PREFIX)}


def _unwrap(weights: Mapping[str, Any]) -> Mapping[str, Tensor]:
    for name in WRAPPERS:
        if isinstance(weights.get(name), Mapping):
            return _unwrap(weights[name])
    return weights


def _bare(key: str) -> str:
    key = WRAPPED.sub("", key)
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return _bare(key.removeprefix(prefix))
    return key


def _rename(key: str) -> str:
    for pattern, name in WAN_KEYS:
        renamed, hits = re.subn(pattern, name, key)
        if hits:
            return renamed
    return key


def _some(what: str, keys: Iterable[str]) -> str:
    keys = list(keys)
    return f"{len(keys)} {what} ({', '.join(keys[:3])}{', ...' if len(keys) > 3 else ''}) " if keys else ""
