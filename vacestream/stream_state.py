"""The state of a stream <-> tensors, numbers, text and lists of them, to be written to disk.

Text and the references of chunks to come are left out: they are made again, to the bit, from prompts and
pictures. Chunks of a step batch that are on their way are kept as they are.
"""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, fields
from typing import TYPE_CHECKING, Any

from vacestream.method import Method
from vacestream.models.conditions import Condition, Context, Held
from vacestream.models.context_memory import ContextMemory
from vacestream.models.schedule import Schedule
from vacestream.models.transformer import Text
from vacestream.models.vace import ContextAdapter, References
from vacestream.step_batch import InFlight
from vacestream.timeline import Chunk
from vacestream.vcu import Manner

if TYPE_CHECKING:
    from vacestream.encode import EncodeState
    from vacestream.stream import Stream

Plain = dict[str, Any]


def identity(stream: "Stream") -> Plain:
    """What two streams must share for one to go on with the other's state."""
    pipe = stream.pipeline
    return {"row": pipe.spec.name, "size": stream.size, "seed": stream.seed, "dtype": pipe.dtype}


def plain(stream: "Stream") -> Plain:
    """The state behind the chunks that are done; of one that is being encoded, nothing."""
    denoising = stream.denoising
    return {
        **_encoding(stream.encoding),
        "shown": stream.shown,
        "decoder": stream.decoder.state(),
        "cache": denoising.cache.state(),
        "rows": [cache.state() for cache in denoising.rows[1:]],
        "is_batched": bool(denoising.rows),
        "next_latent": denoising.next_latent,
        "origin": denoising.origin,
        "prompt": denoising.prompt,
        "recent": [(clean, _contexts(contexts)) for clean, contexts in denoising.recent],
        "first": [(clean, _contexts(contexts)) for clean, contexts in denoising.first],
        "memory": denoising.memory.past,
        "in_flight": _in_flight(denoising.in_flight),
        "loras": stream.loras,
        "attached": stream.attached,
    }


def take(stream: "Stream", state: Plain) -> None:
    """Make a stream of the same identity what it was."""
    stream.use_loras(state["loras"])
    stream.attach(state["attached"])
    pipe, adapter = stream.pipeline, stream.adapter
    stream.served = adapter
    encoding = stream.encoding = type(stream.encoding)(
        streams=[
            (pipe.new_encoder().restored(a), pipe.new_encoder().restored(b)) for a, b in state["encoders"]
        ],
        footage=pipe.new_encoder().restored(state["footage"]) if state["footage"] else None,
        made_before=state["made_before"],
    )
    if state["source"]:
        encoder, rule = pipe.new_source_encoder(), stream.new_rule(1.0)
        encoder.restored(state["source"][0])
        rule.restore(state["source"][1])
        encoding.source = encoder, rule
    stream.shown = state["shown"]
    stream.decoder.restored(state["decoder"])
    denoising = stream.denoising
    denoising.cache.take(state["cache"])
    denoising.rows = [denoising.cache] if state["is_batched"] else []
    for row in state["rows"]:
        denoising.rows.append(denoising.cache.copy())
        denoising.rows[-1].take(row)
    denoising.next_latent, denoising.origin = state["next_latent"], state["origin"]
    denoising.prompt, denoising.text = state["prompt"], None
    denoising.recent, denoising.first = (
        [(clean, _as_contexts(contexts, adapter)) for clean, contexts in state[name]]
        for name in ("recent", "first")
    )
    denoising.memory = ContextMemory(state["memory"])
    denoising.in_flight = list(_flown(stream, state["in_flight"]))


def _encoding(encoding: "EncodeState") -> Plain:
    """Of a chunk in work, what was before it."""
    before = encoding.aside
    if before is not None:
        footage = None if before.footage is None else before.footage[1]
        return {
            "encoders": before.streams,
            "source": () if before.source is None else before.source[1],
            "footage": footage,
            "made_before": before.made_before,
        }
    return {
        "encoders": [(inactive.state(), reactive.state()) for inactive, reactive in encoding.streams],
        "source": tuple(part.state() for part in encoding.source or ()),
        "footage": encoding.footage.state() if encoding.footage else None,
        "made_before": encoding.made_before,
    }


def _contexts(contexts: Iterable[Context]) -> list[tuple[Any, ...]]:
    return [(one.latents, one.scale, one.steps, one.rest, one.place) for one in contexts]


def _as_contexts(kept: Iterable[Any], adapter: ContextAdapter | None) -> tuple[Context, ...]:
    return tuple(Context(adapter, *one) for one in kept) if adapter is not None else ()


def _plain_manner(manner: Manner) -> Plain:
    own = {one.name: getattr(manner, one.name) for one in fields(manner)}
    return {**own, "method": manner.method and asdict(manner.method)}


def _as_manner(kept: Plain) -> Manner:
    return Manner(**{**kept, "method": kept["method"] and Method(**kept["method"])})


def _in_flight(flying: Sequence[InFlight]) -> Plain:
    """Chunks on their way; each set of references and each prompt is kept once."""
    sets: list[References] = []
    prompts: list[Any] = []

    def place(one: Any, among: list[Any]) -> int:
        found = next((i for i, known in enumerate(among) if known is one), None)
        if found is None:
            among.append(one)
        return len(among) - 1 if found is None else found

    chunks = []
    for one in flying:
        asked = one.condition
        chunks.append(
            {
                "chunk": astuple(asked.chunk),
                "prompt": place(asked.prompt, prompts),
                "contexts": _contexts(asked.contexts),
                "references": None if asked.references is None else place(asked.references, sets),
                "ahead": [(distance, place(anchor, sets)) for distance, anchor in asked.ahead],
                "kept": asked.kept,
                "held": asked.held and (asked.held.latents, asked.held.cells, asked.held.is_all),
                "is_plain": asked.is_plain,
                "manner": _plain_manner(asked.manner),
                "schedule": (one.schedule.timesteps, one.schedule.sigmas, one.schedule.shift),
                "step": one.step,
                "sample": one.sample,
            }
        )
    kept = [{"latents": x.latents, "noise": x.noise, "told": x.told, "scales": x.scales} for x in sets]
    return {"chunks": chunks, "references": kept, "prompts": prompts}


def _flown(stream: "Stream", state: Plain) -> Iterable[InFlight]:
    sets = [References(**kept) for kept in state["references"]]
    texts: list[Text] = [stream.transformer.embed_text(prompt[None]) for prompt in state["prompts"]]
    for kept in state["chunks"]:
        condition = Condition(
            Chunk(*kept["chunk"]),
            state["prompts"][kept["prompt"]],
            _as_contexts(kept["contexts"], stream.adapter),
            None if kept["references"] is None else sets[kept["references"]],
            kept=kept["kept"],
            ahead=tuple((distance, sets[i]) for distance, i in kept["ahead"]),
            held=Held(*kept["held"]) if kept["held"] else None,
            is_plain=kept["is_plain"],
            manner=_as_manner(kept["manner"]),
        )
        yield InFlight(
            condition, texts[kept["prompt"]], Schedule(*kept["schedule"]), kept["step"], kept["sample"]
        )
