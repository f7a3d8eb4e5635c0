"""Context blocks with references kept aside, against one joint pass over [references | chunk]."""

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from diffusers import WanVACETransformer3DModel
from torch import Tensor

import vacestream.models.conditions as conditions
from tests.tiny import SIZE, SPEC, randomize, tiny_pipeline
from vacestream.denoise_state import new_denoise_state
from vacestream.engine import make_denoiser
from vacestream.models.attention import apply_rope, attend, make_rope
from vacestream.models.conditions import Condition, Context, hints_at
from vacestream.models.kv_cache import KVCache
from vacestream.models.load import Pipeline, build_transformer
from vacestream.models.schedule import seeded_noise
from vacestream.models.slots import CacheShape
from vacestream.models.transformer import make_causal
from vacestream.models.vace import ContextAdapter, ContextHints, References
from vacestream.timeline import Chunk

H, W, FRAMES = 4, 6, 3
GRID = H // 2, W // 2
TIMESTEP = 833.3333


@pytest.fixture
def pipe() -> Pipeline:
    return tiny_pipeline()


@pytest.fixture(autouse=True)
def _no_gradients() -> Iterator[None]:
    with torch.inference_mode():
        yield


def drawn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


CONTEXT = drawn(SIZE.context_channels, FRAMES, H, W, seed=3)
PICTURES, NOISE = drawn(3, SIZE.channels, H, W, seed=1), drawn(3, SIZE.channels, H, W, seed=2)


def references(*order: int) -> References | None:
    return References(PICTURES[list(order)], NOISE[list(order)]) if order else None


def hints(pipe: Pipeline, given: References | None, context: Tensor = CONTEXT) -> list[Tensor]:
    """The hints [1 f n d] of a chunk, through the cached reference K/V."""
    model, text = pipe.transformer, pipe.transformer.embed_text(pipe.text("a red ball")[None])
    x = model.patchify(drawn(1, SIZE.channels, FRAMES, H, W))
    _, modulation = model.embed_time(torch.full((1, FRAMES), TIMESTEP), x.dtype)
    (source,) = hints_at(TIMESTEP, model, text, [Context(pipe.adapter, context)], given)
    return list(source(x, modulation, text))


def joint_hints(pipe: Pipeline, given: References) -> list[Tensor]:
    """The same from one pass over [references | chunk] in which references cannot see the chunk."""
    model, text = pipe.transformer, pipe.transformer.embed_text(pipe.text("a red ball")[None])
    count, frames = len(given), len(given) + FRAMES
    known = given.noised(TIMESTEP / 1000)
    x = model.patchify(torch.cat([known, drawn(1, SIZE.channels, FRAMES, H, W)], dim=2))
    front = torch.cat([given.latents, torch.zeros(count, SIZE.context_channels - SIZE.channels, H, W)], dim=1)
    context = pipe.adapter.embed(torch.cat([front.transpose(0, 1), CONTEXT], dim=1)[None])
    _, modulation = model.embed_time(torch.full((1, frames), TIMESTEP), x.dtype)
    rope = make_rope(tuple(range(frames)), *GRID, SIZE.head_dim, x.device)
    is_reference = (torch.arange(frames) < count).repeat_interleave(GRID[0] * GRID[1])
    mask = ~is_reference[:, None] | is_reference[None]

    def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return attend(apply_rope(q, rope), apply_rope(k, rope), v, mask)

    made = []
    for block in pipe.adapter.vace_blocks:
        context, hint = block(context, x, modulation, text, attention)
        made.append(hint[:, count:])
    return made


