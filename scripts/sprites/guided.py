"""Stage guided: the causal base learns to need no guidance, on streams that it makes itself.

A chunk is made step by step as the engine does it, after chunks of the student's own (Self Forcing,
arXiv:2506.08009); at every step the student learns the flow of the frozen causal base, led away from that
without words or without references (arXiv:2210.03142). The frozen adapter hints at both alike: what it reads
of a base, its embedders of latents, time and text, is frozen too.
"""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from scripts.sprites import text
from scripts.sprites.base import Models, averaged
from scripts.sprites.dit import CHUNK, FEW_STEPS, fused_attention, is_matrix
from scripts.sprites.optim import Average, Trainer, late_decay
from scripts.sprites.presets import Preset, Size
from scripts.sprites.run import Log, half, load, save
from scripts.sprites.run import generator as new_generator
from scripts.sprites.vace import Controls, context_of, line_of, open_vace, reference_context
from vacestream.models.attention import apply_rope, make_rope
from vacestream.models.kv_cache import Attend
from vacestream.models.transformer import CausalWan, Text, make_causal
from vacestream.models.vace import KV, ContextAdapter, ContextHints, self_attention
from vacestream.pipelines import SPRITES
from vacestream.sprites.shapes import SHAPES


@dataclass(frozen=True)
class Task:
    """What streams are asked for, how often, and how far they are led away from what lacks it."""

    kind: str
    """A control, "none", or "bare" where there is no adapter at all."""
    with_reference: bool
    share: float
    reference_guidance: float = 1.0

    @property
    def name(self) -> str:
        return self.kind + ("+ref" if self.with_reference else "")


TASKS = (
    Task("none", True, 0.42, reference_guidance=4.5),
    Task("depth", True, 0.12, reference_guidance=2.5),
    Task("pose", True, 0.05, reference_guidance=2.0),
    Task("bare", False, 0.13),
    Task("depth", False, 0.06),
    Task("scribble", False, 0.07),
    Task("pose", False, 0.07),
    Task("masked", False, 0.08),
)
"""Nearly half is a reference alone, which fades without guidance; the rest must stay as it is."""
NUM_CHUNKS = {"none": 3, "bare": 3}
"""Of a stream; of others as many as there are controls in the cache."""
CONTROLLED_CHUNKS = 2
FAR, FAR_SHARE = 200, 0.3
"""Chunks between the first of a stream and the others, at most, and how often there are any."""


@dataclass(frozen=True)
class Asked:
    """A batch of streams, as they are asked for."""

    task: Task
    lines: list[str]
    contexts: Tensor
    """[B 96 f h w]"""
    references: Tensor | None
    """[B c 1 h w] clean"""
    num_chunks: int


def names_sprite(line: str) -> bool:
    return any(word in SHAPES or word == "sprite" for word in line.split())


def draw_task(pick: random.Random) -> Task:
    return pick.choices(TASKS, [task.share for task in TASKS])[0]


def draw_streams(sizes: dict[Size, Controls], preset: Preset, task: Task, pick: random.Random) -> Asked:
    """Streams of one size under one task, with one sprite where there is a reference."""
    size = preset.draw_size(pick)
    cached, chunks = sizes[size], NUM_CHUNKS.get(task.kind, CONTROLLED_CHUNKS)
    pool = cached.pool(with_reference=task.with_reference, pairs=False)
    chosen = [pick.choice(pool) for _ in range(preset.batch_size(CHUNK, size))]
    held = cached.gray.shape[2]
    place = [min(i, held - 1) for i in range(CHUNK * chunks)]  # gray goes on as it is
    kind = "none" if task.kind == "bare" else task.kind
    return Asked(
        task,
        [line_of(cached.video, clip, with_reference=task.with_reference, pick=pick) for clip in chosen],
        context_of(*cached.context(kind, chosen, place), None),
        cached.video.tensors["references"][chosen][:, :, :1].float() if task.with_reference else None,
        chunks,
    )


@dataclass
class History:
    """Keys and values of the chunks that are done, layer by layer, and the places of the one in work."""

    grid: tuple[int, int]
    kept: dict[int, KV] = field(default_factory=dict)
    places: tuple[int, ...] = ()
    writing: bool = False

    def layer(self, index: int) -> Attend:
        """Attention of a chunk to all before it and to itself."""

        def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
            rope = make_rope(self.places, *self.grid, k.shape[-1], k.device)
            q, k = apply_rope(q, rope), apply_rope(k, rope)
            if index in self.kept:
                k, v = (torch.cat(pair, dim=1) for pair in zip(self.kept[index], (k, v), strict=True))
            if self.writing:
                self.kept[index] = k, v
            return fused_attention(*(part.transpose(1, 2) for part in (q, k, v))).transpose(1, 2)

        return attention


