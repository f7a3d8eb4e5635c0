"""The names in users' LoRA files -> keys of our modules: diffusers, PEFT, kohya (musubi) and ComfyUI.

A name is a prefix, a module by its diffusers or its original name, with dots or with underscores, and what it
holds. All are resolved through one table of the names that each of our weights may have.
"""

import json
import math
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import safe_open
from torch import Tensor

from vacestream.errors import ModelError
from vacestream.models import checkpoint
from vacestream.models.key_maps import WAN_KEYS, original

PREFIXES = ("transformer.", "lora_unet_", "lora_transformer_", "base_model.model.", "unet.")
"""Before the module; what training frameworks put there is taken off when a file is read."""

HOLDS = {
    ".lora_A.weight": ("a", ".weight"),
    ".lora_B.weight": ("b", ".weight"),
    ".lora_A.default.weight": ("a", ".weight"),
    ".lora_B.default.weight": ("b", ".weight"),
    ".lora_down.weight": ("a", ".weight"),
    ".lora_up.weight": ("b", ".weight"),
    ".lora.down.weight": ("a", ".weight"),
    ".lora.up.weight": ("b", ".weight"),
    ".alpha": ("alpha", ".weight"),
    ".diff": ("difference", ".weight"),
    ".diff_b": ("difference", ".bias"),
    ".lora_B.bias": ("difference", ".bias"),
}
"""Behind the module: what it is, and of which of the module's weights."""


@dataclass
class Entry:
    """What a file says of one weight."""

    a: Tensor | None = None
    b: Tensor | None = None
    alpha: float | None = None
    difference: Tensor | None = None


def parse(path: Path, keys: Collection[str]) -> tuple[dict[str, Entry], list[str]]:
    """What a file holds of weights with these keys, by key, and the names in it that are of none of them."""
    known = _aliases(keys)
    entries: dict[str, Entry] = {}
    strange: list[str] = []
    for name, value in checkpoint.read(path).items():
        kind, key = _resolve(name, known)
        if key not in keys:
            strange.append(name)
            continue
        entry = entries.setdefault(key, Entry())
        setattr(entry, kind, float(value) if kind == "alpha" else value)
    if alpha := _alpha_of_file(path):
        for entry in entries.values():
            if entry.a is not None and entry.alpha is None:
                entry.alpha = alpha(entry.a.shape[0])
    return entries, strange


def _aliases(keys: Iterable[str]) -> dict[str, str]:
    """Every name that a module may have in a file -> its name in ours."""
    found: dict[str, str] = {}
    for key in keys:
        module = key.rpartition(".")[0]
        there = original(f"{module}.", WAN_KEYS).removesuffix(".")
        for name in (module, there):
            found[name] = found[name.replace(".", "_")] = module
    return found


def _resolve(name: str, known: Mapping[str, str]) -> tuple[str, str]:
    """What a name holds, and the key of the weight that it is of; empty where it is of none."""
    for suffix, (kind, weight) in HOLDS.items():
        if name.endswith(suffix):
            module = name.removesuffix(suffix)
            for prefix in PREFIXES:
                module = module.removeprefix(prefix)
            return kind, known[module] + weight if module in known else ""
    return "", ""


def _alpha_of_file(path: Path) -> Callable[[int], float] | None:
    """Rank -> alpha, where one is said for all weights: in PEFT's adapter_config.json, or the header."""
    said = _peft_config(path) or _header_config(path)
    if not said or said.get("lora_alpha") is None:
        return None
    alpha = float(said["lora_alpha"])
    return lambda rank: alpha * math.sqrt(rank) if said.get("use_rslora") else alpha


def _peft_config(path: Path) -> dict[str, Any] | None:
    config = path.with_name("adapter_config.json")
    if not path.name.startswith("adapter_model") or not config.is_file():
        return None
    try:
        return dict(json.loads(config.read_text()))
    except ValueError as error:
        raise ModelError(f"{config}: not readable as JSON ({error}); fetch it again") from error


def _header_config(path: Path) -> dict[str, Any] | None:
    """As diffusers writes it: one JSON text in the header, `transformer.` before each key."""
    if path.suffix != ".safetensors":
        return None
    with safe_open(path, "pt") as file:
        said = (file.metadata() or {}).get("lora_adapter_metadata")
    return (
        {key.removeprefix("transformer."): value for key, value in json.loads(said).items()} if said else None
    )
