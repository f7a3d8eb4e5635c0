"""The table of model files: what each pipeline and annotator is loaded from, and under which licence.

Sizes and sums are those that the hub publishes; None where they could not be read.
"""

from typing import Any

from vacestream.weights.rows import UNKNOWN, File, Model, Part

WAN_CONFIG: dict[str, dict[str, Any]] = {
    "vae": {
        "base_dim": 96, "z_dim": 16, "dim_mult": [1, 2, 4, 4], "num_res_blocks": 2, "attn_scales": [],
        "temperal_downsample": [False, True, True],
    },
    "text_encoder": {
        "vocab_size": 256384, "d_model": 4096, "d_kv": 64, "d_ff": 10240, "num_layers": 24, "num_heads": 64,
        "relative_attention_num_buckets": 32, "relative_attention_max_distance": 128, "dropout_rate": 0.0,
        "feed_forward_proj": "gated-gelu", "pad_token_id": 0, "eos_token_id": 1,
    },
    "tokenizer": {"pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>"},
}  # fmt: skip
"""Wan2.1's VAE (latent statistics are the class's), UMT5-XXL and its tokenizer."""

NC_SA = "CC-BY-NC-SA-4.0"

_WAN = tuple(f"Wan-AI/Wan2.1-{name}" for name in ("T2V-1.3B", "T2V-14B", "VACE-1.3B", "VACE-14B"))
_DIFFUSERS = tuple(
    f"Wan-AI/Wan2.1-{name}"
    for name in ("T2V-1.3B-Diffusers", "T2V-14B-Diffusers", "VACE-1.3B-diffusers", "VACE-14B-diffusers")
)


def _in_all(original: str, diffusers: str, num_bytes: int, sha256: str, *others: File) -> Part:
    """A part that every Wan2.1 repository repeats."""
    return Part(
        (
            *(File(repo, original, num_bytes, sha256) for repo in _WAN),
            *(File(repo, diffusers) for repo in _DIFFUSERS),
            *others,
        )
    )


_SHARED = {
    "vae": _in_all(
        "Wan2.1_VAE.pth", "vae/diffusion_pytorch_model.safetensors", 507_609_880,
        "38071ab59bd94681c686fa51d75a1968f64e470262043be31f7a094e442fd981",
    ),
    "text": _in_all(
        "models_t5_umt5-xxl-enc-bf16.pth", "text_encoder/model.safetensors.index.json", 11_361_920_418,
        "7cace0da2b446bbbbc57d031ab6cf163a3d59b366da94e5afe36745b746fd81d",
        File("Kijai/WanVideo_comfy", "umt5-xxl-enc-bf16.safetensors"),
        File("Kijai/WanVideo_comfy", "umt5-xxl-enc-fp8_e4m3fn.safetensors"),
    ),
    "tokenizer": _in_all(
        "google/umt5-xxl/tokenizer.json", "tokenizer/tokenizer.json", 16_837_417,
        "6e197b4d3dbd71da14b4eb255f4fa91c9c1f2068b20a2de2472967ca3d22602b",
    ),
}  # fmt: skip


def _vace(size: str, module: str, full: str) -> Part:
    """VACE's blocks alone, or the whole model that they were published in."""
    return Part(
        (
            File("Kijai/WanVideo_comfy", module),
            File(f"Wan-AI/Wan2.1-VACE-{size}", full),
            File(f"Wan-AI/Wan2.1-VACE-{size}-diffusers", f"transformer/{full}"),
        )
    )


_ONE, _SHARDED = "diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.safetensors.index.json"
VACE_1_3B = _vace("1.3B", "Wan2_1-VACE_module_1_3B_bf16.safetensors", _ONE)
VACE_14B = _vace("14B", "Wan2_1-VACE_module_14B_bf16.safetensors", _SHARDED)


def _t2v(size: str, path: str, num_bytes: int | None = None, sha256: str | None = None) -> Part:
    return Part(
        (
            File(f"Wan-AI/Wan2.1-T2V-{size}", path, num_bytes, sha256),
            File(f"Wan-AI/Wan2.1-T2V-{size}-Diffusers", f"transformer/{_SHARDED}"),
        )
    )


def _causal(vace: Part, transformer: Part, lora: Part | None = None) -> Model:
    """A causal transformer, its own LoRA if it has one, and all that it shares with Wan2.1."""
    own = {"transformer": transformer} | ({"lora": lora} if lora else {})
    return Model({**own, "vace": vace, **_SHARED})


_LONGLIVE = _causal(
    VACE_1_3B,
    Part((File("Efficient-Large-Model/LongLive-1.3B", "models/longlive_base.pt"),), NC_SA, "generator"),
    Part((File("Efficient-Large-Model/LongLive-1.3B", "models/lora.pt"),), NC_SA, "generator_lora", 256),
)
_SDV2 = "jerryfeng/StreamDiffusionV2"

