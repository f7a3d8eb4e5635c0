"""The table of base pipelines: a row each, data only, from the papers that the rows name."""

from dataclasses import dataclass, replace
from typing import Literal


@dataclass(frozen=True)
class Transformer:
    """A Wan2.1 transformer and the VACE context blocks that fit it (arXiv:2503.20314, 2503.07598)."""

    dim: int
    ffn_dim: int
    layers: int
    heads: int
    context_layers: tuple[int, ...]
    """Main blocks that receive a hint; one context block each."""
    channels: int = 16
    text_dim: int = 4096
    text_len: int = 512
    freq_dim: int = 256
    patch: tuple[int, int, int] = (1, 2, 2)

    @property
    def head_dim(self) -> int:
        return self.dim // self.heads

    @property
    def context_channels(self) -> int:
        """Inactive and reactive latents, and a mask channel per pixel of a latent cell."""
        return 2 * self.channels + VAE_STRIDE * VAE_STRIDE


VAE_STRIDE_T, VAE_STRIDE = 4, 8
"""Frames and pixels per latent of the Wan2.1 VAE."""

WAN_1_3B = Transformer(1536, 8960, layers=30, heads=12, context_layers=tuple(range(0, 30, 2)))
WAN_14B = Transformer(5120, 13824, layers=40, heads=40, context_layers=tuple(range(0, 40, 5)))
SPRITES = Transformer(
    128, 512, layers=6, heads=4, context_layers=(0, 2, 4), text_dim=96, text_len=24, freq_dim=64
)


Recache = Literal["keep_sink", "rewrite_sink", "zero_sink", "none"]

Quirk = Literal[
    "attend_unfilled_sink",
    "freeze_noisy_sink",
    "compress_every_chunk",
    "record_every_chunk",
    "ring_by_pass",
]
"""Faults of the references that their weights were not trained with; rows have none, their records do.

attend_unfilled_sink, freeze_noisy_sink (LongLive): sink slots are attended as zeros before they are filled;
sink latents after the first chunk keep their first noisy K/V. compress_every_chunk, record_every_chunk
(MemFlow): a full bank is sorted out again though nothing is new; every chunk replaces the newest record.
ring_by_pass (StreamDiffusionV2): every pass may renew the sink, even while it is empty; the slot moves on
between the passes of a chunk; the third slot is never overwritten.
"""


@dataclass(frozen=True)
class Batch:
    """How a row makes a whole clip at once: every latent sees every other, references are among them."""

    steps: int
    shift: float
    guidance: float = 1.0
    sampler: Literal["unipc", "euler"] = "unipc"
    max_latents: int = 21

    @property
    def max_frames(self) -> int:
        return VAE_STRIDE_T * (self.max_latents - 1) + 1


@dataclass(frozen=True)
class PipelineSpec:
    """What distinguishes one causal base from another; lengths are in latents along time."""

    name: str
    transformer: Transformer
    steps: tuple[float, ...] = (1000, 750, 500, 250)
    """Timesteps of a chunk before warping, 1000 = pure noise."""
    shift: float = 5.0
    warp: bool = True
    """Push the steps through the shifted schedule, as the few-step checkpoints were trained."""
    source_steps: tuple[float, ...] | None = None
    """Those of a chunk that starts from the input's own latents, before strength; None: `steps`."""
    spare_steps: tuple[float, ...] = ()
    """Further ones that a recipe may ask for."""
    free_steps: Literal["even", "to_zero"] | None = None
    """Any number of steps will do, spread over the noise, or down to none; None: it was made for these."""
    source_scaled: bool = False
    """From source latents all steps are taken, each times the strength before it is warped."""
    source_motion: bool = False
    """Less noise where the input moves: StreamDiffusionV2's rule (arXiv:2511.07399)."""
    source_normalised: bool = True
    """Whether source latents are scaled as the VAE's statistics say."""
    step_batch: bool | None = None
    """Chunks in flight, one at each step, in one call of the model: faster, and as many chunks later. None:
    it cannot, for a chunk needs what is written behind the last step of the one before."""
    chunk_latents: int = 3
    first_chunk_latents: int = 3
    window_latents: int = 12
    """What a chunk sees, attention sink and itself included."""
    attention_sink_latents: int = 3
    """The first latents of the stream, which stay in the window."""
    sink_decay: float = 1.0
    """1: the sink stays as it is. Below, what leaves the window flows into it: sink * d + gone * (1 - d)."""
    sink_refresh: float | None = None
    """A latent whose K/V have a cosine below this with a sink latent takes its place; None: never."""
    rope: Literal["absolute", "relative"] = "absolute"
    """Keys roped at their place in the stream, or at their rank in the window on every read."""
    rope_restart: int = 0
    """The latent at which places in the stream jump back to the window's end; 0: never."""
    bank_latents: int = 0
    """Latents of longer ago that are seen beside the window, those that answer the prompt best."""
    bank_interval: int = 3
    """Chunks from one latent that the bank is offered to the next."""
    bank_top: int | None = None
    """How many latents of sink and bank each head attends to, the nearest to its query; None: all."""
    recompute_latents: int = 0
    """The cache is made again before every chunk, from so many clean latents; 0: it is carried on."""
    commit_pass: bool = True
    """Write the chunk's keys and values once more from its clean latents."""
    context_timestep: float = 0.0
    """Timestep of the commit and recache passes."""
    recache: Recache = "keep_sink"
    """What a prompt switch does to the cache: one pass over the last window of clean latents, or nothing.

    In that pass the sink stays, or is made anew. zero_sink is MemFlow's fault: nothing is left of it.
    """
    quirks: tuple[Quirk, ...] = ()
    references: Literal["hints", "sink", "prefix"] = "hints"
    """How a stream sees references where a recipe leaves it open: by hints alone, or as frames, too."""
    batch: Batch | None = None
    """How it makes a whole clip at once; None: it cannot."""
    streams: bool = True
    """Whether it makes chunk after chunk."""
    whole: Batch | None = None
    """`batch`, where that is what it does."""
    fps: int = 16
    area: int = 480 * 832
    """Pixels a frame when the recipe names no size."""
    status: Literal["recorded", "unrecorded", "experimental", "planned"] = "unrecorded"
    summary: str = ""

    @property
    def num_steps(self) -> int:
        """Denoising steps of a chunk."""
        return self.whole.steps if self.whole else len(self.steps)

    @property
    def is_guided(self) -> bool:
        """Whether a negative prompt acts."""
        return self.whole is not None and self.whole.guidance != 1

    def whole_clip(self, num_latents: int) -> "PipelineSpec":
        """The row as it makes a clip of so many latents at once."""
        return replace(
            self,
            whole=self.batch,
            chunk_latents=num_latents,
            first_chunk_latents=num_latents,
            window_latents=num_latents,
            attention_sink_latents=0,
            commit_pass=False,
            recache="none",
        )


