"""Real footage through every signal that needs no weights, end to end on the embedded model.

The clip lies beside the checkout on some machines and is no part of the project.
"""

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml

import vacestream.run as line
from vacestream import cli
from vacestream.media.images import read_image
from vacestream.media.probe import probe
from vacestream.media.sources import open_source
from vacestream.models.load import load_pipeline

CONTROLS = {
    "gray": {"signal": "gray"},
    "scribble": {"signal": "scribble"},
    "flow": {"signal": "flow"},
    "layout_bbox": {
        "signal": "layout_bbox",
        "boxes": [
            {"at": "0s", "bbox": ["10%", "20%", "40%", "80%"], "label": "a"},
            {"at": "80f", "bbox": ["60%", "20%", "90%", "80%"], "label": "a"},
        ],
    },
}


@pytest.fixture(scope="module")
def footage() -> Path:
    """81 frames of 1280x720."""
    path = Path(os.environ.get("VACESTREAM_GOLDEN", "nowhere")).parent / "media" / "vace_test.mp4"
    if not path.is_file():
        pytest.skip("VACESTREAM_GOLDEN names no folder with media/vace_test.mp4 beside it")
    return path


@pytest.fixture(scope="module")
def made(footage: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder with a video, its control and a sheet for each signal; the weights are loaded once."""
    folder = tmp_path_factory.mktemp("made")
    for name, control in CONTROLS.items():
        said = {"input": str(footage), "prompt": "a red dog", "controls": control, "device": "cpu"}
        said["output"] = {"path": f"{name}.mp4", "save": ["control", "sheet"], "audio": "none"}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(said))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line, "load_pipeline", cache(load_pipeline))
        assert cli.run(["render", "-q", *(str(folder / f"{name}.yaml") for name in CONTROLS)]) == 0
    return folder


def seen(path: Path) -> np.ndarray:
    """[T H W] luma."""
    source = open_source(str(path))
    frames = source.read(200)
    source.close()
    return frames.mean(axis=-1)


@pytest.mark.parametrize("signal", CONTROLS)
def test_every_frame_is_made_in_the_aspect_of_the_footage(made: Path, footage: Path, signal: str) -> None:
    info, given = probe(str(made / f"{signal}.mp4")), probe(str(footage))
    assert (info.num_frames, info.fps) == (given.num_frames, given.fps) == (81, given.fps)
    assert abs(info.size[1] / info.size[0] - 16 / 9) < 0.25
    frames = seen(made / f"{signal}.mp4")
    assert (frames.std(axis=(1, 2)) > 3).all()
    assert np.abs(np.diff(frames, axis=0)).mean() > 0.1
    assert read_image(made / f"{signal}.sheet.png").std() > 10


def test_the_controls_are_what_they_are_called(made: Path, footage: Path) -> None:
    gray, scribble, flow, layout = (seen(made / f"{signal}.control.mkv") for signal in CONTROLS)
    assert len(gray) == len(scribble) == len(flow) == len(layout) == 81
    size = probe(str(made / "gray.mp4")).size
    source = open_source(str(footage), size=size)
    luma = source.read(81) @ [0.299, 0.587, 0.114]
    source.close()
    assert np.abs(gray - luma).mean() < 3
    assert np.median(scribble) < 10 < scribble.max()
    assert np.median(flow) > 200, "what stands still is white"
    line = layout.mean(axis=1) < 200
    left = [int(np.flatnonzero(row)[0]) if row.any() else -1 for row in line]
    assert left[0] == pytest.approx(0.1 * size[1], abs=3)
    assert left[80] == pytest.approx(0.6 * size[1], abs=3)
