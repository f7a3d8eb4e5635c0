"""A file of weights and a module that has no memory yet -> the module with them."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from diffusers.models.modeling_utils import no_init_weights
from torch import Tensor, nn

from vacestream.models import checkpoint
from vacestream.models.key_maps import KeyMap
from vacestream.models.lora import Lora, merge
from vacestream.weights import Found

Config = Mapping[str, Any]
"""What a class of diffusers or transformers is built from."""


def read_as_ours(file: Found, table: KeyMap) -> tuple[dict[str, Tensor], KeyMap]:
    """Weights under our names, and the table if the file has others."""
    weights = checkpoint.read(file.path, file.entry)
    renamed = checkpoint.to_diffusers(weights, table, str(file.path))
    return renamed, () if renamed.keys() == weights.keys() else table


def fill(
    build: Callable[[], nn.Module],
    weights: Mapping[str, Tensor],
    file: Found,
    names: KeyMap,
    device: torch.device,
    dtype: torch.dtype,
    changes: Sequence[Lora] = (),
) -> Any:
    module = empty(build)
    change = partial(merge, changes)
    checkpoint.load(module, weights, str(file.path), table=names, device=device, dtype=dtype, change=change)
    return frozen(module)


def empty(build: Callable[[], nn.Module]) -> nn.Module:
    """A module without memory, and without the time that its first random weights would take."""
    with torch.device("meta"), no_init_weights():
        return build()


def frozen(module: nn.Module) -> Any:
    assert not any(t.is_meta for t in (*module.parameters(), *module.buffers())), type(module)
    return module.eval().requires_grad_(False)
