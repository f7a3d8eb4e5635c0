"""Key maps and strict loading, on weights named as the original releases name them."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from tests.tiny import SIZE, batch_oracle, tiny_pipeline
from vacestream.errors import ModelError
from vacestream.models.checkpoint import load, read, split_vace, to_diffusers

ATTENTION = [f"{x}.{part}" for x in "qkvo" for part in ("weight", "bias")] + [
    "norm_q.weight",
    "norm_k.weight",
]
BLOCK = [
    "modulation",
    *(f"{attention}.{part}" for attention in ("self_attn", "cross_attn") for part in ATTENTION),
    *(f"{layer}.{part}" for layer in ("norm3", "ffn.0", "ffn.2") for part in ("weight", "bias")),
]
OUTER = ["patch_embedding", "time_embedding.0", "time_embedding.2", "text_embedding.0", "text_embedding.2",
         "time_projection.1", "head.head"]  # fmt: skip


def original_keys(layers: int, context_layers: int) -> list[str]:
    """Names in a full VACE release."""
    keys = [f"{outer}.{part}" for outer in OUTER for part in ("weight", "bias")] + ["head.modulation"]
    keys += [f"blocks.{i}.{key}" for i in range(layers) for key in BLOCK]
    keys += [f"vace_blocks.{i}.{key}" for i in range(context_layers) for key in BLOCK]
    keys += [
        f"vace_blocks.{i}.after_proj.{part}" for i in range(context_layers) for part in ("weight", "bias")
    ]
    keys += [f"vace_blocks.0.before_proj.{part}" for part in ("weight", "bias")]
    return keys + [f"vace_patch_embedding.{part}" for part in ("weight", "bias")]


def names(weights: dict[str, Tensor]) -> dict[str, str]:
    """diffusers' key -> original key, seen through values that are all different."""
    marks = {key: torch.tensor(i) for i, key in enumerate(weights)}
    order = list(weights)
    return {key: order[int(mark)] for key, mark in to_diffusers(marks).items()}


def test_original_names_map_one_to_one_on_the_names_of_a_vace_transformer() -> None:
    original = original_keys(SIZE.layers, len(SIZE.context_layers))
    back = names(dict.fromkeys(original, torch.zeros(())))
    assert back.keys() == batch_oracle(tiny_pipeline()).state_dict().keys()
    assert sorted(back.values()) == sorted(original)


def test_the_affine_norm_is_the_third_in_original_names_and_the_second_in_diffusers() -> None:
    assert list(to_diffusers({"blocks.3.norm3.bias": torch.zeros(())})) == ["blocks.3.norm2.bias"]


@pytest.mark.parametrize("size", ["vace_1_3B", "vace_14B", "wan21_t2v_1_3B", "wan21_t2v_14B"])
def test_the_map_is_that_of_the_recorded_manifests(size: str) -> None:
    if not (folder := os.environ.get("VACESTREAM_GOLDEN")):
        pytest.skip("VACESTREAM_GOLDEN does not name the folder of records")
    recorded = json.loads((Path(folder) / "manifests" / f"map_{size}_original_to_diffusers.json").read_text())
    got = names(dict.fromkeys(recorded["map"], torch.zeros(())))
    assert {original: key for key, original in got.items()} == recorded["map"]


def test_names_of_diffusers_pass_through() -> None:
    weights = tiny_pipeline().transformer.state_dict()
    assert to_diffusers(weights).keys() == weights.keys()


def test_a_full_release_splits_into_transformer_and_adapter() -> None:
    pipe = tiny_pipeline()
    base, context = split_vace(batch_oracle(pipe).state_dict())
    assert base.keys() == pipe.transformer.state_dict().keys()
    assert context.keys() == pipe.adapter.state_dict().keys()


def renamed(weights: dict[str, Tensor], prefix: str, inside: str = "") -> dict[str, Tensor]:
    return {f"{prefix}{key}".replace("blocks.0.", f"blocks.0.{inside}"): weights[key] for key in weights}


@pytest.mark.parametrize(
    "wrap",
    [
        lambda w: w,
        lambda w: {"generator": w, "epoch": 3},
        lambda w: {"generator": {"a": torch.zeros(1)}, "generator_ema": w},
        lambda w: {"model": {"state_dict": w}},
        lambda w: renamed(w, "model."),
        lambda w: renamed(w, "model.diffusion_model."),
        lambda w: renamed(w, "model._fsdp_wrapped_module._orig_mod."),
        lambda w: {"generator_ema": renamed(w, "model._fsdp_wrapped_module.", "_checkpoint_wrapped_module.")},
    ],
    ids=["bare", "entry", "ema first", "nested", "prefix", "comfy", "wrapped", "wrapped blocks"],
)
def test_wrappers_and_prefixes_of_training_checkpoints_are_taken_off(
    wrap: Callable[[dict[str, Tensor]], object], tmp_path: Path
) -> None:
    weights = {"blocks.0.ffn.0.bias": torch.randn(3), "head.modulation": torch.randn(1, 2, 3)}
    torch.save(wrap(weights), path := tmp_path / "a.pt")
    got = read(path)
    assert got.keys() == weights.keys()
    assert all(torch.equal(got[key], value) for key, value in weights.items())


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_what_is_written_is_loaded_to_the_bit(suffix: str, tmp_path: Path) -> None:
    source, target = tiny_pipeline().adapter, tiny_pipeline().adapter
    for parameter in target.parameters():
        parameter.zero_()
    path = tmp_path / f"adapter{suffix}"
    (torch.save if suffix == ".pt" else save_file)(dict(source.state_dict()), path)
    load(target, to_diffusers(read(path)), path.name)
    assert all(torch.equal(a, b) for a, b in zip(target.parameters(), source.parameters(), strict=True))


QUERY, BIAS = "vace_blocks.1.attn1.to_q.weight", "vace_blocks.0.proj_in.bias"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda w: w.pop(QUERY), rf"1 missing \({QUERY}\)"),
        (lambda w: w.update({"vace_blocks.9.extra": torch.zeros(1)}), r"1 unknown \(vace_blocks.9.extra\)"),
        (lambda w: w.update({BIAS: torch.zeros(5)}), rf"{BIAS} is \(5,\), want \(48,\)"),
    ],
    ids=["missing", "extra", "misshapen"],
)
def test_one_wrong_key_is_refused_by_name_and_nothing_is_loaded(
    change: Callable[[dict[str, Tensor]], object], message: str
) -> None:
    adapter = tiny_pipeline().adapter
    weights = {key: value + 1 for key, value in adapter.state_dict().items()}
    before = {key: value.clone() for key, value in adapter.state_dict().items()}
    change(weights)
    with pytest.raises(ModelError, match=f"vace.safetensors: .*{message}"):
        load(adapter, weights, "vace.safetensors")
    assert all(torch.equal(value, before[key]) for key, value in adapter.state_dict().items())


def test_a_file_that_is_not_there_and_one_that_is_no_checkpoint_are_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"gone.pt: no such file"):
        read(tmp_path / "gone.pt")
    for name in ("bad.pt", "bad.safetensors"):
        (tmp_path / name).write_bytes(b"not a checkpoint at all")
        with pytest.raises(ModelError, match=f"{name}: not a readable checkpoint"):
            read(tmp_path / name)
