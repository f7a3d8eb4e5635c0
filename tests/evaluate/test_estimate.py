"""Means, their intervals, and the levels drawn from them."""

from random import Random

import pytest

from vacestream.evaluate.estimate import SLACK, Estimate, estimate, ratio, shortfall


def test_an_interval_holds_the_truth_in_about_19_of_20_samples():
    random, held = Random(0), {3: 0, 8: 0, 24: 0}
    for n in held:
        for _ in range(2000):
            found = estimate([random.gauss(5, 2) for _ in range(n)])
            held[n] += found.low <= 5 <= found.high
    assert all(0.935 < count / 2000 < 0.965 for count in held.values()), held


def test_the_interval_of_a_ratio_holds_the_ratio_of_the_means():
    random, held = Random(1), 0
    for _ in range(1000):
        bottom = [random.gauss(0.8, 0.1) for _ in range(16)]
        found = ratio([0.9 * value + random.gauss(0, 0.05) for value in bottom], bottom)
        held += found.low <= 0.9 <= found.high
    assert 0.92 < held / 1000 < 0.98


def test_clips_that_all_agree_leave_a_share_uncertain():
    found = estimate([1.0] * 24, share=True)
    assert found.mean == 1
    assert found.low == pytest.approx(0.862, abs=1e-3)
    assert found.high == 1


def test_a_shortfall_is_taken_clip_by_clip():
    assert shortfall([20.0, 30.0], [22.0, 32.0]) == Estimate(2.0, 2.0, 2.0)


def test_one_clip_has_no_interval():
    found = estimate([0.7])
    assert (found.mean, found.low, found.high) == (0.7, float("-inf"), float("inf"))
    assert found.level(less=False) == pytest.approx(0.63)


@pytest.mark.parametrize("less", [False, True])
@pytest.mark.parametrize(
    "found",
    [
        Estimate(1.0, 0.5, 1.5),
        Estimate(1.0, 0.99, 1.01),
        Estimate(-1.0, -3.0, 1.0),
        Estimate(1.0, 1.0, 1.0),
    ],
)
def test_a_level_is_the_intervals_end_but_at_most_a_tenth_away(found, less):
    level = found.level(less=less)
    assert abs(level - found.mean) <= SLACK * abs(found.mean) + 1e-9
    assert level >= found.mean if less else level <= found.mean
    assert found.low <= level <= found.high or found.low == found.high
