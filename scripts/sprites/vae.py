"""Stage vae: diffusers' AutoencoderKLWan on 64x64 crops of the world, whole clips at once."""

import random
import re
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from diffusers.models.autoencoders.autoencoder_kl_wan import WanCausalConv3d, WanResample
from torch import Tensor, nn
from torch.nn import functional as F

from scripts.sprites.optim import Trainer, cosine
from scripts.sprites.presets import Preset
from scripts.sprites.run import Log, Seeds, half, load, save
from vacestream.sprites.scenes import draw_scenes
from vacestream.sprites.signals import SIGNALS
from vacestream.sprites.world import Clip, reference_picture, render, render_batch

CONFIG: dict[str, Any] = {
    "base_dim": 8,
    "decoder_base_dim": 12,
    "z_dim": 16,
    "dim_mult": [1, 2, 4, 4],
    "num_res_blocks": 1,
    "attn_scales": [],
    "temperal_downsample": [False, True, True],
}
CROP = 64
SIZES = (128, 128, 128, 96, 64)
"""Of the frames that the crops are taken from."""
SHARES = ((0.25, 1, 16), (0.25, 9, 4), (0.3, 17, 3), (0.2, 33, 2))
"""Share of the steps, frames, clips."""
RESUMED_PEAK = 0.5
"""Learning rates of a run that goes on, against those of the first."""
ENCODER_PACE = 0.2
"""The encoder's share of them then: the transformers have learned its latents."""


