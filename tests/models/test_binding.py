"""The same context blocks on transformers of other families: chunk alone = VACE of diffusers."""

from collections.abc import Callable, Iterator

import pytest
import torch
from diffusers import (
    AnyFlowFARTransformer3DModel,
    AnyFlowTransformer3DModel,
    HeliosTransformer3DModel,
    WanTransformer3DModel,
)
from torch import Tensor, nn

from tests.tiny import SIZE, batch_oracle, randomize, tiny_pipeline
from vacestream.models.binding import hinted
from vacestream.models.vace import ContextHints

pytestmark = pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")

NUM_LATENTS, GRID = 2, (8, 16)
"""128 tokens a latent: AnyFlow's attention fills up to a multiple of that with zeros, which it attends to."""
TIMESTEP = 833.0
SIZES = {
    "num_attention_heads": SIZE.heads,
    "attention_head_dim": SIZE.head_dim,
    "text_dim": SIZE.text_dim,
    "freq_dim": SIZE.freq_dim,
    "ffn_dim": SIZE.ffn_dim,
    "num_layers": SIZE.layers,
}
ROPE = SIZE.head_dim - 4 * (SIZE.head_dim // 6), 2 * (SIZE.head_dim // 6), 2 * (SIZE.head_dim // 6)


def draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


LATENTS = draw(1, SIZE.channels, NUM_LATENTS, 2 * GRID[0], 2 * GRID[1], seed=1)
CONTEXT = draw(1, SIZE.context_channels, NUM_LATENTS, 2 * GRID[0], 2 * GRID[1], seed=2)
TEXT = draw(1, SIZE.text_len, SIZE.text_dim, seed=3)


def filled(model: nn.Module, base: nn.Module) -> nn.Module:
    """A transformer of another family with Wan's weights; what Wan has not is random."""
    randomize(model, 6)
    weights = dict(base.state_dict())
    if "norm_out.scale_shift_table" in model.state_dict():
        weights["norm_out.scale_shift_table"] = weights.pop("scale_shift_table")
    _, strange = model.load_state_dict(weights, strict=False)
    assert not strange
    return model


def helios(model: nn.Module, latents: Tensor = LATENTS, **history: Tensor) -> Tensor:
    return model(latents, torch.tensor([TIMESTEP]), TEXT, **history).sample


def wan(model: nn.Module, latents: Tensor = LATENTS) -> Tensor:
    return model(latents, torch.tensor([TIMESTEP]), TEXT).sample


def anyflow(model: nn.Module, latents: Tensor = LATENTS) -> Tensor:
    times = torch.full((1, latents.shape[2]), TIMESTEP)
    return model(latents.transpose(1, 2), times, times, TEXT).sample.transpose(1, 2)


def anyflow_far(model: nn.Module, latents: Tensor = LATENTS) -> Tensor:
    """The first chunk of a stream: its cache is empty."""
    times, f = torch.full((1, latents.shape[2]), TIMESTEP), latents.shape[2]
    empty = {
        name: torch.zeros(2, 1, SIZE.heads, 0, SIZE.head_dim) for name in ("compressed_cache", "full_cache")
    }
    made = model(
        latents.transpose(1, 2), times, times, TEXT, chunk_partition=[f],
        kv_cache=[dict(empty) for _ in range(SIZE.layers)],
        kv_cache_flag={"is_cache_step": False, "num_cached_chunks": 0},
    )  # fmt: skip
    return made.sample.transpose(1, 2)


FAMILIES: dict[str, tuple[Callable[[], nn.Module], Callable[..., Tensor]]] = {
    "wan": (lambda: WanTransformer3DModel(**SIZES), wan),
    "helios": (lambda: HeliosTransformer3DModel(**SIZES, rope_dim=ROPE), helios),
    "anyflow": (lambda: AnyFlowTransformer3DModel(**SIZES, gate_value=0.0), anyflow),
    "anyflow far": (lambda: AnyFlowFARTransformer3DModel(**SIZES, gate_value=0.0), anyflow_far),
}


@pytest.fixture(scope="module")
def pipe() -> Iterator[object]:
    with torch.inference_mode():
        yield tiny_pipeline()


@pytest.fixture(scope="module")
def oracle(pipe) -> Tensor:
    return batch_oracle(pipe)(
        LATENTS,
        torch.tensor([TIMESTEP]),
        TEXT,
        control_hidden_states=CONTEXT,
        control_hidden_states_scale=torch.ones(len(SIZE.context_layers)),
    ).sample


@pytest.fixture(params=FAMILIES)
def family(request, pipe) -> tuple[nn.Module, Callable[..., Tensor]]:
    build, call = FAMILIES[request.param]
    return filled(build(), pipe.transformer), call


def test_a_chunk_without_history_is_vace_of_diffusers(family, pipe, oracle):
    model, call = family
    bare, keys = call(model), model.state_dict().keys()
    with hinted(model.blocks, [ContextHints(pipe.adapter, CONTEXT, 1.0)], NUM_LATENTS):
        made = call(model)
    torch.testing.assert_close(made, oracle, atol=1e-5, rtol=0)
    assert (bare - made).abs().max() > 0.1
    assert torch.equal(call(model), bare)
    assert model.state_dict().keys() == keys


def test_a_hint_of_scale_zero_is_the_bare_base_bit_for_bit(family, pipe):
    model, call = family
    with hinted(model.blocks, [ContextHints(pipe.adapter, CONTEXT, 0.0)], NUM_LATENTS):
        made = call(model)
    assert torch.equal(made, call(model))


def test_two_streams_add_up_whatever_their_order(family, pipe):
    model, call = family
    halves = [ContextHints(pipe.adapter, CONTEXT, 0.25), ContextHints(pipe.adapter, CONTEXT, 0.75)]
    with hinted(model.blocks, halves, NUM_LATENTS):
        made = call(model)
    with hinted(model.blocks, [ContextHints(pipe.adapter, CONTEXT, 1.0)], NUM_LATENTS):
        torch.testing.assert_close(made, call(model), atol=1e-5, rtol=0)


def test_packed_history_is_seen_and_its_tokens_get_no_hint(pipe):
    model = filled(FAMILIES["helios"][0](), pipe.transformer)
    size = 2 * GRID[0], 2 * GRID[1]
    history = {
        "indices_hidden_states": torch.arange(20, 22)[None],
        "indices_latents_history_short": torch.tensor([[0, 19]]),
        "latents_history_short": draw(1, SIZE.channels, 2, *size, seed=4),
        "indices_latents_history_mid": torch.arange(17, 19)[None],
        "latents_history_mid": draw(1, SIZE.channels, 2, *size, seed=5),
        "indices_latents_history_long": torch.arange(1, 17)[None],
        "latents_history_long": draw(1, SIZE.channels, 16, *size, seed=7),
    }
    seen: list[Tensor] = []
    watch = model.blocks[1].register_forward_pre_hook(lambda _, given: seen.append(given[0]))
    bare = helios(model, **history)
    with hinted(model.blocks, [ContextHints(pipe.adapter, CONTEXT, 1.0)], NUM_LATENTS):
        made = helios(model, **history)
    watch.remove()
    before, after = seen
    count = NUM_LATENTS * GRID[0] * GRID[1]
    assert before.shape[1] > count
    assert torch.equal(before[:, :-count], after[:, :-count])  # behind block 0, which has a hint
    assert not torch.equal(before[:, -count:], after[:, -count:])
    assert (made - bare).abs().max() > 0.1
    assert (made - helios(model)).abs().max() > 0.1


def test_a_family_that_is_not_known_is_refused_by_name(pipe):
    with (
        pytest.raises(ValueError, match="not behind Linear"),
        hinted(nn.ModuleList([nn.Linear(2, 2)]), [], 1),
    ):
        pass
