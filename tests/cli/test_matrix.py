"""How the jobs of a matrix are told apart."""

import pytest

from vacestream.cli.matrix import Cell, cells, named_apart
from vacestream.recipe import load_recipe


@pytest.mark.parametrize(
    ("path", "named"),
    [
        ("fox.mp4", "fox-seed3-controls.0.scale0.5.mp4"),
        ("out/", "out/{recipe}-seed3-controls.0.scale0.5.mp4"),
        ("out/{seed}.mp4", "out/{seed}-controls.0.scale0.5.mp4"),
        ("{seed}/a.{controls.0.scale}.mp4", "{seed}/a.0.5.mp4"),
        ("fox/%05d.png", "fox-seed3-controls.0.scale0.5/%05d.png"),
        ("fox.%05d.png", "fox-seed3-controls.0.scale0.5.%05d.png"),
        ("-", "-"),
    ],
)
def test_a_template_or_a_suffix_tells_them_apart(path: str, named: str) -> None:
    recipe = load_recipe({"prompt": "x", "length": "9f", "output": path})
    cell = Cell((("seed", "3"), ("controls.0.scale", "0.5")))
    assert named_apart(recipe, cell).output[0].path == named
    assert named_apart(recipe, Cell()).output[0].path == (f"{path}{{recipe}}.mp4" if path == "out/" else path)


def test_values_are_ranges_lists_and_quoted_text() -> None:
    assert [cell.values for cell in cells(["seed=1..2", "context_scale=0.5, 1"])] == [
        (("seed", seed), ("context_scale", scale)) for seed in "12" for scale in ("0.5", "1")
    ]
    axis = cells(['prompt="a fox, red",a hen'])
    assert [dict(cell.values)["prompt"] for cell in axis] == ["a fox, red", "a hen"]
    boxes = cells(["mask.bbox=[0,0,8,8],[8,8,16,16]"])
    assert [dict(cell.values)["mask.bbox"] for cell in boxes] == ["[0,0,8,8]", "[8,8,16,16]"]
    assert cells([]) == [Cell()]
