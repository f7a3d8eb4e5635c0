import math
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanAttnProcessor
from safetensors.torch import load_file

sys.path.insert(0, str(Path(__file__).parents[2]))

from scripts.sprites import base, dit, export, guided, latents, presets, run, text, vace, vae
from vacestream.weights.sums import MANIFEST, known_sum, sum_of

pytestmark = pytest.mark.filterwarnings("ignore:Mismatch dtype between input and weight")


@pytest.fixture
def tiny(tmp_path, monkeypatch):
    monkeypatch.setenv("SPRITES_RUNS", str(tmp_path))
    monkeypatch.setattr(latents, "CLIPS", 3)
    monkeypatch.setattr(latents, "SINGLE", 2)
    monkeypatch.setattr(latents, "IMAGES", 4)
    monkeypatch.setattr(latents, "CANVASES", 2)
    monkeypatch.setattr(vae, "SHARES", ((0.5, 1, 3), (0.5, 5, 2)))
    monkeypatch.setattr(vae, "evaluate", lambda *_, **__: {})
    monkeypatch.setattr(vae, "statistics", lambda _: {"mean": [0.0] * 16, "std": [1.0] * 16})
    monkeypatch.setattr(vace, "LENGTHS", {3: 1.0})
    monkeypatch.setattr(base, "CAUSAL_LENGTHS", {6: 1.0})
    losses = []
    monkeypatch.setattr(run.Log, "add", lambda _, **values: losses.extend(values.values()))
    return losses


TINY = presets.Preset(1, {}, {(32, 32): 1.0}, clips=3, controls=3, tokens=24)


def test_every_stage_takes_steps_goes_on_and_exports_weights_under_their_true_names(tiny, tmp_path):
    vae.train(1, TINY, max_steps=1)
    vae.train(1, TINY, max_steps=1)
    encoder = run.load("vae")["model"]["encoder.conv_in.weight"]
    vae.train(1, TINY, max_steps=1, decoder_only=True)
    assert torch.equal(run.load("vae")["model"]["encoder.conv_in.weight"], encoder)
    latents.write(1, TINY, decoupled=False)
    base.train(1, TINY, max_steps=2)
    before = run.load("base")["model"]
    base.train(1, TINY, max_steps=1)
    base.train_causal(1, TINY, max_steps=1)
    base.train_causal(1, TINY, max_steps=1)
    vace.train(1, TINY, max_steps=1)
    vace.train(1, TINY, max_steps=1, decoupled=False)
    adapter = run.load("vace")["average"]
    guided.train(1, TINY, max_streams=1)
    guided.train(1, TINY, max_streams=1)
    assert all(torch.equal(value, run.load("vace")["average"][name]) for name, value in adapter.items())
    assert len(tiny) >= 12
    assert all(math.isfinite(loss) for loss in tiny)
    steps = {name: run.load(name)["step"] for name in ("vae", "base", "causal", "vace", "guided")}
    assert list(steps.values())[:4] == [3, 3, 2, 2]
    assert 4 <= steps["guided"] <= 6
    after = run.load("base")["model"]
    assert any(not torch.equal(before[name], after[name]) for name in before)
    trained = run.load("vace")["model"]
    assert any(value.abs().sum() > 0 for name, value in trained.items() if name.endswith("proj_out.weight"))

    export.write("# card\n", folder=tmp_path / "weights")
    adapter, causal = (load_file(tmp_path / "weights" / f"{name}.safetensors") for name in ("vace", "causal"))
    assert "vace_blocks.0.before_proj.weight" in adapter
    assert all(name.startswith("vace_") for name in adapter)
    assert causal["blocks.0.self_attn.q.weight"].dtype == torch.bfloat16
    assert "head.modulation" in causal
    shipped = run.load("guided")["average"]["blocks.0.attn1.to_q.weight"]
    assert torch.equal(causal["blocks.0.self_attn.q.weight"], shipped.bfloat16())
    names = [line.split()[1] for line in (tmp_path / "weights" / MANIFEST).read_text().splitlines()]
    assert sorted(names) == sorted(p.name for p in (tmp_path / "weights").iterdir() if p.name != MANIFEST)

    before = (tmp_path / "weights" / "vace.safetensors").read_bytes()
    (tmp_path / "causal.pt").unlink()
    export.write("# card\n", folder=tmp_path / "weights")
    assert (tmp_path / "weights" / "vace.safetensors").read_bytes() == before


