"""What a change needs is made beside the running stream, and is what the stream would have made itself."""

from typing import Any

import numpy as np
import pytest

from tests.live.lines import planned, run
from vacestream.live.desk import Desk
from vacestream.models import conditions


@pytest.mark.parametrize(
    "message",
    [{"set": {"references": "sprites:9"}}, {"set": {"references": "sprites:9", "prompt": "a blue cat"}}],
    ids=["references", "and a prompt"],
)
def test_references_of_a_chunk_to_come_are_not_computed_on_the_line(message, monkeypatch):
    computed: list[bool] = []
    ahead = False
    real = conditions.encode_references

    def counted(*given: Any) -> Any:
        computed.append(ahead)
        return real(*given)

    monkeypatch.setattr(conditions, "encode_references", counted)

    def frames(*, prepared: bool) -> list[np.ndarray]:
        nonlocal ahead
        desk = Desk([planned()])
        prepare = desk.prepare

        def beside(told: Any) -> None:
            nonlocal ahead
            ahead = True
            prepare(told)
            ahead = False

        def tell(chunk: int) -> None:
            nonlocal prepare
            if chunk == 0 and prepared:
                prepare, desk.prepare = desk.prepare, beside
            elif chunk == 0:
                desk.prepare = lambda _: None
            elif chunk == 1:
                computed.clear()
                desk.post(message, lambda _: None)

        return run(desk, tell)

    on_the_line = frames(prepared=False)
    assert computed == [False] * 3  # two steps and the commit pass
    assert np.array_equal(np.concatenate(frames(prepared=True)), np.concatenate(on_the_line))
    assert computed == [True] * 3
