"""The strip of context_scale: one clip under depth, a row a scale, to look at."""

import numpy as np
from torch import Tensor

from vacestream.evaluate import sampling
from vacestream.evaluate.asks import DEPTH, SCALED
from vacestream.evaluate.truth import make_truth
from vacestream.frames import to_frames
from vacestream.media.sheet import contact_sheet
from vacestream.sprites.signals import SIGNALS


def scale_strip(size: tuple[int, int], *, index: int = 0) -> np.ndarray:
    """[H W 3] uint8: clip `index`, its depth, and what is made of it at each context_scale."""
    truth, sample = make_truth(index, size), sampling.streaming(sampling.load())
    rows = [("clip", _frames(truth.video)), ("depth", _frames(SIGNALS["depth"](truth.clip)[0]))]
    rows += [(f"context_scale {ask.scale:g}", _frames(sample(ask, truth))) for ask in SCALED]
    return contact_sheet(rows, title=truth.caption(named=DEPTH.named))


def _frames(pictures: Tensor) -> np.ndarray:
    return to_frames(pictures * 2 - 1)