@dataclass(frozen=True)
class Given:
    """Hints that are made already, as the transformer takes them."""

    layers: tuple[int, ...]
    hints: Sequence[Tensor]

    def __call__(self, x: Tensor, modulation: Tensor, text: Text) -> Iterator[Tensor]:
        return iter(self.hints)


@dataclass(frozen=True)
class Hinting:
    """The frozen adapter on streams: contexts and references to hints for a chunk."""

    model: CausalWan
    adapter: ContextAdapter

    @torch.no_grad()
    def __call__(
        self, x: Tensor, level: float, context: Tensor, words: Text, references: tuple[Tensor, Tensor] | None
    ) -> tuple[Given, ...]:
        """For x [B c f h w] at a noise level; references are clean latents and noise [B c n h w]."""
        grid = x.shape[3] // 2, x.shape[4] // 2
        with half():
            seen, count = None, 0
            if references is not None:
                seen, count = self._seen(references, level, words, grid), references[0].shape[2]
            source = ContextHints(self.adapter, context, 1.0, seen, count)
            tokens = self.model.patchify(x)
            _, modulation = self.model.embed_time(times_of(x, level), tokens.dtype)
            return (Given(self.adapter.layers, list(source(tokens, modulation, words))),)

    def _seen(
        self, references: tuple[Tensor, Tensor], level: float, words: Text, grid: tuple[int, int]
    ) -> list[KV]:
        """Keys and values of references, which see only themselves, in every context block."""
        clean, noise = references
        tokens = self.model.patchify((1 - level) * clean + level * noise)
        _, modulation = self.model.embed_time(times_of(clean, level), tokens.dtype)
        kept: list[KV] = []
        embedded, recorder = (
            self.adapter.embed(reference_context(clean)),
            self_attention(grid, first=0, kept=kept),
        )
        for _ in self.adapter.run(embedded, tokens, modulation, words, recorder):
            pass
        return kept


def times_of(x: Tensor, level: float) -> Tensor:
    """[B f] timesteps of x [B c f h w]."""
    return torch.full((x.shape[0], x.shape[2]), level * 1000)


@dataclass
class Streams:
    """A batch of streams in work: the student makes them, the teacher says how."""

    student: CausalWan
    teacher: CausalWan
    hinting: Hinting
    asked: Asked
    words: Tensor
    """[B L d] behind the text MLP."""
    empty: Tensor
    """[1 L d] of the empty caption."""
    text_guidance: float
    generator: torch.Generator

    def __post_init__(self) -> None:
        grid = self.asked.contexts.shape[3] // 2, self.asked.contexts.shape[4] // 2
        self.own, self.other = History(grid), History(grid)
        self.told = Text(self.words)
        self.untold = Text(self.empty.expand_as(self.words))
        self.references = None
        if (clean := self.asked.references) is not None:
            self.references = clean, torch.randn(clean.shape, generator=self.generator)

    def chunk(self, index: int, places: tuple[int, ...]) -> tuple[Tensor, Tensor]:
        """Make a chunk; the student's mean squared error, and what guidance adds to the teacher, likewise."""
        self.own.places = self.other.places = places
        context = self.asked.contexts[:, :, CHUNK * index : CHUNK * (index + 1)]
        shape = len(context), SPRITES.channels, *context.shape[2:]
        x = x0 = torch.randn(shape, generator=self.generator)
        errors, pushes = [], []
        for step, level in enumerate(FEW_STEPS):
            if step:
                x = (1 - level) * x0 + level * torch.randn(shape, generator=self.generator)
            hints = self._hints(x, level, context, self.references)
            wanted, push = self._wanted(x, level, context, hints)
            with half():
                flow = self.student(x, times_of(x, level), Text(self.words), self.own, hints)
            errors.append((flow.float() - wanted).square().mean())
            pushes.append(push.square().mean())
            x0 = x - level * flow.detach().float()
        self.clean, self.context = x0, context
        return torch.stack(errors).mean(), torch.stack(pushes).mean()

    @torch.no_grad()
    def commit(self) -> None:
        """Take the chunk into both histories."""
        hints = self._hints(self.clean, 0.0, self.context, self.references)
        for model, history in ((self.student, self.own), (self.teacher, self.other)):
            history.writing = True
            with half():
                model(
                    self.clean, times_of(self.clean, 0.0), Text(self.words), history, hints, write_only=True
                )
            history.writing = False

    @torch.no_grad()
    def _wanted(self, x: Tensor, level: float, context: Tensor, hints: Any) -> tuple[Tensor, Tensor]:
        """The teacher's flow as guidance makes it, and what of that guidance is."""
        flow = self._teach(x, level, self.told, hints)
        push = torch.zeros_like(flow)
        if (weight := self.asked.task.reference_guidance) != 1:
            bare = self._hints(x, level, context, None)
            push += (weight - 1) * (flow - self._teach(x, level, self.told, bare))
        if self.text_guidance != 1 and self.references is None:
            named = torch.tensor([names_sprite(line) for line in self.asked.lines]).view(-1, 1, 1, 1, 1)
            push += (self.text_guidance - 1) * named * (flow - self._teach(x, level, self.untold, hints))
        return flow + push, push

    def _teach(self, x: Tensor, level: float, words: Text, hints: Any) -> Tensor:
        with half():
            flow = self.teacher(x, times_of(x, level), words, self.other, hints)
        assert flow is not None
        return flow.float()

    def _hints(self, x: Tensor, level: float, context: Tensor, references: Any) -> Any:
        if self.asked.task.kind == "bare":
            return ()
        return self.hinting(x, level, context, self.told, references)


