"""The colour of footage -> the ffmpeg filters that write RGB frames in it, and say so in the file."""

from dataclasses import dataclass

from vacestream.media.formats import Codec
from vacestream.media.info import MediaInfo

MATRICES = {
    "bt709": "bt709", "smpte170m": "smpte170m", "bt470bg": "bt470", "smpte240m": "smpte240m", "fcc": "fcc",
    "bt2020nc": "bt2020",
}  # fmt: skip
"""The tag of a matrix -> its name in ffmpeg's scale filter."""
_UNSAID = ("unknown", "reserved")


@dataclass(frozen=True)
class Colour:
    """What a file says of its colours, in ffmpeg's words."""

    matrix: str = "bt709"
    range: str = "tv"
    primaries: str = "bt709"
    transfer: str = "iec61966-2-1"

    def filters(self, codec: Codec) -> str:
        """From RGB to what the codec takes, tagged."""
        tags = f"setparams=color_primaries={self.primaries}:color_trc={self.transfer}"
        if codec.is_rgb:
            return tags
        scale = f"scale=out_color_matrix={MATRICES[self.matrix]}:out_range={self.range}"
        scale += ":flags=accurate_rnd+full_chroma_inp"
        return f"{scale},{tags}:colorspace={self.matrix}:range={self.range}"


SD = Colour("smpte170m")
"""Of y4m, which says nothing of its matrix."""


def colour_of(info: MediaInfo) -> Colour:
    """That of footage whose RGB is kept; what it does not say, and what was tone-mapped, is sRGB."""
    if info.is_hdr:
        return Colour()
    said = {
        "matrix": info.matrix if info.matrix in MATRICES else None,
        "range": info.range if info.range in ("tv", "pc") else None,
        "primaries": None if info.primaries in _UNSAID else info.primaries,
        "transfer": None if info.transfer in _UNSAID else info.transfer,
    }
    return Colour(**{name: value for name, value in said.items() if value is not None})
