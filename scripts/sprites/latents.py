"""Cached latents of training clips: shards of video, references and controls, read while they grow."""

import random
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor

from scripts.sprites.run import load, runs
from scripts.sprites.vae import CONFIG, encode_moments, set_fast_layout, set_whole_clip
from vacestream.sprites.signals import SIGNALS
from vacestream.sprites.world import FIRST_TRAINING_SEED, Clip, Scenes, draw_scenes, reference_picture, render

CLIPS = 64
"""Clips a shard: three quarters single sprites, the rest of up to two."""
SINGLE = 48
VIDEO_FRAMES, CONTROL_FRAMES = 45, 33
LEAD = 12
"""Shards of video that are written before the first of controls."""
_FIRST = FIRST_TRAINING_SEED + (1 << 24)


def trained_vae() -> AutoencoderKLWan:
    """The checkpoint of stage vae, whole-clip, frozen."""
    saved = load("vae")
    assert saved is not None, "train the vae first"
    vae = AutoencoderKLWan(**CONFIG, latents_mean=saved["mean"], latents_std=saved["std"])
    vae.load_state_dict(saved["model"])
    set_whole_clip(vae, True)
    set_fast_layout(vae)
    return vae.requires_grad_(False).eval()


@torch.no_grad()
def encode(vae: AutoencoderKLWan, pixels: Tensor) -> Tensor:
    """[B T 3 H W] in -1..1 -> whitened latents [B c f h w] float32."""
    mean = torch.tensor(vae.config.latents_mean).view(-1, 1, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(-1, 1, 1, 1)
    clips = (
        part.transpose(1, 2).contiguous(memory_format=torch.channels_last_3d) for part in pixels.split(8)
    )
    return (torch.cat([encode_moments(vae, clip)[0].float() for clip in clips]) - mean) / std


def shard_scenes(index: int) -> list[Scenes]:
    """The scenes of a shard: [single sprites, mixed]."""
    first = _FIRST + index * CLIPS
    return [
        draw_scenes(range(first, first + SINGLE), max_sprites=1),
        draw_scenes(range(first + SINGLE, first + CLIPS), max_sprites=2),
    ]


def _clips(index: int, num_frames: int, size: tuple[int, int]) -> list[Clip]:
    start = (index * 37) % 500
    return [render(scenes, range(start, start + num_frames), size) for scenes in shard_scenes(index)]


def _pixels(clips: list[Clip], signal: str) -> Tensor:
    draw = SIGNALS.get(signal, lambda clip: clip.video)
    return torch.cat([draw(clip) for clip in clips]) * 2 - 1


def video_shard(vae: AutoencoderKLWan, index: int, size: tuple[int, int]) -> dict[str, Tensor]:
    """Latents of the clips, and of an upright reference for each of their first two sprites."""
    clips = _clips(index, VIDEO_FRAMES, size)
    references = []
    for n in range(2):
        pictures = []
        for clip in clips:
            sprite = torch.full((len(clip.scenes.seeds),), n).clamp(max=clip.scenes.num_sprites - 1)
            pictures.append(reference_picture(clip.scenes, sprite, size))
        references.append(encode(vae, torch.cat(pictures)[:, None] * 2 - 1))
    return {"video": encode(vae, _pixels(clips, "video")), "references": torch.cat(references, dim=2)}


def random_mask(clips: list[Clip], pick: random.Random) -> Tensor:
    """[B T H W] 1 = generate: a box over the sprites' way, a border, or all but the first or last frame."""
    rows = []
    for clip in clips:
        seen = clip.instances > 0
        for b, sprite in enumerate(seen):
            t, h, w = sprite.shape
            mask = torch.zeros(t, h, w)
            kind = ("inpaint", "inpaint", "outpaint", "first", "last", "both")[b % 6]
            if kind == "inpaint":
                for i in range(t):
                    box = sprite[i].nonzero()
                    if len(box):
                        low, high = box.amin(0), box.amax(0) + 1
                        grow = pick.randint(1, 5)
                        mask[
                            i, max(0, low[0] - grow) : high[0] + grow, max(0, low[1] - grow) : high[1] + grow
                        ] = 1
            elif kind == "outpaint":
                left, right = pick.randrange(w // 8, w // 3), pick.randrange(w // 8, w // 3)
                mask[:] = 1
                mask[:, :, left : w - right] = 0
            else:
                mask[:] = 1
                if kind != "last":
                    mask[0] = 0
                if kind != "first":
                    mask[-1] = 0
            rows.append(mask)
    return torch.stack(rows)


def latent_mask(mask: Tensor) -> Tensor:
    """[B T H W] of pixels -> [B 64 f h w]: 8x8 to channels, and the pixel frames that VACE's rule picks."""
    b, t, h, w = mask.shape
    channels = (
        mask.view(b, t, h // 8, 8, w // 8, 8).permute(0, 3, 5, 1, 2, 4).reshape(b, 64, t, h // 8, w // 8)
    )
    frames = [0, *range(3, t, 4)]
    return channels[:, :, frames]


def control_shard(vae: AutoencoderKLWan, index: int, size: tuple[int, int]) -> dict[str, Tensor]:
    """Latents of depth, scribble and pose, and of one masked video (inactive, reactive, mask) a clip."""
    clips, pick = _clips(index, CONTROL_FRAMES, size), random.Random(index)
    shard = {name: encode(vae, _pixels(clips, name)) for name in ("depth", "scribble", "pose")}
    video, mask = _pixels(clips, "video"), random_mask(clips, pick)
    hole = mask[:, :, None]
    depth_inside = torch.rand(len(mask), generator=torch.Generator().manual_seed(index)) < 0.3
    inside = torch.where(depth_inside[:, None, None, None, None], _pixels(clips, "depth"), 0 * video)
    shard["inactive"] = encode(vae, video * (1 - hole))
    shard["reactive"] = encode(vae, inside * hole)
    shard["mask"] = latent_mask(mask)
    return shard


def gray(vae: AutoencoderKLWan, frames: int, size: tuple[int, int]) -> Tensor:
    """[1 c f h w]: what an empty video encodes to."""
    return encode(vae, torch.zeros(1, frames, 3, *size))


def folder() -> Path:
    return runs() / "cache"


def write(minutes: float, *, clips: int, controls: int, size: tuple[int, int]) -> None:
    """Fill the cache up to so many clips, video first."""
    vae, end = trained_vae(), time.monotonic() + minutes * 60
    folder().mkdir(parents=True, exist_ok=True)
    torch.save({"gray": gray(vae, CONTROL_FRAMES, size)}, folder() / "gray.pt")
    kinds = (("video", clips, 0), ("control", controls, LEAD))
    jobs = [(i + wait, kind, i) for kind, n, wait in kinds for i in range(n // CLIPS)]
    for _, kind, index in sorted(jobs):
        path = folder() / f"{kind}-{index:03d}.pt"
        if path.exists() or time.monotonic() > end:
            continue
        with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
            shard = (video_shard if kind == "video" else control_shard)(vae, index, size)
        part = path.with_suffix(".part")
        torch.save({k: v.half() for k, v in shard.items()}, part)
        part.replace(path)
        print(f"cache {path.stem} {end - time.monotonic():.0f} s left", flush=True)


@dataclass
class Cache:
    """The shards on disk, joined; `refresh` takes in those written since."""

    kind: str
    tensors: dict[str, Tensor]
    scenes: list[tuple[Scenes, int]]
    """A clip's scenes and its row there."""
    shards: int = 0

    @classmethod
    def open(cls, kind: str) -> "Cache":
        cache = cls(kind, {}, [])
        while not cache.refresh():
            time.sleep(5)
        return cache

    def refresh(self) -> int:
        """Clips held."""
        while (path := folder() / f"{self.kind}-{self.shards:03d}.pt").exists():
            shard: dict[str, Any] = torch.load(path, weights_only=True)
            for name, tensor in shard.items():
                held = [self.tensors[name]] if name in self.tensors else []
                self.tensors[name] = torch.cat([*held, tensor])
            for scenes in shard_scenes(self.shards):
                self.scenes += [(scenes, row) for row in range(len(scenes.seeds))]
            self.shards += 1
        return len(self.scenes)
