"""What is told to a running stream holds from a chunk border on, and is echoed with its frame."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from tests.live.lines import planned, run
from vacestream.live.desk import Desk
from vacestream.passes import steering

VERBS: dict[str, dict[str, Any]] = {
    "prompt": {"set": {"prompt": "a blue cat"}},
    "blend": {"set": {"prompt": "a blue cat"}, "blend": "1 chunks", "blend_by": "slerp"},
    "references": {"set": {"references": "sprites:9"}},
    "reference scale": {"set": {"references.0.scale": 0.2}},
    "no references": {"set": {"references": []}},
    "context_scale": {"set": {"context_scale": 0.5}},
    "control scale": {"set": {"controls.0.scale": 0.3}},
    "control off": {"set": {"controls.0.on": False}},
    "mask": {"set": {"mask.bbox": [0, 0, 16, 32]}},
    "no mask": {"set": {"mask": "none"}},
    "timeline": {"set": {"timeline": {"at": "9f", "prompt": "a blue cat"}}},
    "keep": {"set": {"prompt": "a blue cat"}, "switch": "keep"},
    "seed": {"set": {"seed": 8}},
    "steps": {"set": {"steps": 3}},
    "unloaded": {"set": {"vace.adapter": "none"}},
    "soft reset": {"reset": "soft"},
    "hard reset": {"reset": "hard"},
    "cut": {"set": {"prompt": "a blue cat"}, "reset": "hard"},
    "scene": {"scene": 2},
    "blackout": {"blackout": True},
    "freeze": {"freeze": True},
}
AT = 1
"""The chunk border before which each is told."""


@pytest.fixture(scope="module")
def scenes():
    return [planned(), planned(prompt="a green fox", references=None, mask=None, input="sprites:3")]


@pytest.fixture(scope="module")
def unsteered(scenes):
    return run(Desk(scenes))


def steered(scenes, message: Any) -> tuple[list[np.ndarray], list[dict[str, Any]]]:
    """The frames of a run that is told this, and the answers."""
    desk, answers = Desk(scenes), []

    def tell(chunk: int) -> None:
        if chunk == AT:
            desk.post(message, answers.append)

    return run(desk, tell), answers


@pytest.mark.parametrize("name", VERBS)
def test_what_is_told_is_echoed_and_holds_from_a_chunk_border_on(name, scenes, unsteered):
    made, answers = steered(scenes, {**VERBS[name], "id": 7})
    assert [one["type"] for one in answers] == ["accepted", "took"]
    assert [one["id"] for one in answers] == [7, 7]
    sent, took = (one["frame"] for one in answers)
    assert (sent, took) == (9, 9)
    assert np.array_equal(made[0], unsteered[0])
    assert not np.array_equal(made[AT], unsteered[AT])


def test_a_stream_that_is_told_nothing_is_the_plain_one_and_stops_when_told(scenes, unsteered):
    made, answers = steered(scenes, {"stop": True})
    assert [len(part) for part in made] == [9]
    assert np.array_equal(made[0], unsteered[0])
    assert answers[-1] == {
        "schema": "vacestream.live/1",
        "type": "took",
        "frame": 9,
        "chunk": 1,
        "stop": True,
    }


def test_a_timeline_is_told_as_render_tells_it():
    timeline = [
        {"at": "9f", "prompt": "a blue cat", "blend": "2 chunks", "blend_by": "slerp"},
        {"at": "45f", "references": "sprites:9", "context_scale": 0.5, "cut": True},
        {"at": "57f", "prompt": "a green fox", "switch": "keep", "seed": 3, "controls": []},
        {"at": "69f", "references": [], "vace": {"commit_hints": False}},
    ]
    plan = planned(length="93f", timeline=timeline)
    render, heard = steering(plan), []
    with Desk([plan]) as desk:
        desk.listen(heard.append)
        for chunk in desk.chunks():
            told, expected = desk.at(chunk), render(chunk)
            assert replace(told, references=()) == replace(expected, references=())
            assert len(told.references) == len(expected.references)
            assert all(map(torch.equal, told.references, expected.references))
    assert [one["frame"] for one in heard] == [9, 45, 57, 69]
