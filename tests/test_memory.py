"""Bytes from counts alone, held against the counts of the published models."""

import pytest

from vacestream.memory import UMT5_XXL, dtype_of, memory, num_context_weights, num_weights, tokens_per_latent
from vacestream.models.kv_cache import KVCache
from vacestream.models.slots import CacheShape
from vacestream.pipelines import PIPELINES, WAN_1_3B, WAN_14B

LONGLIVE = PIPELINES["longlive-1.3b"]
SIZE = (480, 832)


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
    assert needs.kv_aside * 4 == needs.kv_cache
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


def test_fp8_halves_the_weights_and_leaves_the_cache() -> None:
    half, eighth = memory(LONGLIVE, SIZE, "bf16"), memory(LONGLIVE, SIZE, "fp8")
    assert half.transformer == 2 * eighth.transformer
    assert half.kv_cache == eighth.kv_cache


@pytest.mark.parametrize(
    ("precision", "device", "dtype"),
    [("auto", "cpu", "fp32"), ("auto", "mps", "fp32"), ("auto", "cuda:1", "bf16"), ("fp16", "cpu", "fp16")],
)
def test_auto_means_bf16_on_cuda_and_fp32_elsewhere(precision: str, device: str, dtype: str) -> None:
    assert dtype_of(precision, device) == dtype


def test_the_peak_is_what_is_held_and_the_stage_that_works_in_most() -> None:
    needs = memory(LONGLIVE, SIZE, "bf16")
    a = needs.activations
    assert needs.peak == needs.total + max(a.encode, a.denoise, a.decode)
    assert 4 * memory(LONGLIVE, (240, 416), "bf16").activations.decode == a.decode
    assert memory(LONGLIVE, SIZE, "bf16", context=False).activations.encode == 0 < a.encode


def test_the_keys_and_values_of_a_block_fit_in_what_it_is_said_to_work_in() -> None:
    chunk = LONGLIVE.chunk_latents * tokens_per_latent(LONGLIVE, SIZE)
    needs = memory(LONGLIVE, SIZE, "bf16").activations
    assert needs.denoise > chunk * (WAN_1_3B.ffn_dim + 3 * WAN_1_3B.dim) * 2
