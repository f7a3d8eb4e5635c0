"""The same line from Python: `load(name).generate(...)` yields frames chunk by chunk."""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
from torch import Tensor

from vacestream.condition import FrameSource, Pass, Steering, make_vcus
from vacestream.errors import InputError, RecipeError
from vacestream.frames import to_pixels
from vacestream.inputs import load_reference
from vacestream.media.fit import letterbox_on_white, place
from vacestream.media.playback import IndexedSource
from vacestream.media.probe import probe
from vacestream.media.sources import Source, open_source
from vacestream.models.device import pick_device, pick_dtype
from vacestream.models.load import Pipeline, load_pipeline
from vacestream.pipelines import PIPELINES, PipelineSpec
from vacestream.sizes import default_size, fitted_size
from vacestream.stream import new_stream
from vacestream.timeline import chunks, num_latents

DEFAULT_FRAMES = 81
"""VACE's own clip length, where nothing else says how long."""

Picture = str | Path | np.ndarray
"""A file, sprites:SEED, or [H W 3] uint8."""
Video = str | Path | np.ndarray
"""A file, sprites:SEED, or [T H W 3] uint8; a mask may also be [T H W] or [H W], 0 = keep, 255 = generate."""


class Model:
    """A loaded pipeline; weights are shared by all that it generates."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.pipeline = pipeline

    def generate(
        self,
        prompt: str = "",
        *,
        vace_reference_images: Sequence[Picture] = (),
        vace_video: Video | None = None,
        vace_mask: Video | None = None,
        vace_context_scale: float = 1.0,
        num_frames: int | None = None,
        size: tuple[int, int] | None = None,
        seed: int = 0,
    ) -> Iterator[np.ndarray]:
        """Frames uint8 [T H W 3] of each chunk as it is made; what is given says what is done.

        References: R2V. Video: a control (V2V). Video and mask: kept where the mask is black (MV2V).
        num_frames defaults to the video's, else 81; size (height, width) to the video's aspect.
        """
        if vace_mask is not None and vace_video is None:
            raise RecipeError("vace_mask: a mask says what of a video is kept; give vace_video too")
        if len(vace_reference_images) > 3:
            raise RecipeError(
                f"vace_reference_images: {len(vace_reference_images)} given, at most 3 are taken"
            )
        if not 0 <= vace_context_scale <= 2:
            raise RecipeError(f"vace_context_scale: {vace_context_scale} is not between 0 and 2")
        size = size or self._size(vace_video)
        if num_frames is None and vace_video is None:
            num_frames = DEFAULT_FRAMES
        _spec_of(self.pipeline.spec, num_frames)
        references = tuple(_reference(picture, size) for picture in vace_reference_images)
        steering = Steering(prompt, references, float(vace_context_scale))
        stack = ExitStack()
        passes = self._passes(vace_video, vace_mask, size, num_frames, stack)
        return self._frames(
            passes or ([Pass()] if references else []), steering, num_frames, size, seed, stack
        )

    def _frames(
        self,
        passes: list[Pass],
        steering: Steering,
        num_frames: int | None,
        size: tuple[int, int],
        seed: int,
        stack: ExitStack,
    ) -> Iterator[np.ndarray]:
        with stack:
            pipeline = replace(self.pipeline, spec=_spec_of(self.pipeline.spec, num_frames))
            vcus = make_vcus(chunks(pipeline.spec, num_frames), passes, lambda _: steering, size)
            for _, frames in new_stream(pipeline, size, seed)(vcus):
                yield frames

    def _passes(
        self,
        video: Video | None,
        mask: Video | None,
        size: tuple[int, int],
        num_frames: int | None,
        stack: ExitStack,
    ) -> list[Pass]:
        def opened(given: Video) -> FrameSource:
            source = _source(given, size, Fraction(self.pipeline.spec.fps))
            stack.callback(source.close)
            if num_frames and source.num_frames is not None and source.num_frames < num_frames:
                raise InputError(f"a video of {source.num_frames} frames is too short for {num_frames = }")
            return source

        if video is None:
            return []
        if mask is None:
            return [Pass(control=opened(video))]
        return [Pass(control=opened(video), kept=opened(video), mask=opened(mask))]

    def _size(self, video: Video | None) -> tuple[int, int]:
        area = self.pipeline.spec.area
        if video is None:
            return default_size(area)
        height, width = video.shape[1:3] if isinstance(video, np.ndarray) else probe(str(video)).size
        return fitted_size(width / height, area)


def load(name: str = "sprites", *, device: str = "auto", precision: str = "auto") -> Model:
    """Load a row of the table of pipelines; ModelError names what is missing."""
    if name not in PIPELINES:
        raise RecipeError(f"{name} is not a pipeline; one of {', '.join(PIPELINES)}")
    where = pick_device(device)
    return Model(load_pipeline(PIPELINES[name], where, pick_dtype(precision, where)))


def _reference(picture: Picture, size: tuple[int, int]) -> Tensor:
    if isinstance(picture, np.ndarray):
        return to_pixels(letterbox_on_white(picture, size)[None])[0]
    return load_reference(str(picture), size)


def _source(given: Video, size: tuple[int, int], fps: Fraction) -> Source:
    """An array or a file as a source; a single picture stands for every frame."""
    if not isinstance(given, np.ndarray):
        still = Path(given).is_file() and probe(str(given)).num_frames == 1
        return open_source(str(given), size=size, at_end="hold" if still else "stop")
    frames = given[None] if given.ndim == 2 else given
    frames = np.repeat(frames[..., None], 3, axis=-1) if frames.ndim == 3 else frames
    fitted = place(frames.shape[1:3], size)
    held = len(frames) == 1
    return IndexedSource(
        lambda i: fitted.apply(frames[0 if held else i]),
        size=size,
        fps=fps,
        num_frames=None if held else len(frames),
    )


def _spec_of(spec: PipelineSpec, num_frames: int | None) -> PipelineSpec:
    """The row as it makes so many frames; None: as many as the video has."""
    if spec.streams or spec.batch is None:
        return spec
    if num_frames is not None and num_frames > spec.batch.max_frames:
        raise RecipeError(f"num_frames: {spec.name} makes {spec.batch.max_frames} at most, at once")
    return spec.whole_clip(spec.batch.max_latents if num_frames is None else num_latents(num_frames))