_STREAM_DIFFUSION = PipelineSpec(
    "streamdiffusionv2-1.3b",
    WAN_1_3B,
    steps=(1000, 750, 500, 250, 0),
    shift=8.0,
    warp=False,
    source_steps=(700, 500),
    spare_steps=(400, 200),
    source_motion=True,
    source_normalised=False,
    chunk_latents=1,
    first_chunk_latents=2,
    window_latents=6,
    sink_refresh=0.2,
    step_batch=False,
    commit_pass=False,
    recache="none",
    status="recorded",
    summary="StreamDiffusionV2 (arXiv:2511.07399): 4 frames a chunk, from the input's own: `strength: 0.8`",
)

_WAN = PipelineSpec(
    "wan2.1-1.3b",
    WAN_1_3B,
    batch=Batch(steps=50, shift=16.0, guidance=5.0),
    streams=False,
    recache="none",
    status="recorded",
    summary="Wan2.1 (arXiv:2503.20314) as VACE was trained on it: up to 81 frames, the whole clip at once",
)

_ROWS = (
    PipelineSpec(
        "sprites",
        SPRITES,
        free_steps="even",
        references="sink",
        batch=Batch(steps=8, shift=8.0, sampler="euler"),
        shift=8.0,
        area=128 * 128,
        status="experimental",
        summary="the embedded tiny model: a procedural world of sprites, for trying things out",
    ),
    PipelineSpec(
        "longlive-1.3b",
        WAN_1_3B,
        status="recorded",
        summary="LongLive 1.0 (arXiv:2509.22622): real-time long video, window 12, attention sink 3",
    ),
    PipelineSpec(
        "longlive-1.3b-infinity",
        WAN_1_3B,
        rope="relative",
        status="recorded",
        summary="LongLive's weights with positions counted in the window: no end to the video",
    ),
    PipelineSpec(
        "self-forcing-1.3b",
        WAN_1_3B,
        window_latents=21,
        attention_sink_latents=0,
        recache="none",
        status="recorded",
        summary="Self Forcing (arXiv:2506.08009): trained on 81 frames; without an attention sink it drifts",
    ),
    PipelineSpec(
        "memflow-1.3b",
        WAN_1_3B,
        bank_latents=3,
        status="recorded",
        summary="MemFlow (arXiv:2512.14699): LongLive's window beside a bank that the prompt chooses from",
    ),
    _STREAM_DIFFUSION,
    replace(_STREAM_DIFFUSION, name="streamdiffusionv2-14b", transformer=WAN_14B),
    PipelineSpec(
        "reward-forcing-1.3b",
        WAN_1_3B,
        window_latents=9,
        sink_decay=0.999,
        rope="relative",
        recache="none",
        summary="Reward Forcing (arXiv:2512.04678): window 9, whatever leaves it flows into the sink",
    ),
    PipelineSpec(
        "krea-realtime-14b",
        WAN_14B,
        steps=(1000, 750, 500, 250, 0),
        window_latents=6,
        attention_sink_latents=0,
        free_steps="to_zero",
        source_scaled=True,
        recompute_latents=3,
        commit_pass=False,
        recache="none",
        summary="Krea Realtime 14B: the cache is made again before every chunk, under the prompt of now",
    ),
    _WAN,
    replace(_WAN, name="wan2.1-14b", transformer=WAN_14B),
)

PIPELINES: dict[str, PipelineSpec] = {row.name: row for row in _ROWS}
