"""Where a video goes, as recipes say it."""

from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, Field, Strict

from vacestream.recipe.base import Media, Model, OneOrMore
from vacestream.recipe.values import RateValue, SizeValue, media_kind

FFMPEG_NAMES = {
    "libx264": "h264", "libx265": "h265", "hevc": "h265", "prores_ks": "prores", "matroska": "mkv",
    "yuv4mpegpipe": "y4m",
}  # fmt: skip
"""What ffmpeg calls our codecs and containers."""


def _ours(value: Any) -> Any:
    return FFMPEG_NAMES.get(value, value) if isinstance(value, str) else value


class Output(Model):
    """Where the video goes."""

    main_key: ClassVar[str] = "path"
    path: Media | None = None
    """A file, a folder with a last /, frames/%05d.png, camera:NAME, rtmp://, or '-'; else {recipe}.mp4."""
    size: SizeValue | None = None
    """The size shown, when it differs from the size made: the whole picture, with bars where needed."""
    fps: RateValue | None = None
    """The rate shown, when it differs from the rate made: frames are repeated or left out."""
    audio: Media | None = None
    """The sound: source, none, or a file; the input's when left out."""
    codec: Annotated[Literal["h264", "h265", "ffv1", "prores"], BeforeValidator(_ours)] | None = None
    """How it is encoded; what suits the file when left out: h264, or ffv1 (lossless) in .mkv."""
    crf: Annotated[int, Strict(), Field(ge=0, le=51)] = 18
    """The quality of h264 and h265: lower is better and larger."""
    format: Annotated[Literal["mp4", "mkv", "mov", "y4m", "rawvideo"], BeforeValidator(_ours)] | None = None
    """The container, when the path does not say; y4m into pipes when left out. rawvideo is bare RGB."""
    save: Annotated[tuple[Literal["control", "mask", "sheet"], ...], OneOrMore()] = ()
    """What is written beside the video: the control video, the mask video, a contact sheet."""

    @property
    def kind(self) -> str:
        """file, camera, url, stdin, or playlist: an .m3u8 that is written anew as it grows."""
        kind = "file" if self.path is None else media_kind(self.path)
        return "playlist" if kind == "file" and (self.path or "").endswith(".m3u8") else kind
