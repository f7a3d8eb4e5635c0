"""TAEHV, a tiny VAE of Wan's latents (github.com/madebyollin/taehv), latent by latent.

Its layers see single frames; memory blocks also see the frame before, so a stream is exact when it keeps
that frame for each of them. It takes Wan's normalised latents as they are.
"""

import inspect
from typing import Any

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from torch import Tensor, nn

WIDTH, DECODER_WIDTHS = 64, (256, 128, 64)
STRIDES_T = (2, 2, 1)
"""Of the encoder's stages in time; the decoder goes the other way."""
CHANNELS = 16
BEFORE = 3
"""Frames that a first latent decodes to before the one it stands for."""


class MemoryBlock(nn.Module):
    """Three convolutions over a frame and the one before it."""

    def __init__(self, n: int) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(2 * n, n, 3, padding=1), nn.ReLU(), nn.Conv2d(n, n, 3, padding=1), nn.ReLU(),
            nn.Conv2d(n, n, 3, padding=1),
        )  # fmt: skip

    def forward(self, x: Tensor, before: Tensor) -> Tensor:
        """Frames [T n h w] and the frame before the first [1 n h w]."""
        past = torch.cat([before, x[:-1]])
        return F.relu(self.conv(torch.cat([x, past], dim=1)) + x)


class Pool(nn.Module):
    """`stride` frames become one."""

    def __init__(self, n: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(n * stride, n, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x.unflatten(0, (-1, self.stride)).flatten(1, 2))


class Grow(nn.Module):
    """One frame becomes `stride`."""

    def __init__(self, n: int, stride: int) -> None:
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv2d(n, n * stride, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(x).unflatten(1, (self.stride, -1)).flatten(0, 1)


class Squash(nn.Module):
    """Keeps latents within three deviations."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x / 3) * 3


class TinyVAE(nn.Module):
    """Encoder and decoder; what they remember is the caller's."""

    spatial_compression_ratio = 8

    def __init__(self) -> None:
        super().__init__()
        encoder: list[nn.Module] = [_conv(3, WIDTH), nn.ReLU()]
        for stride in STRIDES_T:
            encoder += [Pool(WIDTH, stride), nn.Conv2d(WIDTH, WIDTH, 3, 2, 1, bias=False)]
            encoder += [MemoryBlock(WIDTH) for _ in range(3)]
        decoder: list[nn.Module] = [Squash(), _conv(CHANNELS, DECODER_WIDTHS[0]), nn.ReLU()]
        for i, stride in enumerate(reversed(STRIDES_T)):
            n, after = DECODER_WIDTHS[i], (*DECODER_WIDTHS, WIDTH)[i + 1]
            decoder += [MemoryBlock(n) for _ in range(3)]
            decoder += [nn.Upsample(scale_factor=2), Grow(n, stride), _conv(n, after, bias=False)]
        self.encoder = nn.Sequential(*encoder, _conv(WIDTH, CHANNELS))
        self.decoder = nn.Sequential(*decoder, nn.ReLU(), _conv(WIDTH, 3))

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def dtype(self) -> torch.dtype:
        return next(self.parameters()).dtype


class TinyCodec:
    """A TinyVAE, latent by latent, on a device where its weights come if they wait elsewhere."""

    def __init__(self, vae: TinyVAE, device: torch.device) -> None:
        self.vae, self.device, self.dtype, self.latent_channels = vae, device, vae.dtype, CHANNELS

    @property
    def statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation [c 1 1 1] of Wan's latents, of which these are the normalised ones."""
        published = inspect.signature(AutoencoderKLWan.__init__).parameters
        mean, std = (torch.tensor(published[f"latents_{name}"].default) for name in ("mean", "std"))
        return mean.view(-1, 1, 1, 1).to(self.device), std.view(-1, 1, 1, 1).to(self.device)

    def new_memory(self, way: str) -> list[Any]:
        """Nothing remembered yet, of the encoder or the decoder."""
        return [None] * len(getattr(self.vae, way))

    def encode_group(self, pixels: Tensor, memory: list[Any]) -> Tensor:
        """The frames of one latent [1 or 4 3 H W] in -1..1 -> [c 1 h w]; the first frame stands for four."""
        x = pixels.expand(2 ** sum(s > 1 for s in STRIDES_T), -1, -1, -1) if len(pixels) == 1 else pixels
        return _run(self.vae.encoder, (x.to(self.device, self.dtype) + 1) / 2, memory).transpose(0, 1)

    def decode_latent(self, latent: Tensor, memory: list[Any], first: bool) -> Tensor:
        """[c 1 h w] -> its frames [1 or 4 3 H W] in -1..1."""
        x = _run(self.vae.decoder, latent.transpose(0, 1).to(self.device, self.dtype), memory)
        return (x[BEFORE:] if first else x).clamp(0, 1) * 2 - 1


def _conv(n: int, m: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(n, m, 3, padding=1, bias=bias)


def _run(layers: nn.Sequential, x: Tensor, memory: list[Any]) -> Tensor:
    """Frames [T n h w] through layers; each memory block is left the last frame that it saw."""
    for i, layer in enumerate(layers):
        if isinstance(layer, MemoryBlock):
            before = torch.zeros_like(x[:1]) if memory[i] is None else memory[i]
            memory[i] = x[-1:].clone()
            x = layer(x, before)
        else:
            x = layer(x)
    return x
