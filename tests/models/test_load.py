"""Files of real weights, through the functions that load them: every published form, strictly."""

import json
import os
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest
import torch
from diffusers import AutoencoderKLWan
from peft import LoraConfig, get_peft_model, get_peft_model_state_dict
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import UMT5Config, UMT5EncoderModel

from tests.models.files import (
    CPU,
    FORMS,
    TEXT,
    VAE,
    WAN_1_3B,
    load_context_of,
    load_file_of,
    recorded,
    shrunk,
    size_of,
)
from tests.tiny import SIZE, randomize
from vacestream import weights as weight_table
from vacestream.errors import ModelError
from vacestream.models import load as loading
from vacestream.models.fill import empty
from vacestream.models.key_maps import UMT5_KEYS, VAE_KEYS, WAN_KEYS, original, ours
from vacestream.models.load import (
    Pipeline,
    build_adapter,
    build_transformer,
    load_pipeline,
    load_transformer,
    load_vae,
)
from vacestream.models.load_text import load_text_encoder
from vacestream.models.tiny_vae import TinyVAE
from vacestream.pipelines import PIPELINES
from vacestream.weights import CONTEXT, MODELS, Found

TRANSFORMERS = (
    "longlive_generator", "memflow_generator", "self_forcing_generator", "streamdiffusionv2_1_3B_generator",
    "streamdiffusionv2_14B_generator", "wan21_t2v_1_3B_original", "wan21_t2v_1_3B_diffusers",
    "wan21_t2v_14B_original", "wan21_t2v_14B_diffusers",
)  # fmt: skip
FULL = ("vace_1_3B_original", "vace_1_3B_diffusers", "vace_14B_original", "vace_14B_diffusers")
OTHERS = (
    "wan_vae_original", "wan_vae_diffusers", "umt5_xxl_encoder_original", "umt5_xxl_encoder_transformers",
)  # fmt: skip
MANIFESTS = (*TRANSFORMERS, *FULL, *OTHERS)
LORAS = ("longlive_lora", "memflow_lora")
NOT_WAN = ("framepack_hunyuan_i2v_diffusers", "framepack_hunyuan_class_defaults_diffusers")


def table_of(manifest: str):  # type: ignore[no-untyped-def]
    return VAE_KEYS if "vae" in manifest else UMT5_KEYS if "umt5" in manifest else WAN_KEYS


def assert_holds(module: nn.Module, weights: dict[str, torch.Tensor], manifest: str) -> None:
    """Every weight of the module is that of the file, under our name for it."""
    table, state = table_of(manifest), module.state_dict()
    expected = {ours(key.removeprefix("model."), table): value for key, value in weights.items()}
    if "umt5" in manifest:
        expected["encoder.embed_tokens.weight"] = expected["shared.weight"]
    assert expected.keys() == state.keys()
    assert all(torch.equal(state[key], value) for key, value in expected.items())


@pytest.mark.parametrize(
    ("manifest", "form"), [(name, [*FORMS][i % len(FORMS)]) for i, name in enumerate(MANIFESTS)]
)
def test_every_recorded_manifest_loads_to_the_bit(manifest: str, form: str, tmp_path: Path) -> None:
    weights = shrunk(manifest)
    file = Found(FORMS[form](weights, tmp_path))
    base = {key: value for key, value in weights.items() if not key.startswith("vace_")}
    assert_holds(load_file_of(manifest, file), base, manifest)
    if manifest in FULL:
        rest = {key: value for key, value in weights.items() if key.startswith("vace_")}
        assert_holds(load_context_of(manifest, file), rest, manifest)


def test_no_manifest_is_left_out() -> None:
    recorded("longlive_generator")
    folder = Path(os.environ["VACESTREAM_GOLDEN"]) / "manifests"
    names = {path.stem for path in folder.glob("*.json") if not path.stem.startswith("map_")}
    assert names == {*MANIFESTS, *LORAS, *NOT_WAN}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("manifest", ["longlive_generator", "wan_vae_original", "umt5_xxl_encoder_original"])
