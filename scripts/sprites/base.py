"""Stages base and causal: text encoder and bidirectional transformer; then its block-causal few-step form."""

import random
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import WanTransformer3DModel
from tokenizers import Tokenizer
from torch import Tensor, nn
from transformers import UMT5EncoderModel

from scripts.sprites import text
from scripts.sprites.dit import (
    CHUNK,
    FEW_STEPS,
    BlockCausal,
    is_matrix,
    new_base,
    noise_level,
    noised,
)
from scripts.sprites.latents import VIDEO_LATENTS, Cache
from scripts.sprites.optim import Average, Trainer, late_decay
from scripts.sprites.presets import Preset, Size
from scripts.sprites.run import Log, half, load, save
from scripts.sprites.run import generator as new_generator

LENGTHS = {1: 0.35, 3: 0.35, 6: 0.15, 9: 0.15}
"""Share of the steps by latents; a single one is a picture, and those are seen most often."""
CAUSAL_LENGTHS = {3: 0.2, 6: 0.45, 9: 0.35}


@dataclass
class Models:
    """What the bidirectional stage trains together."""

    base: WanTransformer3DModel
    encoder: UMT5EncoderModel
    tokenizer: Tokenizer

    @classmethod
    def open(cls, name: str = "base", *, averaged: bool = True) -> "Models":
        models = cls(new_base(), text.new_encoder(), text.new_tokenizer())
        if saved := load(name):
            weights = saved["model"] | (saved["average"] if averaged else {})
            models.module.load_state_dict(weights)
        return models

    @property
    def module(self) -> nn.ModuleDict:
        return nn.ModuleDict({"base": self.base, "text": self.encoder})


def draw_lines(cache: Cache, chosen: list[int], pick: random.Random) -> list[str]:
    """Captions: 10 % say nothing, 25 % no sprite, 12 % of the sprites named lose their colour or shape."""
    lines = []
    for clip in chosen:
        scenes, row = cache.scenes[clip]
        draw, named = pick.random(), list(range(int(scenes.counts[row])))
        line = "" if draw < 0.1 else text.caption(scenes, row, [] if draw < 0.35 else named, pick=pick)
        lines.append(line)
    return lines


def choose(shares: dict[int, float], pick: random.Random) -> int:
    """Latents of a step's clips."""
    return pick.choices(list(shares), list(shares.values()))[0]


@dataclass
class Caches:
    """What is cached of videos and pictures, of each size."""

    preset: Preset
    video: dict[Size, Cache]
    image: dict[Size, Cache]

    @classmethod
    def open(cls, preset: Preset) -> "Caches":
        video, image = ({s: Cache.open(kind, s) for s in preset.sizes} for kind in ("video", "image"))
        return cls(preset, video, image)

    def refresh(self) -> int:
        """Clips held."""
        pictures = sum(cache.refresh() for cache in self.image.values())
        return pictures + sum(cache.refresh() for cache in self.video.values())

    def draw(self, taken: list[int], pick: random.Random) -> tuple[Tensor, list[str]]:
        """Clean latents [B c f h w] of one size, those of the clips that are `taken`, and captions."""
        size = self.preset.draw_size(pick)
        kind, cache = ("image", self.image[size]) if len(taken) == 1 else ("video", self.video[size])
        chosen = [pick.randrange(len(cache.scenes)) for _ in range(self.preset.batch_size(len(taken), size))]
        return cache.tensors[kind][chosen][:, :, taken].float(), draw_lines(cache, chosen, pick)


def bidirectional_loss(models: Models, x0: Tensor, lines: list[str], generator: torch.Generator) -> Tensor:
    """Flow matching with one noise level a clip."""
    levels = noise_level(len(x0), generator)
    x, velocity = noised(x0, levels, generator)
    with half():
        states = text.encode(models.encoder, models.tokenizer, lines)
        out = models.base(x, levels * 1000, states, return_dict=False)[0]
    return (out.float() - velocity).square().mean()


