"""Checkpoint files -> modules: read, unwrap, rename to diffusers' keys, load strictly and in place.

Files are memory-mapped, modules are built without memory and take tensor after tensor, so that a model is
never in memory twice.
"""

import json
import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any
from zipfile import is_zipfile

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from vacestream.errors import ModelError
from vacestream.models.key_maps import WAN_KEYS, KeyMap, original, ours
from vacestream.weights.rows import INDEX

WRAPPERS = ("generator_ema", "generator", "model", "state_dict")
"""Entries that training checkpoints keep the weights under, first found wins."""

PREFIXES = ("model.diffusion_model.", "diffusion_model.", "base_model.", "model.", "module.")

WRAPPED = re.compile(r"\b(_fsdp_wrapped_module|_checkpoint_wrapped_module|_orig_mod)\.")
"""What FSDP, checkpointing and compilation put into names, anywhere."""

VACE_PREFIX = "vace_"

SHOWN = 3
"""Wrong keys of a kind that a message names."""


def read(path: Path, entry: str | None = None) -> dict[str, Tensor]:
    """The weights in a .safetensors, .pt or sharded checkpoint, memory-mapped, free of wrappers and prefixes.

    Of several wrapped sets `entry` is taken; a file with one set gives that.
    """
    raw = _read_shards(path) if path.name.endswith(INDEX) else read_file(path)
    wrappers = (entry, *WRAPPERS) if entry else WRAPPERS
    return _renamed(_unwrap(raw, wrappers), _bare, str(path))


def to_diffusers(
    weights: Mapping[str, Tensor], table: KeyMap = WAN_KEYS, where: str = "checkpoint"
) -> dict[str, Tensor]:
    """Original keys renamed; diffusers' keys pass through."""
    return _renamed(weights, lambda key: ours(key, table), where)


def load(
    module: nn.Module,
    weights: Mapping[str, Tensor],
    where: str,
    *,
    table: KeyMap = (),
    device: torch.device | None = None,
    dtype: torch.dtype | None = None,
    change: Callable[[str, Tensor], Tensor] = lambda key, weight: weight,
) -> None:
    """Fill a module strictly, a tensor at a time: `change`, cast, place; None keeps what the file has.

    A missing, unknown or misshapen key is refused by name, and by its name in `table`.
    """
    check(module, weights, where, table=table)
    placed: dict[int, Tensor] = {}  # by identity: tied weights stay one
    for key, weight in weights.items():
        if id(weight) not in placed:
            placed[id(weight)] = change(key, weight).to(device=device, dtype=dtype)
    module.load_state_dict({key: placed[id(weight)] for key, weight in weights.items()}, assign=True)


def check(module: nn.Module, weights: Mapping[str, Tensor], where: str, *, table: KeyMap = ()) -> None:
    """Refuse weights that are not exactly the module's."""
    refuse({key: value.shape for key, value in module.state_dict().items()}, weights, where, table=table)


def refuse(
    want: Mapping[str, torch.Size], weights: Mapping[str, Tensor], where: str, *, table: KeyMap = ()
) -> None:
    """ModelError unless the names and shapes are those wanted."""

    def name(key: str) -> str:
        there = original(key, table)
        return key if there == key else f"{there} -> {key}"

    found = [
        _some("missing", [name(key) for key in want if key not in weights]),
        _some("unknown", [name(key) for key in weights if key not in want]),
    ]
    found += [
        f"{name(key)} is {tuple(weights[key].shape)}, want {tuple(shape)}"
        for key, shape in want.items()
        if key in weights and weights[key].shape != shape
    ][:SHOWN]
    if said := "; ".join(filter(None, found)):
        raise ModelError(f"{where}: not these weights: {said}; is it the right model? If so, fetch it again")


def split_vace(weights: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """A full VACE checkpoint -> the transformer's weights, the adapter's."""
    base = {key: value for key, value in weights.items() if not key.startswith(VACE_PREFIX)}
    return base, {key: value for key, value in weights.items() if key.startswith(VACE_PREFIX)}


def read_file(path: Path) -> Mapping[str, Any]:
    """What one file holds, under its own names."""
    if not path.is_file():
        raise ModelError(f"{path}: no such file; the model's weights are missing")
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        weights = torch.load(path, "cpu", mmap=is_zipfile(path), weights_only=True)
    except Exception as error:
        raise ModelError(f"{path}: not a readable checkpoint ({error}); fetch it again") from error
    if not isinstance(weights, Mapping):
        raise ModelError(f"{path}: holds a {type(weights).__name__}, not weights by name; fetch it again")
    return weights


def _read_shards(index: Path) -> dict[str, Tensor]:
    """All shards that a table of contents lists, as one."""
    try:
        listed = dict(json.loads(index.read_text())["weight_map"])
    except Exception as error:
        raise ModelError(f"{index}: not a readable list of shards ({error!r}); fetch it again") from error
    weights: dict[str, Tensor] = {}
    for shard in sorted(set(listed.values())):
        part = read_file(index.parent / shard)
        if twice := sorted(weights.keys() & part.keys()):
            raise ModelError(f"{index.parent / shard}: {twice[0]} is in another shard too; fetch all again")
        weights.update(part)
    if lost := sorted(listed.keys() - weights.keys()):
        raise ModelError(f"{index.parent / listed[lost[0]]}: {lost[0]} is missing; fetch the shard again")
    return weights


def _unwrap(weights: Mapping[str, Any], wrappers: tuple[str, ...]) -> Mapping[str, Tensor]:
    for name in wrappers:
        if isinstance(weights.get(name), Mapping):
            return _unwrap(weights[name], wrappers)
    return weights


def _bare(key: str) -> str:
    key = WRAPPED.sub("", key)
    for prefix in PREFIXES:
        if key.startswith(prefix):
            return _bare(key.removeprefix(prefix))
    return key


def _renamed(weights: Mapping[str, Tensor], name: Callable[[str], str], where: str) -> dict[str, Tensor]:
    renamed: dict[str, Tensor] = {}
    for key, value in weights.items():
        if (new := name(key)) in renamed:
            raise ModelError(f"{where}: {new} is there twice, once as {key}; fetch the file again")
        renamed[new] = value
    return renamed


def _some(what: str, keys: Iterable[str]) -> str:
    keys = list(keys)
    return (
        f"{len(keys)} {what} ({', '.join(keys[:SHOWN])}{', ...' if len(keys) > SHOWN else ''})"
        if keys
        else ""
    )
