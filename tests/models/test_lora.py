"""Users' LoRA files on tiny weights of the true classes: every format, several at once, what is refused."""

import json
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel
from diffusers.loaders.lora_pipeline import WanLoraLoaderMixin
from safetensors.torch import save_file
from torch import Tensor, nn

from tests.tiny import CPU, SIZE, randomize
from vacestream.errors import ModelError
from vacestream.loading import load_stream
from vacestream.models.key_maps import WAN_KEYS, original
from vacestream.models.load import (
    build_adapter,
    build_transformer,
    load_adapter,
    load_transformer,
    read_loras,
)
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe
from vacestream.vcu import Manner
from vacestream.weights import Found

Pairs = dict[str, tuple[Tensor, Tensor]]
RANK, ALPHA, SCALE = 4, 2.0, 0.5

BASE = randomize(build_transformer(SIZE), 1).state_dict()
CONTEXT = randomize(build_adapter(SIZE), 2).state_dict()


def random_pairs(module: nn.Module, seed: int) -> Pairs:
    """Factors for every linear layer in blocks."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator) / 8

    return {
        name: (draw(RANK, part.in_features), draw(part.out_features, RANK))
        for name, part in module.named_modules()
        if "blocks." in name and isinstance(part, nn.Linear)
    }


PAIRS = random_pairs(build_transformer(SIZE), 5)
BIAS = "blocks.1.ffn.net.2.bias"
DIFFERENCE = torch.linspace(-1, 1, SIZE.dim)


def merged(strength: float = SCALE * ALPHA / RANK, pairs: Pairs = PAIRS) -> dict[str, Tensor]:
    """The formula, for the weights that it changes."""
    return {f"{name}.weight": BASE[f"{name}.weight"] + strength * b @ a for name, (a, b) in pairs.items()}


def there(name: str) -> str:
    return original(f"{name}.", WAN_KEYS).removesuffix(".")


def strong(pairs: Pairs) -> Pairs:
    """With alpha / rank already in the factors, for formats that cannot say it."""
    return {name: (a, b * (ALPHA / RANK)) for name, (a, b) in pairs.items()}


def halves(pairs: Pairs, prefix: str, name: Callable[[str], str], down: str, up: str) -> dict[str, Tensor]:
    found = {f"{prefix}{name(key)}.{down}.weight": a for key, (a, _) in pairs.items()}
    return found | {f"{prefix}{name(key)}.{up}.weight": b for key, (_, b) in pairs.items()}


def alphas(pairs: Pairs, prefix: str, name: Callable[[str], str]) -> dict[str, Tensor]:
    return {f"{prefix}{name(key)}.alpha": torch.tensor(ALPHA) for key in pairs}


def flat(name: str) -> str:
    return there(name).replace(".", "_")


def save(weights: dict[str, Tensor], path: Path, metadata: dict[str, str] | None = None) -> Path:
    save_file({key: value.contiguous() for key, value in weights.items()}, path, metadata)
    return path


def peft(pairs: Pairs, folder: Path) -> Path:
    (folder / "adapter_config.json").write_text(json.dumps({"r": RANK, "lora_alpha": ALPHA}))
    return save(
        halves(pairs, "base_model.model.", str, "lora_A", "lora_B"), folder / "adapter_model.safetensors"
    )


def header(pairs: Pairs, folder: Path) -> Path:
    said = {"r": RANK, "lora_alpha": ALPHA, "target_modules": sorted(pairs)}
    weights = halves(pairs, "transformer.", str, "lora_A", "lora_B")
    return save(
        weights,
        folder / "a.safetensors",
        {"lora_adapter_metadata": json.dumps({f"transformer.{k}": v for k, v in said.items()})},
    )


FORMATS: dict[str, Callable[[Pairs, Path], Path]] = {
    "diffusers": lambda pairs, folder: save(
        halves(strong(pairs), "transformer.", str, "lora_A", "lora_B"), folder / "a.safetensors"
    ),
    "diffusers with alpha": header,
    "peft": peft,
    "kohya, musubi": lambda pairs, folder: save(
        halves(pairs, "lora_unet_", flat, "lora_down", "lora_up") | alphas(pairs, "lora_unet_", flat),
        folder / "a.safetensors",
    ),
    "comfyui": lambda pairs, folder: save(
        halves(strong(pairs), "diffusion_model.", there, "lora_A", "lora_B"), folder / "a.safetensors"
    ),
    "comfyui with alpha": lambda pairs, folder: save(
        halves(pairs, "diffusion_model.", there, "lora_down", "lora_up")
        | alphas(pairs, "diffusion_model.", there)
        | {f"diffusion_model.{there(BIAS.removesuffix('.bias'))}.diff_b": DIFFERENCE},
        folder / "a.safetensors",
    ),
}
CONVERTED = [name for name in FORMATS if name != "peft"]
"""What diffusers' loader takes as it is; PEFT's own folders go through peft there."""


@pytest.fixture
def base(tmp_path: Path) -> Found:
    return Found(save(dict(BASE), tmp_path / "base.safetensors"))


def loaded(base: Found, *files: tuple[Path, float]) -> dict[str, Tensor]:
    """The transformer's weights with LoRA files merged in; anything that is warned of fails."""
    changes = read_loras(files, SIZE)
    return load_transformer(SIZE, base, CPU, torch.float32, changes=changes).state_dict()