def causal_levels(n: int, f: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Noise levels [B f] and which of them count [B f]: a chunk after clean ones, or all free."""
    chunks = f // CHUNK
    few = torch.tensor(FEW_STEPS)[torch.randint(len(FEW_STEPS), (n, chunks), generator=generator)]
    free = noise_level(n * chunks, generator).view(n, chunks)
    levels = torch.where(torch.rand(n, chunks, generator=generator) < 0.5, few, free)
    last = torch.randint(chunks, (n, 1), generator=generator)
    place = torch.arange(chunks)
    forced = torch.rand(n, 1, generator=generator) < 0.6
    levels = torch.where(forced & (place < last), 0.0, levels)
    counted = ~forced | (place == last)
    return levels.repeat_interleave(CHUNK, 1), counted.repeat_interleave(CHUNK, 1)


def causal_loss(
    run: BlockCausal,
    x0: Tensor,
    states: Tensor,
    positions: Tensor,
    generator: torch.Generator,
) -> Tensor:
    """Flow matching on the noisy chunks, each of which sees itself and the chunks before."""
    levels, counted = causal_levels(x0.shape[0], x0.shape[2], generator)
    x, velocity = noised(x0, levels, generator)
    with half():
        out = run(x, levels, states, positions)
    error = (out.float() - velocity).square().mean(dim=(1, 3, 4))
    return (error * counted).sum() / counted.sum()


def causal_places(f: int, held: int, pick: random.Random) -> tuple[list[int], list[int]]:
    """Latents taken from a clip, and the places in the stream they are said to have.

    The first chunk always leads, as the attention sink of a stream does, however far away the others are.
    """
    later = f // CHUNK - 1
    first = pick.randint(1, held // CHUNK - later) if later else 1
    chunks = [0, *range(first, first + later)]
    far = pick.randint(0, 200) if pick.random() < 0.3 else 0
    taken = [c * CHUNK + i for c in chunks for i in range(CHUNK)]
    return taken, [place if place < CHUNK else place + far * CHUNK for place in taken]


def train(minutes: float, preset: Preset, *, max_steps: int | None = None) -> None:
    """Train text encoder and bidirectional base (further) together."""
    models, saved, caches = Models.open(averaged=False), load("base"), Caches.open(preset)
    module, step = models.module, saved["step"] if saved else 0
    trainer = Trainer(module.named_parameters(), is_matrix=is_matrix, muon_lr=1.2e-2, adam_lr=1.5e-3,
                      minutes=minutes, schedule=late_decay)  # fmt: skip
    average = Average(module, 0.99)
    if saved:
        trainer.restore(saved["optimisers"])
        average.values = saved["average"]
    pick, generator = random.Random(step), new_generator(step)
    log, done = Log("base", minutes, step), 0

    def checkpoint() -> dict[str, Any]:
        return {
            "model": module.state_dict(),
            "average": average.values,
            "step": step,
            "optimisers": trainer.state(),
        }

    while trainer.progress < 1 and done != max_steps:
        frames = choose(LENGTHS, pick)
        x0, lines = caches.draw(list(range(frames)), pick)
        loss = bidirectional_loss(models, x0, lines, generator)
        trainer.step(loss, warm=min(1.0, (done + 1) / 30))
        average.update(module)
        log.add(**{f"f{frames}": loss.item()})
        step, done = step + 1, done + 1
        if log.due():
            log.show(
                step, f"{caches.refresh()} clips" + (f" skipped {trainer.skipped}" if trainer.skipped else "")
            )
        if log.save_due():
            save("base", checkpoint())
    save("base", checkpoint())


def averaged(name: str) -> dict[str, Tensor]:
    """The weights of a stage that is done, as they are shipped."""
    saved = load(name)
    assert saved is not None, f"train {name} first"
    return saved["model"] | saved["average"]


def train_causal(minutes: float, preset: Preset, *, max_steps: int | None = None) -> None:
    """Fine-tune a copy of the base for streaming, text encoder frozen."""
    models, saved, caches = Models.open(), load("causal"), Caches.open(preset)
    models.encoder.requires_grad_(False).eval()
    model, step = models.base, 0
    average = Average(model, 0.99)
    trainer = Trainer(model.named_parameters(), is_matrix=is_matrix, muon_lr=6e-3, adam_lr=8e-4,
                      minutes=minutes, schedule=late_decay)  # fmt: skip
    if saved:
        model.load_state_dict(saved["model"])
        average.values, step = saved["average"], saved["step"]
        trainer.restore(saved["optimisers"])
    run = BlockCausal(model)
    pick, generator = random.Random(step), new_generator(step)
    log, done = Log("causal", minutes, step), 0

    def checkpoint() -> dict[str, Any]:
        return {
            "model": model.state_dict(),
            "average": average.values,
            "step": step,
            "optimisers": trainer.state(),
        }

    while trainer.progress < 1 and done != max_steps:
        frames = choose(CAUSAL_LENGTHS, pick)
        taken, positions = causal_places(frames, VIDEO_LATENTS, pick)
        x0, lines = caches.draw(taken, pick)
        with torch.no_grad():
            states = text.encode(models.encoder, models.tokenizer, lines)
        loss = causal_loss(run, x0, states, torch.tensor(positions), generator)
        trainer.step(loss, warm=min(1.0, (done + 1) / 30))
        average.update(model)
        log.add(**{f"f{frames}": loss.item()})
        step, done = step + 1, done + 1
        if log.due():
            log.show(
                step, f"{caches.refresh()} clips" + (f" skipped {trainer.skipped}" if trainer.skipped else "")
            )
        if log.save_due():
            save("causal", checkpoint())
    save("causal", checkpoint())
