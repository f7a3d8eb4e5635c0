"""The table of weight files: what each row of `pipelines` is loaded from, and where that lies here."""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from vacestream.errors import ModelError

FOLDER = "VACESTREAM_MODELS"
"""Names a folder of weights: OWNER/REPO/FILE, REPO/FILE or, for a part's first file, its name alone."""

FORMS = (".safetensors", ".safetensors.index.json", ".pt", ".pth", ".bin", ".bin.index.json")
"""What the same weights may also be kept as, under the same name."""


@dataclass(frozen=True)
class File:
    """A file of a Hugging Face repository; of a sharded checkpoint, its table of contents."""

    repo: str
    path: str
    num_bytes: int | None = None
    """About; None where it is not known."""

    @property
    def forms(self) -> list[str]:
        """Paths in the repository that hold the same weights, this one first."""
        if self.path.endswith("tokenizer.json"):
            return [self.path]
        stem = self.path.removesuffix(".index.json").rpartition(".")[0]
        return list(dict.fromkeys([self.path, *(stem + form for form in FORMS)]))


@dataclass(frozen=True)
class Part:
    """One part of a pipeline: files that all hold it, the first that is there is taken."""

    files: tuple[File, ...]
    licence: str = "Apache-2.0"
    entry: str | None = None
    """Which of several sets of weights in the file."""
    alpha: float = 0.0
    """Of a LoRA: it is added times alpha / rank."""


@dataclass(frozen=True)
class Weights:
    """All parts of a row."""

    parts: Mapping[str, Part]
    """transformer, vace, vae, text, tokenizer, and lora where there is one."""
    config: Mapping[str, Mapping[str, Any]] | None = None
    """What diffusers and transformers build vae, text_encoder and tokenizer from; None: Wan2.1's."""


@dataclass(frozen=True)
class Found:
    """A part's file on this machine, and how it is read; see Part."""

    path: Path
    entry: str | None = None
    alpha: float = 0.0


WAN_CONFIG: dict[str, dict[str, Any]] = {
    "vae": {
        "base_dim": 96, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [],
        "temperal_downsample": [False, True, True],
    },
    "text_encoder": {
        "vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "dropout_rate": 0.0,
        "feed_forward_proj": "gated-gelu", "pad_token_id": 0, "eos_token_id": 1,
    },
    "tokenizer": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
}  # fmt: skip
"""Wan2.1's VAE (latent statistics are the class's), UMT5-XXL and its tokenizer."""

_WAN = tuple(f"Wan-AI/Wan2.1-{name}" for name in ("T2V-1.3B", "T2V-14B", "VACE-1.3B", "VACE-14B"))
_DIFFUSERS = tuple(
    f"Wan-AI/Wan2.1-{name}"
    for name in ("T2V-1.3B-Diffusers", "T2V-14B-Diffusers", "VACE-1.3B-diffusers", "VACE-14B-diffusers")
)


def _in_all(original: str, diffusers: str, num_bytes: int | None = None) -> Part:
    """A part that every Wan2.1 repository repeats."""
    return Part(
        (
            *(File(repo, original, num_bytes) for repo in _WAN),
            *(File(repo, diffusers) for repo in _DIFFUSERS),
        )
    )


_SHARED = {
    "vae": _in_all("Wan2.1_VAE.pth", "vae/diffusion_pytorch_model.safetensors", 508_000_000),
    "text": _in_all(
        "models_t5_umt5-xxl-enc-bf16.pth", "text_encoder/model.safetensors.index.json", 11_360_000_000
    ),
    "tokenizer": _in_all("google/umt5-xxl/tokenizer.json", "tokenizer/tokenizer.json"),
}


def _vace(size: str, module: str, num_bytes: int, full: str) -> Part:
    """VACE's blocks alone, or the whole model that they were published in."""
    return Part(
        (
            File("Kijai/WanVideo_comfy", module, num_bytes),
            File(f"Wan-AI/Wan2.1-VACE-{size}", full),
            File(f"Wan-AI/Wan2.1-VACE-{size}-diffusers", f"transformer/{full}"),
        )
    )


def _t2v(size: str, file: str, num_bytes: int | None = None) -> Part:
    return Part(
        (
            File(f"Wan-AI/Wan2.1-T2V-{size}", file, num_bytes),
            File(f"Wan-AI/Wan2.1-T2V-{size}-Diffusers", f"transformer/{file}"),
        )
    )


