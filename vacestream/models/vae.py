"""The Wan VAE as a stream: pixels in, latents out, and back, equal to the whole-clip pass (arXiv:2503.20314).

Every causal convolution keeps the last frames of its input; diffusers keeps one set of them on the module and
clears it around each clip. Here each stream owns its set, so any number of streams share the weights.
"""

from typing import Any, Self, TypeAlias

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from vacestream.models.tiny_vae import TinyCodec, TinyVAE
from vacestream.pipelines import VAE_STRIDE_T

FeatureCache = list[Any]
"""A Tensor, None or diffusers' first-frame mark for each causal convolution."""


VAE: TypeAlias = AutoencoderKLWan | TinyVAE


class WanCodec:
    """Wan's VAE, latent by latent; what its convolutions remember is the caller's."""

    def __init__(self, vae: AutoencoderKLWan, device: torch.device) -> None:
        self.vae, self.device, self.dtype = vae, device, vae.dtype
        self.statistics = self.mean, self.std = _statistics(vae, device)
        self.latent_channels = vae.config.z_dim

    def new_memory(self, way: str) -> FeatureCache:
        """Nothing remembered yet, of the encoder or the decoder."""
        return [None] * self.vae._cached_conv_counts[way]

    def encode_group(self, pixels: Tensor, memory: FeatureCache) -> Tensor:
        """The frames of one latent [1 or 4 3 H W] -> [c 1 h w]."""
        x = pixels.transpose(0, 1)[None].to(self.device, self.dtype)
        moments = self.vae.quant_conv(self.vae.encoder(x, feat_cache=memory, feat_idx=[0]))
        return ((moments[0].chunk(2)[0] - self.mean) / self.std).to(self.dtype)

    def decode_latent(self, latent: Tensor, memory: FeatureCache, first: bool) -> Tensor:
        """[c 1 h w] -> its frames [1 or 4 3 H W]."""
        z = (latent.to(self.device) * self.std + self.mean)[None].to(self.dtype)
        z = self.vae.post_quant_conv(z)
        x = self.vae.decoder(z, feat_cache=memory, feat_idx=[0], first_chunk=first)
        return x[0].transpose(0, 1).clamp(-1, 1)


class Encoder:
    """Pixels of one stream -> normalised latents.

    `device` is where the VAE works, if its weights wait elsewhere.
    """

    def __init__(self, vae: VAE, device: torch.device | None = None) -> None:
        self.vae = vae
        self.codec = _codec(vae, device)
        self.features: FeatureCache = self.codec.new_memory("encoder")
        self.pending = torch.empty(0)  # [T 3 H W] frames of a latent that is not complete
        self.started = False
        self.settled: Tensor | None = None  # [c 1 h w]

    @torch.inference_mode()
    def push(self, pixels: Tensor) -> Tensor:
        """Any number of frames [T 3 H W] in -1..1 -> the latents [c f h w] that they complete."""
        self.settled = None
        pixels = torch.cat([self.pending.to(pixels), pixels]) if len(self.pending) else pixels
        latents = []
        while len(pixels) >= (group := VAE_STRIDE_T if self.started else 1):
            latents.append(self._encode(pixels[:group]))
            pixels = pixels[group:]
        self.pending = pixels.clone()  # not a view that keeps the whole chunk
        return torch.cat(latents, dim=1) if latents else self._no_latents(pixels)

    @torch.inference_mode()
    def push_neutral(self, num_frames: int, size: tuple[int, int]) -> Tensor:
        """`push` of mid-gray frames; encodes no more once the stream has settled, which is exact."""
        if len(self.pending):
            return self.push(torch.zeros(num_frames, 3, *size))
        gray = torch.zeros(VAE_STRIDE_T, 3, *size)
        latents = []
        while num_frames >= (group := VAE_STRIDE_T if self.started else 1):
            if self.settled is None:
                before = list(self.features)
                latents.append(self._encode(gray[:group]))
                if _equal(before, self.features):
                    self.settled = latents[-1]
            else:
                latents.append(self.settled)
            num_frames -= group
        self.pending = gray[:num_frames].clone()
        return torch.cat(latents, dim=1) if latents else self._no_latents(gray)

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here."""
        state = {name: getattr(self, name) for name in ("pending", "started", "settled")}
        return {"features": list(self.features), **state}

    def restored(self, state: dict[str, Any]) -> Self:
        """Go on from a kept state."""
        vars(self).update(state, features=list(state["features"]))
        return self

    def _no_latents(self, pixels: Tensor) -> Tensor:
        stride = self.vae.spatial_compression_ratio
        size = self.codec.latent_channels, 0, pixels.shape[2] // stride, pixels.shape[3] // stride
        return torch.zeros(size, device=self.codec.device, dtype=self.codec.dtype)

    def _encode(self, pixels: Tensor) -> Tensor:
        """The frames of one latent [1 or 4 3 H W] -> [c 1 h w]."""
        self.started = True
        return self.codec.encode_group(pixels, self.features)


class Decoder:
    """Normalised latents of one stream -> pixels; `device` as for Encoder."""

    def __init__(self, vae: VAE, device: torch.device | None = None) -> None:
        self.codec = _codec(vae, device)
        self.features: FeatureCache = self.codec.new_memory("decoder")
        self.started = False

    @torch.inference_mode()
    def push(self, latents: Tensor) -> Tensor:
        """[c f h w] -> [T 3 H W] in -1..1; the first latent gives one frame, every other four."""
        before = self.state()
        try:
            return torch.cat([self._decode(latents[:, i : i + 1]) for i in range(latents.shape[1])])
        except BaseException:
            self.restored(before)
            raise

    def begin_again(self, latent: Tensor) -> None:
        """Forget what came before; what comes goes on from this latent [c 1 h w] as if it had stood still."""
        self.features, self.started = self.codec.new_memory("decoder"), False
        self.push(latent)

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here."""
        return {"features": list(self.features), "started": self.started}

    def restored(self, state: dict[str, Any]) -> Self:
        """Go on from a kept state."""
        vars(self).update(state, features=list(state["features"]))
        return self

    def _decode(self, latent: Tensor) -> Tensor:
        first, self.started = not self.started, True
        return self.codec.decode_latent(latent, self.features, first)


def _codec(vae: VAE, device: torch.device | None) -> WanCodec | TinyCodec:
    codec = TinyCodec if isinstance(vae, TinyVAE) else WanCodec
    return codec(vae, device or vae.device)


def _statistics(vae: AutoencoderKLWan, device: torch.device) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of the latent channels, [c 1 1 1] each."""
    mean, std = (torch.tensor(values) for values in (vae.config.latents_mean, vae.config.latents_std))
    return mean.view(-1, 1, 1, 1).to(device), std.view(-1, 1, 1, 1).to(device)


def _equal(before: FeatureCache, after: FeatureCache) -> bool:
    return all(
        torch.equal(a, b)
        if isinstance(a, Tensor) and isinstance(b, Tensor) and a.shape == b.shape
        else a is b
        for a, b in zip(before, after, strict=True)
    )