PIPELINES: dict[str, Model] = {
    "longlive-1.3b": _LONGLIVE,
    "longlive-1.3b-infinity": _LONGLIVE,
    "self-forcing-1.3b": _causal(
        VACE_1_3B,
        Part((File("gdhe17/Self-Forcing", "checkpoints/self_forcing_dmd.pt"),), entry="generator_ema"),
    ),
    "memflow-1.3b": _causal(
        VACE_1_3B,
        Part((File("KlingTeam/MemFlow", "base.pt"),), NC_SA, "generator"),
        Part((File("KlingTeam/MemFlow", "lora.pt"),), NC_SA, "generator_lora", 256),
    ),
    "streamdiffusionv2-1.3b": _causal(
        VACE_1_3B, Part((File(_SDV2, "wan_causal_dmd_v2v/model.pt"),), entry="generator")
    ),
    "streamdiffusionv2-14b": _causal(
        VACE_14B, Part((File(_SDV2, "wan_causal_dmd_v2v_14b/model.pt"),), entry="generator")
    ),
    "reward-forcing-1.3b": _causal(
        VACE_1_3B,
        Part((File("JaydenLu666/Reward-Forcing-T2V-1.3B", "rewardforcing.pt"),), UNKNOWN, "generator_ema"),
    ),
    "krea-realtime-14b": _causal(
        VACE_14B,
        Part((File("krea/krea-realtime-video", "krea-realtime-video-14b.safetensors"),), NC_SA),
    ),
    "wan2.1-1.3b": _causal(
        VACE_1_3B,
        _t2v("1.3B", _ONE, 5_676_070_424, "96b6b242ca1c2f24e9d02cd6596066fab6d310e2d7538f33ae267cb18d957e8f"),
    ),
    "wan2.1-14b": _causal(VACE_14B, _t2v("14B", _SHARDED)),
}
"""By name of the pipeline."""

_ANNOTATORS = "lllyasviel/Annotators"
_VACES = "ali-vilab/VACE-Annotators"
"""Where VACE keeps the nets that it was trained on the signals of."""


def _net(*files: File, licence: str, config: dict[str, Any] | None = None) -> Model:
    return Model({"net": Part(files, licence)}, {"net": config} if config else None)


def _depth_anything(
    width: int, heads: int, layers: int, taken: tuple[int, ...], neck: tuple[int, ...], fusion: int
) -> dict[str, Any]:
    """DINOv2 of a size, and what reads four of its layers."""
    return {
        "backbone_config": {
            "model_type": "dinov2", "image_size": 518, "patch_size": 14, "hidden_size": width,
            "num_hidden_layers": layers, "num_attention_heads": heads, "out_indices": list(taken),
            "reshape_hidden_states": False,
        },
        "reassemble_hidden_size": width, "neck_hidden_sizes": list(neck), "fusion_hidden_size": fusion,
    }  # fmt: skip