def test_every_form_of_file_loads_to_the_bit(manifest: str, form: str, tmp_path: Path) -> None:
    weights = shrunk(manifest)
    assert_holds(load_file_of(manifest, Found(FORMS[form](weights, tmp_path))), weights, manifest)


PUBLISHED = {  # row -> the manifest of its weights, what they are wrapped in
    "longlive-1.3b": ("longlive_generator", lambda w: {"generator": w, "generator_ema": {"no": 0}}),
    "memflow-1.3b": ("memflow_generator", lambda w: {"generator": w, "critic": {}}),
    "self-forcing-1.3b": ("self_forcing_generator", lambda w: {"generator": {"no": 0}, "generator_ema": w}),
    "streamdiffusionv2-1.3b": ("streamdiffusionv2_1_3B_generator", lambda w: {"state_dict": w}),
    "streamdiffusionv2-14b": ("streamdiffusionv2_14B_generator", lambda w: {"generator": w}),
    "reward-forcing-1.3b": ("self_forcing_generator", lambda w: {"generator_ema": w}),
    "krea-realtime-14b": ("wan21_t2v_14B_original", lambda w: {f"model.{key}": w[key] for key in w}),
    "wan2.1-1.3b": ("wan21_t2v_1_3B_original", lambda w: w),
    "wan2.1-14b": ("wan21_t2v_14B_diffusers", lambda w: w),
}


@pytest.mark.parametrize("row", PUBLISHED)
def test_every_row_loads_from_a_file_wrapped_as_it_is_published(row: str, tmp_path: Path) -> None:
    manifest, wrap = PUBLISHED[row]
    weights = shrunk(manifest)
    path = tmp_path / "a.pt"
    torch.save(wrap({key: value.to(torch.bfloat16) for key, value in weights.items()}), path)
    file = Found(path, MODELS[row].parts["transformer"].entry)
    model = load_transformer(size_of(manifest), file, CPU, torch.float32)
    want = {ours(key.removeprefix("model."), WAN_KEYS): value for key, value in weights.items()}
    assert model.state_dict().keys() == want.keys()
    assert all(torch.equal(value, want[key].bfloat16().float()) for key, value in model.state_dict().items())


def test_a_text_encoder_in_fp8_loads_with_its_values(tmp_path: Path) -> None:
    weights = {
        key: value.to(torch.float8_e4m3fn if value.ndim == 2 else torch.bfloat16)
        for key, value in shrunk("umt5_xxl_encoder_original").items()
    }
    path = FORMS["safetensors"](weights, tmp_path)
    model = load_text_encoder(TEXT, Found(path), CPU, torch.bfloat16)
    assert_holds(
        model, {key: value.bfloat16() for key, value in weights.items()}, "umt5_xxl_encoder_original"
    )


@pytest.mark.parametrize("manifest", ["vace_1_3B_original", "vace_14B_diffusers"])
def test_a_file_of_context_blocks_alone_is_an_adapter(manifest: str, tmp_path: Path) -> None:
    module = {key: value for key, value in shrunk(manifest).items() if key.startswith("vace_")}
    assert_holds(load_context_of(manifest, Found(FORMS["safetensors"](module, tmp_path))), module, manifest)


