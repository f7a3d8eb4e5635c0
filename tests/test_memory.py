"""Bytes from counts alone, held against the counts of the published models."""

from typing import Any

import pytest

from vacestream.counts import UMT5_XXL, num_context_weights, num_weights
from vacestream.memory import Demand, Memory, dtype_of, tokens_per_latent
from vacestream.memory import memory as memory_of
from vacestream.models.kv_cache import KVCache
from vacestream.models.slots import CacheShape
from vacestream.pipelines import PIPELINES, WAN_1_3B, WAN_14B, PipelineSpec

LONGLIVE = PIPELINES["longlive-1.3b"]
SIZE = (480, 832)


def memory(spec: PipelineSpec, size: tuple[int, int], dtype: str, **asked: Any) -> Memory:
    return memory_of(spec, Demand(size, dtype, **asked))


def test_the_counts_are_those_of_the_published_models() -> None:
    assert num_weights(WAN_1_3B) == 1_418_996_800
    assert num_weights(WAN_14B) == 14_288_491_584
    assert num_weights(WAN_1_3B) + num_context_weights(WAN_1_3B) == 2_153_972_032
    assert num_weights(WAN_14B) + num_context_weights(WAN_14B) == 17_337_592_896
    assert UMT5_XXL == 5_680_910_336


def test_the_cache_holds_keys_and_values_of_every_layer_for_the_window() -> None:
    needs = memory(LONGLIVE, SIZE, "bf16")
    assert tokens_per_latent(LONGLIVE, SIZE) == 1560
    assert needs.kv_cache == 2 * 30 * 12 * 1560 * 1536 * 2
    assert needs.text_kv == 2 * (30 + 15) * 512 * 1536 * 2


def test_the_planned_cache_is_the_allocated_one() -> None:
    spec, size = PIPELINES["sprites"], (64, 96)
    t = spec.transformer
    grid = (size[0] // 16, size[1] // 16)
    cache = KVCache(CacheShape(t.layers, t.heads, t.head_dim, grid, spec.window_latents))
    allocated = sum(layer.numel() * layer.element_size() for layer in cache.layers)
    assert memory(spec, size, "fp32").kv_cache == allocated


def test_references_are_held_once_for_each_timestep_and_context_block() -> None:
    one = memory(LONGLIVE, SIZE, "bf16", num_references=1).reference_kv
    assert one == 2 * 5 * 15 * 1560 * 1536 * 2
    assert memory(LONGLIVE, SIZE, "bf16", num_references=3).reference_kv == 3 * one


def test_without_vace_its_blocks_cost_nothing() -> None:
    bare = memory(LONGLIVE, SIZE, "bf16", context=False)
    assert (bare.context_blocks, bare.reference_kv) == (0, 0)
    assert bare.total < memory(LONGLIVE, SIZE, "bf16").total


def test_fp8_halves_the_matrices_of_blocks_and_leaves_all_else() -> None:
    half, eighth = memory(LONGLIVE, SIZE, "bf16"), memory(LONGLIVE, SIZE, "fp8")
    matrices = 30 * (8 * 1536**2 + 2 * 1536 * 8960)
    assert half.transformer - eighth.transformer == matrices
    assert half.kv_cache == eighth.kv_cache
    apart = memory(LONGLIVE, SIZE, "fp8", context_dtype="bf16")
    assert (apart.transformer, apart.context_blocks) == (eighth.transformer, half.context_blocks)


def test_the_text_encoder_is_gone_before_the_rest_comes() -> None:
    needs = memory(LONGLIVE, SIZE, "bf16")
    assert needs.stages["text"] == needs.text_encoder == 2 * UMT5_XXL
    assert needs.held["text_encoder"] == 0
    assert memory(PIPELINES["sprites"], (64, 64), "fp32").held["text_encoder"] > 0
    assert memory(LONGLIVE, SIZE, "bf16", text_dtype="fp8").stages["text"] < 0.6 * needs.text_encoder


@pytest.mark.parametrize(
    ("precision", "device", "dtype"),
    [("auto", "cpu", "fp32"), ("auto", "mps", "fp32"), ("auto", "cuda:1", "bf16"), ("fp16", "cpu", "fp16")],
)
def test_auto_means_bf16_on_cuda_and_fp32_elsewhere(precision: str, device: str, dtype: str) -> None:
    assert dtype_of(precision, device) == dtype


def test_the_peak_is_the_stage_that_takes_most() -> None:
    needs = memory(LONGLIVE, SIZE, "bf16")
    assert needs.peak == max(needs.stages.values()) >= needs.total + needs.activations.decode
    assert 4 * memory(LONGLIVE, (240, 416), "bf16").activations.decode == needs.activations.decode
    assert memory(LONGLIVE, SIZE, "bf16", context=False).activations.encode == 0 < needs.activations.encode


def test_what_waits_in_main_memory_is_not_on_the_device() -> None:
    stay, model, group = (memory(LONGLIVE, SIZE, "bf16", offload=word) for word in ("none", "model", "group"))
    assert stay.stages["decode"] - model.stages["decode"] == stay.transformer + stay.context_blocks
    assert stay.stages["denoise"] - model.stages["denoise"] == stay.vae
    assert group.stages["denoise"] < stay.stages["denoise"] - 0.9 * (stay.transformer + stay.context_blocks)
    assert memory(LONGLIVE, SIZE, "bf16", offload="text").stages == {**stay.stages, "text": 0}