@pytest.mark.parametrize("form", FORMATS)
def test_every_format_is_merged_by_the_formula(form: str, base: Found, tmp_path: Path) -> None:
    got = loaded(base, (FORMATS[form](PAIRS, tmp_path), SCALE))
    want = dict(BASE) | merged()
    if form == "comfyui with alpha":
        want[BIAS] = BASE[BIAS] + SCALE * DIFFERENCE
    for key, value in got.items():
        torch.testing.assert_close(value, want[key], atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize("form", CONVERTED)
def test_every_format_is_merged_as_diffusers_merges_it(form: str, base: Found, tmp_path: Path) -> None:
    path = FORMATS[form](PAIRS, tmp_path)
    model = WanTransformer3DModel(
        patch_size=SIZE.patch, num_attention_heads=SIZE.heads, attention_head_dim=SIZE.head_dim,
        in_channels=SIZE.channels, out_channels=SIZE.channels, text_dim=SIZE.text_dim, freq_dim=SIZE.freq_dim,
        ffn_dim=SIZE.ffn_dim, num_layers=SIZE.layers,
    )  # fmt: skip
    model.load_state_dict(BASE)
    found, metadata = WanLoraLoaderMixin.lora_state_dict(str(path), return_lora_metadata=True)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        WanLoraLoaderMixin.load_lora_into_transformer(
            found, model, adapter_name="users", metadata=metadata, low_cpu_mem_usage=False
        )
        model.fuse_lora(lora_scale=SCALE)
    want = {key.replace(".base_layer", ""): v for key, v in model.state_dict().items() if "lora_" not in key}
    got = loaded(base, (path, SCALE))
    assert got.keys() == want.keys()
    for key, value in got.items():
        torch.testing.assert_close(value, want[key], atol=1e-5, rtol=1e-5)


def test_several_files_add_up_each_with_its_scale(base: Found, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    other = random_pairs(build_transformer(SIZE), 6)
    got = loaded(
        base, (FORMATS["comfyui"](PAIRS, tmp_path), 1.0), (FORMATS["peft"](other, tmp_path / "b"), -0.5)
    )
    first, second = merged(ALPHA / RANK), merged(-0.5 * ALPHA / RANK, other)
    for key in first:
        torch.testing.assert_close(got[key], first[key] + second[key] - BASE[key], atol=1e-6, rtol=1e-6)


def test_context_blocks_stay_unless_a_file_names_them(tmp_path: Path) -> None:
    file = Found(save(dict(CONTEXT), tmp_path / "vace.safetensors"))
    path = FORMATS["diffusers"](PAIRS, tmp_path)

    def adapter() -> dict[str, Tensor]:
        return load_adapter(SIZE, file, CPU, torch.float32, read_loras([(path, 1.0)], SIZE)).state_dict()

    assert all(torch.equal(value, CONTEXT[key]) for key, value in adapter().items())
    pairs = random_pairs(build_adapter(SIZE), 7)
    path = FORMATS["comfyui"](pairs, tmp_path)
    changed = {key for key, value in adapter().items() if not torch.equal(value, CONTEXT[key])}
    assert changed == {f"{name}.weight" for name in pairs}


def test_names_of_no_module_are_left_out_and_told(base: Found, tmp_path: Path) -> None:
    weights = halves(strong(PAIRS), "transformer.", str, "lora_A", "lora_B")
    path = save(weights | {"transformer.img.lora_A.weight": torch.ones(1, 1)}, tmp_path / "a.safetensors")
    with pytest.warns(UserWarning, match=r"a.safetensors: changes 40 weights; 1 names .* \(transformer.img"):
        got = loaded(base, (path, SCALE))
    for key, value in merged().items():
        torch.testing.assert_close(got[key], value, atol=1e-6, rtol=1e-6)


KEY = "transformer.blocks.2.attn1.to_q"


@pytest.mark.parametrize(
    ("weights", "said"),
    [
        ({"te.lora_A.weight": torch.ones(1)}, r"none of its 1 names is of this model \(te.lora_A.weight\)"),
        (
            {f"{KEY}.lora_A.weight": torch.ones(4, 96), f"{KEY}.lora_B.weight": torch.ones(96, 4)},
            r"blocks.2.attn1.to_q.weight: changes a weight of \(96, 96\), and it is \(48, 48\) here",
        ),
        ({f"{KEY}.lora_A.weight": torch.ones(4, 48)}, r"blocks.2.attn1.to_q.weight: one of its two factors"),
        (
            {f"{KEY}.lora_A.weight": torch.ones(4, 48), f"{KEY}.lora_B.weight": torch.ones(48, 8)},
            r"blocks.2.attn1.to_q.weight: factors of rank 4 and 8",
        ),
    ],
    ids=["another model", "another size", "half", "ranks"],
)  # fmt: skip
def test_a_file_that_does_not_fit_is_refused_by_name(
    weights: dict[str, Tensor], said: str, tmp_path: Path
) -> None:
    path = save(weights, tmp_path / "a.safetensors")
    with pytest.raises(ModelError, match=rf"a.safetensors: {said}"):
        read_loras([(path, 1.0)], SIZE)


def test_a_recipe_changes_the_base_by_its_loras_and_leaves_the_context_blocks(tmp_path: Path) -> None:
    plain = {"prompt": "x", "length": "9f", "references": "sprites:1", "device": "cpu"}
    base = load_stream(make_plan(load_recipe(plain))).pipeline
    pairs = random_pairs(base.transformer, 5)
    path = FORMATS["kohya, musubi"](pairs, tmp_path)
    for scale, changes in ((0.0, set()), (0.5, {f"{name}.weight" for name in pairs})):
        recipe = load_recipe(plain | {"loras": [{"path": str(path), "scale": scale}]})
        pipe = load_stream(make_plan(recipe)).pipeline
        state, before = pipe.transformer.state_dict(), base.transformer.state_dict()
        assert {key for key in state if not torch.equal(state[key], before[key])} == changes
        context = zip(pipe.adapter.parameters(), base.adapter.parameters(), strict=True)
        assert all(torch.equal(one, other) for one, other in context)
    later = plain | {
        "length": "21f",
        "timeline": {"at": "1 chunks", "loras": {"path": str(path), "scale": 0.5}},
    }
    stream = load_stream(make_plan(load_recipe(later)))
    manner = Manner(loras=((str(path), 0.5),))
    stream.prepare("x", (), manner)
    stream.use_loras(manner.loras)
    assert list(stream.ready) == [("own", manner.loras)]
    got = stream.transformer.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in got.items())


def test_what_the_timeline_will_need_is_looked_at_before_the_first_chunk(tmp_path: Path) -> None:
    plain = {"prompt": "x", "length": "21f", "references": "sprites:1", "device": "cpu"}
    path = save({f"{KEY}.lora_A.weight": torch.ones(4, 48)}, tmp_path / "a.safetensors")
    for change in ({"loras": str(path)}, {"vace": {"adapter": str(path)}}):
        recipe = load_recipe(plain | {"timeline": {"at": "1 chunks", **change}})
        with pytest.raises(ModelError, match=r"a.safetensors: "):
            load_stream(make_plan(recipe))
