"""The channels that the command line asks for."""

import json
import os
import sys
from io import StringIO
from types import SimpleNamespace

import pytest

from tests.live.test_live import Live, live, pipeline  # noqa: F401
from vacestream import cli


def test_messages_on_stdin_steer_a_run_and_are_answered_on_stdout(
    live: Live,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    os.write(writer, b'{"set": {"prompt": "a hare"}, "id": 1}\nnonsense\n{"stop": true, "id": 2}\n')
    os.close(writer)
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(fileno=lambda: reader))
    monkeypatch.setattr(sys, "stdout", out := StringIO())
    doors = ["--commands", "-", "--osc", "0", "--page-at", "127.0.0.1:0"]
    code, err = live(*doors, input="test:counter", length="9f")
    os.close(reader)
    assert code in (0, 6), err  # 6: it was stopped before a frame was made
    answers = [json.loads(line) for line in out.getvalue().splitlines()]
    assert {(one["type"], one.get("id")) for one in answers} >= {
        ("accepted", 1), ("refused", None), ("accepted", 2), ("took", 1)
    }  # fmt: skip


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--commands", "-", "-i", "-"], "stdin holds the input already"),
        (["--commands", "x.json"], "write `--commands -`"),
        (["--osc", "high"], "not a port; write --osc 9000"),
        (["--page-at", "8765"], "not HOST:PORT"),
        (["--midi", "no such port"], "--midi"),
        (["--page-at", "203.0.113.7:1"], "cannot listen on 203.0.113.7:1"),
    ],
)
def test_what_cannot_be_meant_is_refused(options, said, live: Live) -> None:  # noqa: F811
    code, err = live(*options, input="test:counter", length="9f")
    assert code in (2, 3, 6)
    assert said in err


def test_a_recipe_on_stdin_leaves_none_for_messages_and_nothing_to_watch(monkeypatch, capsys) -> None:
    for option, said in ((["--commands", "-"], "stdin holds the recipe"), (["--watch"], "is no file")):
        given = SimpleNamespace(buffer=SimpleNamespace(read=lambda: b"prompt: a fox\nlength: 9f\n"))
        monkeypatch.setattr(sys, "stdin", given)
        assert cli.run(["live", "-", "-o", "camera:x", *option]) == 2
        assert said in capsys.readouterr().err
