"""A pipeline of the true classes with tiny random weights: every path of the real ones, in milliseconds."""

from dataclasses import replace

import torch
from diffusers import AutoencoderKLWan, WanVACETransformer3DModel
from torch import Tensor, nn

from vacestream.models.load import Pipeline, build_adapter, build_transformer
from vacestream.models.transformer import make_causal
from vacestream.pipelines import PipelineSpec, Transformer

SIZE = Transformer(
    dim=48,
    ffn_dim=64,
    layers=4,
    heads=2,
    context_layers=(0, 2),
    channels=16,
    text_dim=24,
    text_len=8,
    freq_dim=32,
)
SPEC = PipelineSpec("tiny", SIZE, window_latents=6, attention_sink_latents=3)
CPU = torch.device("cpu")


def randomize(module: nn.Module, seed: int) -> nn.Module:
    """Weights that let every part be felt, norms and tables included."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in module.parameters():
        spread = 0.5 if parameter.ndim < 2 else parameter[0].numel() ** -0.5
        parameter.data = torch.randn(parameter.shape, generator=generator) * spread + (parameter.ndim == 1)
    return module.eval().requires_grad_(False)


def tiny_vae(seed: int = 3) -> AutoencoderKLWan:
    vae = AutoencoderKLWan(
        base_dim=4, z_dim=16, dim_mult=[1, 1, 2, 2], num_res_blocks=1,
        temperal_downsample=[False, True, True],
        latents_mean=[0.1] * 16, latents_std=[1.5] * 16,
    )  # fmt: skip
    return randomize(vae, seed)  # type: ignore[return-value]


class WordText:
    """An embedding that depends on the words alone; rows behind the prompt are zero."""

    def __call__(self, prompt: str) -> Tensor:
        rows = torch.zeros(SIZE.text_len, SIZE.text_dim)
        for row, word in zip(rows, prompt.split(), strict=False):
            seed = sum(ord(letter) * 31**i for i, letter in enumerate(word)) % 2**31
            row[:] = torch.randn(SIZE.text_dim, generator=torch.Generator().manual_seed(seed))
        return rows


def tiny_pipeline(**row: object) -> Pipeline:
    """A fresh pipeline; keywords change its row."""
    return Pipeline(
        spec=replace(SPEC, **row),
        transformer=make_causal(randomize(build_transformer(SIZE), 1)),  # type: ignore[arg-type]
        adapter=randomize(build_adapter(SIZE), 2),  # type: ignore[arg-type]
        vae=tiny_vae(),
        text=WordText(),  # type: ignore[arg-type]
        device=CPU,
        dtype=torch.float32,
    )


def batch_oracle(pipeline: Pipeline) -> WanVACETransformer3DModel:
    """diffusers' own whole-clip VACE with the same weights."""
    oracle = WanVACETransformer3DModel(
        patch_size=SIZE.patch, num_attention_heads=SIZE.heads, attention_head_dim=SIZE.head_dim,
        in_channels=SIZE.channels, out_channels=SIZE.channels, text_dim=SIZE.text_dim, freq_dim=SIZE.freq_dim,
        ffn_dim=SIZE.ffn_dim, num_layers=SIZE.layers, vace_layers=list(SIZE.context_layers),
        vace_in_channels=SIZE.context_channels,
    )  # fmt: skip
    weights = {**pipeline.transformer.state_dict(), **pipeline.adapter.state_dict()}
    oracle.load_state_dict(weights)
    return oracle.eval().requires_grad_(False)
