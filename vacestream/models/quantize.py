"""Linear layers of blocks in int8 or fp8 weights, through torchao; all else stays as it is."""

from importlib import import_module
from importlib.util import find_spec

from torch import nn

from vacestream.errors import RecipeError

CONFIGS = {"int8": "Int8WeightOnlyConfig", "fp8": "Float8WeightOnlyConfig"}
"""As recipes call them -> as torchao does."""


def refuse_missing(kind: str) -> None:
    """RecipeError where the package is missing that makes such weights."""
    if find_spec("torchao") is None:
        raise RecipeError(
            f"precision: {kind} needs the package torchao; run `uv pip install torchao`, or write bf16"
        )


def quantize(module: nn.Module, kind: str, *, inside: tuple[str, ...] = ("blocks.", "vace_blocks.")) -> None:
    """Replace the weights of all linear layers whose names start so, in place."""
    torchao = import_module("torchao.quantization")

    def is_meant(part: nn.Module, name: str) -> bool:
        return isinstance(part, nn.Linear) and name.startswith(inside)

    torchao.quantize_(module, getattr(torchao, CONFIGS[kind])(), filter_fn=is_meant)
