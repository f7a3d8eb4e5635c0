from typing import Literal

import numpy as np
import pytest

from vacestream.media.fit import place


@pytest.mark.parametrize("size", [(720, 1280), (1280, 720), (33, 65), (64, 64)])
@pytest.mark.parametrize("target", [(480, 832), (64, 64), (832, 480), (16, 160)])
def test_crop_covers_and_letterbox_fits_with_the_aspect_kept(
    size: tuple[int, int], target: tuple[int, int]
) -> None:
    cover, inside = place(size, target, "crop").scaled, place(size, target, "letterbox").scaled
    assert all(c >= t >= i for c, t, i in zip(cover, target, inside, strict=True))
    for scaled in (cover, inside):
        assert abs(scaled[0] / size[0] - scaled[1] / size[1]) <= 0.5 / min(size) + 1e-9
        assert scaled[0] == target[0] or scaled[1] == target[1]


@pytest.mark.parametrize("fit", ["crop", "letterbox"])
def test_a_frame_gets_the_size_of_its_target(fit: Literal["crop", "letterbox"]) -> None:
    frame = np.full((36, 64, 3), 200, np.uint8)
    for target in [(64, 64), (48, 80), (36, 64), (16, 128)]:
        assert place((36, 64), target, fit).apply(frame).shape == (*target, 3)


def test_letterbox_is_black_around_and_centred() -> None:
    out = place((32, 64), (64, 64), "letterbox").apply(np.full((32, 64, 3), 200, np.uint8))
    assert out[:16].max() == out[48:].max() == 0
    assert out[16:48].min() == 200


def test_without_a_target_nothing_changes() -> None:
    frame = np.random.default_rng(0).integers(0, 256, (33, 65, 3), np.uint8)
    assert np.array_equal(place((33, 65), None).apply(frame), frame)