def draw_places(num_chunks: int, pick: random.Random) -> list[tuple[int, ...]]:
    """Places in the stream of every chunk: the first leads, however far away the others are said to be."""
    far = CHUNK * pick.randint(0, FAR) if pick.random() < FAR_SHARE else 0
    starts = [CHUNK * index + (far if index else 0) for index in range(num_chunks)]
    return [tuple(range(start, start + CHUNK)) for start in starts]


def frozen_parts(models: Models) -> tuple[CausalWan, ContextAdapter]:
    """The causal base as stage causal left it, and the adapter."""
    on = open_vace(models)
    adapter = ContextAdapter(on.vace_patch_embedding, on.vace_blocks, SPRITES.context_layers)
    teacher = Models.open().base
    teacher.load_state_dict(averaged("causal"))
    for module in (adapter, teacher):
        module.requires_grad_(False).eval()
    return make_causal(teacher), adapter


def saved_guided() -> dict[str, Any] | None:
    """The checkpoint of this stage, unless it is of an older causal base."""
    causal, saved = load("causal"), load("guided")
    return saved if causal and saved and saved["causal"] == causal["step"] else None


def new_student() -> CausalWan:
    """The causal base, or what this stage has made of it, with its embedders frozen."""
    model, saved = Models.open().base, saved_guided()
    model.load_state_dict(saved["model"] if saved else averaged("causal"))
    for part in (model.patch_embedding, model.condition_embedder):
        part.requires_grad_(False)
    return make_causal(model)


def train(
    minutes: float, preset: Preset, *, max_streams: int | None = None, text_guidance: float = 2.0
) -> None:
    """Distil guidance (further) into the causal base, a chunk of streams a step."""
    models, causal, saved = Models.open(), load("causal"), saved_guided()
    assert causal is not None, "train the causal base first"
    models.encoder.requires_grad_(False).eval()
    teacher, adapter = frozen_parts(models)
    student = new_student()
    trainer = Trainer(student.named_parameters(), is_matrix=is_matrix, muon_lr=4e-3, adam_lr=4e-4,
                      minutes=minutes, schedule=late_decay)  # fmt: skip
    average, step = Average(student, 0.99), saved["step"] if saved else 0
    if saved:
        average.values = saved["average"]
        trainer.restore(saved["optimisers"])
    hinting = Hinting(teacher, adapter)
    with torch.no_grad():
        empty = teacher.embed_text(text.encode(models.encoder, models.tokenizer, [""])).tokens
    sizes = {size: Controls.open(size, decoupled=True) for size in preset.sizes}
    pick, generator = random.Random(step), new_generator(step)
    log, done = Log("guided", minutes, step, every=60), 0
    begun = 0

    def checkpoint() -> dict[str, Any]:
        return {
            "model": student.state_dict(),
            "average": average.values,
            "step": step,
            "causal": causal["step"],
            "optimisers": trainer.state(),
        }

    while trainer.progress < 1 and begun != max_streams:
        begun += 1
        asked = draw_streams(sizes, preset, draw_task(pick), pick)
        with torch.no_grad():
            words = teacher.embed_text(text.encode(models.encoder, models.tokenizer, asked.lines)).tokens
        streams = Streams(student, teacher, hinting, asked, words, empty, text_guidance, generator)
        for index, places in enumerate(draw_places(asked.num_chunks, pick)):
            error, push = streams.chunk(index, places)
            trainer.step(error, warm=min(1.0, (done + 1) / 30))
            average.update(student)
            streams.commit()
            told = {asked.task.name: error.item()}
            if push.item() > 0:
                told[f"{asked.task.name}, share left"] = error.item() / push.item()
            log.add(**told)
            step, done = step + 1, done + 1
        if log.due():
            log.show(step, f"skipped {trainer.skipped}" if trainer.skipped else "")
        if log.save_due():
            save("guided", checkpoint())
    save("guided", checkpoint())
