"""Cached latents of training clips: shards of video, references and controls, read while they grow."""

import random
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKLWan
from torch import Tensor
from torch.nn.functional import max_pool2d

from scripts.sprites.presets import Preset, Size
from scripts.sprites.run import generator as new_generator
from scripts.sprites.run import load, read, runs
from scripts.sprites.vae import CONFIG, encode_moments, set_fast_layout, set_whole_clip
from vacestream.sprites.scenes import FIRST_TRAINING_SEED, Scenes, draw_scenes
from vacestream.sprites.shapes import SHAPES
from vacestream.sprites.signals import SIGNALS
from vacestream.sprites.world import Clip, reference_picture, render

CLIPS = 64
"""Clips a shard: three quarters single sprites, the rest of up to two."""
SINGLE = 48
IMAGES = 256
"""Pictures a shard: three quarters single frames, the rest single sprites on a white canvas."""
CANVASES = 64
VIDEO_FRAMES, CONTROL_FRAMES = 33, 21
VIDEO_LATENTS = 1 + (VIDEO_FRAMES - 1) // 4
_SHARDS, _LANES = 1 << 12, 1 << 7
"""Shards of a size and kind that have seeds of their own."""
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


def _first_seed(index: int, size: Size, *, image: bool) -> int:
    """Of a shard: no two share a seed."""
    lane = (size[0] // 16 * _LANES + size[1] // 16) * 2 + image
    return _FIRST + (lane * _SHARDS + index) * IMAGES


def shard_scenes(index: int, size: Size) -> list[Scenes]:
    """The scenes of a shard: [single sprites, mixed]."""
    first = _first_seed(index, size, image=False)
    return [
        draw_scenes(range(first, first + SINGLE), max_sprites=1),
        draw_scenes(range(first + SINGLE, first + CLIPS), max_sprites=2),
    ]


def _clips(index: int, num_frames: int, size: Size) -> list[Clip]:
    start = (index * 37) % 500
    return [render(scenes, range(start, start + num_frames), size) for scenes in shard_scenes(index, size)]


def _pixels(clips: list[Clip], signal: str) -> Tensor:
    draw = SIGNALS.get(signal, lambda clip: clip.video)
    return torch.cat([draw(clip) for clip in clips]) * 2 - 1


def video_shard(vae: AutoencoderKLWan, index: int, size: Size) -> dict[str, Tensor]:
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


def image_scenes(index: int, size: Size) -> list[Scenes]:
    """The scenes of a shard of pictures: [single frames, sprites for a white canvas]."""
    first = _first_seed(index, size, image=True)
    alone = draw_scenes(range(first + IMAGES - CANVASES, first + IMAGES), max_sprites=1)
    white = torch.zeros_like(alone.ground)
    return [
        draw_scenes(range(first, first + IMAGES - CANVASES), max_sprites=1),
        replace(alone, ground=white, pattern=white),
    ]


def image_shard(vae: AutoencoderKLWan, index: int, size: Size) -> dict[str, Tensor]:
    """Latents of single frames, and of sprites upright on a white canvas."""
    frames, alone = image_scenes(index, size)
    canvases = reference_picture(alone, torch.zeros(len(alone.seeds), dtype=torch.long), size)
    pictures = torch.cat([render(frames, range(1), size).video, canvases[:, None]])
    return {"image": encode(vae, pictures * 2 - 1)}


MASKS = ("inpaint", "blob", "outpaint", "first", "last", "both", "clip", "clip to come")
"""Kinds of masks, a clip each in turn."""
GIVEN = {
    "first": (0,),
    "last": (-1,),
    "both": (0, -1),
    "clip": tuple(range(9)),
    "clip to come": tuple(range(-9, 0)),
}
"""Frames that an anchor gives. The mask of a last frame is in no latent, as in VACE: see latent_mask."""


def random_mask(clips: list[Clip], pick: random.Random) -> Tensor:
    """[B T H W] 1 = generate: a box or blob over the sprites' way, what is beside a view, or most frames."""
    rows = []
    for clip in clips:
        seen = clip.instances > 0
        for b, sprite in enumerate(seen):
            t, h, w = sprite.shape
            mask = torch.zeros(t, h, w)
            kind = MASKS[b % len(MASKS)]
            grow = pick.randint(1, max(h, w) // 12)
            if kind == "inpaint":
                for i in range(t):
                    box = sprite[i].nonzero()
                    if len(box):
                        low, high = (box.amin(0) - grow).clamp(min=0), box.amax(0) + 1 + grow
                        mask[i, low[0] : high[0], low[1] : high[1]] = 1
            elif kind == "blob":
                mask = max_pool2d(sprite[:, None].float(), 2 * grow + 1, 1, grow)[:, 0]
            elif kind == "outpaint":
                mask[:] = 1
                mask[:, *_view(h, w, pick)] = 0
            else:
                mask[:] = 1
                mask[list(GIVEN[kind])] = 0
            rows.append(mask)
    return torch.stack(rows)


def _view(h: int, w: int, pick: random.Random) -> tuple[slice, slice]:
    """What is kept of a frame: a quarter to six tenths of one axis are taken off, at one end or at both."""
    across = pick.random() < 0.7
    side = w if across else h
    cut = pick.randrange(side // 4, side * 6 // 10)
    before = pick.choice((0, cut // 2, cut))
    view = slice(before, side - cut + before)
    return (slice(None), view) if across else (view, slice(None))


def latent_mask(mask: Tensor) -> Tensor:
    """[B T H W] of pixels -> [B 64 f h w]: 8x8 to channels, and the pixel frames that VACE's rule picks."""
    b, t, h, w = mask.shape
    channels = (
        mask.view(b, t, h // 8, 8, w // 8, 8).permute(0, 3, 5, 1, 2, 4).reshape(b, 64, t, h // 8, w // 8)
    )
    frames = [0, *range(3, t, 4)]
    return channels[:, :, frames]


def _masked(index: int, clips: list[Clip]) -> tuple[Tensor, Tensor, Tensor]:
    """Videos, what is shown in their holes (depth in some, else nothing), and masks, [B T c H W]."""
    video, mask = _pixels(clips, "video"), random_mask(clips, random.Random(index))[:, :, None]
    depth_inside = torch.rand(len(mask), generator=new_generator(index)) < 0.3
    inside = torch.where(depth_inside[:, None, None, None, None], _pixels(clips, "depth"), 0 * video)
    return video, inside, mask


def control_shard(vae: AutoencoderKLWan, index: int, size: Size) -> dict[str, Tensor]:
    """Latents of depth, scribble and pose, and of one masked video (inactive, reactive, mask) a clip."""
    clips = _clips(index, CONTROL_FRAMES, size)
    shard = {name: encode(vae, _pixels(clips, name)) for name in ("depth", "scribble", "pose")}
    video, inside, hole = _masked(index, clips)
    shard["inactive"] = encode(vae, video * (1 - hole))
    shard["reactive"] = encode(vae, inside * hole)
    shard["mask"] = latent_mask(hole[:, :, 0])
    return shard


def whole_shard(vae: AutoencoderKLWan, index: int, size: Size) -> dict[str, Tensor]:
    """Latents of the same masked videos undivided, for the ablation without decoupling."""
    video, inside, hole = _masked(index, _clips(index, CONTROL_FRAMES, size))
    return {"whole": encode(vae, video * (1 - hole) + inside * hole)}


def gray(vae: AutoencoderKLWan, frames: int, size: Size) -> Tensor:
    """[1 c f h w]: what an empty video encodes to."""
    return encode(vae, torch.zeros(1, frames, 3, *size))


def folder(size: Size) -> Path:
    return runs() / "cache" / f"{size[1]}x{size[0]}"


KINDS = {"video": video_shard, "image": image_shard, "control": control_shard, "whole": whole_shard}
"""What the shards of a kind hold."""


def write(minutes: float, preset: Preset, *, decoupled: bool = True) -> None:
    """Fill the cache up to so many clips of all sizes: first what the base needs, then the adapter's part."""
    vae, end = trained_vae(), time.monotonic() + minutes * 60
    jobs = []
    for size, share in preset.sizes.items():
        folder(size).mkdir(parents=True, exist_ok=True)
        torch.save({"gray": gray(vae, CONTROL_FRAMES, size)}, folder(size) / "gray.pt")
        wanted = {"video": preset.clips, "image": preset.clips, "control": preset.controls}
        wanted |= {} if decoupled else {"whole": preset.controls}
        for order, (kind, n) in enumerate(wanted.items()):
            num_shards = max(1, round(n * share / CLIPS))
            jobs += [(order > 1, i / num_shards, size, kind, i) for i in range(num_shards)]
    for _, _, size, kind, index in sorted(jobs):
        path = folder(size) / f"{kind}-{index:03d}.pt"
        if path.exists() or time.monotonic() > end:
            continue
        with torch.no_grad():
            shard = KINDS[kind](vae, index, size) | {"drawn": _drawn(kind, index, size)}
        part = path.with_suffix(".part")
        torch.save({k: v.half() for k, v in shard.items()}, part)
        part.replace(path)
        print(f"cache {path.parent.name} {path.stem} {end - time.monotonic():.0f} s left", flush=True)


def _scenes(kind: str, index: int, size: Size) -> list[Scenes]:
    return (image_scenes if kind == "image" else shard_scenes)(index, size)


def _drawn(kind: str, index: int, size: Size) -> Tensor:
    """[clips]: colour and shape of each, by which a cache of another world is known."""
    return torch.cat([s.colours[:, 0] * len(SHAPES) + s.kinds[:, 0] for s in _scenes(kind, index, size)])


@dataclass
class Cache:
    """The shards on disk, joined; `refresh` takes in those written since."""

    kind: str
    size: Size
    tensors: dict[str, Tensor]
    scenes: list[tuple[Scenes, int]]
    """A clip's scenes and its row there."""
    shards: int = 0

    @classmethod
    def open(cls, kind: str, size: Size) -> "Cache":
        cache = cls(kind, size, {}, [])
        while not cache.refresh():
            time.sleep(5)
        return cache

    def refresh(self) -> int:
        """Clips held; ends the run at a shard of other clips than this trainer draws."""
        gone = torch.zeros(0)
        while (path := folder(self.size) / f"{self.kind}-{self.shards:03d}.pt").exists():
            shard: dict[str, Any] = read(path)
            if not torch.equal(shard.pop("drawn", gone).long(), _drawn(self.kind, self.shards, self.size)):
                raise SystemExit(
                    f"{path}: not the clips that are drawn now; delete the cache, run stage cache"
                )
            for name, tensor in shard.items():
                held = [self.tensors[name]] if name in self.tensors else []
                self.tensors[name] = torch.cat([*held, tensor])
            for scenes in _scenes(self.kind, self.shards, self.size):
                self.scenes += [(scenes, row) for row in range(len(scenes.seeds))]
            self.shards += 1
        return len(self.scenes)
