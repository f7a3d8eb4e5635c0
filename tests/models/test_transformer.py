"""The causal forward against diffusers' own batch forward, and against itself."""

import math
import weakref
from collections.abc import Iterator

import pytest
import torch
from diffusers import WanTransformer3DModel
from torch import Tensor

from tests.tiny import SIZE, batch_oracle, tiny_pipeline
from vacestream.models.kv_cache import KVCache
from vacestream.models.load import Pipeline, build_transformer
from vacestream.models.slots import CacheShape
from vacestream.models.transformer import CausalWan, CausalWanBlock, Hints, Text
from vacestream.models.vace import ContextHints, References

H, W, FRAMES = 4, 6, 3
SCALES = (0.7, 1.4)
EXACT = {"atol": 1e-5, "rtol": 0}


@pytest.fixture
def pipe() -> Iterator[Pipeline]:
    with torch.inference_mode():
        yield tiny_pipeline()


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


VIDEO, CONTEXT = drawn(1, SIZE.channels, FRAMES, H, W), drawn(1, SIZE.context_channels, FRAMES, H, W, seed=3)


def prompt(seed: int = 5) -> Tensor:
    """[1 L text_dim], zero behind the prompt."""
    rows = drawn(1, SIZE.text_len, SIZE.text_dim, seed=seed)
    rows[:, 5:] = 0
    return rows


def memory(
    frames: int, window: int | None = None, sink: int = 0, dtype: torch.dtype = torch.float32
) -> KVCache:
    """A cache that a first chunk has begun in."""
    grid = H // 2, W // 2
    shape = CacheShape(SIZE.layers, SIZE.heads, SIZE.head_dim, grid, window or frames, sink)
    cache = KVCache(shape, dtype=dtype)
    cache.begin(0, frames)
    return cache


def plain_wan(pipe: Pipeline) -> WanTransformer3DModel:
    """diffusers' own model with the same weights."""
    oracle = WanTransformer3DModel.from_config(build_transformer(SIZE).config)
    oracle.load_state_dict(pipe.transformer.state_dict())
    return oracle.eval()


class EachScaled:
    """Hints with a scale for each layer, as diffusers has it."""

    def __init__(self, hints: Hints, scales: tuple[float, ...]) -> None:
        self.hints, self.scales, self.layers = hints, scales, hints.layers

    def __call__(self, x: Tensor, modulation: Tensor, text: Text) -> Iterator[Tensor]:
        for hint, scale in zip(self.hints(x, modulation, text), self.scales, strict=True):
            yield hint * scale


class Ready:
    """Hints that were made before the call."""

    def __init__(self, layers: tuple[int, ...], hints: list[Tensor]) -> None:
        self.layers, self.hints = layers, hints

    def __call__(self, x: Tensor, modulation: Tensor, text: Text) -> Iterator[Tensor]:
        return iter(self.hints)


@pytest.mark.parametrize("num_references", [0, 1, 2])
@pytest.mark.parametrize("timestep", [2.0, 62.5])
def test_one_chunk_over_the_whole_clip_is_batch_vace(
    pipe: Pipeline, num_references: int, timestep: float
) -> None:
    pictures, noise = drawn(2, SIZE.channels, H, W, seed=1), drawn(2, SIZE.channels, H, W, seed=2)
    references = References(pictures[:num_references], noise[:num_references])
    x = torch.cat([references.noised(timestep / 1000), VIDEO], dim=2)
    context = torch.cat([references.context(SIZE.context_channels), CONTEXT], dim=2)
    want = batch_oracle(pipe)(
        x, torch.tensor([timestep]), prompt(), control_hidden_states=context,
        control_hidden_states_scale=torch.tensor(SCALES), return_dict=False,
    )[0]  # fmt: skip
    frames = x.shape[2]
    hints = EachScaled(ContextHints(pipe.adapter, context, 1.0), SCALES)
    model, times = pipe.transformer, torch.full((1, frames), timestep)
    got = model(x, times, model.embed_text(prompt()), memory(frames), [hints])
    torch.testing.assert_close(got, want, **EXACT)


def test_without_hints_it_is_the_plain_transformer(pipe: Pipeline) -> None:
    x, model = VIDEO, pipe.transformer
    want = plain_wan(pipe)(x, torch.tensor([12.0]), prompt(), return_dict=False)[0]
    got = model(x, torch.full((1, FRAMES), 12.0), model.embed_text(prompt()), memory(FRAMES))
    torch.testing.assert_close(got, want, **EXACT)


def test_every_latent_may_have_a_timestep_of_its_own(pipe: Pipeline) -> None:
    x, model, tokens = VIDEO, pipe.transformer, H * W // 4
    times = torch.tensor([[0.0, 3.0, 40.0]])
    want = plain_wan(pipe)(x, times.repeat_interleave(tokens, 1), prompt(), return_dict=False)[0]
    got = model(x, times, model.embed_text(prompt()), memory(FRAMES))
    torch.testing.assert_close(got, want, **EXACT)


