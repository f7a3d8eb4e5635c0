"""What is written beside a video: what went in, and how it was made."""

from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from tests.tiny import tiny_pipeline
from vacestream import loading, run
from vacestream.errors import ModelError, OutputError
from vacestream.events import Event
from vacestream.media.sinks import open_sink
from vacestream.media.sources import open_source
from vacestream.outputs import Outputs
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe


@pytest.fixture
def plan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Plan:
    """A tiny edit of 12 frames that saves what goes in."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(loading, "load_pipeline", lambda **_: tiny_pipeline())
    sink = open_sink("clip.mkv", (32, 32), Fraction(8))
    sink.write(np.random.default_rng(1).integers(0, 256, (12, 32, 32, 3), dtype=np.uint8))
    sink.close()
    recipe = {
        "input": "clip.mkv",
        "prompt": "x",
        "controls": [{"signal": "plain"}, {"signal": "plain", "scale": 0.5}],
        "mask": {"mode": "bbox", "bbox": [0, 0, 16, 32]},
        "size": "32x32",
        "device": "cpu",
        "output": {"path": "out.mkv", "save": ["control", "mask", "sheet"]},
    }
    return make_plan(load_recipe(recipe))


def frames_of(path: str) -> np.ndarray:
    source = open_source(path)
    frames = source.read(100)
    source.close()
    return frames


def test_control_and_mask_are_saved_without_loss_beside_the_video(plan: Plan) -> None:
    events: list[Event] = []
    run.render(plan, report=events.append)
    clip = frames_of("clip.mkv")
    names = "out.mkv", "out.control.mkv", "out.control2.mkv", "out.mask.mkv", "out.sheet.png"
    assert events[-1].data == {"outputs": list(names)}
    assert (frames_of("out.control.mkv") == clip).all()
    assert (frames_of("out.control2.mkv") == clip).all()
    mask = frames_of("out.mask.mkv")
    assert (mask[:, :, :16] == 255).all()
    assert (mask[:, :, 16:] == 0).all()
    assert len(mask) == len(frames_of("out.mkv")) == len(clip) == 12
    assert sorted(path.name for path in Path().iterdir()) == sorted([*names, "clip.mkv", "out.json"])


def test_what_is_saved_is_aborted_with_the_video(plan: Plan) -> None:
    def fail() -> None:
        with Outputs(plan) as outputs:
            outputs.write(np.zeros((1, 32, 32, 3), np.uint8))
            raise ModelError("in the middle")

    with pytest.raises(ModelError):
        fail()
    assert [path.name for path in Path().glob("out*")] == ["out.part.mkv"]


def test_an_output_that_cannot_be_opened_leaves_none_of_the_others(plan: Plan) -> None:
    Path("out.mask.mkv").mkdir()
    with pytest.raises(OutputError, match=r"out\.mask\.mkv: is a folder"):
        Outputs(plan).__enter__()
    assert [path.name for path in Path().glob("out*")] == ["out.mask.mkv"]
