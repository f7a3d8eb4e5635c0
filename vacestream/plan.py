"""A recipe -> all numbers of its video: task, size, rate, length, chunks, switches, files, bytes."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from fractions import Fraction
from typing import Any, Literal

from vacestream.anchors import Anchor, anchors
from vacestream.annotators.options import asked_picture, asked_region
from vacestream.calls import calls
from vacestream.changes import Told, streams, told
from vacestream.choices import refuse_choices, refuse_late_anchor
from vacestream.demand import demand
from vacestream.encodings import refuse_unopened
from vacestream.errors import RecipeError
from vacestream.footage import FREE, Footage, look_at, seconds
from vacestream.framing import Framing, framing
from vacestream.lengths import num_frames_of, refuse_short
from vacestream.memory import Demand, Memory, dtype_of, memory, tokens_per_latent
from vacestream.moments import (
    Switch,
    num_chunks_in,
    refuse_idle_controls,
    refuse_nearest_of_endless,
    switches,
)
from vacestream.needs import refuse_foreign_vae
from vacestream.pipelines import PIPELINES, PipelineSpec
from vacestream.raster import fps_of, size_of
from vacestream.recipe import Recipe, Time
from vacestream.recipe.values import SIDE, media_kind
from vacestream.references import placed_references
from vacestream.sampling import as_asked, as_long
from vacestream.signals import maker
from vacestream.sizes import default_size
from vacestream.soundtrack import refuse_silent
from vacestream.targets import Target, targets
from vacestream.tasks import infer
from vacestream.timeline import Chunk, chunks
from vacestream.unbuilt import PLANNED, unbuilt
from vacestream.ways import why_not_live, why_not_render


@dataclass(frozen=True)
class Plan:
    """All that is decided before a weight is loaded."""

    recipe: Recipe
    spec: PipelineSpec
    task: str
    size: tuple[int, int] | None
    """(height, width) made; None where a file that was not opened decides."""
    fps: Fraction | None
    num_frames: int | None
    """Frames written; None where endless or decided by a file that was not opened."""
    switches: tuple[Switch, ...]
    outputs: tuple[Target, ...]
    why: dict[str, str]
    """Where each derived number comes from."""
    anchors: tuple[Anchor, ...] = ()
    """The frames that stay as they are given."""
    framing: Framing | None = None
    """Where the input is seen, if the canvas is another; None also where a file was not opened."""
    notes: tuple[str, ...] = ()
    """Why `render` would refuse, when only the text was judged."""

    @property
    def seed(self) -> int:
        """At the start."""
        return self.recipe.seed

    @property
    def device(self) -> str:
        """As given: auto, cpu, cuda, cuda:N or mps."""
        return self.recipe.device

    @property
    def dtype(self) -> str:
        """fp32, bf16, fp16, fp8 or int8."""
        return dtype_of(self.recipe.precision, self.device)

    @property
    def ends_free(self) -> bool:
        """Whether frames after the input's last one are made freely."""
        return self.recipe.input is not None and self.recipe.input.at_end == "free"

    @property
    def memory(self) -> Memory | None:
        """Bytes on the device; None where the size is not known."""
        return memory(self.spec, self.asks(self.device)) if self.size else None

    def asks(self, device: str) -> Demand:
        """What it takes of this device."""
        assert self.size is not None
        return demand(
            self.recipe,
            self.spec,
            self.size,
            self.told,
            self.switches,
            num_passes=len(streams(self.recipe)) + self.has_rest if self.has_context else 0,
            device=device,
        )

    @property
    def mask_time(self) -> Literal["group", "nearest", "union"]:
        """Which frame of a latent's four speaks for its mask."""
        mask = next((one.mask for one in self.told if one.mask), None)
        asked = mask.time if mask else "group"
        return "nearest" if self.spec.whole and asked == "group" else asked

    @property
    def told(self) -> tuple[Told, ...]:
        """What holds from the start, and from each change on."""
        return told(self.recipe, self.switches)

    @property
    def num_references(self) -> int:
        """The most at a time."""
        return max(len(one.references) for one in self.told)

    @property
    def has_rest(self) -> bool:
        """Whether references or kept footage are somewhere without a control that carries them."""
        carries = self.anchors or self.framing or any(one.mask or one.references for one in self.told)
        return bool(carries) and any(
            all(control.frames or control.steps or not control.acts for control in one.controls)
            for one in self.told
        )

    @property
    def reanchored_every(self) -> int:
        """Chunks from one renewal of the attention sink to the next; 0: never."""
        asked = self.recipe.reanchor
        return num_chunks_in(asked.every, self.spec, self.fps) if asked else 0

    @property
    def has_context(self) -> bool:
        """Whether VACE acts at some time."""
        told = self.told
        return self.task != "T2V" or any(one.references or one.controls or one.mask for one in told)

    @property
    def num_contexts(self) -> int:
        """The most passes through VACE's blocks that a call takes: one a control, and one of the rest."""
        acting = (sum(bool(control.acts) for control in one.controls) for one in self.told)
        return max(acting) + self.has_rest

    @property
    def makers(self) -> tuple[tuple[str, str], ...]:
        """The signal of each control, and what makes it."""
        return tuple((control.signal, maker(self.recipe, control).words) for control in streams(self.recipe))

    @property
    def reference_makers(self) -> tuple[tuple[str, str], ...]:
        """Each picture that something is cut out of: how, and what does it."""
        cut = [one for _, one in placed_references(self.recipe) if one.mode != "plain"]
        return tuple((one.image, f"{one.mode}: {asked_picture(one)[0].model}") for one in cut)

    @property
    def region_maker(self) -> str | None:
        """How the region of `mask` is found, and what finds it."""
        mask = self.recipe.mask
        return f"{mask.mode}: {asked_region(mask)[0].model}" if mask else None

    @property
    def tokens_per_latent(self) -> int | None:
        return tokens_per_latent(self.spec, self.size) if self.size else None

    @property
    def num_chunks(self) -> int | None:
        return None if self.num_frames is None else sum(1 for _ in self.chunks())

    def chunks(self) -> Iterator[Chunk]:
        """The chunks in order; endless where the length is."""
        return chunks(self.spec, self.num_frames)

    def seconds(self, time: Time | None) -> Fraction | None:
        """A moment of a file that the recipe names, in seconds."""
        assert self.fps is not None
        return seconds(self.recipe, (), time, self.fps)

    def to_dict(self) -> dict[str, Any]:
        """The plan as plain data."""
        needs = self.memory
        return {
            "schema": "vacestream.plan/1",
            "recipe": self.recipe.name,
            "task": self.task,
            "pipeline": self.spec.name,
            "status": self.spec.status,
            "size": {"width": self.size[1], "height": self.size[0]} if self.size else None,
            "fps": str(self.fps) if self.fps else None,
            "num_frames": self.num_frames,
            "seconds": float(self.num_frames / self.fps) if self.num_frames and self.fps else None,
            "num_chunks": self.num_chunks,
            "chunks": []
            if self.num_frames is None
            else [_chunk(chunk, self.num_frames) for chunk in self.chunks()],
            "signals": [{"signal": signal, "made_by": words} for signal, words in self.makers],
            "switches": [asdict(switch) for switch in self.switches],
            "mask": self.region_maker,
            "references": [{"image": image, "made_by": words} for image, words in self.reference_makers],
            "anchors": [
                {"name": one.name, "where": one.where, "start": one.start, "stop": one.stop}
                for one in self.anchors
            ],
            "outpaint": asdict(self.framing) if self.framing else None,
            "reanchor": {"every": self.reanchored_every, "from": self.recipe.reanchor.from_}
            if self.recipe.reanchor
            else None,
            "tokens_per_latent": self.tokens_per_latent,
            "steps": [] if self.spec.whole else list(self.spec.steps),
            "num_steps": self.spec.num_steps,
            "calls_per_chunk": calls(self.recipe, self.spec),
            "context_passes_per_call": self.num_contexts,
            "seed": self.seed,
            "device": self.device,
            "dtype": self.dtype,
            "memory": {**needs.held, "total": needs.total} if needs else None,
            "activations": asdict(needs.activations) if needs else None,
            "memory_by_stage": needs.stages if needs else None,
            "peak_memory": needs.peak if needs else None,
            "outputs": [{"path": target.path, "saves": dict(target.saves)} for target in self.outputs],
            "why": self.why,
            "notes": list(self.notes),
            "resolved": self.recipe.resolved(),
        }