_ONE, _SHARDED = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json"
VACE_1_3B = _vace("1.3B", "Wan2_1-VACE_module_1_3B_bf16.safetensors", 1_470_000_000, _ONE)
VACE_14B = _vace("14B", "Wan2_1-VACE_module_14B_bf16.safetensors", 6_100_000_000, _SHARDED)
_LONGLIVE = "Efficient-Large-Model/LongLive-1.3B"

WEIGHTS: dict[str, Weights] = {
    "longlive-1.3b": Weights(
        {
            "transformer": Part((File(_LONGLIVE, "models/longlive_base.pt"),), entry="generator"),
            "lora": Part((File(_LONGLIVE, "models/lora.pt"),), entry="generator_lora", alpha=256),
            "vace": VACE_1_3B,
            **_SHARED,
        }
    ),
    "wan2.1-1.3b": Weights({"transformer": _t2v("1.3B", _ONE, 5_680_000_000), "vace": VACE_1_3B, **_SHARED}),
    "wan2.1-14b": Weights({"transformer": _t2v("14B", _SHARDED), "vace": VACE_14B, **_SHARED}),
}

EMBEDDED = {"sprites": "vacestream.sprites"}
"""Rows whose weights come with the package, and the package that has them."""
_EMBEDDED_FILES = {
    "transformer": "causal.safetensors",
    "vace": "vace.safetensors",
    "vae": "vae.safetensors",
    "text": "text.safetensors",
    "tokenizer": "tokenizer.json",
}


def find(name: str) -> tuple[dict[str, Found], Mapping[str, Mapping[str, Any]]]:
    """The files of a row by part, and its config; ModelError names all that are missing."""
    if name in EMBEDDED:
        return _embedded(name)
    if name not in WEIGHTS:
        known = ", ".join([*EMBEDDED, *WEIGHTS])
        raise ModelError(f"{name}: its weights cannot be loaded yet; use one of {known}")
    row = WEIGHTS[name]
    paths = {part: look_up(row.parts[part]) for part in row.parts}
    if missing := [_bring(name, part, row.parts[part]) for part, path in paths.items() if path is None]:
        raise ModelError("\n".join(missing))
    found = {
        part: Found(path, row.parts[part].entry, row.parts[part].alpha)
        for part, path in paths.items()
        if path
    }
    return found, row.config or WAN_CONFIG


def look_up(part: Part) -> Path | None:
    """Where a part lies: in the folder of weights, else in Hugging Face's cache."""
    candidates = [*_in_folder(part), *_in_cache(part)] if os.environ.get(FOLDER) else _in_cache(part)
    return next((path for path in candidates if path.is_file()), None)


def _in_folder(part: Part) -> Iterator[Path]:
    folder = Path(os.environ[FOLDER]).expanduser()
    if not folder.is_dir():
        raise ModelError(f"{FOLDER}: {folder} is no folder; name one with weights in it, or unset it")
    for file in part.files:
        for form in file.forms:
            yield folder / file.repo / form
            yield folder / file.repo.rpartition("/")[2] / form
    for form in part.files[0].forms:
        yield folder / Path(form).name


def _in_cache(part: Part) -> Iterator[Path]:
    from huggingface_hub import try_to_load_from_cache

    for file in part.files:
        for form in file.forms:
            if isinstance(path := try_to_load_from_cache(file.repo, form), str):
                yield Path(path)


def _bring(name: str, part: str, row: Part) -> str:
    """What is missing, and the command that brings it."""
    file = row.files[0]
    size = f" (about {file.num_bytes / 1e9:.2g} GB)" if file.num_bytes else ""
    what = f"--include '{file.path.partition('.')[0]}*'" if file.path.endswith(".index.json") else file.path
    where = f"neither in {FOLDER} nor in Hugging Face's cache"
    return (
        f"{name}: {part}: {file.path} of {file.repo}{size} is {where}; run `hf download {file.repo} {what}`"
    )


def _embedded(name: str) -> tuple[dict[str, Found], Mapping[str, Mapping[str, Any]]]:
    folder = Path(str(files(EMBEDDED[name]) / "weights"))
    if not (folder / "config.json").is_file():
        raise ModelError(
            f"{folder.name}/config.json: the weights of {name} are missing; install vacestream again"
        )
    config = json.loads((folder / "config.json").read_text())
    return {part: Found(folder / file) for part, file in _EMBEDDED_FILES.items()}, config
