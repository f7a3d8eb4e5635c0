"""The first recipe, as a newcomer runs it, judged by its pixels."""

import sys
from pathlib import Path

import numpy as np
import pytest

from vacestream.cli import main
from vacestream.media.images import read_image
from vacestream.media.probe import probe
from vacestream.media.sources import open_source

RECIPE = Path(__file__).parents[1] / "recipes" / "hello.yaml"
FRAMES, SIZE = 57, (128, 128)


def vacestream(*args: str) -> int:
    """The exit code of the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["vacestream", *args])
        try:
            main()
        except SystemExit as ended:
            return int(ended.code or 0)
    return 0


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that hello.mp4 and its sheet were written to."""
    folder = tmp_path_factory.mktemp("hello")
    assert (
        vacestream(
            "render", str(RECIPE), "-o", str(folder / "hello.mp4"), "-q", "--set", "output.0.save=sheet"
        )
        == 0
    )
    return folder


def frames_of(where: str, signal: str | None = None) -> np.ndarray:
    source = open_source(where, size=SIZE, signal=signal)
    frames = source.read(FRAMES)
    source.close()
    return frames.astype(int)


def red(frames: np.ndarray) -> np.ndarray:
    """[T H W]: where a frame is clearly red."""
    return (frames[..., 0] > frames[..., 1] + 60) & (frames[..., 0] > frames[..., 2] + 60)


def test_every_frame_is_there_and_nothing_else(made):
    info = probe(str(made / "hello.mp4"))
    assert (info.num_frames, info.size, info.fps) == (FRAMES, SIZE, 16)
    assert sorted(path.name for path in made.iterdir()) == ["hello.json", "hello.mp4", "hello.sheet.png"]


def test_the_sprite_has_the_colour_of_the_reference_where_the_depth_says(made):
    sprite = frames_of("sprites:26", "mask")[..., 0] > 127
    found = red(frames_of(str(made / "hello.mp4")))
    overlap = (found & sprite).sum() / (found | sprite).sum()
    assert overlap > 0.5
    for start in (0, 21, 45):  # first, middle and last chunk
        part = slice(start, start + 9)
        assert (found[part] & sprite[part]).sum() / sprite[part].sum() > 0.5


def test_the_sheet_shows_source_control_reference_and_result(made):
    sheet = read_image(made / "hello.sheet.png")
    assert sheet.shape[0] > 4 * SIZE[0]
    assert red(sheet[None].astype(int)).any()
    assert len(np.unique(sheet.reshape(-1, 3), axis=0)) > 100


def test_the_same_recipe_makes_the_same_frames(tmp_path):
    made = [tmp_path / "once.mkv", tmp_path / "again.mkv"]  # lossless
    for path in made:
        assert vacestream("render", str(RECIPE), "-o", str(path), "-q", "--set", "length=21f") == 0
    once, again = (frames_of(str(path)) for path in made)
    assert len(once) == 21
    assert np.array_equal(once, again)
