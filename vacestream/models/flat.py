"""The Wan VAE's 3-D convolutions as 2-D ones over single frames, for processors that are slow at the former.

On a CPU torch takes up to twenty times longer for a small 3-D convolution than for the same sums done in 2-D.
"""

import torch
import torch.nn.functional as F
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, WanRMS_norm
from torch import Tensor


class FlatConv(WanCausalConv3d):
    """A causal convolution whose taps in time are channels of a 2-D one; taps that are zero cost nothing."""

    taps: tuple[int, ...]

    def forward(self, x: Tensor, cache_x: Tensor | None = None) -> Tensor:
        """[b c t h w] and the frames before it -> [b o t' h' w']."""
        span, stride = self.kernel_size[0], self.stride[0]
        left, _, top, _, past, _ = self._padding
        num_frames = (past + x.shape[2] - span) // stride + 1
        if self.taps != (span - 1,) or stride > 1 or not past:
            before = x[:, :, :0] if cache_x is None else cache_x.to(x)
            x = F.pad(torch.cat([before, x], 2), (0, 0, 0, 0, past - before.shape[2], 0))
            x = torch.cat([x[:, :, i::stride][:, :, :num_frames] for i in self.taps], dim=1)
        weight = self.weight[:, :, list(self.taps)].transpose(1, 2).flatten(1, 2)
        frames = x.transpose(1, 2).flatten(0, 1).contiguous(memory_format=torch.channels_last)
        frames = F.conv2d(frames, weight, self.bias, self.stride[1:], (top, left))
        return frames.unflatten(0, (len(x), -1)).transpose(1, 2)


class FlatNorm(WanRMS_norm):
    """The same division by the length of the channels, without torch's slow norm over a strided axis."""

    def forward(self, x: Tensor) -> Tensor:
        """[b c ...] -> [b c ...]"""
        wide = x.float()
        length = wide.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
        return (wide / length).to(x.dtype) * self.scale * self.gamma + self.bias


def flatten(vae: AutoencoderKLWan) -> None:
    """Make a loaded VAE compute in 2-D; its weights stay as they are."""
    for module in vae.modules():
        if isinstance(module, WanCausalConv3d):
            module.__class__ = FlatConv
            *past, last = range(module.kernel_size[0])
            module.taps = (*(i for i in past if module.weight[:, :, i].any()), last)
        elif isinstance(module, WanRMS_norm) and module.channel_first:
            module.__class__ = FlatNorm
