from dataclasses import replace
from itertools import islice, pairwise

import pytest

from tests.tiny import SPEC
from vacestream.timeline import chunks, first_frame

SINGLE = replace(SPEC, first_chunk_latents=1)
SHORT = replace(SPEC, first_chunk_latents=1, chunk_latents=1)


@pytest.mark.parametrize(
    ("spec", "lengths"),
    [
        (SPEC, [9, 12, 12, 12]),
        (SINGLE, [1, 12, 12, 12]),
        (SHORT, [1, 4, 4, 4]),
        (replace(SPEC, first_chunk_latents=8, chunk_latents=8), [29, 32, 32, 32]),
    ],
)
def test_the_first_chunk_holds_three_frames_less_than_four_a_latent(spec, lengths):
    assert [chunk.num_frames for chunk in islice(chunks(spec), 4)] == lengths


def test_seven_chunks_are_the_81_frames_and_21_latents_of_a_whole_clip():
    *_, last = chunks(SPEC, 81)
    assert (last.index, last.stop, last.first_latent + last.num_latents) == (6, 81, 21)
    assert last.num_wanted == last.num_frames == 12


def test_a_latent_holds_four_frames_and_the_first_one():
    assert [first_frame(latent) for latent in range(5)] == [0, 1, 5, 9, 13]
    assert first_frame(21) == 81


@pytest.mark.parametrize("spec", [SPEC, SINGLE, SHORT], ids=["3+3", "1+3", "1+1"])
@pytest.mark.parametrize("num_frames", range(1, 83))
def test_any_length_is_covered_exactly_once(spec, num_frames):
    made = list(chunks(spec, num_frames))
    assert made[0].start == 0
    assert all(a.stop == b.start and a.index + 1 == b.index for a, b in pairwise(made))
    assert all(chunk.num_wanted == chunk.num_frames for chunk in made[:-1])
    assert made[-1].num_wanted > 0
    assert sum(chunk.num_wanted for chunk in made) == num_frames


def test_a_timeline_that_starts_behind_given_latents_has_no_short_chunk():
    first, second = islice(chunks(SPEC, first_latent=3), 2)
    assert (first.start, first.num_frames, second.start) == (9, 12, 21)
