"""Rows of frames (source, control, mask, output) and references -> one picture to look at."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

TILE = (192, 256)
"""(height, width): small frames are enlarged by a whole number within it, large ones reduced to it."""
MARGIN, GAP, TEXT = 16, 6, 15
"""Pixels around the sheet, between tiles, and of the letters' height."""
PAPER, INK, FAINT = (232, 232, 232), (30, 30, 30), (110, 110, 110)
LINE = TEXT + GAP


@dataclass(frozen=True)
class Strip:
    """A row of the sheet: its label, its tiles, and the number above each."""

    name: str
    tiles: list[Image.Image]
    numbers: list[str]

    @property
    def width(self) -> int:
        return sum(image.width for image in self.tiles) + GAP * (len(self.tiles) - 1)

    @property
    def height(self) -> int:
        return max(image.height for image in self.tiles)


def contact_sheet(
    rows: Sequence[tuple[str, np.ndarray]],
    references: Sequence[np.ndarray] = (),
    *,
    columns: int = 8,
    numbers: Sequence[int] | None = None,
    title: str = "",
) -> np.ndarray:
    """Labelled rows [T H W 3] at evenly chosen frames, then a row of references [H W 3] -> [H W 3].

    `numbers` says which frames of the video the rows hold, where they do not hold all.
    """
    strips = [_strip(name, frames, columns, numbers) for name, frames in rows if len(frames)]
    if references:
        tiles = [tile(image) for image in references]
        name = "reference" if len(tiles) == 1 else "references"
        strips.append(Strip(name, tiles, [str(i + 1) for i in range(len(tiles))]))
    font = ImageFont.load_default(TEXT)
    gutter = MARGIN + max((round(font.getlength(strip.name)) for strip in strips), default=0)
    across = gutter + max((strip.width for strip in strips), default=0)
    width = 2 * MARGIN + max(across, round(font.getlength(title)))
    head = TEXT + 2 * GAP if title else 0
    height = 2 * MARGIN + head + sum(LINE + strip.height + GAP for strip in strips)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw, y = ImageDraw.Draw(sheet), MARGIN + head
    draw.text((MARGIN, MARGIN), title, fill=INK, font=font)
    for strip in strips:
        draw.text((MARGIN, y + LINE + strip.height // 2), strip.name, fill=INK, font=font, anchor="lm")
        x = MARGIN + gutter
        for image, number in zip(strip.tiles, strip.numbers, strict=True):
            draw.text((x, y + TEXT), number, fill=FAINT, font=font, anchor="ls")
            sheet.paste(image, (x, y + LINE))
            x += image.width + GAP
        y += LINE + strip.height + GAP
    return np.array(sheet)


def chosen(num_frames: int, columns: int) -> list[int]:
    """At most `columns` frame numbers, evenly spaced, the first and the last among them."""
    return sorted({round(i) for i in np.linspace(0, num_frames - 1, min(columns, num_frames))})


def tile(frame: np.ndarray) -> Image.Image:
    """[H W 3] -> a tile within TILE: whole pixels enlarged, or the frame reduced."""
    image = Image.fromarray(frame)
    ratio = min(TILE[0] / image.height, TILE[1] / image.width)
    if ratio >= 1:
        return image.resize((image.width * int(ratio), image.height * int(ratio)), Image.Resampling.NEAREST)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    return image.resize(size, Image.Resampling.LANCZOS)


def _strip(name: str, frames: np.ndarray, columns: int, numbers: Sequence[int] | None) -> Strip:
    at = chosen(len(frames), columns)
    return Strip(name, [tile(frames[i]) for i in at], [str(numbers[i] if numbers else i) for i in at])
