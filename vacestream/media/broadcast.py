"""Frames -> a network address, through the shipped ffmpeg: a table of protocols, a row each."""

import subprocess
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from time import monotonic

import numpy as np

from vacestream.errors import OutputError
from vacestream.media import ffmpeg
from vacestream.media.contracts import Sink

PATIENCE = 2.0
"""Seconds that the other end has to take what is left."""
AGAIN = (1.0, 2.0, 5.0, 10.0, 30.0)
"""Seconds before an address that was lost is tried again, and again."""
CODEC = (
    "-c:v",
    "libx264",
    "-preset",
    "veryfast",
    "-tune",
    "zerolatency",
    "-pix_fmt",
    "yuv420p",
    "-threads",
    "2",
)


@dataclass(frozen=True)
class Protocol:
    """How an address of one kind is written."""

    muxer: str
    options: tuple[str, ...] = ()


_HLS = ("-hls_time", "1", "-hls_list_size", "8", "-hls_flags", "delete_segments+independent_segments")

PROTOCOLS: dict[str, Protocol] = {
    "rtmp": Protocol("flv", ("-flvflags", "no_duration_filesize")),
    "rtmps": Protocol("flv", ("-flvflags", "no_duration_filesize")),
    "rtsp": Protocol("rtsp", ("-rtsp_transport", "tcp")),
    "srt": Protocol("mpegts"),
    "udp": Protocol("mpegts"),
    "tcp": Protocol("mpegts"),
    "http": Protocol("mpegts", ("-method", "POST")),
    "https": Protocol("mpegts", ("-method", "POST")),
    "hls": Protocol("hls", _HLS),
}
"""By the scheme of the address; hls: a playlist, NAME.m3u8."""


class BroadcastSink:
    """Encodes frames as they come, without a look ahead; the caller keeps the time."""

    def __init__(self, where: str, size: tuple[int, int], fps: Fraction, *, crf: int = 23) -> None:
        scheme = "hls" if where.partition("?")[0].endswith(".m3u8") else where.partition(":")[0]
        self._where, self._size, protocol = where, size, PROTOCOLS[scheme]
        args = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[1]}x{size[0]}"]
        args += ["-r", f"{fps.numerator}/{fps.denominator}", "-i", "pipe:0"]
        args += ["-vf", "scale=trunc(iw/2)*2:trunc(ih/2)*2:out_color_matrix=bt709:out_range=tv"]
        args += [*CODEC, "-crf", str(crf), "-g", str(max(1, round(fps)))]
        args += ["-colorspace", "bt709", "-color_primaries", "bt709", "-color_trc", "iec61966-2-1"]
        args += ["-flush_packets", "1", *protocol.options, "-f", protocol.muxer]
        self._child = ffmpeg.start([*args, "-y", where], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL)

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3] uint8."""
        stdin = self._child.process.stdin
        assert stdin is not None
        try:
            stdin.write(np.ascontiguousarray(frames).data)
            stdin.flush()
        except OSError as error:
            self._child.end(patience=PATIENCE)
            words = self._child.last_words()
            self._child.log.close()
            raise OutputError(f"{self._where}: the stream broke off ({words})") from error

    def close(self) -> None:
        """Send what is left."""
        self.abort()

    def abort(self) -> None:
        """The same: nothing can be taken back."""
        self._child.end(patience=PATIENCE)
        self._child.log.close()


class Reopened:
    """A sink that is opened again, a while after it was lost; what comes meanwhile is left out."""

    def __init__(self, open_: Callable[[], Sink]) -> None:
        self._open, self._sink, self._tries, self._again = open_, None, 0, 0.0
        self._sink = open_()

    _sink: Sink | None

    def write(self, frames: np.ndarray) -> None:
        """[T H W 3], or nothing while it is lost."""
        if self._sink is None and monotonic() < self._again:
            return
        try:
            self._sink = self._sink or self._open()
            self._sink.write(frames)
        except OutputError as error:
            wait = AGAIN[min(self._tries, len(AGAIN) - 1)]
            self._sink, self._again = None, monotonic() + wait
            self._tries += 1
            warnings.warn(f"{error}; it is tried again in {wait:.0f} s", stacklevel=2)

    def close(self) -> None:
        """Close what is open."""
        if self._sink is not None:
            self._sink.close()

    def abort(self) -> None:
        """Stop what is open."""
        if self._sink is not None:
            self._sink.abort()
