"""A LoRA file -> weights with it merged, in float32: W + (alpha / rank) B A (arXiv:2106.09685)."""

import re
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from vacestream.models import checkpoint
from vacestream.models.key_maps import WAN_KEYS

PAIR = re.compile(r"\.lora_([AB])(?:\.default)?\.weight$")


@dataclass(frozen=True)
class Lora:
    """A pair of factors for each weight that it changes."""

    pairs: dict[str, tuple[Tensor, Tensor]]
    """Weight's key -> A [r in], B [out r]."""
    alpha: float

    def merged(self, key: str, weight: Tensor) -> Tensor:
        """A weight [out in] with its pair added, float32; others as they are."""
        if key not in self.pairs:
            return weight
        a, b = (factor.float() for factor in self.pairs[key])
        return torch.addmm(weight.float(), b, a, alpha=self.alpha / len(a))


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
    pairs = {
        f"{name}.weight": (weights[f"{name}.lora_A.weight"], weights[f"{name}.lora_B.weight"])
        for name, _ in linear
    }
    return Lora(pairs, alpha)


def _is_changed(name: str, part: nn.Module) -> bool:
    return name.startswith("blocks.") and isinstance(part, nn.Linear)
