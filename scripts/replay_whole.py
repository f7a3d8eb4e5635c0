"""Replay a record of whole-clip VACE: the encoding, every hint, every block (arXiv:2503.07598)."""

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vacestream.batch import whole_flow
from vacestream.encode import encode_layer, pool_masks
from vacestream.models.conditions import Context
from vacestream.models.transformer import CausalWan
from vacestream.models.vace import ContextAdapter, References
from vacestream.pipelines import VAE_STRIDE_T
from vacestream.timeline import Chunk
from vacestream.vcu import Layer

Tensors = dict[str, Tensor]
Compare = Callable[[str, Tensor, Tensor], None]


class StandInVae:
    """The recorded stand-in for the VAE: a mean over 8 x 8 pixels of every fourth frame, and a matrix."""

    def __init__(self, matrix: Tensor, offset: Tensor) -> None:
        self.matrix, self.offset = matrix, offset

    def push(self, pixels: Tensor) -> Tensor:
        cells = F.avg_pool2d(pixels[::4], 8)
        return torch.einsum("ci,fihw->cfhw", self.matrix, cells) + self.offset[:, None, None, None]

    def push_neutral(self, num_frames: int, size: tuple[int, int]) -> Tensor:
        return self.push(torch.zeros(num_frames, 3, *size))

    def state(self) -> dict[str, Any]:
        return {}


def replay(
    case: dict[str, Any],
    tensors: Tensors,
    overrides: dict[str, Any],
    compare: Compare,
    model: CausalWan,
    adapter: ContextAdapter,
) -> None:
    """Whole-clip VACE: references in the latents, one chunk, full attention."""
    config = case["case"]["model"]
    context = replay_encode(case, tensors, compare)
    x = tensors["inputs/x"]
    for name, run in case["runs"].items():
        text = tensors["inputs/context2" if name.endswith("context2") else "inputs/context"]
        text = F.pad(text, (0, 0, 0, config["text_len"] - len(text)))
        scale = overrides.get("scale", run["vace_context_scale"])
        seen = watch(model, adapter)
        contexts = (Context(adapter, context, scale),)
        out = whole_flow(model, x, run["timestep"], model.embed_text(text[None]), contexts)
        compare(f"outputs/{name}/out", out, tensors[f"outputs/{name}/out"])
        for part, got in seen.items():
            if (key := f"outputs/{name}/{part}") in tensors:
                compare(key, got.flatten(1, 2), tensors[key])


def replay_encode(case: dict[str, Any], tensors: Tensors, compare: Compare) -> Tensor:
    """Compare every recorded stage of the encoding; the context [ctx f h w] with references in front."""
    vae = StandInVae(tensors["inputs/vae_A"], tensors["inputs/vae_b"])
    frames, masks = (rearrange(tensors[f"inputs/{name}"], "c T H W -> T c H W") for name in ("video", "mask"))
    layer = Layer(frames, masks, pool_masks(masks, Chunk(0, 0, len(frames[::VAE_STRIDE_T])), "nearest"))
    video = encode_layer(layer, vae, vae)
    names = sorted(key for key in tensors if key.startswith("inputs/ref"))
    pictures = [vae.push(rearrange(tensors[key], "c T H W -> T c H W"))[:, 0] for key in names]
    context, plain = video, vae.push(frames)
    if pictures:
        latents = torch.stack(pictures)
        references = References(latents, torch.zeros_like(latents))
        context = torch.cat([references.context(len(video))[0], video], dim=1)
        plain = torch.cat([rearrange(latents, "r c h w -> c r h w"), plain], dim=1)
    split = 2 * len(plain)
    got = {"encode_nomask/frames_z": plain, "decode_latent_trimmed": context[: len(plain), len(names) :]}
    for name, whole in (("encode", context), ("encode_noref", video)):
        got |= {
            f"{name}/frames_z": whole[:split],
            f"{name}/masks_m": whole[split:],
            f"{name}/vace_context": whole,
        }
    for name, value in got.items():
        if (key := f"outputs/{name}") in tensors:
            compare(key, value, tensors[key])
    return context


def watch(model: CausalWan, adapter: ContextAdapter) -> Tensors:
    """What each block gives in the next call: block0, block1, ..., hint0, hint1, ... [1 f n d]."""
    seen: Tensors = {}
    for i, block in enumerate(model.blocks):
        block.register_forward_hook(lambda _m, _a, out, i=i: seen.update({f"block{i}": out}))
    for i, block in enumerate(adapter.vace_blocks):
        block.register_forward_hook(lambda _m, _a, out, i=i: seen.update({f"hint{i}": out[1]}))
    return seen
