"""Stage vace: context blocks on the frozen bidirectional base, in the original batch formulation."""

import random
from dataclasses import dataclass
from typing import Any

import torch
from diffusers import WanVACETransformer3DModel
from torch import Tensor

from scripts.sprites import text
from scripts.sprites.base import Models, choose
from scripts.sprites.dit import CHUNK, is_matrix, new_vace, noise_level, noised
from scripts.sprites.latents import Cache, encode, folder, trained_vae
from scripts.sprites.optim import Average, Trainer, late_decay
from scripts.sprites.presets import Preset, Size
from scripts.sprites.run import Log, half, load, read, save
from scripts.sprites.run import generator as new_generator
from vacestream.pipelines import SPRITES
from vacestream.sprites.scenes import draw_scenes
from vacestream.sprites.signals import SIGNALS
from vacestream.sprites.world import reference_picture, render

LENGTHS = {3: 0.6, 6: 0.4}
"""Share of the steps by latents."""
FIRST_PHASE = (("depth", True, 0.45), ("depth", False, 0.25), ("none", True, 0.30))
"""Control, with references, share of the steps."""
SECOND_PHASE = (
    ("depth", True, 0.18),
    ("depth", False, 0.08),
    ("none", True, 0.20),
    ("scribble", False, 0.10),
    ("scribble", True, 0.05),
    ("pose", False, 0.11),
    ("pose", True, 0.05),
    ("masked", False, 0.19),
    ("masked", True, 0.04),
)
FIRST_STEPS = 900
MIDSTREAM = 0.25
"""Share of the short structural batches that are a later chunk of a stream, with no first frame."""
PROBE_LEVEL = 0.85
ABORT_STEP, ABORT_GAP = 600, 0.1
"""A training whose references still say nothing by then never learns them: its tasks are wrong."""
PROBE_SEED = 800_000


@dataclass(frozen=True)
class Batch:
    """Clean latents with references in front, their context, and what is said of them."""

    x0: Tensor
    """[B c n+f h w]"""
    context: Tensor
    """[B 96 n+f h w]"""
    lines: list[str]
    num_references: int


def context_of(inactive: Tensor, reactive: Tensor, mask: Tensor, references: Tensor | None) -> Tensor:
    """[B 96 n+f h w]: inactive | reactive | mask, references [B c n h w] in front with nothing else."""
    context = torch.cat([inactive, reactive, mask], dim=1)
    if references is None:
        return context
    return torch.cat([reference_context(references), context], dim=2)


def reference_context(references: Tensor) -> Tensor:
    """[B c n h w] -> [B 96 n h w]: kept, with nothing to react to and nothing to generate."""
    rest = SPRITES.context_channels - references.shape[1]
    return torch.cat([references, torch.zeros(len(references), rest, *references.shape[2:])], dim=1)


def line_of(cache: Cache, clip: int, *, with_reference: bool, pick: random.Random) -> str:
    """References are mostly alone with the ground's words; never are words said that contradict them."""
    scenes, row = cache.scenes[clip]
    named, draw = list(range(int(scenes.counts[row]))), pick.random()
    if draw < 0.1:
        return ""
    dropped = 0.75 if with_reference else 0.25
    return text.caption(scenes, row, [] if draw < 0.1 + 0.9 * dropped else named, pick=pick)


@dataclass
class Controls:
    """What is cached of one size for the adapter."""

    video: Cache
    control: Cache
    whole: Cache | None
    """Only of a training that is not decoupled."""
    gray: Tensor
    """[1 c f h w] the latents of an empty video."""

    @classmethod
    def open(cls, size: Size, *, decoupled: bool) -> "Controls":
        gray = read(folder(size) / "gray.pt")["gray"]
        whole = None if decoupled else Cache.open("whole", size)
        return cls(Cache.open("video", size), Cache.open("control", size), whole, gray)

    def refresh(self) -> int:
        """Clips held."""
        return min(cache.refresh() for cache in (self.control, self.whole) if cache)

    def pool(self, *, with_reference: bool, pairs: bool) -> list[int]:
        """Clips to draw from: with references all sprites of a clip have one, so that none is ambiguous."""
        counts = [int(scenes.counts[row]) for scenes, row in (self.whole or self.control).scenes]
        return [i for i, n in enumerate(counts) if not with_reference or (n == 2) == pairs]

    def context(self, kind: str, chosen: list[int], place: slice | list[int]) -> tuple[Tensor, ...]:
        """Inactive and reactive latents and mask, [B c f h w] each; not decoupled: whole frames twice."""

        def held(name: str, cache: Cache = self.control) -> Tensor:
            return cache.tensors[name][chosen][:, :, place].float()

        empty = self.gray[:, :, place].expand(len(chosen), -1, -1, -1, -1)
        ones = torch.ones(len(chosen), 64, *empty.shape[2:])
        if kind == "masked" and self.whole:
            return *(held("whole", self.whole),) * 2, held("mask")
        if kind == "masked":
            return held("inactive"), held("reactive"), held("mask")
        control = empty if kind == "none" else held(kind)
        return (control if self.whole else empty), control, ones


