"""Values of clips -> a mean and its 95 % interval; and the level that a later run is held to."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, fmean, stdev

Z = NormalDist().inv_cdf(0.975)
SLACK = 0.1
"""How far under what was measured an asserted level is, at most."""
TINY = 1e-3
"""A divisor is not taken to be less."""


@dataclass(frozen=True)
class Estimate:
    """Mean, and the ends of its 95 % interval; of one value alone there is no interval."""

    mean: float
    low: float
    high: float

    @property
    def interval(self) -> list[float] | None:
        """Its ends, None where they are not known."""
        return [self.low, self.high] if self.high < float("inf") else None

    def level(self, *, less: bool) -> float:
        """The interval's end on the bad side, but at most a tenth from the mean; that, where it is empty."""
        slack = SLACK * abs(self.mean)
        if self.low == self.high:
            return self.mean + slack if less else self.mean - slack
        return min(self.high, self.mean + slack) if less else max(self.low, self.mean - slack)


def estimate(values: Sequence[float], *, share: bool = False) -> Estimate:
    """Student's interval; for shares Wilson's, which is not empty where all clips agree."""
    n, mean = len(values), fmean(values)
    if share:
        middle = (mean + Z * Z / (2 * n)) / (1 + Z * Z / n)
        half = Z / (1 + Z * Z / n) * (max(mean * (1 - mean), 0) / n + Z * Z / (4 * n * n)) ** 0.5
        return Estimate(mean, max(0.0, middle - half), min(1.0, middle + half))
    return _spread(mean, values)


def ratio(top: Sequence[float], bottom: Sequence[float]) -> Estimate:
    """Of the means of values of the same clips; the interval is that of the linear part."""
    below = max(fmean(bottom), TINY)
    quotient = fmean(top) / below
    return _spread(quotient, [(a - quotient * b) / below for a, b in zip(top, bottom, strict=True)])


def shortfall(top: Sequence[float], bottom: Sequence[float]) -> Estimate:
    """How far top is under bottom, clip by clip."""
    return estimate([b - a for a, b in zip(top, bottom, strict=True)])


def _spread(mean: float, parts: Sequence[float]) -> Estimate:
    """The interval of a mean whose parts scatter like these."""
    n = len(parts)
    if n < 2:
        return Estimate(mean, float("-inf"), float("inf"))
    half = _student(n - 1) * stdev(parts) / n**0.5
    return Estimate(mean, mean - half, mean + half)


def _student(freedom: int) -> float:
    """The 97.5 % point of Student's t, by the first terms of its series about the normal one."""
    first = (Z**3 + Z) / 4
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / freedom + second / freedom**2 + third / freedom**3
