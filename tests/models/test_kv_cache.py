"""The slot table against the slow way: one masked pass over the whole history."""

import math
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from vacestream.models.kv_cache import KVCache
from vacestream.models.slots import CacheShape

LAYERS, HEADS, HEAD_DIM, GRID = 2, 2, 10, (2, 3)
TOKENS = GRID[0] * GRID[1]
SHAPE = CacheShape(LAYERS, HEADS, HEAD_DIM, GRID, window=7, sink=1)


def history(num_latents: int, seed: int = 0) -> Tensor:
    """Un-roped q, k, v of a stream of latents in each layer [layer 3 n k d]."""
    size = LAYERS, 3, num_latents * TOKENS, HEADS, HEAD_DIM
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))


def part(past: Tensor, first: int, count: int) -> Tensor:
    return past[:, :, first * TOKENS : (first + count) * TOKENS]


def turn(x: Tensor, times: list[int]) -> Tensor:
    """Rotary positions token by token, in complex numbers; x [n k d] holds len(times) latents."""
    pairs = HEAD_DIM // 2
    sides = pairs - 2 * (pairs // 3), pairs // 3, pairs // 3
    angles = []
    for time in times:
        for place in range(TOKENS):
            at = time, place // GRID[1], place % GRID[1]
            angles.append([at[a] / 10000 ** (i / side) for a, side in enumerate(sides) for i in range(side)])
    phase = torch.polar(torch.ones(len(angles), pairs, dtype=torch.float64), torch.tensor(angles).double())
    turned = torch.view_as_complex(x.double().unflatten(-1, (-1, 2)).contiguous()) * phase[:, None]
    return torch.view_as_real(turned).flatten(-2)


def plain_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    """Softmax over the keys that `mask` [n m] lets a query see; in float64."""
    scores = torch.einsum("nkd,mkd->knm", q.double(), k.double()) / math.sqrt(HEAD_DIM)
    weights = scores.masked_fill(~mask, -math.inf).softmax(dim=-1)
    return torch.einsum("knm,mkd->nkd", weights, v.double())


def one_masked_pass(past: Tensor, shape: CacheShape, cuts: list[tuple[int, int]]) -> list[Tensor]:
    """What each layer attends to [n k d], over all latents at once; a chunk sees the sink and its window."""
    num_latents = sum(count for _, count in cuts)
    mask = torch.zeros(num_latents, num_latents, dtype=torch.bool)
    for first, count in cuts:
        end = first + count
        for age in range(end):
            mask[first:end, age] = age < shape.sink or age >= end - (shape.window - shape.sink)
    mask = mask.repeat_interleave(TOKENS, 0).repeat_interleave(TOKENS, 1)
    times = list(range(num_latents))
    return [plain_attention(turn(q, times), turn(k, times), v, mask) for q, k, v in past]


def cut(num_latents: int, chunk: int, first: int | None = None) -> list[tuple[int, int]]:
    """(first latent, number of latents) of each chunk."""
    starts = [0, *range(first or chunk, num_latents, chunk)]
    return [(start, stop - start) for start, stop in zip(starts, [*starts[1:], num_latents], strict=True)]


def attended(cache: KVCache, chunk: Tensor) -> list[Tensor]:
    """One pass of a chunk through every layer -> [n k d] each."""
    return [cache.layer(i)(*qkv[:, None])[0] for i, qkv in enumerate(chunk)]


def stream(cache: KVCache, past: Tensor, cuts: list[tuple[int, int]]) -> Iterator[list[Tensor]]:
    """Each chunk: a pass over junk, as a noisy step is, and one over what counts."""
    for first, count in cuts:
        cache.begin(first, count)
        attended(cache, history(count, seed=100 + first))
        cache.repeat()
        yield attended(cache, part(past, first, count))
        cache.commit()


@pytest.mark.parametrize("num_latents", [6, 20], ids=["filling", "evicting"])
@pytest.mark.parametrize(
    ("window", "sink", "chunk", "first"),
    [(6, 0, 3, 3), (7, 1, 3, 3), (7, 3, 2, 2), (9, 3, 3, 3), (8, 1, 3, 1), (5, 3, 2, 1)],
)
def test_slots_attend_as_one_masked_pass_over_the_whole_history(
    num_latents: int, window: int, sink: int, chunk: int, first: int
) -> None:
    shape = replace(SHAPE, window=window, sink=sink)
    past, cuts = history(num_latents), cut(num_latents, chunk, first)
    want = one_masked_pass(past, shape, cuts)
    for (start, count), got in zip(cuts, stream(KVCache(shape), past, cuts), strict=True):
        for layer in range(LAYERS):
            mine = want[layer][start * TOKENS : (start + count) * TOKENS]
            torch.testing.assert_close(got[layer].double(), mine, atol=1e-5, rtol=0)


@pytest.mark.parametrize(("window", "sink", "chunk"), [(7, 1, 3), (6, 0, 2), (9, 3, 3)])
def test_relative_positions_are_ranks_in_the_window_sink_first(window: int, sink: int, chunk: int) -> None:
    shape = replace(SHAPE, window=window, sink=sink, rope="relative")
    past, cuts = history(20), cut(20, chunk)
    for (first, count), got in zip(cuts, stream(KVCache(shape), past, cuts), strict=True):
        end = first + count
        seen = [age for age in range(end) if age < sink or age >= end - (window - sink)]
        ranks = list(range(len(seen)))
        for layer, (q, k, v) in enumerate(past):
            q, k, v = (x.unflatten(0, (-1, TOKENS)) for x in (q, k, v))
            queries = turn(q[first:end].flatten(0, 1), ranks[-count:])
            keys = turn(k[seen].flatten(0, 1), ranks)
            everything = torch.ones(len(queries), len(keys), dtype=torch.bool)
            want = plain_attention(queries, keys, v[seen].flatten(0, 1), everything)
            torch.testing.assert_close(got[layer].double(), want, atol=1e-5, rtol=0)


def test_relative_positions_do_not_know_how_old_the_stream_is() -> None:
    shape = replace(SHAPE, sink=0, window=6, rope="relative")
    past, late = history(9), KVCache(shape)
    young = list(stream(KVCache(shape), past, cut(9, 3)))
    shifted = [(first + 3000, count) for first, count in cut(9, 3)]
    for (first, count), want in zip(shifted, young, strict=True):
        late.begin(first, count)
        got = attended(late, part(past, first - 3000, count))
        assert all(torch.equal(a, b) for a, b in zip(got, want, strict=True))
        late.commit()


@pytest.mark.parametrize("rope", ["absolute", "relative"])
@pytest.mark.parametrize("stop_at", [0, 1, 2, 5], ids=lambda chunk: f"chunk{chunk}")
def test_an_aborted_chunk_leaves_the_cache_as_it_was_and_the_stream_as_if_never_tried(
    rope: str, stop_at: int
) -> None:
    shape = replace(SHAPE, rope=rope)
    past, cuts = history(21), cut(21, 3)
    want = list(stream(KVCache(shape), past, cuts))
    cache = KVCache(shape)
    for _ in stream(cache, past, cuts[:stop_at]):
        pass
    before, table = [layer.clone() for layer in cache.layers], list(cache.table.latents)
    first, count = cuts[stop_at]
    cache.begin(first, count)
    attended(cache, history(count, seed=7))
    cache.repeat()
    cache.layer(0)(*history(count, seed=8)[0][:, None])
    cache.abort()
    assert cache.table.latents == table
    assert all(torch.equal(a, b) for a, b in zip(cache.layers, before, strict=True))
    for got, mine in zip(stream(cache, past, cuts[stop_at:]), want[stop_at:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(got, mine, strict=True))


def test_nothing_is_rolled_every_layer_keeps_its_memory() -> None:
    cache = KVCache(SHAPE)
    places = [layer.data_ptr() for layer in cache.layers]
    for _ in stream(cache, history(24), cut(24, 3)):
        assert [layer.data_ptr() for layer in cache.layers] == places


def test_longlive_sees_its_first_three_latents_the_last_six_and_the_chunk() -> None:
    cache = KVCache(replace(SHAPE, window=12, sink=3))
    for first in range(0, 60, 3):
        cache.begin(first, 3)
        seen = sorted(latent for latent in cache.table.latents if latent is not None)
        assert seen == sorted({0, 1, 2} | set(range(max(0, first - 6), first + 3)))
        cache.commit()


def test_a_kept_state_goes_on_in_another_cache_of_the_same_shape() -> None:
    past, cuts = history(21), cut(21, 3)
    want, first, second = list(stream(KVCache(SHAPE), past, cuts)), KVCache(SHAPE), KVCache(SHAPE)
    for _ in stream(first, past, cuts[:4]):
        pass
    second.take(first.state())
    for _ in stream(first, history(21, seed=9), cuts[4:]):  # the one it came from goes its own way
        pass
    for got, mine in zip(stream(second, past, cuts[4:]), want[4:], strict=True):
        assert all(torch.equal(a, b) for a, b in zip(got, mine, strict=True))


def test_a_sink_that_fills_the_window_is_refused() -> None:
    with pytest.raises(ValueError, match="no room beside a sink of 7"):
        replace(SHAPE, sink=7)


def test_a_chunk_that_does_not_fit_beside_the_sink_is_refused_and_changes_nothing() -> None:
    cache = KVCache(replace(SHAPE, window=5, sink=3))
    cache.begin(0, 3)
    cache.commit()
    with pytest.raises(ValueError, match="do not fit the window"):
        cache.begin(3, 3)
    assert cache.table.latents == [0, 1, 2, None, None]


def test_a_pass_outside_a_chunk_is_refused() -> None:
    cache = KVCache(SHAPE)
    cache.begin(0, 3)
    cache.commit()
    with pytest.raises(AssertionError, match="begin or rewrite first"):
        cache.layer(0)
