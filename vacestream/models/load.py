"""A row of the table -> its weights on a device; no stream state."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan, WanTransformer3DModel
from torch import nn
from transformers import PreTrainedTokenizerFast, UMT5Config, UMT5EncoderModel

from vacestream.errors import ModelError
from vacestream.models import checkpoint
from vacestream.models.text import TextEncoder
from vacestream.models.transformer import CausalWan, make_causal
from vacestream.models.vace import ContextAdapter
from vacestream.pipelines import PipelineSpec, Transformer


@dataclass(frozen=True)
class Pipeline:
    """The frozen weights of one row, shared by any number of streams."""

    spec: PipelineSpec
    transformer: CausalWan
    adapter: ContextAdapter
    vae: AutoencoderKLWan
    text: TextEncoder
    device: torch.device
    dtype: torch.dtype


def load_pipeline(spec: PipelineSpec, device: torch.device, dtype: torch.dtype) -> Pipeline:
    """Load every part of a row; ModelError names what is missing."""
    if spec.name != "sprites":
        raise ModelError(f"{spec.name}: its weights cannot be loaded yet; use `pipeline: sprites`")
    folder = Path(str(files("vacestream.sprites") / "weights"))
    if not (folder / "config.json").is_file():
        raise ModelError(f"{folder.name}/config.json: the weights of {spec.name} are missing; install vacestream again")
    config = json.loads((folder / "config.json").read_text())

    def part(build: Callable[[], Any], name: str) -> Any:
        return _place(_fill(build, folder / f"{name}.safetensors"), device, dtype)

    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(folder / "tokenizer.json"), **config["tokenizer"])
    return Pipeline(
        spec=spec,
        transformer=make_causal(part(lambda: build_transformer(spec.transformer), "causal")),
        adapter=part(lambda: build_adapter(spec.transformer), "vace"),
        vae=part(lambda: AutoencoderKLWan(**config["vae"]), "vae"),
        text=TextEncoder(
            tokenizer,
            part(lambda: UMT5EncoderModel(UMT5Config(**config["text_encoder"])), "text"),
            spec.transformer.text_len,
        ),
        device=device,
        dtype=dtype,
    )


def build_transformer(size: Transformer) -> WanTransformer3DModel:
    """Wan's transformer of the given size, without diffusers' RoPE tables: ours are made per chunk."""
    model = WanTransformer3DModel(
        patch_size=size.patch,
        num_attention_heads=size.heads,
        attention_head_dim=size.head_dim,
        in_channels=size.channels,
        out_channels=size.channels,
        text_dim=size.text_dim,
        freq_dim=size.freq_dim,
        ffn_dim=size.ffn_dim,
        num_layers=size.layers,
    )
    model.rope = nn.Identity()
    return model


def build_adapter(size: Transformer) -> ContextAdapter:
    """VACE's context blocks of the given size."""
    return ContextAdapter.build(
        dim=size.dim,
        ffn_dim=size.ffn_dim,
        heads=size.heads,
        channels=size.context_channels,
        patch=size.patch,
        layers=size.context_layers,
    )


def _fill(build: Callable[[], nn.Module], path: Path) -> nn.Module:
    """Build without memory, then take the file's tensors."""
    with torch.device("meta"):
        module = build()
    checkpoint.load(module, checkpoint.to_diffusers(checkpoint.read(path)), path.name)
    return module


def _place(module: nn.Module, device: torch.device, dtype: torch.dtype) -> nn.Module:
    return module.to(device, dtype).eval().requires_grad_(False)
