"""VCUs -> conditions: context latents for the adapter, references, text (VACE, arXiv:2503.07598).

A context is [inactive | reactive | mask]: latents of what is kept, latents of what is to be changed, and for
every pixel of a latent cell one channel of mask. Each part is a causal VAE stream of its own.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor

from vacestream.models.conditions import Condition, Context, Held, Source
from vacestream.models.vace import ContextAdapter, References
from vacestream.source import NoiseRule, SteadyRule
from vacestream.timeline import Chunk, first_frame, nearest_frame, num_latents
from vacestream.vcu import VCU, Ahead, Layer

BEFORE = 4
"""Latents of gray before an anchor that is encoded ahead of time: the encoder has settled."""
AHEAD = 1000
"""Where the noise of anchors begins among that of references."""

MaskTime = Literal["group", "nearest", "union"]


class PixelEncoder(Protocol):
    """One causal stream of pixels -> latents."""

    def push(self, pixels: Tensor) -> Tensor:
        """[T 3 H W] -> [c f h w]."""

    def push_neutral(self, num_frames: int, size: tuple[int, int]) -> Tensor:
        """What `push` gives for mid-gray frames."""

    def state(self) -> dict[str, Any]:
        """What must be kept to go on from here."""

    def restored(self, state: dict[str, Any]) -> Any:
        """Go on from a kept state."""


@dataclass(frozen=True)
class Aside:
    """What is put back when a chunk is taken back."""

    streams: list[tuple[dict[str, Any], dict[str, Any]]]
    source: tuple[tuple[PixelEncoder, NoiseRule], tuple[dict[str, Any], dict[str, Any]]] | None
    footage: tuple[PixelEncoder, dict[str, Any]] | None
    made_before: Tensor | None


@dataclass
class EncodeState:
    """What the encode stage carries from chunk to chunk."""

    streams: list[tuple[PixelEncoder, PixelEncoder]] = field(default_factory=list)
    """The inactive and the reactive encoder of each context pass."""
    prompts: dict[str, Tensor] = field(default_factory=dict)
    """The embedding of the prompt in use."""
    pictures: tuple[Tensor, ...] = ()
    references: References | None = None
    """Of `pictures`, which are compared by identity."""
    ready: tuple[tuple[Tensor, ...], References] | None = None
    """Pictures of a chunk to come, encoded ahead of time."""
    source: tuple[PixelEncoder, NoiseRule] | None = None
    """Of the footage that chunks start from."""
    ahead: list[tuple[Ahead, References]] = field(default_factory=list)
    """Anchors that are still to come, each encoded as a reference."""
    footage: PixelEncoder | None = None
    """The encoder of what is kept."""
    made_before: Tensor | None = None
    """[1 1 H W]: what was made in the last latent of that stream."""
    aside: Aside | None = None
    """The streams as they were before the chunk in work, None between chunks."""

    def begin(self) -> None:
        """A chunk is about to be encoded."""
        pairs = [(inactive.state(), reactive.state()) for inactive, reactive in self.streams]
        source = None
        if self.source is not None:
            source = self.source, (self.source[0].state(), self.source[1].state())
        footage = None if self.footage is None else (self.footage, self.footage.state())
        self.aside = Aside(pairs, source, footage, self.made_before)

    def commit(self) -> None:
        """The chunk is done."""
        self.aside = None

    def abort(self) -> None:
        """Make the streams what they were before `begin`."""
        if self.aside is None:
            return
        before = self.aside
        del self.streams[len(before.streams) :]
        for pair, states in zip(self.streams, before.streams, strict=True):
            for encoder, state in zip(pair, states, strict=True):
                encoder.restored(state)
        self.made_before = before.made_before
        self.footage = None if before.footage is None else before.footage[0].restored(before.footage[1])
        self.source = None
        if before.source is not None:
            self.source, states = before.source
            self.source[0].restored(states[0])
            self.source[1].restore(states[1])
        self.commit()


@dataclass(frozen=True)
class Encode:
    """The encode stage of a pipeline."""

    new_encoder: Callable[[], PixelEncoder]
    embed_prompt: Callable[[str], Tensor]
    """Prompt -> [L text_dim], zero behind the prompt."""
    reference_noise: Callable[[int, tuple[int, ...]], Tensor]
    """(index, shape) -> the fixed noise of a reference."""
    new_rule: Callable[[float], NoiseRule] = SteadyRule
    """Strength -> how much noise the chunks of a stream start from."""
    sink_latents: int = 0
    """Of the row's attention sink."""
    guided: bool = False
    """Whether the row uses what guidance leads away from."""
    new_source_encoder: Callable[[], PixelEncoder] | None = None
    """Of footage to start from, where that is not encoded as the rest is."""
    as_source: Callable[[Tensor], Tensor] = torch.clone
    """Latents -> as the transformer takes them to start from."""

    def __call__(
        self,
        vcus: Iterable[tuple[Chunk, VCU]],
        state: EncodeState,
        adapter: Callable[[VCU], ContextAdapter | None],
    ) -> Iterator[Condition]:
        """Conditions, chunk by chunk; `adapter` is asked at every chunk border, None leaves the base bare."""
        for chunk, vcu in vcus:
            state.begin()
            contexts = self._contexts(chunk, vcu, state, adapter(vcu))
            references = self._references(vcu, state) if contexts else None
            prompt = self._prompt(vcu, state)
            source = self._source(chunk, vcu, state)
            negative = self.embed_prompt(vcu.negative_prompt) if self.guided else None
            ahead = self._ahead(chunk, vcu, state) if contexts else ()
            yield Condition(
                chunk,
                prompt,
                contexts,
                references,
                source=source,
                negative=negative,
                kept=vcu.kept,
                ahead=ahead,
                held=self._held(chunk, vcu, state),
                anchor=self._anchored(vcu),
                is_plain=vcu.is_plain(),
                manner=vcu.manner,
            )

    def _contexts(
        self, chunk: Chunk, vcu: VCU, state: EncodeState, adapter: ContextAdapter | None
    ) -> tuple[Context, ...]:
        """Every pass is encoded, adapter or not and whatever its scale, so that its streams stay in step."""
        for layer in vcu.layers[len(state.streams) :]:
            pair = self.new_encoder(), self.new_encoder()
            if chunk.start:  # a stream's first latent holds one frame: here, the gray one before this chunk
                for encoder in pair:
                    encoder.push_neutral(1, (layer.frames.shape[2], layer.frames.shape[3]))
            state.streams.append(pair)
        contexts = []
        for place, (layer, encoders) in enumerate(zip(vcu.layers, state.streams, strict=False)):
            latents = encode_layer(layer, *encoders)
            if adapter is not None:
                scale = vcu.context_scale * layer.scale
                contexts.append(Context(adapter, latents, scale, layer.steps, layer.rest, place))
        return tuple(contexts)

    def _source(self, chunk: Chunk, vcu: VCU, state: EncodeState) -> Source | None:
        """Encoded as long as chunks start from it; when they begin to, behind gray."""
        if vcu.source is None or vcu.strength is None:
            state.source = None
            return None
        if state.source is None:
            state.source = (self.new_source_encoder or self.new_encoder)(), self.new_rule(vcu.strength)
            if chunk.start:
                state.source[0].push_neutral(1, (vcu.source.shape[2], vcu.source.shape[3]))
        encoder, rule = state.source
        rule.strength = vcu.strength
        latents = self.as_source(encoder.push(vcu.source))
        return Source(latents, *rule.push(vcu.source))

    def _ahead(self, chunk: Chunk, vcu: VCU, state: EncodeState) -> tuple[tuple[int, References], ...]:
        """Anchors to come, each encoded once, behind gray, as if it stood alone in its video."""
        known = {anchor.latent: references for anchor, references in state.ahead}
        state.ahead = [(anchor, known.get(anchor.latent) or self._anchor(anchor)) for anchor in vcu.ahead]
        return tuple((anchor.latent - chunk.first_latent, made) for anchor, made in state.ahead)

    def _anchor(self, anchor: Ahead) -> References:
        size = anchor.frames.shape[2], anchor.frames.shape[3]
        inactive, reactive = self.new_encoder(), self.new_encoder()
        for encoder in (inactive, reactive):
            encoder.push_neutral(first_frame(BEFORE), size)
        middle = anchor.masks[len(anchor.masks) // 2][None]
        latents = encode_layer(Layer(anchor.frames, anchor.masks, middle), inactive, reactive)
        stride = size[0] // latents.shape[2]
        clean = latents[: (latents.shape[0] - stride**2) // 2].transpose(0, 1)
        noise = self.reference_noise(AHEAD + anchor.latent, tuple(clean.shape[1:]))
        return References(clean, noise[None].to(clean), told=latents[None])

    def _anchored(self, vcu: VCU) -> Tensor | Literal["first"] | None:
        """The latents of a picture that stands still, as many as the sink holds."""
        if not isinstance(vcu.anchor, Tensor):
            return vcu.anchor
        return self.new_encoder().push(vcu.anchor.expand(first_frame(self.sink_latents), -1, -1, -1))

    def _held(self, chunk: Chunk, vcu: VCU, state: EncodeState) -> Held | None:
        """The kept footage, in the cells that are kept in all of their frames and neighbours."""
        if vcu.kept is None:
            state.footage = state.made_before = None
            return None
        pixels, made = vcu.kept
        if state.footage is None:
            state.footage = self.new_encoder()
            if chunk.start:
                state.footage.push_neutral(1, (pixels.shape[2], pixels.shape[3]))
                state.made_before = torch.ones(1, 1, *made.shape[2:])
        latents = state.footage.push(pixels)
        groups = pool_masks(made, chunk, "union")
        before = groups[:1] if state.made_before is None else state.made_before
        state.made_before = groups[-1:]
        touched = torch.maximum(groups, torch.cat([before, groups[:-1]]))
        stride = pixels.shape[2] // latents.shape[2]
        cells = F.max_pool2d((touched > 0).float(), stride)
        kept = F.max_pool2d(cells, 3, stride=1, padding=1)[:, 0] == 0
        return Held(latents, kept[None].to(latents.device), bool(kept.all()))

    def _prompt(self, vcu: VCU, state: EncodeState) -> Tensor:
        used = [vcu.prompt] if vcu.fading is None else [vcu.fading.prompt, vcu.prompt]
        state.prompts = {
            one: state.prompts[one] if one in state.prompts else self.embed_prompt(one) for one in used
        }
        if vcu.fading is None:
            return state.prompts[vcu.prompt]
        old, new = (state.prompts[one] for one in used)
        return between(old, new, vcu.fading.share, vcu.fading.by)

    def _references(self, vcu: VCU, state: EncodeState) -> References | None:
        """Encoded one by one, each as a still of its own, once per set."""
        if not vcu.references:
            return None
        if not are_same(state.pictures, vcu.references):
            ready = state.ready
            made = ready[1] if ready and are_same(ready[0], vcu.references) else None
            state.references = made or self.references_of(vcu.references)
            state.pictures, state.ready = vcu.references, None
        assert state.references is not None
        if (
            state.references.scales != vcu.reference_scales
        ):  # chunks in flight keep those that they were given
            state.references = replace(state.references, scales=vcu.reference_scales)
        return state.references

    def references_of(self, pictures: tuple[Tensor, ...]) -> References:
        """Pictures [3 H W], encoded."""
        latents = torch.stack([self.new_encoder().push(image[None])[:, 0] for image in pictures])
        noise = [self.reference_noise(i, tuple(latents.shape[1:])) for i in range(len(latents))]
        return References(latents, torch.stack(noise).to(latents))


def are_same(some: tuple[Tensor, ...], others: tuple[Tensor, ...]) -> bool:
    """Whether these are the same objects, in order."""
    return len(some) == len(others) and all(a is b for a, b in zip(some, others, strict=True))


def between(old: Tensor, new: Tensor, share: float, by: Literal["linear", "slerp"]) -> Tensor:
    """Embeddings [L text_dim] on the way from one prompt to another, token by token.

    slerp goes along the arc between two tokens, with a length between theirs; zero rows have no direction and
    go straight.
    """
    straight = torch.lerp(old.float(), new.float(), share)
    if by == "linear":
        return straight.to(new.dtype)
    lengths = [x.float().norm(dim=-1, keepdim=True) for x in (old, new)]
    a, b = (x.float() / n.clamp_min(1e-12) for x, n in zip((old, new), lengths, strict=True))
    angle = (a * b).sum(dim=-1, keepdim=True).clamp(-1, 1).acos()
    arc = (((1 - share) * angle).sin() * a + (share * angle).sin() * b) / angle.sin()
    curved = arc * torch.lerp(lengths[0], lengths[1], share)
    bent = (angle.sin() > 1e-4) & (lengths[0] > 0) & (lengths[1] > 0)
    return torch.where(bent, curved, straight).to(new.dtype)


def encode_layer(layer: Layer, inactive: PixelEncoder, reactive: PixelEncoder) -> Tensor:
    """Frames and masks of one chunk -> context [ctx f h w]."""
    size = layer.frames.shape[2], layer.frames.shape[3]
    parts = [
        encoder.push(pixels) if pixels.any() else encoder.push_neutral(len(pixels), size)
        for encoder, pixels in ((inactive, layer.inactive()), (reactive, layer.reactive()))
    ]
    stride = size[0] // parts[0].shape[2]
    return torch.cat([*parts, pack_masks(layer.latent_masks, stride).to(parts[0])])


def pack_masks(latent_masks: Tensor, stride: int) -> Tensor:
    """[f 1 H W] -> [stride*stride f h w]: each pixel of a latent cell becomes a channel, row by row."""
    return rearrange(latent_masks, "f 1 (h p) (w q) -> (p q) f h w", p=stride, q=stride)


def pool_masks(masks: Tensor, chunk: Chunk, how: MaskTime) -> Tensor:
    """Masks of a chunk's frames [T 1 H W] -> one a latent [f 1 H W].

    group: the last but one frame of the latent's four (4j-1; frame 0 of latent 0). union: any of the four.
    nearest: the evenly spread frames that whole-clip VACE takes. It must know where the clip ends, and early
    in the clip it takes the frame after a latent's four: then `masks` has one frame more than the chunk.
    """
    if how == "nearest":
        total = chunk.num_latents if chunk.end is None else num_latents(chunk.end)
        latents = range(chunk.first_latent, chunk.first_latent + chunk.num_latents)
        last = len(masks) - 1
        return masks[[min(nearest_frame(j, total) - chunk.start, last) for j in latents]]
    groups = [
        masks[first_frame(j) - chunk.start : first_frame(j + 1) - chunk.start]
        for j in range(chunk.first_latent, chunk.first_latent + chunk.num_latents)
    ]
    if how == "union":
        return torch.stack([group.amax(dim=0) for group in groups])
    return torch.stack([group[min(2, len(group) - 1)] for group in groups])