ANNOTATORS: dict[str, Model] = {
    "midas": _net(
        File(_ANNOTATORS, "dpt_hybrid-midas-501f0c75.pt", None,
             "501f0c75b3bca7daec6b3682c5054c09b366765aef6fa3a09d03a5cb4b230853"),
        File(_VACES, "depth/dpt_hybrid-midas-501f0c75.pt"),
        licence="MIT",
    ),
    "depth-anything-v2-small": _net(
        File("depth-anything/Depth-Anything-V2-Small-hf", "model.safetensors"), licence="Apache-2.0",
        config=_depth_anything(384, 6, 12, (3, 6, 9, 12), (48, 96, 192, 384), 64),
    ),
    "depth-anything-v2-base": _net(
        File("depth-anything/Depth-Anything-V2-Base-hf", "model.safetensors"), licence="CC-BY-NC-4.0",
        config=_depth_anything(768, 12, 12, (3, 6, 9, 12), (96, 192, 384, 768), 128),
    ),
    "depth-anything-v2-large": _net(
        File("depth-anything/Depth-Anything-V2-Large-hf", "model.safetensors"), licence="CC-BY-NC-4.0",
        config=_depth_anything(1024, 16, 24, (5, 12, 18, 24), (256, 512, 1024, 1024), 256),
    ),
    "dwpose": Model(
        {
            "persons": Part(
                (File("yzd-v/DWPose", "yolox_l.onnx", 216_746_733,
                      "7860ae79de6c89a3c1eb72ae9a2756c0ccfbe04b7791bb5880afabd97855a411"),
                 File(_VACES, "pose/yolox_l.onnx"))
            ),
            "keypoints": Part(
                (File("yzd-v/DWPose", "dw-ll_ucoco_384.onnx", 134_399_116,
                      "724f4ff2439ed61afb86fb8a1951ec39c6220682803b4a8bd4f598cd913b1843"),
                 File(_VACES, "pose/dw-ll_ucoco_384.onnx"))
            ),
        }
    ),
    "vitpose": Model(
        {
            "persons": Part((File("PekingU/rtdetr_r50vd_coco_o365", "model.safetensors"),)),
            "keypoints": Part((File("usyd-community/vitpose-base-simple", "model.safetensors"),)),
        },
        {
            "persons": {"num_labels": 80},
            "keypoints": {
                "num_labels": 17, "backbone_config": {"model_type": "vitpose_backbone", "out_indices": [12]},
            },
        },
    ),
    "raft": _net(File(_VACES, "flow/raft-things.pth"), licence="BSD-3-Clause"),
    "informative-drawings": _net(File(_VACES, "scribble/anime_style/netG_A_latest.pth"), licence="MIT"),
    "lineart": _net(
        File(_ANNOTATORS, "sk_model.pth", None,
             "c686ced2a666b4850b4bb6ccf0748031c3eda9f822de73a34b8979970d90f0c6"),
        licence="MIT",
    ),
    "lineart-coarse": _net(
        File(_ANNOTATORS, "sk_model2.pth", None,
             "30a534781061f34e83bb9406b4335da4ff2616c95d22a585c1245aa8363e74e0"),
        licence="MIT",
    ),
    "hed": _net(
        File(_ANNOTATORS, "ControlNetHED.pth", 29_444_406,
             "5ca93762ffd68a29fee1af9d495bf6aab80ae86f08905fb35472a083a4c7a8fa"),
        licence="Apache-2.0",
    ),
    "pidinet": _net(
        File(_ANNOTATORS, "table5_pidinet.pth", None,
             "80860ac267258b5f27486e0ef152a211d0b08120f62aeb185a050acc30da486c"),
        licence="research-NC",
    ),
    "sam2": _net(
        File("facebook/sam2.1-hiera-large", "model.safetensors"), licence="Apache-2.0",
        config={
            "vision_config": {
                "model_type": "sam2_vision_model", "backbone_channel_list": [1152, 576, 288, 144],
                "backbone_config": {
                    "model_type": "sam2_hiera_det_model", "hidden_size": 144,
                    "embed_dim_per_stage": [144, 288, 576, 1152], "blocks_per_stage": [2, 6, 36, 4],
                    "num_attention_heads_per_stage": [2, 4, 8, 16], "window_size_per_stage": [8, 4, 16, 8],
                    "global_attention_blocks": [23, 33, 43],
                    "window_positional_embedding_background_size": [7, 7],
                },
            },
        },
    ),
    "grounding-dino": Model(
        {
            "net": Part((File("IDEA-Research/grounding-dino-tiny", "model.safetensors"),)),
            "words": Part((File("IDEA-Research/grounding-dino-tiny", "tokenizer.json"),)),
        },
        {"net": {"backbone_config": {"model_type": "swin", "out_indices": [2, 3, 4]}}},
    ),
    "u2net": _net(
        File("danielgatis/rembg", "u2net.onnx", 175_997_641,
             "8d10d2f3bb75ae3b6d527c77944fc5e7dcd94b29809d47a739a7a728a912b491",
             "https://github.com/danielgatis/rembg/releases/download/v0.0.0/u2net.onnx"),
        licence="Apache-2.0",
    ),
    "yunet": _net(
        File("opencv/face_detection_yunet", "face_detection_yunet_2023mar.onnx", 232_589,
             "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"),
        licence="MIT",
    ),
}  # fmt: skip
"""By name of the net; which task needs which is in `annotators.table`."""

VAES: dict[str, Model] = {
    "taew2_1": _net(
        File("lightx2v/Autoencoders", "taew2_1.pth", 22_679_486,
             "f986092baa4a124035dcf44ef59cd30e0bef91b2aa4d6a6e8e152e55e82ca30c"),
        licence="MIT",
    ),
    "lightvaew2_1": _net(File("lightx2v/Autoencoders", "lightvaew2_1.pth"), licence="Apache-2.0"),
}  # fmt: skip
"""Smaller VAEs of Wan2.1's latents: TAEHV and LightVAE."""

SMALL_VAES = {"tae": "taew2_1", "light": "lightvaew2_1"}
"""As recipes call them."""

LIGHT_VAE = {"base_dim": WAN_CONFIG["vae"]["base_dim"] // 4}
"""What LightVAE has of Wan's configuration otherwise: three quarters of the channels are gone."""

MODELS: dict[str, Model] = {**PIPELINES, **VAES, **ANNOTATORS}
"""Everything that can be fetched, by name."""

EMBEDDED = {"sprites": "vacestream.sprites"}
"""Pipelines whose weights come with the package, and the package that has them."""

PACKAGE_LICENCE = "Apache-2.0"
"""Of those weights."""
