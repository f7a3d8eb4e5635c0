"""The contract, over every row of the table of annotators."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from vacestream.annotators import ANNOTATORS, MASKS, TASKS, annotator, load
from vacestream.annotators.rows import Row
from vacestream.annotators.stream import Annotated
from vacestream.errors import ModelError, RecipeError
from vacestream.media.images import write_image
from vacestream.media.playback import IndexedSource
from vacestream.media.sources import open_source
from vacestream.recipe.masks import MASK_MODES
from vacestream.recipe.parts import Signal

SIZE, LENGTH = (48, 80), 11
BOXES = [{"at": "0f", "bbox": [4, 4, 20, 30]}, {"at": "9f", "bbox": [40, 10, 70, 40]}]
NEEDED: dict[str, dict[str, Any]] = {
    "layout_bbox": {"boxes": BOXES},
    "mask": {"mask": "mask.png"},
    "bbox": {"bbox": [3, 5, 40, 44]},
    "bboxtrack": {"bbox": [42, 13, 67, 38]},
    "masktrack": {"mask": "sprites:7"},
    "maskbboxtrack": {"mask": "sprites:7"},
    "layout_track": {"bbox": [42, 13, 67, 38]},
}
BUILT = [row for row in (*ANNOTATORS.values(), *MASKS.values()) if row.built and not row.weights]
each_row = pytest.mark.parametrize("row", BUILT, ids=lambda row: row.name)


@pytest.fixture(scope="module")
def footage() -> np.ndarray:
    return open_source("sprites:7", size=SIZE).read(LENGTH)


@pytest.fixture(autouse=True)
def _in_a_folder_with_a_mask(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    monkeypatch.chdir(tmp_path)
    mask = np.zeros((*SIZE, 3), np.uint8)
    mask[10:30, 20:60] = 255
    write_image(tmp_path / "mask.png", mask)


def made(row: Row, frames: np.ndarray, sizes: list[int]) -> np.ndarray:
    """The signal of these frames, read in pieces of these sizes."""
    source = IndexedSource(lambda i: frames[i], size=SIZE, fps=Fraction(16), num_frames=len(frames))
    signal = Annotated(source, annotator(row.name, **NEEDED.get(row.name, {})))
    return np.concatenate([signal.read(n) for n in sizes])


@each_row
@pytest.mark.parametrize("length", [0, 1, 2, LENGTH])
def test_a_signal_has_the_frames_of_its_footage(row: Row, footage: np.ndarray, length: int) -> None:
    signal = made(row, footage[:length], [LENGTH])
    assert signal.dtype == np.uint8
    assert signal.shape == (length, *SIZE, 3)


@each_row
def test_footage_is_not_changed(row: Row, footage: np.ndarray) -> None:
    before = footage.copy()
    made(row, footage, [LENGTH])
    assert (footage == before).all()


@each_row
def test_the_same_footage_gives_the_same_signal(row: Row, footage: np.ndarray) -> None:
    assert (made(row, footage, [LENGTH]) == made(row, footage, [LENGTH])).all()


@each_row
@pytest.mark.parametrize("sizes", [[1] * LENGTH, [9, 12], [2, 3, 0, 6, 4]], ids=str)
def test_pieces_are_the_whole(row: Row, footage: np.ndarray, sizes: list[int]) -> None:
    assert (made(row, footage, sizes) == made(row, footage, [LENGTH])).all()


@each_row
def test_a_signal_says_something(row: Row, footage: np.ndarray) -> None:
    assert len(np.unique(made(row, footage, [LENGTH]))) > 1


@pytest.mark.parametrize("row", TASKS.values(), ids=lambda row: row.name)
def test_every_task_is_built_or_names_what_it_lacks(row: Row) -> None:
    if row.place and not row.weights:
        assert callable(load(row))
    elif row.weights:
        with pytest.raises(ModelError) as error:
            load(row)
        assert all(
            word in str(error.value)
            for part in row.parts
            for word in (part.files[0].repo, part.files[0].path)
        )
    else:
        with pytest.raises(RecipeError, match="ask for it in a recipe"):
            load(row)


@pytest.mark.parametrize("row", TASKS.values(), ids=lambda row: row.name)
def test_every_parameter_says_what_it_does(row: Row) -> None:
    data = row.to_dict()
    assert all(item["description"].endswith(".") for item in data["parameters"].values())
    assert all((data["summary"], data["model"], data["inputs"], data["licence"], data["recipe"]))


def test_signals_of_recipes_are_all_in_the_table() -> None:
    assert set(get_args(Signal)) == set(ANNOTATORS)
    assert set(MASK_MODES) == set(MASKS)


def test_depth_names_the_file_that_it_needs() -> None:
    with pytest.raises(ModelError, match=r"dpt_hybrid-midas-501f0c75\.pt of lllyasviel/Annotators"):
        annotator("depth")


def test_scribble_without_weights_says_so() -> None:
    assert "fallback without weights" in TASKS["scribble"].model


def test_one_wheel_of_opencv_is_locked() -> None:
    """They overwrite each other's files."""
    lock = (Path(__file__).parents[2] / "uv.lock").read_text()
    assert set(re.findall(r'name = "(opencv[^"]*)"', lock)) == {"opencv-python-headless"}
