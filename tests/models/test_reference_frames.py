"""References beside the cache, against one joint pass in which they stand in front of the chunk."""

import pytest
import torch
from torch import Tensor

from tests.tiny import SIZE, SPEC, tiny_pipeline
from vacestream.models.attention import apply_rope, attend, make_rope
from vacestream.models.conditions import Context, hints_at
from vacestream.models.kv_cache import Beside, KVCache
from vacestream.models.reference_frames import CLEAN, frames_at
from vacestream.models.slots import CacheShape, cache_shape
from vacestream.models.vace import ContextHints, References

H, W, FRAMES = 4, 6, 3
GRID = H // 2, W // 2
TOKENS = GRID[0] * GRID[1]
TIMESTEP = 833.0


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


class Masked:
    """Attention of [references | chunk] in which references see themselves alone."""

    def __init__(self, num_references: int) -> None:
        frames = num_references + FRAMES
        self.rope = make_rope(tuple(range(frames)), *GRID, SIZE.head_dim, torch.device("cpu"))
        first = torch.arange(frames).repeat_interleave(TOKENS) < num_references
        self.mask = ~first[:, None] | first[None]

    def layer(self, _index: int):
        return lambda q, k, v: attend(apply_rope(q, self.rope), apply_rope(k, self.rope), v, self.mask)


class InFront:
    """The hints of references and of a chunk, as those of one sequence."""

    def __init__(self, front: ContextHints, back: ContextHints) -> None:
        self.front, self.back, self.layers = front, back, back.layers

    def __call__(self, x: Tensor, modulation: Tensor, text: object):
        count = x.shape[1] - FRAMES
        parts = [one.split([count, FRAMES], dim=1) for one in (x, modulation)]
        made = (side(*(p[i] for p in parts), text) for i, side in enumerate((self.front, self.back)))
        return (torch.cat(pair, dim=1) for pair in zip(*made, strict=True))


@torch.inference_mode()
@pytest.mark.parametrize("timestep", [CLEAN, TIMESTEP], ids=["sink", "prefix"])
def test_a_first_chunk_sees_them_as_in_one_pass_with_references_in_front(timestep: float) -> None:
    pipe = tiny_pipeline()
    model, text = pipe.transformer, pipe.transformer.embed_text(pipe.text("a red ball")[None])
    given = References(drawn(2, SIZE.channels, H, W, seed=1), drawn(2, SIZE.channels, H, W, seed=2))
    x, context = drawn(1, SIZE.channels, FRAMES, H, W), drawn(SIZE.context_channels, FRAMES, H, W, seed=3)
    cache = KVCache(cache_shape(SPEC, SIZE.layers, SIZE.heads, SIZE.head_dim, GRID))
    (hints,) = hints_at(TIMESTEP, model, text, [Context(pipe.adapter, context)], given)
    cache.begin(0, FRAMES)
    beside = frames_at(timestep, model, text, pipe.adapter, given, cache)
    times = torch.full((1, FRAMES), TIMESTEP)
    got, bare = (model(x, times, text, seen, [hints]) for seen in (beside, cache))

    front = ContextHints(pipe.adapter, given.context(SIZE.context_channels), 1.0)
    joint = torch.cat([given.noised(timestep / 1000), x], dim=2)
    times = torch.cat([torch.full((1, 2), timestep), times], dim=1)
    want = model(joint, times, text, Masked(2), [InFront(front, hints)])[:, :, 2:]
    torch.testing.assert_close(got, want, atol=2e-5, rtol=1e-5)
    assert (got - bare).abs().max() > 0.01


@pytest.mark.parametrize(("rope", "sink"), [("absolute", 0), ("relative", 0), ("relative", 2)])
def test_they_stand_as_far_from_the_window_at_chunk_40_as_at_chunk_4(rope: str, sink: int) -> None:
    """With the same keys and values in every latent, only where they stand could make a difference."""
    shape = CacheShape(1, 2, 24, GRID, window=7, sink=sink, rope=rope)  # type: ignore[arg-type]
    cache, made = KVCache(shape), []
    q, k, v = (drawn(1, TOKENS, 2, 24, seed=s).repeat(1, FRAMES, 1, 1) for s in range(3))
    beside = Beside(drawn(1, 2 * TOKENS, 2, 24, seed=4), drawn(1, 2 * TOKENS, 2, 24, seed=5))
    for chunk in range(41):
        with cache.writing(FRAMES * chunk, FRAMES):
            made.append(cache.layer(0, beside)(q, k, v))
    torch.testing.assert_close(made[4], made[40], atol=1e-4, rtol=1e-4)
    assert (made[4] - made[0]).abs().max() > 0.01


def test_a_weight_of_two_is_the_picture_twice() -> None:
    cache = KVCache(CacheShape(1, 2, 24, GRID, window=7))
    q, k, v = (drawn(1, FRAMES * TOKENS, 2, 24, seed=s) for s in range(3))
    keys, values = (drawn(1, TOKENS, 2, 24, seed=s) for s in (4, 5))
    cache.begin(0, FRAMES)
    weighed = cache.layer(0, Beside(keys, values, torch.full((TOKENS,), 2.0).log()))(q, k, v)
    plain = cache.layer(0, Beside(keys, values))(q, k, v)
    rope = make_rope((-1,), *GRID, 24, keys.device)
    read = [make_rope(tuple(range(FRAMES)), *GRID, 24, keys.device)]
    placed = apply_rope(keys, rope)
    twice = attend(
        apply_rope(q, read[0]),
        torch.cat([placed, placed, apply_rope(k, read[0])], dim=1),
        torch.cat([values, values, v], dim=1),
    )
    torch.testing.assert_close(weighed, twice, atol=1e-5, rtol=1e-5)
    assert (weighed - plain).abs().max() > 1e-3
