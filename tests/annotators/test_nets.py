"""Annotators with nets: the true classes with random weights, found where a user would put them."""

import json
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from vacestream.annotators import annotator, make, task
from vacestream.annotators import nets as of_nets
from vacestream.annotators.kept import _maker
from vacestream.annotators.ranges import Range
from vacestream.annotators.skeleton import PALETTE
from vacestream.annotators.stream import Annotated
from vacestream.annotators.view import View, at_rate
from vacestream.annotators.vitpose import Bodies
from vacestream.errors import ModelError, RecipeError
from vacestream.media.playback import IndexedSource
from vacestream.media.sources import open_source
from vacestream.models import checkpoint
from vacestream.recipe import load_recipe
from vacestream.weights import ANNOTATORS, Found

SIZE, LENGTH = (48, 64), 5
VIEW = View(at_rate(Fraction(16)), num_frames=LENGTH)
TINY_DEPTH = {
    "backbone_config": {
        "model_type": "dinov2", "image_size": 56, "patch_size": 14, "hidden_size": 32, "num_hidden_layers": 4,
        "num_attention_heads": 2, "intermediate_size": 64, "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
    },
    "reassemble_hidden_size": 32, "neck_hidden_sizes": [8, 16, 24, 32], "fusion_hidden_size": 16,
    "head_hidden_size": 8,
}  # fmt: skip


TINY_POSE = {
    "num_labels": 17,
    "backbone_config": {
        "model_type": "vitpose_backbone", "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
        "mlp_ratio": 2, "out_indices": [2],
    },
}  # fmt: skip
TINY_DETR = {
    "num_labels": 2, "num_queries": 2, "d_model": 32, "encoder_hidden_dim": 32,
    "encoder_in_channels": [16, 24, 32], "encoder_ffn_dim": 32, "encoder_attention_heads": 2,
    "decoder_in_channels": [32, 32, 32], "decoder_ffn_dim": 32, "decoder_layers": 1,
    "decoder_attention_heads": 2, "num_denoising": 0,
    "backbone_config": {
        "model_type": "rt_detr_resnet", "embedding_size": 8, "hidden_sizes": [8, 16, 24, 32],
        "depths": [1, 1, 1, 1], "layer_type": "basic", "out_features": ["stage2", "stage3", "stage4"],
    },
}  # fmt: skip


def original_raft() -> dict[str, torch.Tensor]:
    """Random weights of RAFT under the names of its original release."""
    from torchvision.models.optical_flow import raft_large

    state = raft_large(weights=None).state_dict()
    names: dict[str, str] = {}
    for ours, theirs in (("feature_encoder", "fnet"), ("context_encoder", "cnet")):
        names |= {f"{ours}.convnormrelu.0": f"{theirs}.conv1", f"{ours}.convnormrelu.1": f"{theirs}.norm1"}
        names |= {f"{ours}.conv": f"{theirs}.conv2"}
        for block in (f"layer{layer}.{i}" for layer in (1, 2, 3) for i in (0, 1)):
            for i in (1, 2):
                names[f"{ours}.{block}.convnormrelu{i}.0"] = f"{theirs}.{block}.conv{i}"
                names[f"{ours}.{block}.convnormrelu{i}.1"] = f"{theirs}.{block}.norm{i}"
            names |= {f"{ours}.{block}.downsample.{i}": f"{theirs}.{block}.downsample.{i}" for i in (0, 1)}
    ours, theirs = "update_block.motion_encoder", "update_block.encoder"
    for a, b in (("convcorr1", "convc1"), ("convcorr2", "convc2"), ("convflow1", "convf1"),
                 ("convflow2", "convf2"), ("conv", "conv")):  # fmt: skip
        names[f"{ours}.{a}.0"] = f"{theirs}.{b}"
    for gate in "zrq":
        for i in (1, 2):
            names[f"update_block.recurrent_block.convgru{i}.conv{gate}"] = f"update_block.gru.conv{gate}{i}"
    names |= {f"update_block.flow_head.conv{i}": f"update_block.flow_head.conv{i}" for i in (1, 2)}
    names |= {
        "mask_predictor.convrelu.0": "update_block.mask.0",
        "mask_predictor.conv": "update_block.mask.2",
    }
    weights = {}
    for key, value in state.items():
        module, _, leaf = key.rpartition(".")
        weights[f"module.{names[module]}.{leaf}"] = value
        if names[module].endswith("downsample.1"):
            weights[f"module.{names[module].replace('downsample.1', 'norm3')}.{leaf}"] = value
    return weights