@pytest.fixture
def built_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Modules that are refused their weights stay empty, so that one serves many times."""
    for name in ("build_transformer", "build_adapter"):
        monkeypatch.setattr(loading, name, cached(name))


@cache
def cached(name: str):  # type: ignore[no-untyped-def]
    return cache(getattr(loading, name))


@pytest.mark.parametrize("manifest", MANIFESTS)
def test_one_missing_one_extra_and_one_misshapen_key_are_refused_by_name(
    manifest: str, tmp_path: Path, built_once: None
) -> None:
    weights = shrunk(manifest)
    key = list(weights)[len(weights) // 2]
    bare = key.removeprefix("model.")
    wrong = {
        rf"1 missing \({bare}": {k: v for k, v in weights.items() if k != key},
        r"1 unknown \(blocks.0.more": {**weights, "blocks.0.more": torch.zeros(1)},
        rf"{bare}.* is \(7,\), want \({weights[key].shape[0]},": {**weights, key: torch.zeros(7)},
    }
    for message, changed in wrong.items():
        path = FORMS["safetensors"](changed, tmp_path)
        with pytest.raises(ModelError, match=f"a.safetensors: not these weights: .*{message}"):
            load_file_of(manifest, Found(path))


@pytest.mark.parametrize("manifest", FULL)
def test_a_wrong_context_key_is_refused_by_name(manifest: str, tmp_path: Path, built_once: None) -> None:
    weights = shrunk(manifest)
    key = next(key for key in weights if key.startswith("vace_blocks.3."))
    del weights[key]
    path = FORMS["safetensors"](weights, tmp_path)
    for load in (load_file_of, load_context_of):
        with pytest.raises(ModelError, match=rf"a.safetensors: not these weights: 1 missing \({key}"):
            load(manifest, Found(path))


@pytest.mark.parametrize("manifest", NOT_WAN)
def test_weights_of_another_architecture_are_refused(manifest: str, tmp_path: Path, built_once: None) -> None:
    keys = recorded(manifest)["keys"]
    path = FORMS["safetensors"]({key: torch.zeros(1) for key in keys}, tmp_path)
    with pytest.raises(ModelError, match=r"823 missing \(.*; \d+ unknown \(\w+_embedder\."):
        load_file_of(manifest, Found(path))


def test_of_several_sets_in_a_file_the_row_says_which(tmp_path: Path) -> None:
    one, other = ({"x.weight": torch.full((1,), value)} for value in (1.0, 2.0))
    torch.save({"generator": one, "generator_ema": other}, path := tmp_path / "a.pt")
    read = loading.checkpoint.read
    assert [float(read(path, entry)["x.weight"]) for entry in ("generator", "generator_ema")] == [1, 2]


def test_a_missing_shard_and_a_key_that_no_shard_has_are_named(tmp_path: Path) -> None:
    weights = {f"{i}.weight": torch.ones(1) for i in range(6)}
    index = FORMS["sharded"](weights, tmp_path)
    listed = json.loads(index.read_text())
    listed["weight_map"]["9.weight"] = listed["weight_map"]["0.weight"]
    index.write_text(json.dumps(listed))
    with pytest.raises(ModelError, match=r"a-00001-of-00003.safetensors: 9.weight is missing"):
        loading.checkpoint.read(index)
    (tmp_path / "a-00002-of-00003.safetensors").unlink()
    with pytest.raises(ModelError, match=r"a-00002-of-00003.safetensors: no such file"):
        loading.checkpoint.read(index)


def mapped_spans(path: Path) -> list[list[int]]:
    """First and last address of each view of a file in this process."""
    if not (maps := Path("/proc/self/maps")).exists():
        pytest.skip("this system does not list its mapped files")
    lines = [line for line in maps.read_text().splitlines() if line.endswith(str(path))]
    return [[int(end, 16) for end in line.split()[0].split("-")] for line in lines]


@pytest.mark.parametrize("form", ["pt", "safetensors"])
def test_what_needs_no_cast_stays_in_the_mapped_file(form: str, tmp_path: Path) -> None:
    weights = {key: torch.ones(value.shape) for key, value in build_transformer(SIZE).state_dict().items()}
    path = FORMS[form](weights, tmp_path)
    model = load_transformer(SIZE, Found(path), CPU, torch.float32)
    spans = mapped_spans(path)
    for parameter in model.parameters():
        assert any(start <= parameter.data_ptr() < stop for start, stop in spans)


def test_a_cast_is_made_once_for_weights_that_are_tied(tmp_path: Path) -> None:
    path = FORMS["pt"](UMT5EncoderModel(UMT5Config(**TEXT)).state_dict(), tmp_path)
    model = load_text_encoder(TEXT, Found(path), CPU, torch.bfloat16)
    assert model.shared.weight.data_ptr() == model.encoder.embed_tokens.weight.data_ptr()
    assert {parameter.dtype for parameter in model.parameters()} == {torch.bfloat16}


def peft_lora(scale: float):  # type: ignore[no-untyped-def]
    """Tiny weights, a LoRA file's content for them in LongLive's names, and what peft merges from both."""
    base = randomize(build_transformer(SIZE), 1)
    weights = {original(key, WAN_KEYS): value.clone() for key, value in base.state_dict().items()}
    linear = [f"blocks.{name}" for name, part in base.blocks.named_modules() if isinstance(part, nn.Linear)]
    wrapped = get_peft_model(base, LoraConfig(r=4, lora_alpha=4 * scale, target_modules=linear))
    generator = torch.Generator().manual_seed(5)
    for name, parameter in wrapped.named_parameters():
        if "lora_" in name:
            parameter.data = torch.randn(parameter.shape, generator=generator) / 8
    lora = {
        f"base_model.model.{original(key.removeprefix('base_model.model.'), WAN_KEYS)}": value.clone()
        for key, value in get_peft_model_state_dict(wrapped).items()
    }
    return weights, lora, wrapped.merge_and_unload()


def test_a_lora_is_merged_as_peft_merges_it(tmp_path: Path) -> None:
    weights, lora, merged = peft_lora(scale=2)
    torch.save({"generator": weights}, tmp_path / "base.pt")
    torch.save({"generator_lora": lora, "critic_lora": {"a": torch.zeros(1)}}, tmp_path / "lora.pt")
    file = Found(tmp_path / "lora.pt", "generator_lora", alpha=8)
    got = load_transformer(SIZE, Found(tmp_path / "base.pt"), CPU, torch.float32, lora=file).state_dict()
    changed = [key for key, value in got.items() if not torch.equal(value, weights[original(key, WAN_KEYS)])]
    assert len(changed) == 10 * SIZE.layers
    for key, value in merged.state_dict().items():
        torch.testing.assert_close(got[key], value, atol=1e-6, rtol=1e-6)


def test_a_lora_is_merged_before_the_cast(tmp_path: Path) -> None:
    weights, lora, merged = peft_lora(scale=1)
    torch.save(weights, tmp_path / "base.pt")
    torch.save(lora, tmp_path / "lora.pt")
    file = Found(tmp_path / "lora.pt", alpha=4)
    got = load_transformer(SIZE, Found(tmp_path / "base.pt"), CPU, torch.bfloat16, lora=file)
    want = merged.blocks[1].ffn.net[2].weight
    assert (got.blocks[1].ffn.net[2].weight - want).abs().max() <= want.abs().max() / 2**8


@pytest.mark.parametrize("manifest", LORAS)
def test_a_recorded_lora_changes_the_300_linear_layers_of_the_blocks(manifest: str, tmp_path: Path) -> None:
    model = empty(lambda: build_transformer(WAN_1_3B))
    weights = shrunk(manifest)
    path = FORMS["pt"]({"generator_lora": weights}, tmp_path)
    lora = loading.read_lora(path, model, 256, "generator_lora")
    assert len(lora.pairs) == 300
    assert lora.pairs.keys() < model.state_dict().keys()
    key = "base_model.model.blocks.7.cross_attn.o.lora_B.weight"
    wrong = {
        r"1 missing \(blocks.7.cross_attn.o.lora_B.weight": {k: v for k, v in weights.items() if k != key},
        r"1 unknown \(head.head.lora_A.weight": {**weights, "head.head.lora_A.weight": torch.zeros(8, 24)},
        r"cross_attn.o.lora_B.weight.* is \(24, 7\), want \(24, 8\)": {**weights, key: torch.zeros(24, 7)},
    }
    for message, changed in wrong.items():
        with pytest.raises(ModelError, match=f"a.pt: not these weights: .*{message}"):
            loading.read_lora(FORMS["pt"](changed, tmp_path), model, 256)


def test_a_vae_gives_the_same_from_original_and_from_diffusers_names(tmp_path: Path) -> None:
    vae = randomize(AutoencoderKLWan(**VAE), 3)
    named = {original(key, VAE_KEYS): value for key, value in vae.state_dict().items()}
    assert "decoder.upsamples.3.time_conv.weight" in named
    (tmp_path / "a").mkdir()
    loaded = [
        load_vae(VAE, Found(FORMS["pt"](named, tmp_path)), CPU, torch.float32),
        load_vae(VAE, Found(FORMS["pt"](vae.state_dict(), tmp_path / "a")), CPU, torch.float32),
    ]
    video = torch.randn(1, 3, 5, 16, 16, generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        want = vae.encode(video).latent_dist.mean
        latents = [made.encode(video).latent_dist.mean for made in loaded]
        frames = [made.decode(want).sample for made in (vae, *loaded)]
    for got in latents:
        torch.testing.assert_close(got, want, atol=1e-5, rtol=0)
    for got in frames[1:]:
        torch.testing.assert_close(got, frames[0], atol=1e-5, rtol=0)


def test_a_text_encoder_gives_the_same_from_original_and_from_transformers_names(tmp_path: Path) -> None:
    encoder = randomize(UMT5EncoderModel(UMT5Config(**TEXT)), 4)
    state = encoder.state_dict()
    state["encoder.embed_tokens.weight"] = state["shared.weight"]
    encoder.load_state_dict(state)
    named = {original(key, UMT5_KEYS): v for key, v in state.items() if key != "encoder.embed_tokens.weight"}
    assert "blocks.0.pos_embedding.embedding.weight" in named
    ids, mask = torch.tensor([[4, 7, 9, 1, 0, 0]]), torch.tensor([[1, 1, 1, 1, 0, 0]])
    with torch.inference_mode():
        want = encoder(ids, mask).last_hidden_state
        for weights in (named, state):
            path = FORMS["pt"](weights, tmp_path)
            got = load_text_encoder(TEXT, Found(path), CPU, torch.float32)(ids, mask).last_hidden_state
            assert torch.equal(got, want)


def write_longlive(folder: Path) -> None:
    """Every file of the row, narrow, in a folder of repositories."""
    transformer, adapter = build_transformer(WAN_1_3B), build_adapter(WAN_1_3B)
    named = {original(key, WAN_KEYS): value for key, value in transformer.state_dict().items()}
    lora = {}
    for name, part in transformer.named_modules():
        if name.startswith("blocks.") and isinstance(part, nn.Linear):
            there = f"base_model.model.{original(f'{name}.', WAN_KEYS)}"
            lora[f"{there}lora_A.weight"] = torch.randn(8, part.in_features) / 8
            lora[f"{there}lora_B.weight"] = torch.randn(part.out_features, 8) / 8
    text = UMT5EncoderModel(UMT5Config(**TEXT)).state_dict()
    text = {original(k, UMT5_KEYS): v for k, v in text.items() if k != "encoder.embed_tokens.weight"}
    vae = {original(k, VAE_KEYS): v for k, v in AutoencoderKLWan(**VAE).state_dict().items()}
    words = {word: i for i, word in enumerate(("<pad>", "</s>", "<unk>", "a", "knight"))}
    tokenizer = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    longlive, wan = folder / "LongLive-1.3B" / "models", folder / "Wan-AI" / "Wan2.1-T2V-1.3B"
    longlive.mkdir(parents=True)
    (wan / "google" / "umt5-xxl").mkdir(parents=True)
    prefixed = {f"model.{key}": value for key, value in named.items()}
    torch.save({"generator": prefixed, "generator_ema": {}}, longlive / "longlive_base.pt")
    torch.save({"generator_lora": lora}, longlive / "lora.pt")
    context = {original(key, WAN_KEYS): value for key, value in adapter.state_dict().items()}
    torch.save(context, folder / "Wan2_1-VACE_module_1_3B_bf16.pt")
    torch.save(vae, wan / "Wan2.1_VAE.pth")
    torch.save(text, wan / "models_t5_umt5-xxl-enc-bf16.pth")
    tokenizer.save(str(wan / "google" / "umt5-xxl" / "tokenizer.json"))


LONGLIVE = PIPELINES["longlive-1.3b"]


@pytest.fixture
def nowhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without weights."""
    monkeypatch.delenv("VACESTREAM_MODELS", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no_cache"))


def test_a_row_loads_whole_from_a_folder(longlive: Path) -> None:
    bare = load_pipeline(replace(LONGLIVE, transformer=WAN_1_3B), CPU, torch.bfloat16, [CONTEXT])
    assert bare.adapter is None
    pipe = load_pipeline(replace(LONGLIVE, transformer=WAN_1_3B), CPU, torch.bfloat16)
    parts = (pipe.transformer, pipe.adapter, pipe.vae, pipe.text.model)
    assert {p.dtype for part in parts for p in part.parameters()} == {torch.bfloat16}
    assert not any(p.requires_grad or part.training for part in parts for p in part.parameters())
    embedded = pipe.text("a knight")
    assert embedded.shape == (8, 16)
    assert (embedded.abs().sum(-1) > 0).tolist() == [True] * 3 + [False] * 5


@pytest.fixture
def longlive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, nowhere: None) -> Path:
    """A folder with every file of a narrow LongLive, and an empty cache."""
    write_longlive(tmp_path / "models")
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("VACESTREAM_CACHE", str(tmp_path / "cache"))
    config = {"vae": VAE, "text_encoder": TEXT, "tokenizer": weight_table.WAN_CONFIG["tokenizer"]}
    monkeypatch.setitem(MODELS, LONGLIVE.name, replace(MODELS[LONGLIVE.name], config=config))
    return tmp_path / "models" / "Wan-AI" / "Wan2.1-T2V-1.3B"