def draw_batch(
    sizes: dict[Size, Controls], preset: Preset, task: tuple[str, bool], pick: random.Random
) -> Batch:
    """One task for a whole batch."""
    kind, with_reference = task
    f, size = choose(LENGTHS, pick), preset.draw_size(pick)
    cached = sizes[size]
    start = CHUNK if f == CHUNK and kind != "none" and pick.random() < MIDSTREAM else 0
    place = slice(start, start + f)
    pairs = with_reference and pick.random() < 0.15 and bool(cached.pool(with_reference=True, pairs=True))
    pool = cached.pool(with_reference=with_reference, pairs=pairs)
    chosen = [pick.choice(pool) for _ in range(preset.batch_size(f + with_reference, size))]
    references = None
    if with_reference:
        order = [0, 1] if pairs else [0]
        pick.shuffle(order)
        references = cached.video.tensors["references"][chosen][:, :, order].float()
    x0 = cached.video.tensors["video"][chosen][:, :, place].float()
    lines = [line_of(cached.video, clip, with_reference=with_reference, pick=pick) for clip in chosen]
    context = context_of(*cached.context(kind, chosen, place), references)
    n = 0 if references is None else references.shape[2]
    return Batch(x0 if references is None else torch.cat([references, x0], dim=2), context, lines, n)


def loss_of(
    model: WanVACETransformer3DModel, batch: Batch, states: Tensor, generator: torch.Generator
) -> Tensor:
    """Flow matching on all slots, [n+f] losses."""
    levels = noise_level(len(batch.x0), generator)
    x, velocity = noised(batch.x0, levels, generator)
    with half():
        out = model(x, levels * 1000, states, control_hidden_states=batch.context, return_dict=False)[0]
    return (out.float() - velocity).square().mean(dim=(0, 1, 3, 4))


@dataclass(frozen=True)
class Probe:
    """Held-out clips on which a true reference must beat another clip's."""

    video: Tensor
    depth: Tensor
    references: Tensor
    area: Tensor
    """[B f h w] latent cells where the sprite is."""
    lines: list[str]
    gray: Tensor

    @classmethod
    def make(cls, size: tuple[int, int], *, clips: int = 24, num_frames: int = 9) -> "Probe":
        vae = trained_vae()
        scenes = draw_scenes(range(PROBE_SEED, PROBE_SEED + clips), max_sprites=1)
        clip = render(scenes, range(num_frames), size)
        pictures = reference_picture(scenes, torch.zeros(clips, dtype=torch.long), size)
        cells = (clip.instances > 0).float()[:, None]
        later = torch.nn.functional.max_pool3d(cells[:, :, 1:], (4, 8, 8))
        area = torch.cat([torch.nn.functional.max_pool3d(cells[:, :, :1], (1, 8, 8)), later], dim=2)[:, 0]
        return cls(
            video=encode(vae, clip.video * 2 - 1),
            depth=encode(vae, SIGNALS["depth"](clip) * 2 - 1),
            references=encode(vae, pictures[:, None] * 2 - 1),
            area=area,
            lines=[text.caption(scenes, row, []) for row in range(clips)],
            gray=encode(vae, torch.zeros(1, num_frames, 3, *size)),
        )

    @torch.no_grad()
    def gap(self, model: WanVACETransformer3DModel, models: Models, kind: str) -> tuple[float, float]:
        """Loss on the sprite's cells with the true reference, and with the next clip's."""
        generator = new_generator(0)
        noise = torch.randn(self.video.shape, generator=generator)
        reference_noise = torch.randn(self.references.shape, generator=generator)
        empty = self.gray.expand_as(self.video)
        states = text.encode(models.encoder, models.tokenizer, self.lines)
        losses = []
        for references in (self.references, self.references.roll(1, 0)):
            ones = torch.ones(len(self.video), 64, *self.video.shape[2:])
            context = context_of(empty, self.depth if kind == "depth" else empty, ones, references)
            x0 = torch.cat([references, self.video], dim=2)
            x = (1 - PROBE_LEVEL) * x0 + PROBE_LEVEL * torch.cat([reference_noise, noise], dim=2)
            times = torch.full((len(x),), PROBE_LEVEL * 1000)
            with half():
                out = model(x, times, states, control_hidden_states=context, return_dict=False)[0]
            error = (out[:, :, 1:].float() - (noise - self.video)).square().mean(1)
            losses.append(float((error * self.area).sum() / self.area.sum()))
        return losses[0], losses[1]


