"""Ways of asking for a clip, as data; each becomes the same VCUs that a recipe would."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from vacestream.condition import FrameSource, Pass, Steering, make_vcus
from vacestream.evaluate.truth import Truth
from vacestream.frames import to_frames
from vacestream.sprites.signals import SIGNALS
from vacestream.timeline import Chunk, first_frame
from vacestream.vcu import VCU

FRAMES = 33
LONG_FRAMES = first_frame(3 * 50)
"""50 chunks."""


@dataclass(frozen=True)
class Ask:
    """What is given of a clip; the rest must be made."""

    name: str
    control: str | None = None
    named: bool = True
    """Whether the prompt names the sprites, or the ground alone."""
    references: Literal["none", "own", "other"] = "none"
    kept: Literal["nothing", "ends", "half"] = "nothing"
    """Frames of the clip that are given: none, the first and the last, or the left half of all."""
    scale: float = 1.0
    sprites: int = 1
    num_frames: int = FRAMES
    neutral: bool = True
    """Whether context passes act where they are given nothing."""
    reanchor: tuple[int, Literal["first", "source", "reference"]] | None = None
    """Chunks from one renewal of the attention sink to the next, and what of."""

    def vcus(self, truth: Truth, chunks: Iterable[Chunk]) -> Iterator[tuple[Chunk, VCU]]:
        """The VCUs of the chunks; given pixels are not put back, so that what the model makes is seen."""
        references = () if self.references == "none" else truth.references(self.references)
        steering = Steering(truth.caption(named=self.named), references, self.scale, neutral=self.neutral)
        every, source = self.reanchor or (0, "first")

        def steer(chunk: Chunk) -> Steering:
            if not every or not chunk.index or chunk.index % every:
                return steering
            return replace(steering, anchor=references[0] if source == "reference" else source)

        passes = self._passes(truth)
        if source == "source":
            passes[0] = replace(passes[0], footage=_source(truth.video))
        for chunk, vcu in make_vcus(chunks, passes, steer, truth.size):
            yield chunk, replace(vcu, kept=None)

    def mask(self, truth: Truth) -> Tensor:
        """[T H W]: 1 = to be made, 0 = given."""
        mask = torch.ones(truth.instances.shape)
        if self.kept == "ends":
            mask[[0, -1]] = 0
        if self.kept == "half":
            mask[:, :, : mask.shape[2] // 2] = 0
        return mask

    def _passes(self, truth: Truth) -> list[Pass]:
        if self.kept != "nothing":
            mask = self.mask(truth)[:, None].expand(-1, 3, -1, -1)
            return [Pass(kept=_source(truth.video), mask=_source(mask))]
        if self.control is not None:
            return [Pass(control=_source(SIGNALS[self.control](truth.clip)[0]))]
        return [Pass()] if self.references != "none" else []


class _Frames:
    """A clip as a source."""

    def __init__(self, frames: np.ndarray) -> None:
        self.frames, self.next = frames, 0

    def read(self, n: int) -> np.ndarray:
        """The next [t H W 3] uint8, t < n only at the end."""
        self.next += n
        return self.frames[self.next - n : self.next]


def _source(pictures: Tensor) -> FrameSource:
    """[T 3 H W] in 0..1."""
    return _Frames(to_frames(pictures * 2 - 1))


NO_HINT = Ask("no hint")
SIGNALLED = tuple(Ask(signal, control=signal) for signal in ("depth", "scribble", "pose"))
DEPTH, SCRIBBLE, POSE = SIGNALLED
ENDS = Ask("first and last frame given", kept="ends")
HALF = Ask("left half given", kept="half")
UNNAMED = Ask("nothing named", named=False)
UNNAMED_DEPTH = Ask("depth, nothing named", control="depth", named=False)
REFERENCE = Ask("reference", named=False, references="own")
DEPTH_REFERENCE = Ask("depth + reference", control="depth", named=False, references="own")
OTHER_REFERENCE = Ask("depth + another's reference", control="depth", named=False, references="other")
SCALED = tuple(
    DEPTH if scale == 1 else Ask(f"depth at context_scale {scale:g}", control="depth", scale=scale)
    for scale in (0, 0.5, 1, 1.5, 2)
)
TWO_DEPTH = Ask("two sprites: depth", control="depth", sprites=2)
TWO_REFERENCES = Ask(
    "two sprites: depth + references", control="depth", named=False, references="own", sprites=2
)
LONG_WORDS = Ask("50 chunks: no hint", num_frames=LONG_FRAMES)
LONG_DEPTH = Ask("50 chunks: depth", control="depth", num_frames=LONG_FRAMES)