def load_for(*prompts: str) -> Pipeline:
    return load_pipeline(
        replace(LONGLIVE, transformer=WAN_1_3B), CPU, torch.float32, [CONTEXT], prompts=prompts
    )


def test_prompts_that_were_embedded_need_no_encoder_and_no_file_of_it(longlive: Path) -> None:
    first = load_for("a knight", "a").text
    assert first.encoder is None
    want = first("a  knight\n"), first("a")
    assert (want[0].abs().sum(-1) > 0).tolist() == [True] * 3 + [False] * 5
    text = longlive / "models_t5_umt5-xxl-enc-bf16.pth"
    moved = text.rename(text.with_name("away"))
    (longlive / "google" / "umt5-xxl" / "tokenizer.json").rename(text.with_name("tokenizer"))
    second = load_for("a", "a knight").text
    assert all(torch.equal(second(prompt), one) for prompt, one in zip(("a knight", "a"), want, strict=True))
    with pytest.raises(
        ModelError, match=r"longlive-1.3b: text: .*run `vacestream models pull longlive-1.3b`"
    ):
        load_for("a", "a new knight")
    text.with_name("tokenizer").rename(longlive / "google" / "umt5-xxl" / "tokenizer.json")
    weights = {key: value + 1 for key, value in torch.load(moved).items()}
    torch.save(weights, text)
    assert not torch.equal(load_for("a").text("a"), want[1])


