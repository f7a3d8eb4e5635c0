"""Sizes from areas and aspects."""

import pytest

from vacestream.sizes import default_size, fitted_size


@pytest.mark.parametrize(
    ("area", "size"),
    [(480 * 832, (480, 832)), (720 * 1280, (720, 1280)), (64 * 64, (64, 64)), (128 * 128, (128, 128))],
)
def test_an_area_alone_is_as_wide_as_a_screen_where_it_can_be(area: int, size: tuple[int, int]) -> None:
    assert default_size(area) == size


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(16 / 9, (480, 832)), (9 / 16, (832, 480)), (1, (624, 624)), (4 / 3, (544, 720)), (2.39, (400, 976))],
)
def test_a_usual_aspect_gets_the_usual_size(aspect: float, size: tuple[int, int]) -> None:
    assert fitted_size(aspect, 480 * 832) == size


@pytest.mark.parametrize("area", [64 * 64, 480 * 832])
@pytest.mark.parametrize("aspect", [0.01, 0.3, 0.77, 1.0, 1.9, 3.3, 100.0])
def test_every_aspect_gets_sides_of_16_within_the_area(aspect: float, area: int) -> None:
    height, width = fitted_size(aspect, area)
    assert height % 16 == width % 16 == 0
    assert 0 < height * width <= max(area, 16 * 16 * 100)
    assert abs(height - (area / aspect) ** 0.5) <= 16 or height == 16
