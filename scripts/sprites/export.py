"""Checkpoints -> the shipped weights: true key names, bf16, a tokenizer, a config and a card."""

import json
import re
from functools import partial
from hashlib import sha256
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch import Tensor

from scripts.sprites import text
from scripts.sprites.base import Models, averaged
from scripts.sprites.guided import saved_guided
from scripts.sprites.run import load
from scripts.sprites.vae import CONFIG as VAE_CONFIG
from vacestream.weights.sums import MANIFEST, note_sum

WEIGHTS = Path(__file__).parents[2] / "vacestream" / "sprites" / "weights"
LARGEST, LARGEST_FILE = 32 << 20, 16 << 20
"""Bytes of all files together, and of one."""

ORIGINAL_NAMES = (
    (r"^condition_embedder\.time_embedder\.linear_1\.", "time_embedding.0."),
    (r"^condition_embedder\.time_embedder\.linear_2\.", "time_embedding.2."),
    (r"^condition_embedder\.text_embedder\.linear_1\.", "text_embedding.0."),
    (r"^condition_embedder\.text_embedder\.linear_2\.", "text_embedding.2."),
    (r"^condition_embedder\.time_proj\.", "time_projection.1."),
    (r"^proj_out\.", "head.head."),
    (r"^scale_shift_table$", "head.modulation"),
    (r"(blocks\.\d+)\.scale_shift_table$", r"\1.modulation"),
    (r"(blocks\.\d+)\.attn1\.to_([qkv])\.", r"\1.self_attn.\2."),
    (r"(blocks\.\d+)\.attn1\.to_out\.0\.", r"\1.self_attn.o."),
    (r"(blocks\.\d+)\.attn1\.norm_", r"\1.self_attn.norm_"),
    (r"(blocks\.\d+)\.attn2\.to_([qkv])\.", r"\1.cross_attn.\2."),
    (r"(blocks\.\d+)\.attn2\.to_out\.0\.", r"\1.cross_attn.o."),
    (r"(blocks\.\d+)\.attn2\.norm_", r"\1.cross_attn.norm_"),
    (r"(blocks\.\d+)\.norm2\.", r"\1.norm3."),
    (r"(blocks\.\d+)\.ffn\.net\.0\.proj\.", r"\1.ffn.0."),
    (r"(blocks\.\d+)\.ffn\.net\.2\.", r"\1.ffn.2."),
    (r"(vace_blocks\.\d+)\.proj_in\.", r"\1.before_proj."),
    (r"(vace_blocks\.\d+)\.proj_out\.", r"\1.after_proj."),
)
"""diffusers' names -> those of the Wan2.1 and VACE releases, one rule a key."""


def original_name(key: str) -> str:
    for pattern, name in ORIGINAL_NAMES:
        renamed, hits = re.subn(pattern, name, key)
        if hits:
            return renamed
    return key


def _bf16(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Matrices and filters in bf16; vectors and modulation stay as they are."""
    return {
        name: value.to(
            torch.bfloat16 if value.squeeze().dim() > 1 and value.numel() > 4096 else torch.float32
        )
        .contiguous()
        .clone()
        for name, value in weights.items()
    }


def streaming_base() -> dict[str, Tensor]:
    """The weights that are shipped as `causal`: guided, where that stage was run on this causal base."""
    return averaged("guided" if saved_guided() else "causal")


def write(card: str, *, folder: Path = WEIGHTS) -> int:
    """Write every part that has a checkpoint; bytes in all."""
    folder.mkdir(parents=True, exist_ok=True)
    vae = load("vae")
    assert vae is not None
    models = Models.open()
    parts = {
        "vae": vae["model"],
        "text": models.encoder.state_dict(),
        "base": {original_name(k): v for k, v in models.base.state_dict().items()},
    }
    for name, weights in (("causal", streaming_base), ("vace", partial(averaged, "vace"))):
        if load(name):
            parts[name] = {original_name(k): v for k, v in weights().items()}
    for name, tensors in parts.items():
        save_file(_bf16(tensors), folder / f"{name}.safetensors")
    text.new_tokenizer().save(str(folder / "tokenizer.json"))
    config = {
        "vae": VAE_CONFIG | {"latents_mean": vae["mean"], "latents_std": vae["std"]},
        "text_encoder": text.CONFIG,
        "tokenizer": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
    }
    (folder / "config.json").write_text(json.dumps(config, indent=1) + "\n")
    (folder / "card.md").write_text(card)
    (folder / MANIFEST).unlink(missing_ok=True)
    for path in sorted(folder.iterdir()):
        note_sum(path, sha256(path.read_bytes()).hexdigest())
    for path in folder.iterdir():
        path.chmod(0o644)
    sizes = {path.name: path.stat().st_size for path in folder.iterdir()}
    assert max(sizes.values()) < LARGEST_FILE, f"{sizes = }"
    assert sum(sizes.values()) < LARGEST, f"{sizes = }"
    return sum(sizes.values())