class WholeClipResample(WanResample):
    """The cached, chunk by chunk resampling as one pass over the clip; same numbers."""

    def forward(self, x: Tensor, feat_cache: Any = None, feat_idx: Any = None) -> Tensor:
        if self.mode == "upsample3d" and x.shape[2] > 1:
            later = self.time_conv(x[:, :, 1:])
            b, c, t, h, w = later.shape
            later = (
                later.view(b, 2, c // 2, t, h, w).permute(0, 2, 3, 1, 4, 5).reshape(b, c // 2, 2 * t, h, w)
            )
            x = torch.cat([x[:, :, :1], later], dim=2)
        b, c, t = x.shape[:3]
        flat = self.resample(x.transpose(1, 2).flatten(0, 1))
        x = flat.unflatten(0, (b, t)).transpose(1, 2)
        if self.mode == "downsample3d" and t > 1:
            x = torch.cat([x[:, :, :1], self.time_conv(x)], dim=2)
        return x


class WholeClipConv(WanCausalConv3d):
    """A causal convolution; frames go as images where the past has no say, which is faster; same numbers."""

    forgetful = False

    def forward(self, x: Tensor, cache_x: Tensor | None = None) -> Tensor:
        left, _, top, _, past, _ = self._padding
        if self.forgetful or (x.shape[2] == 1 and self.stride[0] == 1):
            frames = x.transpose(1, 2).flatten(0, 1)
            out = F.conv2d(frames, self.weight[:, :, -1], self.bias, self.stride[1:], (top, left))
            return out.unflatten(0, (x.shape[0], x.shape[2])).transpose(1, 2)
        x = F.pad(x, (0, 0, 0, 0, past, 0)) if past else x
        return F.conv3d(x, self.weight, self.bias, self.stride, (0, top, left))


def set_whole_clip(vae: AutoencoderKLWan, whole: bool) -> None:
    for module in vae.modules():
        if isinstance(module, WanResample):
            module.__class__ = WholeClipResample if whole else WanResample
        elif isinstance(module, WanCausalConv3d):
            module.__class__ = WholeClipConv if whole else WanCausalConv3d
            if whole:
                module.forgetful = bool(module.stride[0] == 1 and not module.weight[:, :, :-1].any())


def encode_moments(vae: AutoencoderKLWan, pixels: Tensor) -> tuple[Tensor, Tensor]:
    """[B 3 T H W] -> mean and log variance [B z f h w]; the VAE must be whole-clip."""
    mean, logvar = vae.quant_conv(vae.encoder(pixels)).chunk(2, dim=1)
    return mean, logvar.clamp(-30, 20)


def decode_whole(vae: AutoencoderKLWan, latents: Tensor) -> Tensor:
    """[B z f h w] -> [B 3 T H W], not clamped; the VAE must be whole-clip."""
    return vae.decoder(vae.post_quant_conv(latents))


@torch.no_grad()
def initialise(vae: AutoencoderKLWan) -> None:
    """Only the present matters at first: past taps zero, time convolutions identity, no bias exactly zero."""
    for name, module in vae.named_modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.9 / module.weight[0].numel() ** 0.5)
        elif isinstance(module, WanCausalConv3d):
            weight = module.weight
            nn.init.zeros_(weight)
            nn.init.normal_(weight[:, :, -1], std=0.8 / weight[0, :, -1].numel() ** 0.5)
            if name.endswith("time_conv"):
                eye = torch.eye(weight.shape[1])
                weight[:, :, -1, 0, 0] = eye.repeat(weight.shape[0] // weight.shape[1], 1)
        else:
            continue
        nn.init.normal_(module.bias, std=0.1)
        if name.endswith("time_conv"):
            nn.init.normal_(module.bias, std=0.01)
    z = vae.config.z_dim
    vae.quant_conv.weight[z:] = 0
    vae.quant_conv.bias[z:] = -5


REMEMBERING = (
    r"time_conv",
    r"encoder\.down_blocks\.[024]\.conv1",
    r"decoder\.up_blocks\.[123]\.resnets\.0\.conv1",
)
"""Convolutions that see past frames; in all the others the past taps stay zero.

With them the autoencoder would look back more frames than a training clip has, and drift in a long stream."""


def forgetful(vae: AutoencoderKLWan) -> list[Tensor]:
    """The taps that are held at zero, as views of the weights."""
    return [
        module.weight[:, :, :-1]
        for name, module in vae.named_modules()
        if isinstance(module, WanCausalConv3d)
        and module.kernel_size[0] > 1
        and not any(re.match(pattern, name) or name.endswith(pattern) for pattern in REMEMBERING)
    ]


@torch.no_grad()
def forget(vae: AutoencoderKLWan) -> None:
    for taps in forgetful(vae):
        taps.zero_()


def new_vae() -> AutoencoderKLWan:
    torch.manual_seed(0)
    vae = AutoencoderKLWan(**CONFIG)
    initialise(vae)
    return vae


def is_matrix(name: str, p: nn.Parameter) -> bool:
    edges = ("encoder.conv_in", "encoder.conv_out", "decoder.conv_in", "decoder.conv_out", "quant_conv")
    return p.dim() >= 4 and "gamma" not in name and not any(edge in name for edge in edges)


def _boxes(clip: Clip, pick: random.Random) -> Tensor:
    """[B 1 1 H W] a random rectangle of ones a clip."""
    mask = torch.zeros(len(clip.scenes.seeds), 1, 1, *clip.distance.shape[-2:])
    for row in mask:
        h, w = pick.randrange(12, 52), pick.randrange(12, 52)
        top, left = pick.randrange(-8, CROP - 8), pick.randrange(-8, CROP - 8)
        row[..., max(0, top) : max(0, top + h), max(0, left) : max(0, left + w)] = 1
    return mask


def training_pixels(seeds: range, num_frames: int, pick: random.Random) -> Tensor:
    """[B 3 T 64 64] in -1..1: 63 % video, the rest what else a VACE encoder is fed."""
    scenes = draw_scenes(seeds)
    size = pick.choice(SIZES)
    corner = torch.tensor([[pick.randint(0, size - CROP) for _ in range(2)] for _ in seeds])
    window = (corner[:, :1] + torch.arange(CROP), corner[:, 1:] + torch.arange(CROP))
    start = pick.randrange(1000)
    clip = render(scenes, range(start, start + num_frames), (size, size), window=window)
    pixels = clip.video * 2 - 1
    first = round(len(seeds) * 0.63)
    second = first + (len(seeds) - first + 1) // 2
    for part in (slice(first, second), slice(second, len(seeds))):
        kind = pick.choice(
            ("depth", "depth", "scribble", "pose", "flow", "layout_bbox", "hole", "inside", "picture")
        )
        if kind in SIGNALS:
            pixels[part] = SIGNALS[kind](clip)[part] * 2 - 1
        elif kind == "picture":
            full = reference_picture(scenes, torch.zeros(len(seeds), dtype=torch.long), (size, size)) * 2 - 1
            top, left = corner.t()[..., None]
            rows, columns = (top + torch.arange(CROP))[:, :, None], (left + torch.arange(CROP))[:, None]
            crop = full[torch.arange(len(seeds))[:, None, None], :, rows, columns].movedim(-1, 1)
            pixels[part] = crop[part, None].expand(-1, num_frames, -1, -1, -1)
        else:
            mask = _boxes(clip, pick)
            shown = pixels if pick.random() < 0.6 else SIGNALS["depth"](clip) * 2 - 1
            pixels[part] = (shown * (mask if kind == "inside" else 1 - mask))[part]
    return pixels.transpose(1, 2)


def loss_of(vae: AutoencoderKLWan, pixels: Tensor) -> Tensor:
    """L1 + three times L2 + a quarter of the image gradients' L1 + a little KL."""
    with half():
        mean, logvar = encode_moments(vae, pixels)
        latents = mean + torch.randn_like(mean) * (0.5 * logvar).exp()
        out = decode_whole(vae, latents)
    error = out.float() - pixels
    slopes = error.diff(dim=-1).abs().mean() + error.diff(dim=-2).abs().mean()
    mean, logvar = mean.float(), logvar.float()
    kl = 0.5 * (mean.square() + logvar.exp() - 1 - logvar).mean()
    return error.abs().mean() + 3 * error.square().mean() + 0.25 * slopes + 1e-5 * kl


def psnr(a: Tensor, b: Tensor) -> float:
    """Of pixels in -1..1, mean over clips (dim 0) in dB."""
    error = (a.clamp(-1, 1) - b).square().flatten(1).mean(1)
    return float((10 * torch.log10(4 / error.clamp(min=1e-10))).mean())


@torch.no_grad()
def evaluate(
    vae: AutoencoderKLWan, *, clips: int = 8, num_frames: int = 17, size: int = 128
) -> dict[str, float]:
    """PSNR of held-out clips (user seeds) a kind of picture, through the whole-clip pass in fp32."""
    clip = render_batch(range(900_000, 900_000 + clips), num_frames, (size, size))
    reference = reference_picture(clip.scenes, torch.zeros(clips, dtype=torch.long), (size, size))[:, None]
    kinds = {"video": clip.video, "reference": reference}
    kinds |= {name: SIGNALS[name](clip) for name in ("depth", "pose", "scribble")}
    scores = {}
    for name, pictures in kinds.items():
        pixels = (pictures * 2 - 1).transpose(1, 2)
        scores[name] = psnr(decode_whole(vae, encode_moments(vae, pixels)[0]), pixels)
    return scores


@torch.no_grad()
def statistics(vae: AutoencoderKLWan, *, clips: int = 24, size: int = 128) -> dict[str, list[float]]:
    """Mean and deviation a channel of what the transformer sees: video, some depth and references."""
    scenes = draw_scenes(Seeds(1 << 23).take(clips))
    clip = render(scenes, range(33), (size, size))
    reference = reference_picture(scenes, torch.zeros(clips, dtype=torch.long), (size, size))[:, None]
    share = clips // 6
    sets = (clip.video, SIGNALS["depth"](clip)[:share], reference[:share])
    latents = [encode_moments(vae, (pictures * 2 - 1).transpose(1, 2))[0] for pictures in sets]
    values = torch.cat([part.transpose(0, 1).flatten(1) for part in latents], dim=1)
    return {"mean": values.mean(1).tolist(), "std": values.std(1).tolist()}


def set_fast_layout(vae: AutoencoderKLWan) -> None:
    for p in vae.parameters():
        if p.dim() == 5:
            p.data = p.data.contiguous(memory_format=torch.channels_last_3d)
        elif p.dim() == 4 and p.shape[-1] > 1:
            p.data = p.data.contiguous(memory_format=torch.channels_last)


def train(
    minutes: float, preset: Preset, *, max_steps: int | None = None, decoder_only: bool = False
) -> None:
    """Train (further) for so many minutes; the decoder alone leaves every latent as it is."""
    vae, saved = new_vae(), load("vae")
    step, peak = 0, 1.0
    if saved:
        vae.load_state_dict(saved["model"])
        step, peak = saved["step"], RESUMED_PEAK
    set_fast_layout(vae)
    if decoder_only:
        assert saved is not None
        vae.encoder.requires_grad_(False)
        vae.quant_conv.requires_grad_(False)
    forget(vae)
    set_whole_clip(vae, True)
    trainer = Trainer(
        vae.named_parameters(),
        is_matrix=is_matrix,
        muon_lr=2e-2 * peak,
        adam_lr=2e-3 * peak,
        minutes=minutes,
        schedule=cosine,
        pace=lambda name: ENCODER_PACE if saved and name.startswith(("encoder", "quant_conv")) else 1.0,
    )
    seeds, pick, log, done = Seeds(step * 16), random.Random(step), Log("vae", minutes, step), 0
    torch.manual_seed(1 + step)

    known = {k: saved[k] for k in ("mean", "std") if k in saved} if saved else {}

    def checkpoint() -> dict[str, Any]:
        model = {k: v.contiguous().clone() for k, v in vae.state_dict().items()}
        return {"model": model, "step": step} | known

    scored = 0.0
    while trainer.progress < 1 and done != max_steps:
        draw = pick.random()
        num_frames, batch = next((t, b) for s, t, b in _cumulated() if draw < s)
        clips = max(1, round(batch * preset.vae_batch))
        pixels = training_pixels(seeds.take(clips), num_frames, pick)
        pixels = pixels.contiguous(memory_format=torch.channels_last_3d)
        loss = loss_of(vae, pixels)
        trainer.step(loss, warm=min(1.0, (done + 1) / 20))
        forget(vae)
        log.add(**{f"T{num_frames}": loss.item()})
        step, done = step + 1, done + 1
        if log.due():
            extra = ""
            if trainer.progress - scored > 0.1:
                scored = trainer.progress
                extra = " ".join(f"{k} {v:.1f}" for k, v in evaluate(vae, clips=4).items())
            log.show(step, extra + (f" skipped {trainer.skipped}" if trainer.skipped else ""))
        if log.save_due():
            save("vae", checkpoint())
    save("vae", checkpoint() | (known or statistics(vae)))
    print("vae held out:", {k: round(v, 2) for k, v in evaluate(vae).items()}, flush=True)


def _cumulated() -> list[tuple[float, int, int]]:
    total, rows = 0.0, []
    for share, num_frames, batch in SHARES:
        total += share
        rows.append((total, num_frames, batch))
    return [*rows[:-1], (1.01, *rows[-1][1:])]
