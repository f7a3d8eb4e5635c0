"""`--set`, `-i` and `-o`: what they reach, what stays text, how they are refused."""

from typing import Any

import pytest

from vacestream.errors import RecipeError
from vacestream.recipe import load_recipe

TEXT = "input: {path: a.mp4, start: 2s}\ncontrols: depth\nprompt: x\noutput: {path: o.mp4, save: sheet}\n"


def said(*overrides: tuple[str, Any]) -> dict[str, Any]:
    return load_recipe(TEXT, overrides=overrides).resolved()


@pytest.mark.parametrize(
    ("key", "value", "result"),
    [
        ("controls.0.scale", "0.5", [{"signal": "depth", "scale": 0.5}]),
        ("controls.scale", "0.5", [{"signal": "depth", "scale": 0.5}]),
        ("controls.1", "pose", [{"signal": "depth"}, {"signal": "pose"}]),
        ("controls.1.signal", "pose", [{"signal": "depth"}, {"signal": "pose"}]),
        (
            "controls",
            "[pose, {signal: flow, scale: 2}]",
            [{"signal": "pose"}, {"signal": "flow", "scale": 2.0}],
        ),
        ("output", "b.mp4", [{"path": "b.mp4", "save": ["sheet"]}]),
        ("output.crf", "12", [{"path": "o.mp4", "save": ["sheet"], "crf": 12}]),
        ("output", ["a.mp4", "b.mp4"], [{"path": "a.mp4"}, {"path": "b.mp4"}]),
        ("input", "b.mp4", {"path": "b.mp4", "start": "2s"}),
        ("input", "{path: b.mp4}", {"path": "b.mp4"}),
        ("seed", "9", 9),
        ("size", "64x64", "64x64"),
        ("vace.commit_hints", "false", {"commit_hints": False}),
        ("timeline", "{at: 3s, prompt: y}", [{"at": "3s", "prompt": "y"}]),
    ],
)
def test_a_value_of_the_command_line_reaches_any_field(key: str, value: Any, result: Any) -> None:
    assert said((key, value))[key.split(".")[0]] == result


@pytest.mark.parametrize("text", ["off", "a: b", "1984", "{x}", "null hypothesis", "- dash", "# 1", "'q'"])
def test_text_is_taken_literally(text: str) -> None:
    assert said(("prompt", text))["prompt"] == text


def test_null_leaves_a_key_out() -> None:
    assert "controls" not in said(("controls", "null"))
    assert "start" not in said(("input.start", "null"))["input"]


def test_later_values_win() -> None:
    assert said(("seed", "1"), ("seed", "2"))["seed"] == 2


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        (
            "controls.0.signal",
            "dept",
            r"--set controls\.0\.signal: 'dept' is not a signal; did you mean 'depth'\?",
        ),
        ("seed", "x", "--set seed: 'x' is not a whole number"),
        ("length", "8", "--set length: 8 has no unit; write 8s"),
        ("controls.5.scale", "1", r"--set controls\.5\.scale: '5' in a list of 1"),
        ("sed", "1", "--set sed: unknown key 'sed'; did you mean 'seed'"),
        ("seed.x", "1", r"--set seed\.x: "),
        ("a..b", "1", r"--set a\.\.b: 'a\.\.b' is not a key"),
        ("mask.bbox", "[1, 2, 3, 4]", r"--set mask\.bbox: mask: a bbox needs a mode"),
        ("input", "sprites:x", r"-i: input\.path: 'sprites:x' names no clip"),
    ],
)
def test_a_wrong_value_is_refused_by_the_option_that_said_it(key: str, value: str, message: str) -> None:
    with pytest.raises(RecipeError, match=message):
        said((key, value))
