"""Held-out measures by a simple judge: silhouettes and colours of saturated pixels."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from diffusers import WanVACETransformer3DModel
from torch import Tensor

from scripts.sprites import text, vace
from scripts.sprites import vae as vae_stage
from scripts.sprites.base import Models
from scripts.sprites.dit import CHUNK, FEW_STEPS, SHIFT, BlockCausal
from scripts.sprites.latents import encode, trained_vae
from scripts.sprites.run import generator as new_generator
from scripts.sprites.run import half
from vacestream.sprites.signals import SIGNALS
from vacestream.sprites.world import COLOURS, Clip, captions, draw_scenes, reference_picture, render

FIRST_SEED = 700_000
SATURATED = 0.35
OTHER = "depth + another clip's reference: its colour"


def silhouette(frames: Tensor) -> Tensor:
    """[... 3 H W] in 0..1 -> where a strong colour is; no ground has one."""
    return frames.amax(-3) - frames.amin(-3) > SATURATED


def overlap(frames: Tensor, clip: Clip) -> Tensor:
    """[B] intersection over union of seen and true silhouettes, over all frames."""
    seen, true = silhouette(frames), clip.instances > 0
    return (seen & true).flatten(1).sum(1) / (seen | true).flatten(1).sum(1).clamp(min=1)


def colour_right(
    frames: Tensor, clip: Clip, *, anywhere: bool = False, wanted: Tensor | None = None
) -> Tensor:
    """[B] whether most strong pixels (of the sprite's place, or anywhere) have its colour; none is wrong.

    `wanted` [B] are other colours than the clips' own, as indices into COLOURS.
    """
    wanted = clip.scenes.colours[:, 0] if wanted is None else wanted
    palette = torch.tensor(list(COLOURS.values()))
    strong = silhouette(frames)
    place = strong if anywhere else strong & (clip.instances > 0)
    total = (clip.instances > 0).flatten(1).sum(1)
    nearest = (frames.movedim(-3, -1)[..., None, :] - palette).square().sum(-1).argmin(-1)
    votes = torch.stack([((nearest == c) & place).flatten(1).sum(1) for c in range(len(palette))], 1)
    return (votes.argmax(1) == wanted) & (votes.sum(1) > 0.1 * total)


@dataclass(frozen=True)
class Held:
    """Held-out single-sprite clips and everything that can be said of them."""

    clip: Clip
    video: Tensor
    controls: dict[str, Tensor]
    references: Tensor
    gray: Tensor
    size: tuple[int, int]

    @classmethod
    def make(cls, clips: int, num_frames: int, size: tuple[int, int]) -> "Held":
        vae = trained_vae()
        scenes = draw_scenes(range(FIRST_SEED, FIRST_SEED + clips), max_sprites=1)
        clip = render(scenes, range(num_frames), size)
        pictures = reference_picture(scenes, torch.zeros(clips, dtype=torch.long), size)
        controls = {k: encode(vae, SIGNALS[k](clip) * 2 - 1) for k in ("depth", "scribble", "pose")}
        gray = encode(vae, torch.zeros(1, num_frames, 3, *size))
        return cls(
            clip,
            encode(vae, clip.video * 2 - 1),
            controls,
            encode(vae, pictures[:, None] * 2 - 1),
            gray,
            size,
        )

    def lines(self, *, full: bool) -> list[str]:
        if full:
            return captions(self.clip.scenes)
        return [text.caption(self.clip.scenes, row, []) for row in range(len(self.video))]


@torch.no_grad()
def decode(latents: Tensor) -> Tensor:
    """Whitened [B c f h w] -> [B T 3 H W] in 0..1."""
    vae = trained_vae()
    mean = torch.tensor(vae.config.latents_mean).view(-1, 1, 1, 1)
    std = torch.tensor(vae.config.latents_std).view(-1, 1, 1, 1)
    parts = [vae_stage.decode_whole(vae, z) for z in (latents * std + mean).split(8)]
    return (torch.cat(parts).transpose(1, 2).clamp(-1, 1) + 1) / 2


@torch.no_grad()
def euler(
    velocity: Callable[[Tensor, float], Tensor], shape: torch.Size, *, steps: int = 8, seed: int = 0
) -> Tensor:
    """Samples by plain Euler steps on the shifted schedule."""
    u = torch.linspace(1, 0, steps + 1)
    levels = (SHIFT * u / (1 + (SHIFT - 1) * u)).tolist()
    x = torch.randn(shape, generator=new_generator(seed))
    for s, lower in pairwise(levels):
        x = x + (lower - s) * velocity(x, s).float()
    return x


def sample_vace(
    model: WanVACETransformer3DModel,
    models: Models,
    held: Held,
    *,
    kind: str,
    references: Tensor | None,
    full: bool,
    guidance: float = 1.0,
) -> Tensor:
    """Batch sampling as VACE does it, [B T 3 H W]; `guidance` is against the same without references."""
    states = text.encode(models.encoder, models.tokenizer, held.lines(full=full))
    empty = held.gray.expand_as(held.video)
    ones = torch.ones(len(empty), 64, *empty.shape[2:])
    plain = vace.context_of(empty, held.controls.get(kind, empty), ones, None)
    context = vace.context_of(empty, held.controls.get(kind, empty), ones, references)
    n = 0 if references is None else references.shape[2]

    def velocity(x: Tensor, s: float) -> Tensor:
        times = torch.full((len(x),), s * 1000)
        with half():
            out = model(x, times, states, control_hidden_states=context, return_dict=False)[0]
            if guidance != 1 and n:
                without = model(x[:, :, n:], times, states, control_hidden_states=plain, return_dict=False)[0]
                out[:, :, n:] = without + guidance * (out[:, :, n:] - without)
        return out

    x = euler(velocity, torch.Size([*empty.shape[:2], n + empty.shape[2], *empty.shape[3:]]))
    return decode(x[:, :, n:])


@torch.no_grad()
def sample_causal(model: BlockCausal, states: Tensor, shape: torch.Size, *, seed: int = 0) -> Tensor:
    """Chunk by chunk in four steps, re-noised in between, history clean: latents [B c f h w]."""
    generator, done = new_generator(seed), torch.zeros(*shape[:2], 0, *shape[3:])
    for k in range(shape[2] // CHUNK):
        x = torch.randn(*shape[:2], CHUNK, *shape[3:], generator=generator)
        for i, s in enumerate(FEW_STEPS):
            levels = torch.tensor([0.0] * (k * CHUNK) + [s] * CHUNK).expand(shape[0], -1)
            with half():
                out = model(torch.cat([done, x], dim=2), levels, states, torch.arange((k + 1) * CHUNK))
            x0 = x - s * out[:, :, -CHUNK:].float()
            if i + 1 < len(FEW_STEPS):
                s = FEW_STEPS[i + 1]
                x = (1 - s) * x0 + s * torch.randn(x.shape, generator=generator)
        done = torch.cat([done, x0], dim=2)
    return done


def adapter_table(
    held: Held, models: Models, model: WanVACETransformer3DModel
) -> dict[str, dict[str, float]]:
    """Silhouette overlap and share of right colours for each way of asking."""
    other = held.references.roll(1, 0)
    asked = {
        "no hint, full caption": ("none", None, True, 1.0),
        "depth, full caption": ("depth", None, True, 1.0),
        "depth, no sprite words": ("depth", None, False, 1.0),
        "depth + reference, no sprite words": ("depth", held.references, False, 1.0),
        OTHER: ("depth", other, False, 1.0),
        "depth + reference, guidance 2.5": ("depth", held.references, False, 2.5),
        "scribble, full caption": ("scribble", None, True, 1.0),
        "pose, full caption": ("pose", None, True, 1.0),
        "reference only": ("none", held.references, False, 1.0),
        "reference only, guidance 2.5": ("none", held.references, False, 2.5),
    }
    through = decode(held.video)
    rows = {
        "the clips themselves, through the autoencoder": {
            "iou": float(overlap(through, held.clip).mean()),
            "colour": float(colour_right(through, held.clip).float().mean()),
        }
    }
    for name, (kind, references, full, guidance) in asked.items():
        frames = sample_vace(
            model, models, held, kind=kind, references=references, full=full, guidance=guidance
        )
        wanted = held.clip.scenes.colours[:, 0].roll(1) if name == OTHER else None
        right = colour_right(frames, held.clip, anywhere=kind == "none", wanted=wanted)
        rows[name] = {
            "iou": float(overlap(frames, held.clip).mean()),
            "colour": float(right.float().mean()),
        }
        print(f"{name}: IoU {rows[name]['iou']:.2f}, colour right {rows[name]['colour']:.2f}", flush=True)
    return rows
