"""Names of weights in the original Wan2.1 releases and in diffusers' and transformers' modules, as tables."""

import re
from collections.abc import Iterable
from functools import cache

KeyMap = tuple[tuple[str, str], ...]
"""Original -> ours, replaced one after the other. * is a number; a leading dot means anywhere, else the
beginning; a trailing dot means that more follows, else the end."""

_BLOCK = (
    ("modulation", "scale_shift_table"),
    *((f"self_attn.{x}.", f"attn1.to_{x}.") for x in "qkv"),
    ("self_attn.o.", "attn1.to_out.0."),
    *((f"self_attn.norm_{x}.", f"attn1.norm_{x}.") for x in "qk"),
    *((f"cross_attn.{x}.", f"attn2.to_{x}.") for x in "qkv"),
    ("cross_attn.o.", "attn2.to_out.0."),
    *((f"cross_attn.norm_{x}.", f"attn2.norm_{x}.") for x in "qk"),
    ("norm3.", "norm2."),
    ("ffn.0.", "ffn.net.0.proj."),
    ("ffn.2.", "ffn.net.2."),
)
"""Inside a block. norm2 and norm3 swap names; only the affine one has weights."""

WAN_KEYS: KeyMap = (
    ("time_embedding.0.", "condition_embedder.time_embedder.linear_1."),
    ("time_embedding.2.", "condition_embedder.time_embedder.linear_2."),
    ("text_embedding.0.", "condition_embedder.text_embedder.linear_1."),
    ("text_embedding.2.", "condition_embedder.text_embedder.linear_2."),
    ("time_projection.1.", "condition_embedder.time_proj."),
    ("head.head.", "proj_out."),
    ("head.modulation", "scale_shift_table"),
    *((f"blocks.*.{a}", f"blocks.*.{b}") for a, b in _BLOCK),
    *((f"vace_blocks.*.{a}", f"vace_blocks.*.{b}") for a, b in _BLOCK),
    ("vace_blocks.*.before_proj.", "vace_blocks.*.proj_in."),
    ("vace_blocks.*.after_proj.", "vace_blocks.*.proj_out."),
)
"""Transformer and context blocks: Wan2.1, VACE and all causal models made from them."""

_UP = ("resnets.0.", "resnets.1.", "resnets.2.", "upsamplers.0.")

VAE_KEYS: KeyMap = (
    ("conv1.", "quant_conv."),
    ("conv2.", "post_quant_conv."),
    ("encoder.downsamples.", "encoder.down_blocks."),
    *(
        (f"decoder.upsamples.{len(_UP) * block + i}.", f"decoder.up_blocks.{block}.{part}")
        for block in range(4)
        for i, part in enumerate(_UP)
    ),
    *(
        (f"{way}.{a}", f"{way}.{b}")
        for way in ("encoder", "decoder")
        for a, b in (
            ("conv1.", "conv_in."),
            ("middle.0.", "mid_block.resnets.0."),
            ("middle.1.", "mid_block.attentions.0."),
            ("middle.2.", "mid_block.resnets.1."),
            ("head.0.", "norm_out."),
            ("head.2.", "conv_out."),
        )
    ),
    (".residual.0.", ".norm1."),
    (".residual.2.", ".conv1."),
    (".residual.3.", ".norm2."),
    (".residual.6.", ".conv2."),
    (".shortcut.", ".conv_shortcut."),
)
"""Wan2.1's VAE; the original counts the decoder's layers through, diffusers in blocks and steps up."""

UMT5_KEYS: KeyMap = (
    ("token_embedding.", "shared."),
    ("norm.", "encoder.final_layer_norm."),
    *(
        (f"blocks.*.{a}.", f"encoder.block.*.layer.{b}.")
        for a, b in (
            ("norm1", "0.layer_norm"),
            *((f"attn.{x}", f"0.SelfAttention.{x}") for x in "qkvo"),
            ("pos_embedding.embedding", "0.SelfAttention.relative_attention_bias"),
            ("norm2", "1.layer_norm"),
            ("ffn.gate.0", "1.DenseReluDense.wi_0"),
            ("ffn.fc1", "1.DenseReluDense.wi_1"),
            ("ffn.fc2", "1.DenseReluDense.wo"),
        )
    ),
)
"""Wan2.1's copy of the UMT5 encoder; transformers' names."""


def ours(key: str, table: KeyMap) -> str:
    """An original name as our modules have it; our own names stay."""
    return _replace(key, table)


def original(key: str, table: KeyMap) -> str:
    """The way back."""
    return _replace(key, ((b, a) for a, b in reversed(table)))


def _replace(key: str, pairs: Iterable[tuple[str, str]]) -> str:
    for found, new in pairs:
        if found.rpartition("*")[2] in key:  # a regex costs ten times as much
            key = _pattern(found).sub(new.replace("*", r"\1"), key)
    return key


@cache
def _pattern(found: str) -> re.Pattern[str]:
    body = re.escape(found).replace(r"\*", r"(\d+)")
    return re.compile(f"{'' if found[0] == '.' else '^'}{body}{'' if found[-1] == '.' else '$'}")
