"""LoRA files -> weights with them merged, in float32: W + scale (alpha / rank) B A (arXiv:2106.09685).

A row's own LoRA is of exactly the linear layers of its blocks. Those that users bring may be of any weights,
in any of the formats that diffusers converts; see `lora_formats`.
"""

import re
import warnings
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Tensor, nn

from vacestream.errors import ModelError
from vacestream.models import checkpoint
from vacestream.models.key_maps import WAN_KEYS
from vacestream.models.lora_formats import Entry, parse

PAIR = re.compile(r"\.lora_([AB])(?:\.default)?\.weight$")
SHOWN = 3
"""Names of a kind that a message has."""


@dataclass(frozen=True)
class Pair:
    """The factors of one weight, and how strongly they act."""

    a: Tensor  # [r in ...]
    b: Tensor  # [out r ...]
    strength: float


@dataclass(frozen=True)
class Lora:
    """What one file changes, by the keys of our modules."""

    pairs: Mapping[str, Pair]
    added: Mapping[str, tuple[Tensor, float]] = field(default_factory=dict)
    """Differences that are added whole, and how strongly: of biases and norms."""

    def merged(self, key: str, weight: Tensor) -> Tensor:
        """A weight with its change added, float32; others as they are."""
        if key in self.pairs:
            pair = self.pairs[key]
            change = pair.b.float().flatten(1) @ pair.a.float().flatten(1)
            weight = weight.float() + pair.strength * change.view(weight.shape)
        if key in self.added:
            difference, strength = self.added[key]
            weight = weight.float() + strength * difference.float()
        return weight


def merge(loras: Iterable[Lora], key: str, weight: Tensor) -> Tensor:
    """A weight with the changes of all files added, in order."""
    for lora in loras:
        weight = lora.merged(key, weight)
    return weight


def read_lora(path: Path, transformer: nn.Module, alpha: float, entry: str | None = None) -> Lora:
    """The pairs for exactly the linear layers of a transformer's blocks; any other set is refused by name."""
    found = checkpoint.to_diffusers(checkpoint.read(path, entry), where=str(path))
    weights = {PAIR.sub(r".lora_\1.weight", key): value for key, value in found.items()}
    linear = [(name, part) for name, part in transformer.named_modules() if _is_changed(name, part)]
    first = next((value for key, value in weights.items() if key.endswith(".lora_A.weight")), None)
    rank = len(first) if first is not None and first.ndim == 2 else 0
    want: dict[str, torch.Size] = {}
    for name, part in linear:
        want[f"{name}.lora_A.weight"] = torch.Size((rank, part.in_features))
        want[f"{name}.lora_B.weight"] = torch.Size((part.out_features, rank))
    checkpoint.refuse(want, weights, str(path), table=WAN_KEYS)
    return Lora(
        {
            f"{name}.weight": Pair(
                weights[f"{name}.lora_A.weight"], weights[f"{name}.lora_B.weight"], alpha / rank
            )
            for name, _ in linear
        }
    )


def read_users_lora(path: Path, scale: float, shapes: Mapping[str, torch.Size]) -> Lora:
    """What a file of any format changes of weights of these shapes, by key; the rest of it is warned of.

    ModelError names factors of another size, and a file of which nothing is of this model.
    """
    entries, strange = parse(path, shapes.keys())
    if not entries:
        raise ModelError(
            f"{path}: none of its {len(strange)} names is of this model ({_some(strange)}); is it a LoRA of"
            " Wan2.1 of this size?"
        )
    if strange:
        warnings.warn(
            f"{path.name}: changes {len(entries)} weights; {len(strange)} names are not of this model and"
            f" are left out ({_some(strange)})",
            stacklevel=2,
        )
    pairs, added = {}, {}
    for key, entry in entries.items():
        if entry.difference is not None:
            _check(path, key, entry.difference.shape, shapes[key])
            added[key] = entry.difference, scale
        if entry.a is not None or entry.b is not None:
            pairs[key] = _pair(path, key, entry, scale, shapes[key])
    return Lora(pairs, added)


def _pair(path: Path, key: str, entry: Entry, scale: float, shape: torch.Size) -> Pair:
    if entry.a is None or entry.b is None:
        raise ModelError(f"{path}: {key}: one of its two factors is missing; fetch the file again")
    a, b = entry.a, entry.b
    if a.shape[0] != b.shape[1]:
        raise ModelError(f"{path}: {key}: factors of rank {a.shape[0]} and {b.shape[1]}; fetch it again")
    _check(path, key, torch.Size((b.shape[0], *a.shape[1:])), shape)
    return Pair(a, b, scale * (entry.alpha / a.shape[0] if entry.alpha is not None else 1.0))


def _check(path: Path, key: str, got: torch.Size, want: torch.Size) -> None:
    if got != want:
        raise ModelError(
            f"{path}: {key}: changes a weight of {tuple(got)}, and it is {tuple(want)} here; is it a LoRA of"
            " a model of another size?"
        )


def _some(names: list[str]) -> str:
    return ", ".join(names[:SHOWN]) + (", ..." if len(names) > SHOWN else "")


def _is_changed(name: str, part: nn.Module) -> bool:
    return name.startswith("blocks.") and isinstance(part, nn.Linear)