def vace_state(model: WanVACETransformer3DModel) -> dict[str, Tensor]:
    """The adapter's own weights."""
    return {name: value for name, value in model.state_dict().items() if name.startswith("vace_")}


def open_vace(
    models: Models, *, averaged: bool = True, layers: tuple[int, ...] = SPRITES.context_layers
) -> WanVACETransformer3DModel:
    """The trained adapter on the trained base, or a new one."""
    model = new_vace(models.base, layers)
    if saved := load("vace"):
        weights = saved["model"] | (saved["average"] if averaged else {})
        unexpected = model.load_state_dict(weights, strict=False)[1]
        assert not unexpected
    return model


def train(
    minutes: float,
    preset: Preset,
    *,
    max_steps: int | None = None,
    layers: tuple[int, ...] = SPRITES.context_layers,
    decoupled: bool = True,
) -> None:
    """Train the adapter (further); `layers` and `decoupled` are for the paper's ablations."""
    models, saved = Models.open(), load("vace")
    models.encoder.requires_grad_(False).eval()
    model, step = open_vace(models, averaged=False, layers=layers), saved["step"] if saved else 0
    trainer = Trainer(model.named_parameters(), is_matrix=is_matrix, muon_lr=1.2e-2, adam_lr=1.5e-3,
                      minutes=minutes, schedule=late_decay)  # fmt: skip
    average = Average(model, 0.99)
    if saved:
        trainer.restore(saved["optimisers"])
        average.values = saved["average"]
    sizes = {size: Controls.open(size, decoupled=decoupled) for size in preset.sizes}
    probe = Probe.make(preset.native, clips=12 if max_steps is None else 2)
    pick, generator = random.Random(step), new_generator(step)
    log, done = Log("vace", minutes, step, every=60), 0

    def checkpoint() -> dict[str, Any]:
        return {
            "model": vace_state(model),
            "average": average.values,
            "step": step,
            "optimisers": trainer.state(),
        }

    while trainer.progress < 1 and done != max_steps:
        task = draw_task(step, pick)
        batch = draw_batch(sizes, preset, task, pick)
        with torch.no_grad():
            states = text.encode(models.encoder, models.tokenizer, batch.lines)
        losses = loss_of(model, batch, states, generator)
        trainer.step(losses.mean(), warm=min(1.0, (done + 1) / 30))
        average.update(model)
        name = task[0] + ("+ref" if task[1] else "")
        log.add(**{name: float(losses[batch.num_references :].detach().mean())})
        step, done = step + 1, done + 1
        if log.due():
            gaps = {kind: probe.gap(model, models, kind) for kind in ("depth", "none")}
            refuse_deaf(step, *gaps["depth"])
            told = ", ".join(f"{kind} {true:.2f}/{other:.2f}" for kind, (true, other) in gaps.items())
            held = sum(cached.refresh() for cached in sizes.values())
            log.show(step, f"| probe true/other reference: {told} | {held} clips")
        if log.save_due():
            save("vace", checkpoint())
    save("vace", checkpoint())


def refuse_deaf(step: int, true: float, other: float) -> None:
    """End a run in which another clip's reference does no harm."""
    if step >= ABORT_STEP and other - true < ABORT_GAP:
        raise SystemExit(
            f"vace {step}: the true reference leaves a loss of {true:.2f}, another clip's {other:.2f}; "
            f"the gap should be {ABORT_GAP} by step {ABORT_STEP}: make references more necessary"
        )


def draw_task(step: int, pick: random.Random) -> tuple[str, bool]:
    """The control of a step and whether there are references."""
    draw = pick.random()
    for kind, with_reference, share in FIRST_PHASE if step < FIRST_STEPS else SECOND_PHASE:
        draw -= share
        if draw < 0:
            return kind, with_reference
    return "depth", True