def test_each_vae_does_what_it_is_asked_for_and_none_else_is_needed(longlive: Path) -> None:
    folder = longlive.parents[1] / "lightx2v" / "Autoencoders"
    folder.mkdir(parents=True)
    torch.save(TinyVAE().half().state_dict(), folder / "taew2_1.pth")
    spec, left_out = replace(LONGLIVE, transformer=WAN_1_3B), [CONTEXT]
    mixed = {"control": "wan", "source": "tae", "output": "tae"}
    pipe = load_pipeline(spec, CPU, torch.float32, left_out, vaes=mixed)
    assert isinstance(pipe.vae, AutoencoderKLWan)
    assert isinstance(pipe.output_vae, TinyVAE)
    assert pipe.source_vae is pipe.output_vae
    (longlive / "Wan2.1_VAE.pth").unlink()
    pipe = load_pipeline(spec, CPU, torch.float32, [*left_out, "vae"], vaes=dict.fromkeys(mixed, "tae"))
    assert pipe.vae is pipe.output_vae


def test_all_missing_files_are_named_with_the_command_that_brings_them(nowhere: None) -> None:
    with pytest.raises(ModelError) as error:
        load_pipeline(LONGLIVE, CPU, torch.bfloat16)
    lines = str(error.value).splitlines()
    assert error.value.exit_code == 4
    assert [line.split(": ")[1] for line in lines] == list(MODELS[LONGLIVE.name].parts)
    assert all("run `vacestream models pull longlive-1.3b`" in line for line in lines)
    assert "Wan2.1_VAE.pth of Wan-AI/Wan2.1-T2V-1.3B (0.51 GB)" in lines[3]
