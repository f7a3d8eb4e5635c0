"""How large a training is: a row a preset. Minutes are shared out among the stages; runs add up."""

import random
from dataclasses import dataclass

Size = tuple[int, int]
"""(height, width) of frames."""


@dataclass(frozen=True)
class Preset:
    """Sizes of the training clips, how many are cached, and tokens of a batch."""

    minutes: float
    """Of the whole chain."""
    shares: dict[str, float]
    """Of the minutes, a stage."""
    sizes: dict[Size, float]
    """Share of the clips of each size; the first is native."""
    clips: int
    controls: int
    """Of the clips, those with controls."""
    tokens: int = 1536
    """Of a batch of the transformers, about: clips are few where they are large or long."""
    vae_batch: float = 1.0
    """Clips of a batch of the VAE, against those of its table."""
    device: str = "cpu"

    @property
    def native(self) -> Size:
        return next(iter(self.sizes))

    def draw_size(self, pick: random.Random) -> Size:
        """The size of a step's clips."""
        return pick.choices(list(self.sizes), list(self.sizes.values()))[0]

    def batch_size(self, frames: int, size: Size) -> int:
        """Clips of so many latents that make a batch."""
        return max(1, round(self.tokens / (frames * size[0] * size[1] / 256)))


SHARES = {"vae": 0.22, "cache": 0.1, "base": 0.24, "vace": 0.2, "causal": 0.12, "guided": 0.12}
MIXED = {(128, 128): 0.72, (96, 160): 0.1, (160, 96): 0.1, (64, 64): 0.08}

PRESETS: dict[str, Preset] = {
    "cpu": Preset(90, SHARES, MIXED, clips=1536, controls=1536),
    "gpu": Preset(22, SHARES, MIXED, clips=16384, controls=8192, tokens=49152, vae_batch=16, device="cuda"),
    "smoke": Preset(
        2,
        {"vae": 0.3, "cache": 0.1, "base": 0.2, "vace": 0.2, "causal": 0.1, "guided": 0.1},
        {(64, 64): 0.5, (32, 64): 0.5},
        clips=64,
        controls=64,
        tokens=256,
        vae_batch=0.5,
    ),
}
"""On two cores, as often as wanted; on one large GPU (never run yet); and to see that every stage learns."""