def test_a_cache_of_another_world_ends_a_run(tiny, tmp_path):
    vae.train(1, TINY, max_steps=1)
    latents.write(1, TINY)
    latents.Cache.open("video", (32, 32))
    path = tmp_path / "cache" / "32x32" / "video-000.pt"
    torch.save(torch.load(path) | {"drawn": torch.zeros(3)}, path)
    with pytest.raises(SystemExit, match=r"video-000\.pt: not the clips that are drawn now"):
        latents.Cache.open("video", (32, 32))


def test_an_adapter_is_the_same_on_both_bases_and_changes_neither():
    adapters = []
    for seed in (1, 2):
        model = dit.new_base()
        torch.manual_seed(seed)
        for p in model.parameters():
            torch.nn.init.normal_(p, std=0.1)
        held = {name: value.clone() for name, value in model.state_dict().items()}
        on = vace.new_vace(model)
        if adapters:
            assert not on.load_state_dict(adapters[0], strict=False)[1]
        adapters.append({name: value.clone() for name, value in vace.vace_state(on).items()})
        assert all(torch.equal(value, on.state_dict()[name]) for name, value in held.items())
    assert all(torch.equal(value, adapters[1][name]) for name, value in adapters[0].items())


def test_the_context_embedder_begins_as_the_video_embedder_twice_and_deaf_to_masks():
    model = dit.new_base()
    torch.nn.init.normal_(model.patch_embedding.weight)
    embedder = vace.new_vace(model, layers=(0, 4)).vace_patch_embedding.weight
    assert torch.equal(embedder[:, :16], model.patch_embedding.weight)
    assert torch.equal(embedder[:, 16:32], model.patch_embedding.weight)
    assert not embedder[:, 32:].any()


def test_attention_in_training_is_that_of_diffusers_in_value_and_gradient():
    model, results = dit.new_base(), []
    torch.nn.init.normal_(model.proj_out.weight)
    x, times, states = torch.randn(1, 16, 3, 4, 4), torch.tensor([400.0]), torch.randn(1, 24, 96)
    for plain in (False, True):
        if plain:
            model.set_attn_processor(WanAttnProcessor())
        model.zero_grad()
        out = model(x, times, states, return_dict=False)[0]
        out.square().sum().backward()
        results.append((out.detach(), torch.cat([p.grad.flatten() for p in model.parameters()])))
    (ours, own_slope), (theirs, slope) = results
    assert torch.allclose(ours, theirs, atol=1e-5)
    assert (own_slope - slope).norm() < 1e-5 * slope.norm()


def test_a_training_whose_references_say_nothing_is_ended():
    vace.refuse_deaf(vace.ABORT_STEP - 1, 0.5, 0.5)
    vace.refuse_deaf(vace.ABORT_STEP, 0.2, 0.5)
    with pytest.raises(SystemExit, match=r"the true reference leaves a loss of 0\.50"):
        vace.refuse_deaf(vace.ABORT_STEP, 0.5, 0.52)


def test_the_smallest_preset_improves_every_loss(tmp_path, monkeypatch):
    monkeypatch.setenv("SPRITES_RUNS", str(tmp_path))
    monkeypatch.setattr(vae, "evaluate", lambda *_, **__: {})
    losses = {}
    for name, number in {"CLIPS": 12, "SINGLE": 9, "IMAGES": 24, "CANVASES": 6}.items():
        monkeypatch.setattr(latents, name, number)
    keep = lambda log, **told: losses.setdefault(log.stage, []).extend(told.values())  # noqa: E731
    monkeypatch.setattr(run.Log, "add", keep)
    smoke = replace(presets.PRESETS["smoke"], clips=12, controls=12, tokens=192, vae_batch=0.15)
    vae.train(4, smoke, max_steps=20)
    latents.write(4, smoke)
    base.train(4, smoke, max_steps=50)
    vace.train(4, smoke, max_steps=30)
    base.train_causal(4, smoke, max_steps=30)
    for stage in ("vae", "base", "vace", "causal"):
        first, last = (torch.tensor(part).mean() for part in (losses[stage][:10], losses[stage][-10:]))
        assert last < first, f"{stage}: {first:.3f} -> {last:.3f}"


def test_presets_share_out_all_their_minutes_and_begin_with_the_size_that_is_native():
    for preset in presets.PRESETS.values():
        assert sum(preset.shares.values()) == pytest.approx(1)
        assert sum(preset.sizes.values()) == pytest.approx(1)
        assert set(preset.shares) == set(presets.SHARES)
        assert preset.native[0] == preset.native[1]
        assert preset.batch_size(3, preset.native) >= 1