def write_depth(folder: Path) -> None:
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

    net = DepthAnythingForDepthEstimation(DepthAnythingConfig(**TINY_DEPTH))
    with torch.no_grad():
        for weight in net.parameters():
            weight += 0.1 * torch.randn_like(weight)
        net.head.conv3.bias.fill_(1)
    folder.mkdir(parents=True)
    save_file(net.state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(TINY_DEPTH))


def write_people(folder: Path) -> None:
    """RT-DETR to which everything is a person, ViTPose that is sure of every joint."""
    from transformers import RTDetrForObjectDetection, VitPoseForPoseEstimation

    for repo, kind, config in (
        ("rtdetr_r50vd_coco_o365", RTDetrForObjectDetection, TINY_DETR),
        ("vitpose-base-simple", VitPoseForPoseEstimation, TINY_POSE),
    ):
        net = kind(kind.config_class.from_dict(config))
        with torch.no_grad():
            for name, weight in net.named_parameters():
                if "class_embed" in name or name == "head.conv.bias":
                    weight.fill_(1)
        (folder / repo).mkdir()
        save_file(net.state_dict(), folder / repo / "model.safetensors")
        (folder / repo / "config.json").write_text(json.dumps(config))


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with random weights of every net."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("models")
    write_depth(folder / "Depth-Anything-V2-Small-hf")
    with of_nets.quiet():
        from controlnet_aux.hed import ControlNetHED_Apache2
        from controlnet_aux.lineart import Generator
        from controlnet_aux.pidi.model import pidinet
    drawer = Generator(3, 1, 3).state_dict()
    files: dict[str, Any] = dict.fromkeys(("informative-drawings", "lineart", "lineart-coarse"), drawer)
    pidi = {f"module.{key}": value for key, value in pidinet().state_dict().items()}
    files |= {"hed": ControlNetHED_Apache2().state_dict(), "pidinet": {"state_dict": pidi}}
    files["raft"] = original_raft()
    write_people(folder)
    for name, weights in files.items():
        torch.save(weights, folder / ANNOTATORS[name].parts["net"].files[0].name)
    return folder


@pytest.fixture(autouse=True)
def _on_the_shelf(shelf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(shelf))
    monkeypatch.setattr("vacestream.annotators.raft.ITERATIONS", 2)


@pytest.fixture(scope="module")
def footage() -> np.ndarray:
    return open_source("sprites:7", size=SIZE).read(LENGTH)


def made(name: str, frames: np.ndarray, sizes: list[int], **parameters: Any) -> np.ndarray:
    """The signal of these frames, read in pieces of these sizes."""
    source = IndexedSource(lambda i: frames[i], size=SIZE, fps=Fraction(16), num_frames=len(frames))
    signal = Annotated(source, annotator(name, view=VIEW, device="cpu", **parameters))
    return np.concatenate([signal.read(n) for n in sizes])


NETS = [
    ("depthv2", {"side": 56}),
    ("depthv2", {"side": 56, "over": "clip"}),
    ("flow", {"net": "raft"}),
    ("flow", {"net": "dis", "over": "running"}),
    *(("scribble", {"net": net}) for net in ("informative-drawings", "lineart", "lineart-coarse", "hed")),
    ("scribble", {"net": "pidinet", "side": 64}),
    ("pose_body", {"net": "vitpose"}),
]


