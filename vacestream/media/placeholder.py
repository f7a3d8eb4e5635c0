"""What a device shows before the first frame is made."""

import numpy as np
from PIL import Image, ImageDraw, ImageFont

_BACK, _TEXT, _DIM = (24, 24, 28), (235, 235, 235), (130, 130, 140)


def placeholder(size: tuple[int, int], words: str, seconds: float) -> np.ndarray:
    """[H W 3] of (height, width) `size`: what is waited for, how long already, a mark that moves."""
    height, width = size
    image = Image.new("RGB", (width, height), _BACK)
    draw = ImageDraw.Draw(image)
    font = ImageFont.load_default(max(8, min(height // 12, width // 16)))
    draw.text((width // 2, height * 2 // 5), "vacestream", fill=_TEXT, font=font, anchor="mm")
    draw.text((width // 2, height * 3 // 5), f"{words}, {seconds:.0f} s", fill=_DIM, font=font, anchor="mm")
    mark, at = max(4, width // 12), seconds % 2 / 2
    left, top = int(at * (width - mark)), height * 4 // 5
    draw.rectangle((left, top, left + mark, top + max(1, height // 60)), fill=_TEXT)
    return np.array(image)
