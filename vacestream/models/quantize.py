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


def quantize(module: nn.Module, kind: str) -> None:
    """Replace the weights of all linear layers inside `blocks` or `vace_blocks`, in place."""
    torchao = import_module("torchao.quantization")
    torchao.quantize_(module, getattr(torchao, CONFIGS[kind])(), filter_fn=_is_in_a_block)


def _is_in_a_block(module: nn.Module, name: str) -> bool:
    return isinstance(module, nn.Linear) and name.startswith(("blocks.", "vace_blocks."))
