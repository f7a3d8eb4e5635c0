"""How much noise the input's latents get."""

import pytest
import torch

from vacestream.source import MotionRule, SteadyRule


def gray(level: float, num_frames: int = 4) -> torch.Tensor:
    return torch.full((num_frames, 3, 8, 8), level)


def test_a_steady_rule_gives_every_chunk_the_same_and_says_so():
    rule = SteadyRule(0.6)
    assert [rule.push(gray(x)) for x in (0.0, 0.9)] == [(0.6, 600.0)] * 2


def test_footage_that_stands_still_keeps_its_noise_and_motion_takes_some_away():
    rule = MotionRule(0.8)
    assert rule.push(gray(0.0, 5)) == (0.8, 700.0)
    assert rule.push(gray(0.0)) == (pytest.approx(0.8), pytest.approx(700, abs=1))
    share, told = rule.push(gray(0.1))  # half of what counts as full motion, across the border of chunks
    assert share == pytest.approx(0.9 * (0.8 - 0.05) + 0.1 * 0.8)
    assert told == int(1000 * share) - 100
    assert rule.push(gray(1.0))[0] == pytest.approx(0.9 * (0.8 - 0.1) + 0.1 * share)


def test_what_is_told_is_never_below_zero():
    assert MotionRule(0.05).push(gray(0.0)) == (0.05, 0.0)


def test_a_rule_goes_on_from_a_kept_state():
    first, second = MotionRule(0.8), MotionRule(0.8)
    first.push(gray(0.0, 5))
    first.push(gray(0.1))
    second.restore(first.state())
    assert first.push(gray(0.3)) == second.push(gray(0.3))
