"""Nets to find and follow things with: the true classes with random weights, and hand-made ONNX files."""

import json
import math
from pathlib import Path

import numpy as np
import torch

TINY_SAM = {
    "vision_config": {
        "model_type": "sam2_vision_model", "backbone_channel_list": [64, 32, 16, 8], "fpn_hidden_size": 128,
        "backbone_feature_sizes": [[32, 32], [16, 16], [8, 8]],
        "backbone_config": {
            "model_type": "sam2_hiera_det_model", "hidden_size": 8, "image_size": [128, 128],
            "embed_dim_per_stage": [8, 16, 32, 64], "blocks_per_stage": [1, 2, 2, 1],
            "num_attention_heads_per_stage": [1, 1, 2, 2], "window_size_per_stage": [8, 4, 4, 4],
            "global_attention_blocks": [2], "window_positional_embedding_background_size": [7, 7],
        },
    },
    "prompt_encoder_config": {"hidden_size": 128, "image_size": 128, "patch_size": 16},
    "mask_decoder_config": {
        "hidden_size": 128, "num_hidden_layers": 1, "num_attention_heads": 2, "mlp_dim": 64,
        "iou_head_hidden_dim": 32,
    },
    "image_size": 128, "memory_attention_hidden_size": 128, "memory_attention_num_layers": 1,
    "memory_attention_feed_forward_hidden_size": 64, "memory_attention_rope_feat_sizes": [8, 8],
    "memory_encoder_hidden_size": 128, "mask_downsampler_embed_dim": 128, "memory_fuser_embed_dim": 128,
    "memory_fuser_intermediate_dim": 64,
}  # fmt: skip
WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", ".", "a", "red", "dog"]
TINY_DINO = {
    "backbone_config": {
        "model_type": "swin", "embed_dim": 16, "depths": [1, 1, 1, 1], "num_heads": [1, 2, 2, 2],
        "window_size": 2, "image_size": 64, "out_indices": [2, 3, 4],
    },
    "text_config": {
        "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "vocab_size": len(WORDS),
    },
    "d_model": 32, "num_queries": 9, "encoder_layers": 1, "decoder_layers": 2, "encoder_attention_heads": 2,
    "decoder_attention_heads": 2, "encoder_ffn_dim": 32, "decoder_ffn_dim": 32,
}  # fmt: skip


def write_finders(folder: Path) -> None:
    """SAM 2 and Grounding DINO with random weights; a U2-Net that sees red, a YuNet whose faces are red."""
    from transformers import (
        GroundingDinoConfig,
        GroundingDinoForObjectDetection,
        Sam2VideoConfig,
        Sam2VideoModel,
    )

    torch.manual_seed(0)
    for repo, net, config in (
        ("sam2.1-hiera-large", Sam2VideoModel(Sam2VideoConfig(**TINY_SAM)), TINY_SAM),
        ("grounding-dino-tiny", GroundingDinoForObjectDetection(GroundingDinoConfig(**TINY_DINO)), TINY_DINO),
    ):
        (folder / repo).mkdir()
        net.save_pretrained(folder / repo)
        (folder / repo / "config.json").write_text(json.dumps(config))
    tokenizer(folder / "grounding-dino-tiny" / "tokenizer.json")
    (folder / "u2net.onnx").write_bytes(onnx_of_red())
    (folder / "face_detection_yunet_2023mar.onnx").write_bytes(onnx_of_faces())


def tokenizer(path: Path) -> None:
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="[UNK]"))
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.save(str(path))


def onnx_of_red() -> bytes:
    """An ONNX file: how red each pixel is, [1 3 320 320] -> [1 1 320 320]."""
    weight = np.array([1, -0.5, -0.5]).reshape(1, 3, 1, 1)
    graph = _node("Conv", ["x", "w"], "y", _ints("kernel_shape", [1, 1])) + _tensor("w", weight)
    return _onnx(graph + _value(11, "x", (1, 3, 320, 320)) + _value(12, "y", (1, 1, 320, 320)))


def onnx_of_faces(side: int = 64, face: int = 24) -> bytes:
    """An ONNX file with YuNet's outputs: every red pixel in 8 is the middle of a face so many pixels wide."""
    graph = _value(11, "input", (1, 3, side, side))
    for stride in (8, 16, 32):
        red = np.array([-1, -1, 1]).reshape(1, 3, 1, 1) / 150 * (stride == 8)  # blue, green, red
        place = [0.5, 0.5, math.log(face / stride), math.log(face / stride)]
        outputs = {"cls": (red, [0]), "obj": (red, [0]), "bbox": (None, place), "kps": (None, [0] * 10)}
        for name, (weight, bias) in outputs.items():
            given, made = ["input", f"{name}{stride}.w", f"{name}{stride}.b"], f"{name}{stride}.y"
            weight = np.zeros((len(bias), 3, 1, 1)) if weight is None else weight
            graph += _tensor(given[1], weight) + _tensor(given[2], np.array(bias))
            graph += _node(
                "Conv", given, made, _ints("kernel_shape", [1, 1]) + _ints("strides", [stride] * 2)
            )
            graph += _node("Transpose", [made], f"{name}_{stride}", _ints("perm", [0, 2, 3, 1]))
            shape = (1, side // stride, side // stride, len(bias))
            graph += _value(12, f"{name}_{stride}", shape)
    return _onnx(graph)


def _onnx(graph: bytes) -> bytes:
    return _field(1, 8) + _field(7, graph + _field(2, "g")) + _field(8, _field(1, "") + _field(2, 13))


def _node(kind: str, given: list[str], made: str, attributes: bytes) -> bytes:
    names = b"".join(_field(1, name) for name in given)
    return _field(1, names + _field(2, made) + _field(4, kind) + attributes)


def _ints(name: str, values: list[int]) -> bytes:
    """An attribute that is a list."""
    return _field(5, _field(1, name) + b"".join(_field(8, value) for value in values) + b"\xa0\x01\x07")


def _tensor(name: str, values: np.ndarray) -> bytes:
    """Weights."""
    sides = b"".join(_field(1, side) for side in values.shape)
    return _field(5, sides + _field(2, 1) + _field(8, name) + _field(9, values.astype("<f4").tobytes()))


def _value(kind: int, name: str, shape: tuple[int, ...]) -> bytes:
    """An input (11) or output (12) of the graph."""
    sides = b"".join(_field(1, _field(1, side)) for side in shape)
    return _field(kind, _field(1, name) + _field(2, _field(1, _field(1, 1) + _field(2, sides))))


def _field(number: int, value: bytes | int | str) -> bytes:
    """One field of a protocol buffer."""
    if isinstance(value, int):
        return bytes([number << 3]) + _varint(value)
    data = value.encode() if isinstance(value, str) else value
    return bytes([number << 3 | 2]) + _varint(len(data)) + data


def _varint(value: int) -> bytes:
    out = b""
    while True:
        out += bytes([value & 127 | (128 if value > 127 else 0)])
        value >>= 7
        if not value:
            return out