@pytest.mark.parametrize(("name", "parameters"), NETS, ids=str)
def test_a_net_keeps_the_contract_of_annotators(
    footage: np.ndarray, name: str, parameters: dict[str, Any]
) -> None:
    before = footage.copy()
    whole = made(name, footage, [LENGTH], **parameters)
    assert (whole.shape, whole.dtype) == (footage.shape, np.uint8)
    assert (footage == before).all()
    assert len(np.unique(whole)) > 1
    assert (whole[..., :1] == whole).all() or name in ("flow", "pose_body")
    assert (made(name, footage, [1, 3, 1], **parameters) == whole).all()
    assert made(name, footage[:0], [3], **parameters).shape == (0, *SIZE, 3)


def test_midas_is_the_net_of_controlnet_aux(footage: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    with of_nets.quiet():
        from controlnet_aux.midas.midas.dpt_depth import DPTDepthModel

        torch.manual_seed(0)
        net = DPTDepthModel(backbone="vitb_rn50_384").eval()
    net.scratch.output_conv[4].bias.data.fill_(1)
    monkeypatch.setattr("vacestream.annotators.refuse_missing", lambda names: None)
    monkeypatch.setattr(of_nets, "file_of", lambda name: Found(Path("midas.pt")))
    monkeypatch.setattr(checkpoint, "read", lambda path, entry: net.state_dict())
    signal = made("depth", footage[:2], [2], side=64)
    colours = torch.from_numpy(of_nets.resized(footage[0], (64, 64 * 4 // 3 // 64 * 64)).astype(np.float32))
    with torch.inference_mode():
        depth = net(colours.permute(2, 0, 1)[None] / 127.5 - 1)[0].numpy()
    wanted = Range("running")(of_nets.resized(depth, SIZE)[None])[0]
    assert len(np.unique(wanted)) > 20
    assert np.abs(signal[0, ..., 0].astype(int) - wanted).max() <= 1


def test_published_configs_have_the_published_number_of_weights() -> None:
    from transformers import (
        DepthAnythingConfig,
        DepthAnythingForDepthEstimation,
        RTDetrForObjectDetection,
        VitPoseForPoseEstimation,
    )

    counts = {}
    for size in ("small", "base", "large"):
        config = ANNOTATORS[f"depth-anything-v2-{size}"].config
        assert config is not None
        with torch.device("meta"):
            net = DepthAnythingForDepthEstimation(DepthAnythingConfig(**config["net"]))
        counts[size] = round(sum(weight.numel() for weight in net.parameters()) / 1e6, 1)
    assert counts == {"small": 24.8, "base": 97.5, "large": 335.3}
    people = ANNOTATORS["vitpose"].config
    assert people is not None
    with torch.device("meta"):
        nets = [
            kind(kind.config_class.from_dict(dict(people[part])))
            for part, kind in (("persons", RTDetrForObjectDetection), ("keypoints", VitPoseForPoseEstimation))
        ]
    millions = [round(sum(weight.numel() for weight in net.parameters()) / 1e6) for net in nets]
    assert millions == [43, 86]


def test_a_joint_of_vitpose_is_drawn_where_it_is_in_its_colour(monkeypatch: pytest.MonkeyPatch) -> None:
    bodies = Bodies(device="cpu")
    box = torch.tensor([[100.0, 40.0, 220.0, 200.0]])
    found = {"boxes": box, "labels": torch.tensor([0]), "scores": torch.tensor([0.9])}
    monkeypatch.setattr(bodies._finder, "post_process_object_detection", lambda *_, **__: [found])
    heat = torch.zeros(1, 17, 64, 48)
    heat[0, 0, 32, 24] = 1
    heat[0, 0, 31:34, 23:26] += 0.5

    def see(pixel_values: torch.Tensor) -> SimpleNamespace:
        assert pixel_values.shape == (1, 3, 256, 192)
        return SimpleNamespace(heatmaps=heat)

    see.device = "cpu"  # type: ignore[attr-defined]
    bodies._see = see
    picture = bodies(np.zeros((1, 240, 320, 3), np.uint8))[0].astype(int)
    ys, xs = np.nonzero(picture.sum(axis=-1) > 200)
    assert abs(xs.mean() - 160) < 3
    assert abs(ys.mean() - 120) < 3
    assert np.abs(picture[ys, xs].max(axis=0) - PALETTE[0]).max() < 60
    assert len(xs) < 100, "a nose, and no limb without its other end"


def test_a_net_that_no_library_has_is_refused_before_anything_is_looked_for() -> None:
    said = {"input": "sprites:7", "prompt": "x", "length": "9f"}
    control = {"signal": "depthv2", "options": {"net": "video-depth-anything"}}
    with pytest.raises(
        RecipeError, match=r"controls\.0: options: depthv2: Video Depth Anything \(not built yet"
    ):
        load_recipe({**said, "controls": control})


@pytest.mark.parametrize(
    ("over", "ends"),
    [("clip", [(0, 51), (204, 255)]), ("fixed", [(0, 255), (255, 255)]), ("running", [(0, 255), (255, 255)])],
)
def test_a_range_holds_over_time(over: Any, ends: list[tuple[int, int]]) -> None:
    ramp = np.linspace(0, 1, 8, dtype=np.float32)[None]
    levels = Range(over)(np.stack([ramp, ramp + 4]))
    assert [(int(one.min()), int(one.max())) for one in levels] == ends


def test_a_running_range_follows_slowly_and_arrives() -> None:
    ramp = np.linspace(0, 1, 8, dtype=np.float32)[None]
    levels = Range("running")(np.stack([ramp, *[ramp * 2] * 60]))[..., 3].ravel().astype(int)
    assert levels[0] == levels[-1]
    assert 0 < np.abs(np.diff(levels[1:])).max() <= 24


def test_a_range_may_be_told() -> None:
    assert Range("fixed", 2.0, 4.0)(np.array([[[1, 2, 3, 4, 5.0]]])).tolist() == [[[0, 0, 128, 255, 255]]]
    for wrong, said in (({"low": 1.0}, "give both"), ({"low": 2.0, "high": 1.0, "over": "fixed"}, "greater")):
        with pytest.raises(ValueError, match=said):
            task("depth").parameters.model_validate(wrong)


def test_a_range_over_a_clip_without_an_end_is_refused() -> None:
    with pytest.raises(RecipeError, match="over: clip needs footage whose end is known"):
        annotator("depthv2", over="clip", view=View(at_rate(Fraction(16))))


def test_what_means_nothing_to_a_net_is_refused() -> None:
    with pytest.raises(RecipeError, match="scribble: width means nothing to HED; leave it out"):
        annotator("scribble", net="hed", width=3.0)
    with pytest.raises(RecipeError, match="side means nothing to difference of Gaussians"):
        annotator("scribble", side=64)


def test_weights_of_another_net_are_refused(shelf: Path, tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    (tmp_path / "ControlNetHED.pth").write_bytes((shelf / "raft-things.pth").read_bytes())
    with pytest.raises(ModelError, match=r"ControlNetHED.pth: not these weights: .* missing"):
        annotator("scribble", net="hed")
    folder = tmp_path / "Depth-Anything-V2-Small-hf"
    folder.mkdir()
    save_file({"backbone.embeddings.cls_token": torch.zeros(1, 1, 32)}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(TINY_DEPTH))
    with pytest.raises(ModelError, match=r"model.safetensors: \d+ missing"):
        annotator("depthv2")


@pytest.mark.parametrize("name", ["depth", "depthv2"])
def test_missing_weights_are_named_with_the_command_that_brings_them(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "none"))
    row = task(name)
    with pytest.raises(ModelError) as error:
        make(row, row.parameters())
    for part in (part.files[0] for part in row.parts):
        assert f"{part.path} of {part.repo}" in str(error.value)
    assert f"run `vacestream models pull {row.weights[0]}`" in str(error.value)


def test_a_kept_signal_knows_its_weights(shelf: Path, monkeypatch: Any, tmp_path: Path) -> None:
    row = task("flow").chosen(task("flow").parameters(net="raft"))
    first = _maker(row)
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    (tmp_path / "raft-things.pth").write_bytes(b"others")
    assert first != _maker(row)
    assert first.keys() == _maker(row).keys()
