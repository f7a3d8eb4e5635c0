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
    fast_attention,
    is_matrix,
    new_base,
    noise_level,
    noised,
)
from scripts.sprites.latents import Cache
from scripts.sprites.optim import Average, Trainer, late_decay
from scripts.sprites.run import Log, load, save
from vacestream.sprites.shapes import SHAPES

LENGTHS = ((0.45, 3, 32), (0.35, 6, 16), (0.2, 9, 10))
"""Share of the steps, latents, clips: about as many tokens each."""
CAUSAL_LENGTHS = ((0.55, 6, 16), (0.25, 9, 10), (0.2, 12, 8))


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
    """Captions: 10 % say nothing, 35 % no sprite, 12 % of the sprites named lose their colour or shape."""
    lines = []
    for clip in chosen:
        scenes, row = cache.scenes[clip]
        draw, named = pick.random(), list(range(int(scenes.counts[row])))
        line = "" if draw < 0.1 else text.caption(scenes, row, [] if draw < 0.45 else named, pick=pick)
        lines.append(line)
    return lines


def choose(shares: tuple[tuple[float, int, int], ...], pick: random.Random) -> tuple[int, int]:
    """Latents and clips of a step."""
    draw = pick.random()
    for share, frames, clips in shares:
        draw -= share
        if draw < 0:
            return frames, clips
    return shares[0][1:]


def bidirectional_loss(models: Models, x0: Tensor, lines: list[str], generator: torch.Generator) -> Tensor:
    """Flow matching with one noise level a clip."""
    levels = noise_level(len(x0), generator)
    x, velocity = noised(x0, levels, generator)
    with torch.autocast("cpu", torch.bfloat16), fast_attention(x0.shape[2]):
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


@dataclass(frozen=True)
class Guide:
    """A frozen copy of the causal base whose text guidance the student learns to need no more."""

    run: BlockCausal
    empty: Tensor
    """[n d] the states of the empty caption."""
    weight: float

    @torch.no_grad()
    def push(self, x: Tensor, levels: Tensor, states: Tensor, positions: Tensor, named: Tensor) -> Tensor:
        """What guidance adds to the velocity; nothing where no sprite is `named` [B]."""
        with torch.autocast("cpu", torch.bfloat16):
            told = self.run(x, levels, states, positions)
            untold = self.run(x, levels, self.empty.expand_as(states), positions)
        return (self.weight - 1) * (told - untold).float() * named[:, None, None, None, None]


def causal_loss(
    run: BlockCausal,
    x0: Tensor,
    states: Tensor,
    positions: Tensor,
    generator: torch.Generator,
    *,
    guide: Guide | None = None,
    named: Tensor | None = None,
) -> Tensor:
    """Flow matching on the noisy chunks, each of which sees itself and the chunks before."""
    levels, counted = causal_levels(x0.shape[0], x0.shape[2], generator)
    x, velocity = noised(x0, levels, generator)
    if guide is not None and named is not None:
        velocity = velocity + guide.push(x, levels, states, positions, named)
    with torch.autocast("cpu", torch.bfloat16):
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


def train(minutes: float, *, max_steps: int | None = None) -> None:
    """Train text encoder and bidirectional base (further) together."""
    models, saved, cache = Models.open(averaged=False), load("base"), Cache.open("video")
    module, step = models.module, saved["step"] if saved else 0
    trainer = Trainer(module.named_parameters(), is_matrix=is_matrix, muon_lr=1.2e-2, adam_lr=1.5e-3,
                      minutes=minutes, schedule=late_decay)  # fmt: skip
    average = Average(module, 0.99)
    if saved:
        trainer.restore(saved["optimisers"])
        average.values = saved["average"]
    pick, generator = random.Random(step), torch.Generator().manual_seed(step)
    log, done = Log("base", minutes, step), 0

    def checkpoint() -> dict[str, Any]:
        return {
            "model": module.state_dict(),
            "average": average.values,
            "step": step,
            "optimisers": trainer.state(),
        }

    while trainer.progress < 1 and done != max_steps:
        frames, clips = choose(LENGTHS, pick)
        chosen = [pick.randrange(len(cache.scenes)) for _ in range(clips)]
        x0 = cache.tensors["video"][chosen, :, :frames].float()
        loss = bidirectional_loss(models, x0, draw_lines(cache, chosen, pick), generator)
        trainer.step(loss, warm=min(1.0, (done + 1) / 30))
        average.update(module)
        log.add(**{f"f{frames}": loss.item()})
        step, done = step + 1, done + 1
        if log.due():
            log.show(
                step, f"{cache.refresh()} clips" + (f" skipped {trainer.skipped}" if trainer.skipped else "")
            )
        if log.save_due():
            save("base", checkpoint())
    save("base", checkpoint())


def names_sprite(line: str) -> bool:
    return any(word in SHAPES or word == "sprite" for word in line.split())


def new_guide(models: Models, saved: dict[str, Any] | None, weight: float) -> Guide:
    """The causal base as it was last saved (or the bidirectional one), frozen."""
    model = Models.open().base
    if saved:
        model.load_state_dict(saved["model"] | saved["average"])
    with torch.no_grad():
        empty = text.encode(models.encoder, models.tokenizer, [""])[0]
    return Guide(BlockCausal(model.requires_grad_(False)), empty, weight)


def train_causal(minutes: float, *, max_steps: int | None = None, guidance: float = 1.0) -> None:
    """Fine-tune a copy of the base for streaming, text encoder frozen; or distil guidance into it."""
    models, saved, cache = Models.open(), load("causal"), Cache.open("video")
    models.encoder.requires_grad_(False).eval()
    model, step = models.base, 0
    average = Average(model, 0.99)
    trainer = Trainer(model.named_parameters(), is_matrix=is_matrix, muon_lr=6e-3, adam_lr=8e-4,
                      minutes=minutes, schedule=late_decay)  # fmt: skip
    if saved:
        model.load_state_dict(saved["model"])
        average.values, step = saved["average"], saved["step"]
        trainer.restore(saved["optimisers"])
    guide = new_guide(models, saved, guidance) if guidance != 1 else None
    run = BlockCausal(model)
    pick, generator = random.Random(step), torch.Generator().manual_seed(step)
    log, done = Log("causal", minutes, step), 0

    def checkpoint() -> dict[str, Any]:
        return {
            "model": model.state_dict(),
            "average": average.values,
            "step": step,
            "optimisers": trainer.state(),
        }

    while trainer.progress < 1 and done != max_steps:
        frames, clips = choose(CAUSAL_LENGTHS, pick)
        chosen = [pick.randrange(len(cache.scenes)) for _ in range(clips)]
        taken, positions = causal_places(frames, cache.tensors["video"].shape[2], pick)
        x0 = cache.tensors["video"][chosen][:, :, taken].float()
        lines = draw_lines(cache, chosen, pick)
        with torch.no_grad():
            states = text.encode(models.encoder, models.tokenizer, lines)
        named = torch.tensor([names_sprite(line) for line in lines])
        places = torch.tensor(positions)
        loss = causal_loss(run, x0, states, places, generator, guide=guide, named=named)
        trainer.step(loss, warm=min(1.0, (done + 1) / 30))
        average.update(model)
        log.add(**{f"f{frames}": loss.item()})
        step, done = step + 1, done + 1
        if log.due():
            log.show(
                step, f"{cache.refresh()} clips" + (f" skipped {trainer.skipped}" if trainer.skipped else "")
            )
        if log.save_due():
            save("causal", checkpoint())
    save("causal", checkpoint())