def make_plan(
    recipe: Recipe, *, media: bool = True, built: bool = True, way: Literal["render", "live"] = "render"
) -> Plan:
    """All numbers of a recipe; `media`: open its files; `built`: refuse what cannot be done that way."""
    if way == "live" and recipe.length is None and recipe.input and recipe.input.at_end:
        recipe = recipe.model_copy(update={"length": "endless"})
    task = infer(recipe)
    refuse_foreign_vae(recipe)
    refusals = _refusals(recipe, way)
    if refusals and built and media:
        raise RecipeError("\n".join(refusals))
    spec = as_asked(recipe, PIPELINES.get(recipe.pipeline) or PLANNED[recipe.pipeline])
    footage = look_at(recipe) if media else Footage({})
    why: dict[str, str] = {}
    fps = fps_of(recipe, spec, footage, why)
    size = size_of(recipe, spec, footage, why)
    num_frames = num_frames_of(recipe, spec, footage, fps, why)
    spec = as_long(recipe, spec, num_frames)
    refuse_choices(recipe, spec)
    refuse_idle_controls(recipe, spec, fps, num_frames)
    if media:
        refuse_nearest_of_endless(recipe, num_frames)
    kept = anchors(recipe, spec, footage, fps, num_frames)
    if fps is not None and num_frames is not None:
        refuse_short(recipe, footage, fps, num_frames)
    changes = tuple(switches(recipe, spec, fps, num_frames))
    made = targets(recipe, task)
    refuse_silent(recipe, made, media=media)
    if media:
        refuse_unopened(recipe)
    placed = _framing(recipe, spec, footage, size)
    plan = Plan(recipe, spec, task, size, fps, num_frames, changes, made, why, kept, placed, tuple(refusals))
    refuse_late_anchor(recipe, plan.reanchored_every, plan.num_chunks)
    return plan