@pytest.mark.parametrize("order", [(0,), (0, 1), (0, 1, 2)], ids=len)
def test_cached_reference_keys_are_the_joint_pass_with_reference_to_video_masked(
    pipe: Pipeline, order: tuple[int, ...]
) -> None:
    given = references(*order)
    assert given is not None
    for got, want in zip(hints(pipe, given), joint_hints(pipe, given), strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("num_references", range(4))
def test_control_slots_do_not_move_however_many_references_there_are(
    pipe: Pipeline, num_references: int
) -> None:
    given = references(*range(num_references))
    before = hints(pipe, given)
    assert all(hint.shape == (1, FRAMES, GRID[0] * GRID[1], SIZE.dim) for hint in before)
    for latent in range(FRAMES):
        changed = CONTEXT.clone()
        changed[:, latent] += 1
        for was, now in zip(before, hints(pipe, given, changed), strict=True):
            moved = (now - was).abs().mean(dim=(0, 2, 3))
            assert moved.argmax() == latent
            assert moved[latent] > 0.1


def test_places_kept_free_for_references_change_nothing_by_themselves(pipe: Pipeline) -> None:
    model, text = pipe.transformer, pipe.transformer.embed_text(pipe.text("a red ball")[None])
    x = model.patchify(drawn(1, SIZE.channels, FRAMES, H, W))
    _, modulation = model.embed_time(torch.full((1, FRAMES), TIMESTEP), x.dtype)
    near, far = (ContextHints(pipe.adapter, CONTEXT[None], 1.0, None, n) for n in (0, 3))
    for a, b in zip(near(x, modulation, text), far(x, modulation, text), strict=True):
        torch.testing.assert_close(a, b, atol=2e-5, rtol=1e-5)


@pytest.mark.parametrize("which", range(3))
def test_every_one_of_three_references_is_felt(pipe: Pipeline, which: int) -> None:
    given, other = references(0, 1, 2), references(0, 1, 2)
    assert given is not None
    assert other is not None
    other.latents[which] *= -1
    for was, now in zip(hints(pipe, given), hints(pipe, other), strict=True):
        assert (now - was).abs().max() > 0.05


def test_the_order_of_references_is_felt(pipe: Pipeline) -> None:
    for was, now in zip(hints(pipe, references(0, 1)), hints(pipe, references(1, 0)), strict=True):
        assert (now - was).abs().max() > 0.01


def test_a_reference_of_scale_two_counts_as_if_its_keys_stood_there_twice(pipe: Pipeline) -> None:
    given = references(0, 1)
    assert given is not None
    plain, given.scales = hints(pipe, given), (1.0, 2.0)
    model, text = pipe.transformer, pipe.transformer.embed_text(pipe.text("a red ball")[None])
    once = conditions.references_at(TIMESTEP, model, text, pipe.adapter, given)
    twice = [tuple(torch.cat([part, part.chunk(2, dim=1)[1]], dim=1) for part in kv) for kv in once]
    x = model.patchify(drawn(1, SIZE.channels, FRAMES, H, W))
    _, modulation = model.embed_time(torch.full((1, FRAMES), TIMESTEP), x.dtype)
    slow = ContextHints(pipe.adapter, CONTEXT[None], 1.0, twice, 2)  # type: ignore[arg-type]
    for got, want, was in zip(hints(pipe, given), slow(x, modulation, text), plain, strict=True):
        torch.testing.assert_close(got, want, atol=1e-5, rtol=1e-5)
        assert (got - was).abs().max() > 0.01


def test_a_scale_for_each_latent_scales_its_own_hints_alone(pipe: Pipeline) -> None:
    model, text = pipe.transformer, pipe.transformer.embed_text(pipe.text("a red ball")[None])
    x = model.patchify(drawn(1, SIZE.channels, FRAMES, H, W))
    _, modulation = model.embed_time(torch.full((1, FRAMES), TIMESTEP), x.dtype)
    (source,) = hints_at(
        TIMESTEP, model, text, [Context(pipe.adapter, CONTEXT, torch.tensor([0, 1, 0.5]))], None
    )
    for got, full in zip(source(x, modulation, text), hints(pipe, None), strict=True):
        assert not got[:, 0].any()
        assert torch.equal(got[:, 1], full[:, 1])
        assert torch.equal(got[:, 2], full[:, 2] * 0.5)


def test_reference_keys_are_computed_once_a_timestep_and_again_under_another_prompt(
    pipe: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = [], conditions.encode_references
    monkeypatch.setattr(conditions, "encode_references", lambda *args: calls.append(1) or real(*args))
    first, second, given = pipe.text("a red ball"), pipe.text("a blue ball"), references(0, 1)
    context = Context(pipe.adapter, CONTEXT)
    state = new_denoise_state(pipe.transformer, SPEC, (H, W), dtype=torch.float32, device=pipe.device)
    denoise, counts = make_denoiser(pipe.transformer, SPEC), []
    script = [(first, True), (first, True), (second, False), (second, True), (second, True), (first, True)]
    stream = (
        Condition(Chunk(i, 3 * i, FRAMES), prompt, (context,) if hinted else (), given if hinted else None)
        for i, (prompt, hinted) in enumerate(script)
    )
    for _ in denoise(stream, state, seeded_noise(1)):
        counts.append(len(calls))
    timesteps = len(set(denoise.schedule.timesteps)) + 1  # and that of the commit pass
    assert counts == [timesteps, timesteps, timesteps, 2 * timesteps, 2 * timesteps, 3 * timesteps]


@pytest.mark.parametrize("channels", [40, 16])
def test_an_adapter_of_other_channels_and_strides_is_batch_vace_too(channels: int) -> None:
    size = replace(SIZE, patch=(1, 4, 4))
    model = make_causal(randomize(build_transformer(size), 1))  # type: ignore[arg-type]
    adapter = ContextAdapter.build(
        dim=size.dim, ffn_dim=size.ffn_dim, heads=size.heads, channels=channels, patch=(1, 4, 4),
        layers=(0, 1, 3),
    )  # fmt: skip
    randomize(adapter, 2)
    oracle = WanVACETransformer3DModel(
        patch_size=size.patch, num_attention_heads=size.heads, attention_head_dim=size.head_dim,
        in_channels=size.channels, out_channels=size.channels, text_dim=size.text_dim, freq_dim=size.freq_dim,
        ffn_dim=size.ffn_dim, num_layers=size.layers, vace_layers=[0, 1, 3], vace_in_channels=channels,
    ).eval()  # fmt: skip
    oracle.load_state_dict({**model.state_dict(), **adapter.state_dict()})
    x, context = drawn(1, size.channels, FRAMES, 8, 12), drawn(1, channels, FRAMES, 8, 12, seed=3)
    prompt = drawn(1, size.text_len, size.text_dim, seed=5)
    want = oracle(x, torch.tensor([5.0]), prompt, control_hidden_states=context, return_dict=False)[0]
    cache = KVCache(CacheShape(size.layers, size.heads, size.head_dim, (2, 3), window=FRAMES))
    cache.begin(0, FRAMES)
    given = References(drawn(2, size.channels, 8, 12, seed=6), drawn(2, size.channels, 8, 12, seed=7))
    text, flows = model.embed_text(prompt), []
    for pictures in (None, given):
        sources = hints_at(5.0, model, text, [Context(adapter, context[0])], pictures)
        flows.append(model(x, torch.full((1, FRAMES), 5.0), text, cache, sources))
    torch.testing.assert_close(flows[0], want, atol=1e-5, rtol=0)
    assert (flows[1] - flows[0]).abs().max() > 0.01


def test_context_blocks_that_do_not_match_their_layers_are_refused() -> None:
    adapter = tiny_pipeline().adapter
    with pytest.raises(ValueError, match="2 context blocks"):
        ContextAdapter(adapter.vace_patch_embedding, adapter.vace_blocks, (0, 1, 2))
