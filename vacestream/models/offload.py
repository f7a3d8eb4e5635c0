"""Weights that wait in main memory and come to the device for their work, through hooks of diffusers.

What is written into must stay the same object: hooks that move arguments copy lists and dicts. A block is
given its part of the KV cache as a function, which none of them looks into; the VAE is given lists, so its
hooks leave arguments alone.
"""

from collections.abc import Iterator
from typing import Any, Protocol
from weakref import WeakSet

import torch
from diffusers.hooks import HookRegistry, ModelHook, apply_group_offloading
from torch import nn

CPU = torch.device("cpu")
BLOCKS = ("blocks", "vace_blocks")
"""What lists of blocks are called in the models that have them."""
_NAME = "vacestream_offload"


class Host(Protocol):
    """Says when weights are on the device."""

    def take(self, name: str, module: nn.Module) -> None:
        """From here on see to a module; those of one name work together."""


class Stay:
    """All are there all the time."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def take(self, name: str, module: nn.Module) -> None:
        module.to(self.device)


class TakeTurns:
    """One name at a time is on the device: that of the module that was called last."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.here = ""
        self.modules: dict[str, WeakSet[nn.Module]] = {}

    def take(self, name: str, module: nn.Module) -> None:
        self.modules.setdefault(name, WeakSet()).add(module)
        module.to(self.device if name == self.here else CPU)
        for part in _with_weights(module):
            registry = HookRegistry.check_if_exists_or_initialize(part)
            registry.register_hook(_Call(self, name), _NAME)

    def bring(self, name: str) -> None:
        """Let one name come, and the one before go."""
        if name == self.here:
            return
        for module in self.modules.get(self.here, ()):
            module.to(CPU)
        for module in self.modules[name]:
            module.to(self.device)
        self.here = name


class BlockByBlock:
    """Blocks are on the device while they work, and no longer; all else stays there."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def take(self, name: str, module: nn.Module) -> None:
        for part, child in module.named_children():
            if part in BLOCKS:
                holder = nn.Module()  # hooks are for its lists, not for what else their model has
                holder.blocks = child
                apply_group_offloading(holder, self.device, CPU, "block_level", num_blocks_per_group=1)
            else:
                child.to(self.device)
        for parameter in module.parameters(recurse=False):
            parameter.data = parameter.data.to(self.device)


HOSTS: dict[str, type[Stay] | type[TakeTurns] | type[BlockByBlock]] = {
    "none": Stay,
    "text": Stay,
    "model": TakeTurns,
    "group": BlockByBlock,
}
"""As recipes call them."""


class _Call(ModelHook):
    """Brings its model when a part of it is called."""

    def __init__(self, host: TakeTurns, name: str) -> None:
        super().__init__()
        self.host, self.name = host, name

    def pre_forward(self, module: nn.Module, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        self.host.bring(self.name)
        return args, kwargs


def _with_weights(module: nn.Module) -> Iterator[nn.Module]:
    """Every part, on every level, that has weights of its own."""
    return (part for part in module.modules() if any(True for _ in part.parameters(recurse=False)))
