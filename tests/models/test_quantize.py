"""Weights in int8 and fp8, base and context blocks apart; and an adapter that adds nothing."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from tests.tiny import tiny_pipeline
from vacestream.errors import RecipeError
from vacestream.models import quantize as quantizing
from vacestream.models.load import Pipeline
from vacestream.models.lora import Lora, Pair, merge
from vacestream.models.quantize import quantize, refuse_missing
from vacestream.needs import quantized
from vacestream.recipe import load_recipe
from vacestream.stream import new_stream
from vacestream.timeline import chunks
from vacestream.vcu import VCU, Layer

HERE = pytest.mark.skipif(quantizing.find_spec("torchao") is None, reason="torchao is not installed")


def frames(pipe: Pipeline) -> np.ndarray:
    """Two chunks of a control and a reference."""
    generator = torch.Generator().manual_seed(1)

    def vcu(count: int) -> VCU:
        pixels = torch.rand(count, 3, 32, 32, generator=generator) * 2 - 1
        masks = torch.ones(count, 1, 32, 32)
        latent_masks = torch.ones(3, 1, 32, 32)
        return VCU("a red ball", (Layer(pixels, masks, latent_masks),), (pixels[0],))

    stream = new_stream(pipe, (32, 32), 1)
    vcus = [(chunk, vcu(chunk.stop - chunk.start)) for chunk in chunks(pipe.spec, 21)]
    return np.concatenate([made for _, made in stream(vcus)])


def with_lora(pipe: Pipeline) -> None:
    generator = torch.Generator().manual_seed(2)
    for name, part in pipe.transformer.named_modules():
        if isinstance(part, nn.Linear) and name.startswith("blocks."):
            a = torch.randn(2, part.in_features, generator=generator) / 8
            b = torch.randn(part.out_features, 2, generator=generator) / 8
            lora = Lora({"w": Pair(a, b, 0.5)})
            part.weight.data = merge([lora], "w", part.weight.data)


BASES: dict[str, Callable[[Pipeline], None]] = {
    "plain": lambda pipe: None,
    "LoRA": with_lora,
    "int8": lambda pipe: quantize(pipe.transformer, "int8"),
}


@pytest.mark.parametrize(
    "base", ["plain", "LoRA", pytest.param("int8", marks=HERE)]
)  # fmt: skip
def test_an_adapter_that_adds_nothing_leaves_the_base_bit_identical(base: str) -> None:
    pipe, bare, full = tiny_pipeline(), tiny_pipeline(), tiny_pipeline()
    bare.adapter = None
    for one in (pipe, bare, full):
        BASES[base](one)
    for block in pipe.adapter.vace_blocks:
        nn.init.zeros_(block.proj_out.weight)
        nn.init.zeros_(block.proj_out.bias)
    want = frames(bare)
    assert (frames(pipe) == want).all()
    assert (frames(full) != want).any()


def error(got: Tensor, want: Tensor) -> float:
    return float((got - want).norm() / want.norm())


@HERE
@pytest.mark.parametrize(("kind", "most"), [("int8", 0.01), ("fp8", 0.04)])
def test_quantized_weights_are_those_of_the_blocks_and_near_the_whole_ones(kind: str, most: float) -> None:
    pipe = tiny_pipeline()
    before = {name: p.clone() for name, p in pipe.transformer.named_parameters()}
    context = [p.clone() for p in pipe.adapter.parameters()]
    quantize(pipe.transformer, kind)
    for name, parameter in pipe.transformer.named_parameters():
        if type(parameter.data) is Tensor:
            assert torch.equal(parameter, before[name])
        else:
            assert name.startswith("blocks.")
            assert error(parameter.dequantize(), before[name]) < most
    changed = [name for name, p in pipe.transformer.named_parameters() if type(p.data) is not Tensor]
    assert len(changed) == 10 * pipe.spec.transformer.layers
    assert all(torch.equal(a, b) for a, b in zip(pipe.adapter.parameters(), context, strict=True))


def test_a_missing_package_is_told_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quantizing, "find_spec", lambda _: None)
    with pytest.raises(RecipeError, match="int8 needs the package torchao; run `uv pip install torchao`"):
        refuse_missing("int8")


@pytest.mark.parametrize(
    ("text", "asked"),
    [
        ("precision: bf16", {}),
        ("precision: int8", {"base": "int8", "context": "int8"}),
        ("precision: int8\nvace: {precision: whole}", {"base": "int8"}),
        ("vace: {precision: fp8}", {"context": "fp8"}),
    ],
)
def test_a_recipe_says_it_for_base_and_context_apart(text: str, asked: dict[str, str]) -> None:
    assert quantized(load_recipe(f"prompt: x\nlength: 9f\n{text}\n")) == asked
