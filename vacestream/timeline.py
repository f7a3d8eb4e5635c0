"""The global timeline: output frames <-> latents <-> chunks.

Latent 0 holds frame 0, latent j the frames 4j-3..4j. Chunks of 3 latents are 9 frames first, then 12, 12, ...
"""

from collections.abc import Iterator
from dataclasses import dataclass

from vacestream.pipelines import VAE_STRIDE_T, PipelineSpec


@dataclass(frozen=True)
class Chunk:
    """Latents that are denoised together, and the frames that they hold."""

    index: int
    first_latent: int
    num_latents: int
    end: int | None = None
    """One past the last frame that is wanted, where the video ends inside this chunk."""

    @property
    def start(self) -> int:
        """First frame."""
        return first_frame(self.first_latent)

    @property
    def stop(self) -> int:
        """One past the last frame."""
        return first_frame(self.first_latent + self.num_latents)

    @property
    def num_frames(self) -> int:
        return self.stop - self.start

    @property
    def num_wanted(self) -> int:
        """Frames of this chunk that are output."""
        return self.num_frames if self.end is None else min(self.stop, self.end) - self.start


def first_frame(latent: int) -> int:
    """First frame that a latent holds."""
    return max(0, VAE_STRIDE_T * latent - VAE_STRIDE_T + 1)


def num_latents(num_frames: int) -> int:
    """Latents that hold so many frames."""
    return 1 + -(-(num_frames - 1) // VAE_STRIDE_T)


def nearest_frame(latent: int, total: int) -> int:
    """The frame nearest to a latent where the frames of `total` latents are spread evenly over them."""
    return (2 * latent + 1) * first_frame(total) // (2 * total)


def chunks(spec: PipelineSpec, num_frames: int | None = None, *, first_latent: int = 0) -> Iterator[Chunk]:
    """The chunks that cover num_frames frames, or endlessly; the last one may reach beyond the end."""
    index, latent = 0, first_latent
    while num_frames is None or first_frame(latent) < num_frames:
        count = spec.first_chunk_latents if latent == 0 else spec.chunk_latents
        yield Chunk(index, latent, count, num_frames)
        index, latent = index + 1, latent + count
