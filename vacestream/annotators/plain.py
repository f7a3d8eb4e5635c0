"""The picture as it is."""

import numpy as np


class Plain:
    """Each frame itself."""

    lead = 1

    def __call__(self, frames: np.ndarray) -> np.ndarray:
        """[T H W 3] -> [T H W 3]."""
        return frames