def test_the_shipped_weights_are_those_that_were_measured_and_stay_small():
    files = [path for path in sorted(export.WEIGHTS.iterdir()) if path.name != MANIFEST]
    listed = [line.split()[1] for line in (export.WEIGHTS / MANIFEST).read_text().splitlines()]
    assert listed == [path.name for path in files]
    assert [known_sum(path) for path in files] == [sum_of(path, "0" * 64) for path in files]
    assert max(path.stat().st_size for path in files) < 16 << 20
    assert sum(path.stat().st_size for path in files) < 32 << 20


def test_a_new_adapter_says_nothing():
    models = base.Models.open("nothing")
    model = vace.new_vace(models.base)
    x, context = torch.randn(1, 16, 3, 4, 4), torch.randn(1, 96, 3, 4, 4)
    with torch.no_grad():
        torch.nn.init.normal_(models.base.proj_out.weight)
        model.proj_out.weight.copy_(models.base.proj_out.weight)
        states = text.encode(models.encoder, models.tokenizer, ["a red star on a gray plain background"])
        plain = models.base(x, torch.tensor([500.0]), states, return_dict=False)[0]
        hinted = model(x, torch.tensor([500.0]), states, control_hidden_states=context, return_dict=False)[0]
    assert torch.equal(plain, hinted)
    assert plain.abs().max() > 0.1


def test_a_chunk_does_not_see_the_chunks_after_it():
    models = base.Models.open("nothing")
    torch.nn.init.normal_(models.base.proj_out.weight)
    causal = base.BlockCausal(models.base)
    x, levels = torch.randn(1, 16, 6, 4, 4), torch.full((1, 6), 0.5)
    states, positions = torch.randn(1, 24, 96), torch.tensor([0, 1, 2, 30, 31, 32])
    with torch.no_grad():
        whole = causal(x, levels, states, positions)
        changed = causal(torch.cat([x[:, :, :3], x[:, :, 3:] + 1], 2), levels, states, positions)
        first = causal(x[:, :, :3], levels[:, :3], states, positions[:3])
    assert torch.equal(whole[:, :, :3], changed[:, :, :3])
    assert torch.allclose(whole[:, :, :3], first, atol=1e-5)
    assert not torch.allclose(whole[:, :, 3:], changed[:, :, 3:], atol=1e-2)


def test_the_whole_clip_pass_of_the_vae_equals_the_chunked_one():
    model, pixels = vae.new_vae(), torch.rand(1, 3, 9, 32, 32) * 2 - 1
    with torch.no_grad():
        latent = model.encode(pixels).latent_dist.mode()
        decoded = model.decode(latent).sample
        vae.set_whole_clip(model, True)
        assert torch.allclose(vae.encode_moments(model, pixels)[0], latent, atol=1e-4)
        assert torch.allclose(vae.decode_whole(model, latent).clamp(-1, 1), decoded, atol=1e-4)


def test_only_the_convolutions_that_may_remember_see_past_frames():
    model = vae.new_vae()
    with torch.no_grad():
        for p in model.parameters():
            p.copy_(torch.randn_like(p) * 0.1)
    vae.forget(model)
    kept = [
        name for name, p in model.named_parameters() if p.dim() == 5 and p.shape[2] == 3 and p[:, :, :2].any()
    ]
    assert len(kept) == 10
    assert sum("time_conv" in name for name in kept) == 4


def test_a_latent_takes_the_mask_of_the_last_but_one_of_its_frames():
    mask = torch.zeros(1, 9, 16, 16)
    mask[:, 0], mask[:, 3], mask[:, 7, 8:] = 1, 1, 1
    squeezed = latents.latent_mask(mask)
    assert squeezed.shape == (1, 64, 3, 2, 2)
    assert squeezed[:, :, :2].min() == 1
    assert squeezed[:, :, 2, 0].max() == 0
    assert squeezed[:, :, 2, 1].min() == 1


def test_a_causal_step_counts_only_what_is_noisy():
    levels, counted = base.causal_levels(64, 9, torch.Generator().manual_seed(0))
    assert (levels[counted] > 0).all()
    assert ((levels == 0) | counted | (levels > 0)).all()
    assert (levels == 0).any()
    assert counted.any(1).all()


def test_every_word_of_the_world_is_a_token():
    tokenizer = text.new_tokenizer()
    assert tokenizer.encode("A purple ring and a cyan cross on a pink checkered background").ids.count(2) == 0
    assert tokenizer.encode("").ids == [1]
    assert tokenizer.encode("a knight").ids[1] == 2