def test_the_class_swap_keeps_the_keys_and_the_very_tensors() -> None:
    keys = build_transformer(SIZE).state_dict().keys()
    model = tiny_pipeline().transformer
    assert isinstance(model, CausalWan)
    assert all(isinstance(block, CausalWanBlock) for block in model.blocks)
    assert model.state_dict().keys() == keys


def test_a_pass_that_only_writes_leaves_the_same_memory_to_the_bit(pipe: Pipeline) -> None:
    model, text = pipe.transformer, pipe.transformer.embed_text(prompt())
    kept = []
    for write_only in (False, True):
        cache = memory(FRAMES, window=7, sink=1)
        for start in range(0, 4 * FRAMES, FRAMES):
            if start:
                cache.begin(start, FRAMES)
            x = drawn(1, SIZE.channels, FRAMES, H, W, seed=start)
            hints = [ContextHints(pipe.adapter, CONTEXT, 1.0)]
            flow = model(x, torch.zeros(1, FRAMES), text, cache, hints, write_only=write_only)
            assert (flow is None) == write_only
            cache.commit()
        kept.append(cache.layers)
    assert all(torch.equal(full, short) for full, short in zip(*kept, strict=True))
    assert all(layer.any() for layer in kept[0])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_sinusoid_is_made_in_float64_and_only_then_cast(pipe: Pipeline, dtype: torch.dtype) -> None:
    model, half = pipe.transformer.to(dtype), SIZE.freq_dim // 2
    angles = [937.5 * 10000 ** (-i / half) for i in range(half)]
    sinusoid = torch.tensor([math.cos(a) for a in angles] + [math.sin(a) for a in angles]).to(dtype)
    want = model.condition_embedder.time_embedder(sinusoid)
    time, modulation = model.embed_time(torch.tensor([[937.5, 936.0]]), dtype)
    torch.testing.assert_close(time[0, 0], want, atol=2e-6, rtol=0)
    assert time.dtype == modulation.dtype == dtype
    assert (time[0, 1] - want).abs().max() > 0.01  # 936 is what bf16 makes of 937.5


def test_a_model_in_bf16_runs_with_hints_and_stays_near_float32(pipe: Pipeline) -> None:
    times, scale = torch.full((1, FRAMES), 937.5), torch.tensor([1.0, 0.5, 0.0])[:, None, None]
    flows = []
    for dtype in (torch.float32, torch.bfloat16):
        model, adapter = pipe.transformer.to(dtype), pipe.adapter.to(dtype)
        text, cache = model.embed_text(prompt().to(dtype)), memory(FRAMES, dtype=dtype)
        hints = [ContextHints(adapter, CONTEXT.to(dtype), scale)]
        flows.append(model(VIDEO.to(dtype), times, text, cache, hints))
    assert flows[1].dtype == torch.bfloat16
    assert (flows[1] - flows[0]).abs().mean() < 0.05 * flows[0].abs().mean()


def test_interleaved_hints_are_the_hints_made_beforehand(pipe: Pipeline) -> None:
    model, times = pipe.transformer, torch.full((1, FRAMES), 833.25)
    text, source = model.embed_text(prompt()), ContextHints(pipe.adapter, CONTEXT, 0.8)
    _, modulation = model.embed_time(times, torch.float32)
    ready = Ready(source.layers, list(source(model.patchify(VIDEO), modulation, text)))
    interleaved, before = (model(VIDEO, times, text, memory(FRAMES), [hints]) for hints in (source, ready))
    bare = model(VIDEO, times, text, memory(FRAMES))
    assert torch.equal(interleaved, before)
    assert (interleaved - bare).abs().max() > 0.1


def test_hints_are_made_as_they_are_due_and_one_is_alive_at_a_time(pipe: Pipeline) -> None:
    made: list[weakref.ref[Tensor]] = []
    order: list[str] = []

    def watch(_block: object, _inputs: object, outputs: tuple[Tensor, Tensor]) -> None:
        assert not any(ref() is not None for ref in made)
        made.append(weakref.ref(outputs[1]))
        order.append("context")

    for block in pipe.adapter.vace_blocks:
        block.register_forward_hook(watch)
    for block in pipe.transformer.blocks:
        block.register_forward_hook(lambda *_: order.append("main"))
    model, times = pipe.transformer, torch.zeros(1, FRAMES)
    model(
        VIDEO, times, model.embed_text(prompt()), memory(FRAMES), [ContextHints(pipe.adapter, CONTEXT, 0.8)]
    )
    assert order == ["context", "main", "main", "context", "main", "main"]


def test_text_keys_are_computed_once_a_prompt(pipe: Pipeline) -> None:
    calls: list[int] = []
    blocks = [*pipe.transformer.blocks, *pipe.adapter.vace_blocks]
    for block in blocks:
        block.attn2.to_k.register_forward_hook(lambda *_: calls.append(1))
    model, hints = pipe.transformer, ContextHints(pipe.adapter, CONTEXT, 1.0)
    for count, seed in enumerate((5, 6), start=1):
        text = model.embed_text(prompt(seed))
        for _ in range(3):
            model(VIDEO, torch.zeros(1, FRAMES), text, memory(FRAMES), [hints])
        assert len(calls) == count * len(blocks)
