"""The table of tasks: each is the recipe that its name says, made by the line; the README shows it."""

import json

import pytest
import torch

from vacestream import cli
from vacestream.evaluate import asking, task_table
from vacestream.evaluate.keeping import ANCHORS, KEPT
from vacestream.evaluate.measures import IOU
from vacestream.evaluate.tasks import FRAMES, TASKS
from vacestream.evaluate.through import Made
from vacestream.evaluate.truth import Given, make_alone
from vacestream.plan import make_plan
from vacestream.recipe import load_recipe

SIZE = (64, 64)
SHOWN = (
    "depth", "scribble", "pose", "flow", "canny", "gray", "plain", "layout_bbox", "layout_track",
    "inpainting", "outpainting", "firstframe", "lastframe", "firstlastframe", "firstclip", "lastclip",
    "firstlastclip", "keyframes", "reference",
)  # fmt: skip
"""What sprites can show of what VACE does, alone."""
COMPOSED = {
    "animate_anything": "R2V + pose", "swap_anything": "R2V + inpainting",
    "expand_anything": "R2V + outpainting + firstframe", "move_anything": "layout_bbox + firstframe",
    "reference_anything": "R2V",
}  # fmt: skip
ALIKE = {
    "reference": "R2V", "another's reference": "R2V", "bboxtrack": "inpainting",
    "outpainting_inner": "outpainting",
}  # fmt: skip
"""Words of the table -> words of plans."""


@pytest.fixture(scope="module")
def truth():
    return make_alone(0, SIZE, num_frames=FRAMES)


def test_every_task_that_sprites_can_show_is_in_the_table():
    names = {task.name.partition(":")[0] for task in TASKS}
    assert {*SHOWN, *COMPOSED} <= names
    assert len({line.name for line in asking.lines(TASKS)}) == sum(len(task.measures) for task in TASKS)


@pytest.mark.parametrize("task", TASKS, ids=[task.name for task in TASKS])
def test_a_task_is_planned_as_its_name_says_in_both_ways(truth, task):
    for way, mode in asking.MODES.items():
        plan = make_plan(load_recipe(task.recipe(truth, mode)))
        assert plan.num_frames == FRAMES
        assert (plan.spec.whole is None) == (way == "streaming")
        short = task.name.partition(":")[0].split(" + ")
        meant = COMPOSED[short[0]].split(" + ") if short[0] in COMPOSED else short
        assert {ALIKE.get(one, one) for one in meant} == set(plan.task.split(" + "))
        anchored = {frame for one in plan.anchors for frame in range(one.start, one.stop)}
        assert set(task.frames) == anchored or task.wide
        bare = make_plan(load_recipe(task.recipe(truth, mode, asked=False)))
        assert (bare.task, bare.size, bare.num_frames) == ("T2V", plan.size, plan.num_frames)


def test_a_composition_is_the_same_recipe_streamed_and_whole_and_acts_in_both(truth):
    task, maker = TASKS[-1], asking.through_the_line()
    made = {way: maker(task.recipe(truth, mode), way) for way, mode in asking.MODES.items()}
    for one in made.values():
        assert one.given is not None
        assert IOU.of(one.frames, truth, task.ask) > 0.4
        still = one.given.share == 0
        assert still[0].all()
        assert not still[1:].all()
        source = one.given.source.movedim(1, -1)[still]
        assert (one.frames.movedim(1, -1)[still] - source).abs().max() < 1e-6
        assert (one.decoded.movedim(1, -1)[still] - source).abs().max() > 0.01
        assert torch.equal(one.frames.movedim(1, -1)[~still], one.decoded.movedim(1, -1)[~still])
    streamed, whole = made.values()
    assert torch.equal(streamed.given.share, whole.given.share)
    assert not torch.equal(streamed.decoded, whole.decoded)


def _kept_by(task, truth):
    """The clip, its anchors kept; gray where words alone were asked for."""

    def maker(said, way):
        keeps = said.keys() & {"extend", "mask", "outpaint"}
        video = truth.video if len(said) > 5 else truth.video * 0 + 0.5
        share = torch.ones(FRAMES, *SIZE)
        share[list(task.frames)] = 0
        given = Given(truth.video, share) if keeps else None
        return Made(video, given, (0, 0, *SIZE), lambda: video)

    return maker


def test_a_value_a_clip_stands_in_each_column(truth, monkeypatch):
    monkeypatch.setattr(asking.sampling, "load", lambda: None)
    monkeypatch.setattr(asking.sampling, "through_vae", lambda _: lambda _ask, truth: truth.video)
    (task,) = (one for one in TASKS if one.name == "firstframe")
    values = asking.measured([task], clips=range(1), size=SIZE, maker=_kept_by(task, truth))
    assert values.keys() == {line.name for line in asking.lines([task])}
    for measure, least in ((KEPT, 1), (ANCHORS, 100)):
        row = values[f"firstframe: {measure.name}"]
        assert tuple(row) == asking.COLUMNS
        asked, words = (
            {column: one for column, one in row.items() if column.startswith("words") == bare}
            for bare in (False, True)
        )
        assert set(map(tuple, asked.values())) == {(least,)}
        assert all(one[0] < least / 2 for one in words.values())


@pytest.fixture
def places(tmp_path, monkeypatch):
    file, readme = tmp_path / "tasks.json", tmp_path / "README.md"
    readme.write_text(f"before\n{task_table.BEGIN}old\n{task_table.END}after\n")
    kept = task_table.write
    monkeypatch.setattr(task_table, "write", lambda table: kept(table, file, readme))
    return file, readme


def test_the_command_shows_what_was_measured_and_puts_it_into_the_readme(capsys, monkeypatch, places):
    rows = {line.name: {column: [0.25, 0.75] for column in asking.COLUMNS} for line in asking.lines(TASKS)}
    monkeypatch.setattr(asking, "measured", lambda *_, **asked: rows)
    assert cli.run(["eval", "tasks", "--write", "--json", "--clips", "2"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["schema"], told["of"], told["size"], told["clips"]) == (
        "vacestream.eval/1",
        "tasks",
        "64x64",
        2,
    )
    assert [row["name"] for row in told["rows"]] == list(rows)
    assert told["rows"][0]["streaming"]["mean"] == 0.5
    file, readme = places
    assert task_table.read(file).values == rows
    text = readme.read_text()
    assert text.startswith("before\n")
    assert text.endswith("after\n")
    assert "old" not in text
    assert "| depth | silhouette IoU | 0.50 (" in text
    assert cli.run(["eval", "tasks", "--assert"]) == 2
    assert "--assert: is of `eval sprites`" in capsys.readouterr().err


def test_the_readme_shows_the_table_that_is_kept(tmp_path):
    table = task_table.read()
    shown = task_table.README.read_text(encoding="utf-8")
    assert task_table.BEGIN + task_table.markdown(table) + task_table.END in shown
    assert table.values.keys() == {line.name for line in asking.lines(TASKS)}
    assert {len(one) for row in table.values.values() for one in row.values()} == {table.num_clips}
    (tmp_path / "README.md").write_text(shown)
    task_table.write(table, tmp_path / "tasks.json", tmp_path / "README.md")
    assert (tmp_path / "tasks.json").read_text() == task_table.FILE.read_text()
