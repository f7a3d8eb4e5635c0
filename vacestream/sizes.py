"""An area and an aspect -> the (height, width) to make."""

from math import log, sqrt

from vacestream.recipe.values import SIDE

WIDE = 16 / 9
"""The aspect that a picture without a source comes nearest to."""


def default_size(area: int) -> tuple[int, int]:
    """The (height, width) of exactly this area, sides multiples of 16, that comes nearest to 16:9."""
    sides = range(SIDE, area // SIDE + 1, SIDE)
    exact = [
        (height, area // height) for height in sides if area % height == 0 and area // height % SIDE == 0
    ]
    return min(exact, key=lambda size: abs(log(size[1] / size[0] / WIDE)))


def fitted_size(aspect: float, area: int) -> tuple[int, int]:
    """The (height, width) of at most this area, sides multiples of 16, that fits the aspect best."""
    height = sqrt(area / aspect)
    rows, columns = (int(side // SIDE) * SIDE for side in (height, height * aspect))
    sizes = [
        (max(SIDE, rows + down), max(SIDE, columns + across)) for down in (0, SIDE) for across in (0, SIDE)
    ]
    fitting = [size for size in sizes if size[0] * size[1] <= area] or [min(sizes)]

    def misfit(size: tuple[int, int]) -> float:
        return 1.5 * abs(log(size[1] / size[0] / aspect)) + log(area / (size[0] * size[1]))

    return min(fitting, key=misfit)
