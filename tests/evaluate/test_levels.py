"""The table of levels: whole, consistent, and what a run is held against."""

import json

import pytest

from vacestream.evaluate import levels
from vacestream.evaluate.estimate import SLACK
from vacestream.evaluate.rows import JUDGE, RELATIONS, ROWS, TABLE


@pytest.fixture(scope="module")
def shipped():
    return levels.read()


def test_every_row_has_a_name_of_its_own():
    assert len({row.name for row in TABLE}) == len(TABLE)


def test_the_shipped_file_is_what_its_values_say(shipped, tmp_path):
    levels.write(shipped, tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == levels.FILE.read_text()


def test_every_row_was_measured_and_its_level_is_at_most_a_tenth_away(shipped):
    rows = json.loads(levels.FILE.read_text())["rows"]
    assert rows.keys() == {row.name for row in TABLE}
    for row in TABLE:
        said = rows[row.name]
        if "clips" in said:
            assert len(said["clips"]) >= 4, row.name
        if said.get("asserted") is not None:
            assert abs(said["asserted"] - said["measured"]) <= SLACK * abs(said["measured"]) + 1e-3, row.name
    unmeasured = {row.name for row in ROWS if not rows[row.name].get("clips")}
    assert all("50 chunks" in name for name in unmeasured)


def _values(shipped, change=lambda name, value: value):
    return {
        row.name: [change(row.name, value) for value in shipped.values[row.name]]
        for row in ROWS
        if row.name in shipped.values
    }


@pytest.mark.parametrize("clips", [1, 2, 4])
def test_the_same_values_hold_over_any_first_clips(shipped, clips):
    values = {name: each[:clips] for name, each in _values(shipped).items()}
    found = levels.results(values, shipped)
    assert found
    assert [one.row.name for one in found if not one.holds and not one.row.baseline] == []
    assert {one.holds for one in found if one.row.baseline} == {None}


def test_values_that_fell_by_a_fifth_do_not_hold(shipped):
    worse = {row.name: 1.2 if row.less else 0.8 for row in ROWS}
    found = levels.results(_values(shipped, lambda name, value: worse[name] * value), shipped)
    rows = [one for one in found if one.row in ROWS and one.last and not one.row.baseline]
    assert len(rows) > len(JUDGE)
    assert [one.row.name for one in rows if one.holds] == []


def test_a_row_that_was_never_measured_is_held_to_nothing(shipped):
    bare = levels.Levels(shipped.size, shipped.targets, {})
    found = levels.results(_values(shipped), bare)
    assert {one.holds for one in found} == {None}
    assert {one.on_target for one in found} == {True, False, None}


def test_relations_need_both_of_their_rows(shipped):
    relation = RELATIONS[0]
    assert levels.judged(relation, {relation.top.name: [0.5]}) is None
    both = {relation.top.name: [0.5, 0.6], relation.bottom.name: [1.0]}
    assert levels.judged(relation, both).mean == 0.5
