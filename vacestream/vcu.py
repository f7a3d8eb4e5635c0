"""The Video Condition Unit of one chunk: V = [T; F; M], text, frames and masks (VACE, arXiv:2503.07598)."""

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

from vacestream.method import Method


@dataclass(frozen=True)
class Layer:
    """Frames and masks of one context pass: a control, an edit, or neither.

    Zero in frames is mid-gray, "nothing here". T2V and R2V: frames 0, masks 1. V2V: frames = control,
    masks 1. MV2V: frames = source, masks 1 where it is made anew.
    """

    frames: Tensor  # [T 3 H W] -1..1
    masks: Tensor  # [T 1 H W] 0..1: 1 = generate, 0 = keep
    latent_masks: Tensor  # [f 1 H W]: the mask that each latent is told
    scale: float | Tensor = 1.0
    """Times the hints of this pass, or of each of its latents [f]."""
    steps: tuple[int, int] | None = None
    """The denoising steps it acts in, from 1, both ends included; all when left out."""
    rest: bool = False
    """Acts only where no other layer does."""

    def __post_init__(self) -> None:
        T, c, H, W = self.frames.shape
        if c != 3 or self.masks.shape != (T, 1, H, W) or self.latent_masks.shape[1:] != (1, H, W):
            shapes = self.frames.shape, self.masks.shape, self.latent_masks.shape
            raise ValueError(f"want [T 3 H W], [T 1 H W] and [f 1 H W], got {shapes}")

    def inactive(self) -> Tensor:
        """[T 3 H W]: what is kept; mid-gray elsewhere."""
        return self.frames * (self.masks <= 0.5)

    def reactive(self) -> Tensor:
        """[T 3 H W]: what is to be changed; mid-gray elsewhere. Inactive + reactive = frames."""
        return self.frames * (self.masks > 0.5)


@dataclass(frozen=True)
class Fading:
    """The prompt that a chunk's prompt comes from while the one changes into the other."""

    prompt: str
    share: float
    """Of the new prompt, 0.0 to 1.0."""
    by: Literal["linear", "slerp"] = "linear"


@dataclass(frozen=True)
class Ahead:
    """A latent with an anchor that is still to come."""

    latent: int
    """Its place in the video."""
    frames: Tensor  # [4 3 H W], mid-gray where nothing is given
    masks: Tensor  # [4 1 H W]


@dataclass(frozen=True)
class Manner:
    """How a chunk is made, beside what it is asked to be; None leaves it as it was when the stream began."""

    seed: int | None = None
    """Of its noise."""
    steps: tuple[float, ...] | None = None
    """Timesteps before they are warped, 1000 = pure noise."""
    source_steps: tuple[float, ...] | None = None
    """Those from the input's own latents."""
    method: Method | None = None
    loras: tuple[tuple[str, float], ...] | None = None
    """The LoRA files that are merged into the weights, and their scales."""
    adapter: str | None = None
    """A file of context blocks, own: those of the pipeline, none: the bare base."""
    switch: Literal["recache", "keep"] | None = None
    """What a new prompt does to the cache; None: what the row does."""
    reset: Literal["soft", "hard"] | None = None
    """soft: what was made before is forgotten; hard: by the decoder, too, so that nothing shines through."""


AS_BEGUN = Manner()


@dataclass(frozen=True)
class VCU:
    """What one chunk is asked to be."""

    prompt: str
    layers: tuple[Layer, ...] = ()
    """Context passes whose hints are summed; none: the bare base."""
    references: tuple[Tensor, ...] = ()  # [3 H W] -1..1 each, on white
    """1 to 3 pictures, in order; the same objects from chunk to chunk as long as they do not change."""
    context_scale: float = 1.0
    """0.0 to 2.0, times the scale of every pass."""
    source: Tensor | None = None
    """Pixels [T 3 H W] whose own latents the chunk starts from."""
    strength: float | None = 1.0
    """How far it may go from them, 0.0 to 1.0; None: it starts from noise all the same."""
    fading: Fading | None = None
    negative_prompt: str = ""
    """What guidance leads away from, in rows that have it."""
    kept: tuple[Tensor, Tensor] | None = None
    """Pixels [T 3 H W], and the share [T 1 H W] of what is made in the output; where it is 0 they stay."""

    ahead: tuple[Ahead, ...] = ()
    """Anchors that later chunks will show; the same objects from chunk to chunk."""
    reference_scales: tuple[float, ...] | None = None
    """How strongly each reference acts; all 1 when left out."""
    manner: Manner = AS_BEGUN
    anchor: Tensor | Literal["first"] | None = None
    """The picture [3 H W] that the attention sink is made anew of before this chunk, or the first frames."""

    def __post_init__(self) -> None:
        if self.references and not self.layers:
            raise ValueError("references act through a layer: give one of frames 0 and masks 1")

    def is_plain(self) -> bool:
        """Whether a control or the footage of this chunk is all one colour."""
        footage = [layer.frames for layer in self.layers] + ([self.kept[0]] if self.kept else [])
        return any(_is_plain(frames) for frames in footage)


def _is_plain(frames: Tensor) -> bool:
    """Whether frames [T 3 H W] hold something, and it is all one colour."""
    colour = frames[0, :, :1, :1]
    return bool(colour.any()) and all(bool((frame == colour).all()) for frame in frames)