def _refusals(recipe: Recipe, way: Literal["render", "live"]) -> list[str]:
    """Why this cannot be done that way, each with its line."""
    other = why_not_render(recipe) if way == "render" else why_not_live(recipe)
    found = [other] if other else unbuilt(recipe)
    return list(dict.fromkeys(str(recipe.error(key, what)) for key, what in found))


def _framing(
    recipe: Recipe, spec: PipelineSpec, footage: Footage, size: tuple[int, int] | None
) -> Framing | None:
    if recipe.outpaint is None or recipe.input is None or size is None:
        return None
    info, free = footage.info(("input", "path")), media_kind(recipe.input.path) in FREE
    if info is None and not free:
        return None
    native = info.size if info else default_size(spec.area)
    placed = framing(recipe.outpaint, size, native, SIDE if free else 1)
    if placed.is_whole:
        what = f"leaves nothing to make: the input fills {size[1]}x{size[0]}; name another `size:`"
        raise recipe.error(("outpaint",), what)
    return placed


def _chunk(chunk: Chunk, num_frames: int) -> dict[str, int]:
    stop = min(chunk.stop, num_frames)
    return {
        "index": chunk.index,
        "start": chunk.start,
        "stop": stop,
        "num_frames": stop - chunk.start,
        "first_latent": chunk.first_latent,
        "num_latents": chunk.num_latents,
    }
