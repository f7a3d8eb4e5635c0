"""The command line as a user meets it: exit codes, stdout and stderr, what is imported."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from vacestream import cli
from vacestream.errors import InputError, ModelError, OutOfMemoryError, OutputError, VacestreamError
from vacestream.events import Event
from vacestream.plan import Plan

ROOT = Path(__file__).parent.parent.parent
HEAVY = ("torch", "diffusers", "transformers", "cv2")


class Run:
    """The command line in this process, in a folder of its own."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: str) -> tuple[int, str, str]:
        code = cli.run(args)
        out, err = self.capsys.readouterr()
        return code, out, err


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    return Run(capsys)


@pytest.fixture
def recipe(tmp_path: Path) -> str:
    (tmp_path / "fox.yaml").write_text("prompt: a fox\nlength: 21f\noutput: fox.mp4\n")
    return "fox.yaml"


@pytest.fixture
def line(monkeypatch: pytest.MonkeyPatch) -> list[Plan]:
    """Stands in for the line: writes the outputs and tells what it does, or fails as it is told."""
    rendered: list[Plan] = []

    def render(plan: Plan, *, report: Any, **_: Any) -> None:
        rendered.append(plan)
        failures = {
            "input": InputError,
            "model": ModelError,
            "memory": OutOfMemoryError,
            "output": OutputError,
        }
        failures |= {"job": VacestreamError, "stop": KeyboardInterrupt, "bug": ZeroDivisionError}  # type: ignore[dict-item]
        if error := failures.get(plan.recipe.prompt):
            raise error("as it was told")
        report(Event("start", data={"num_frames": plan.num_frames, "num_chunks": plan.num_chunks}))
        report(Event("chunk", 9, 1, {"denoise": 0.25}))
        report(Event("warn", 9, 1, {"message": "mind the gap"}))
        report(Event("done", 21, 2, {"outputs": [target.path for target in plan.outputs]}))
        for target in plan.outputs:
            for file in target.files:
                Path(file).write_text("video")

    line, loading = type(sys)("vacestream.run"), type(sys)("vacestream.loading")
    line.render, loading.Weights = render, object  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vacestream.run", line)
    monkeypatch.setitem(sys.modules, "vacestream.loading", loading)
    return rendered


def commands() -> list[list[str]]:
    """Every command that is registered, those behind a group too."""
    import typer

    def below(command: Any, path: list[str]) -> list[list[str]]:
        inner = getattr(command, "commands", {})
        return [way for name, one in inner.items() for way in below(one, [*path, name])] if inner else [path]

    return below(typer.main.get_command(cli.app), [])


def test_help_lists_the_commands(run: Run) -> None:
    code, out, _ = run("--help")
    assert code == 0
    for path in commands():
        assert f"  {path[0]} " in out


@pytest.mark.parametrize("path", commands(), ids=" ".join)
def test_every_command_and_every_option_says_what_it_does(run: Run, path: list[str]) -> None:
    code, out, _ = run(*path, "-h")
    assert code == 0
    assert out.split("\n\n")[1].strip().endswith(".")
    options = out.partition("Options:")[2].splitlines()[1:]
    assert options
    assert all(len(line.split()) > 2 for line in options if line.strip().startswith("-"))


def test_the_version_is_said(run: Run) -> None:
    code, out, _ = run("--version")
    assert (code, out.split()[0]) == (0, "vacestream")


def test_help_validate_plan_and_lists_import_nothing_heavy(tmp_path: Path, recipe: str) -> None:
    lines = [["--help"], ["--version"], *([*path, "--help"] for path in commands())]
    lines += [["init", "depth"], ["validate", recipe], ["plan", recipe, "--explain"], ["schema"], ["presets"]]
    lines += [["tasks"], ["pipelines"], ["cache", "ls"]]
    code = (
        "import sys; from vacestream.cli import run\n"
        f"for args in {lines!r}:\n"
        f"    assert run(args) == 0, args\n    found = set({HEAVY!r}) & set(sys.modules)\n"
        "    assert not found, (args, sorted(found))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT), "PATH": "", "VACESTREAM_CACHE": str(tmp_path)},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()


def test_the_package_runs_as_a_module(tmp_path: Path, recipe: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vacestream", "plan", recipe],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("fox: T2V, 128x128, 21 frames in 2 chunks, pipeline sprites -> fox.mp4")


def test_plan_shows_every_chunk_and_where_values_come_from(run: Run, recipe: str) -> None:
    code, out, _ = run("plan", recipe, "--explain", "--set", "seed=4")
    assert code == 0
    assert "0       0..8         0..2" in out
    lines = [line.split() for line in out.splitlines()]
    assert ["seed", "4", "(--set", "seed)"] in lines
    assert ["length", "21f", "(fox.yaml:2)"] in lines
    assert ["fit", "crop", "(default)"] in lines


def test_a_long_plan_shows_the_first_and_the_last_chunks(run: Run, recipe: str) -> None:
    _, out, _ = run("plan", recipe, "--set", "length=5m")
    assert "  ...\n" in out
    assert len(out.splitlines()) < 40


def test_plan_as_json_is_one_document(run: Run, recipe: str) -> None:
    code, out, err = run("plan", recipe, "--json", "--explain")
    assert (code, err) == (0, "")
    data = json.loads(out)
    assert (data["schema"], data["task"], data["num_frames"]) == ("vacestream.plan/1", "T2V", 21)
    assert data["origins"]["prompt"] == ["a fox", "fox.yaml:1"]


def test_validate_says_for_render_and_for_live_and_what_is_missing(run: Run, recipe: str) -> None:
    code, out, err = run("validate", recipe, "--set", "length=endless")
    assert code == 0
    assert (
        out == "fox: T2V; render: no, endless is for `vacestream live`; write a length such as 8s to render a"
        " file; live: yes\n"
    )
    code, out, err = run("validate", recipe, "--set", "pipeline=ltx")
    assert "understood but not built yet" in err
    _, out, _ = run("validate", recipe, "--json")
    assert json.loads(out) == {"recipe": "fox", "task": "T2V", "render": "yes", "live": "yes", "unbuilt": []}


def test_validate_without_media_judges_the_text_alone(run: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("input: none.mp4\nmask: none.png\n")
    assert run("validate", "r.yaml", "--no-media")[0] == 0
    code, out, err = run("validate", "r.yaml")
    assert (code, out) == (3, "")
    assert err == "error: r.yaml:1: input.path: none.mp4: no such file   [VS-INPUT]\n"


def test_a_recipe_on_stdin_reads(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "vacestream", "validate", "-"],
        cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, input="prompt: x\nlength: 4s\n",
        capture_output=True, check=False, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "recipe: T2V; render: yes; live: yes\n")


def test_every_finding_is_a_line_with_its_code(run: Run, tmp_path: Path) -> None:
    (tmp_path / "r.yaml").write_text("promt: x\nlength: 4\n")
    code, out, err = run("validate", "r.yaml")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: r.yaml:1: promt: unknown key 'promt'; did you mean 'prompt'?   [VS-RECIPE]",
        "error: r.yaml:2: length: 4 has no unit; write 4s for seconds or 4f for frames   [VS-RECIPE]",
    ]


@pytest.mark.parametrize(
    "args",
    [
        ["render"], ["render", "none.yaml"], ["render", "fox.yaml", "--nonsense"], ["nonsense"],
        ["render", "fox.yaml", "--set", "seed"], ["render", "fox.yaml", "fox.yaml"], ["render", "-", "-"],
        ["render", "fox.yaml", "-o", "fox.docx"], ["render", "fox.yaml", "-i", "sprites:3"],
        ["render", "none.mp4"],
    ],
)  # fmt: skip
def test_a_wrong_command_line_exits_with_2_and_loads_nothing(
    run: Run, recipe: str, line: list[Plan], args: list[str]
) -> None:
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    assert "rror" in err
    assert "Traceback" not in err
    assert not line


@pytest.mark.parametrize(
    ("failure", "code", "name"),
    [
        ("job", 1, "VS-JOB"), ("input", 3, "VS-INPUT"), ("model", 4, "VS-MODEL"), ("memory", 5, "VS-MEMORY"),
        ("output", 6, "VS-OUTPUT"),
    ],
)  # fmt: skip
def test_each_kind_of_failure_has_its_exit_code(
    run: Run, recipe: str, line: list[Plan], failure: str, code: int, name: str
) -> None:
    got, out, err = run("render", recipe, "--set", f"prompt={failure}")
    assert (got, out) == (code, "")
    assert err.endswith(f"error: as it was told   [{name}]\n")


def test_an_interrupted_render_exits_with_130(run: Run, recipe: str, line: list[Plan]) -> None:
    assert run("render", recipe, "--set", "prompt=stop")[0] == 130


def test_a_bug_is_one_line_unless_debug_asks_for_the_traceback(
    run: Run, recipe: str, line: list[Plan]
) -> None:
    code, _, err = run("render", recipe, "--set", "prompt=bug")
    assert code == 1
    assert "unexpected ZeroDivisionError: as it was told; add --debug" in err
    with pytest.raises(ZeroDivisionError):
        run("render", recipe, "--set", "prompt=bug", "--debug")


def test_render_says_the_task_first_and_what_it_wrote_last(run: Run, recipe: str, line: list[Plan]) -> None:
    code, out, err = run("render", recipe)
    assert (code, out) == (0, "")
    lines = err.splitlines()
    assert lines[0] == "fox: T2V, 128x128, 21 frames in 2 chunks, pipeline sprites -> fox.mp4"
    assert "warning: mind the gap" in lines
    assert lines[-1] == "wrote fox.mp4"


def test_verbose_tells_the_time_of_each_stage(run: Run, recipe: str, line: list[Plan]) -> None:
    assert "denoise 0.25 s" in run("render", recipe, "-v")[2]


def test_quiet_prints_the_paths_only(run: Run, recipe: str, line: list[Plan]) -> None:
    assert run("render", recipe, "-q", "--set", "output.save=sheet") == (0, "fox.mp4\nfox.sheet.png\n", "")


def test_json_is_an_event_a_line_and_one_envelope_at_the_end(run: Run, recipe: str, line: list[Plan]) -> None:
    code, out, err = run("render", recipe, "--json")
    assert (code, err) == (0, "")
    events = [json.loads(text) for text in out.splitlines()]
    assert [event.get("event") for event in events] == ["start", "chunk", "warn", "done", None]
    assert all("schema" in event for event in events)
    assert events[-1]["ok"]
    assert events[-1]["jobs"] == [{"recipe": "fox", "ok": True, "outputs": ["fox.mp4"]}]


def test_json_ends_with_an_envelope_when_nothing_was_rendered(
    run: Run, recipe: str, line: list[Plan]
) -> None:
    code, out, err = run("render", recipe, "--json", "--set", "seed=x")
    envelope = json.loads(out)
    assert (code, envelope["ok"], envelope["jobs"][0]["error"]["code"]) == (2, False, "VS-RECIPE")
    assert err.startswith("error: --set seed: ")


def test_json_moves_to_stderr_when_the_video_goes_to_stdout(run: Run, recipe: str, line: list[Plan]) -> None:
    code, out, err = run("render", recipe, "--json", "-o", "-")
    assert (code, out) == (0, "")
    assert all(json.loads(text) for text in err.splitlines())


def test_an_output_that_exists_is_kept_unless_y_says_otherwise(
    run: Run, recipe: str, line: list[Plan], tmp_path: Path
) -> None:
    (tmp_path / "fox.mp4").write_text("mine")
    code, _, err = run("render", recipe)
    assert code == 2
    assert "fox.mp4: exists already; add -y to replace it" in err
    assert not line
    assert (tmp_path / "fox.mp4").read_text() == "mine"
    assert run("render", recipe, "-y")[0] == 0


def test_a_dry_run_shows_the_plan_and_renders_nothing(
    run: Run, recipe: str, line: list[Plan], tmp_path: Path
) -> None:
    (tmp_path / "fox.mp4").touch()
    code, out, _ = run("render", recipe, "--dry-run")
    assert (code, out) == (0, run("plan", recipe)[1])
    assert not line


def test_a_job_that_fails_does_not_stop_the_others(
    run: Run, recipe: str, line: list[Plan], tmp_path: Path
) -> None:
    (tmp_path / "bad.yaml").write_text("prompt: model\nlength: 9f\n")
    code, out, err = run("render", "bad.yaml", recipe, "--json")
    assert code == 1
    assert [job["ok"] for job in json.loads(out.splitlines()[-1])["jobs"]] == [False, True]
    assert "as it was told   [VS-MODEL]" in err
    assert "1 of 2 jobs failed" in err


def test_a_video_that_carries_its_recipe_is_a_recipe(run: Run, line: list[Plan], tmp_path: Path) -> None:
    import numpy as np

    from vacestream.media.sinks import open_sink
    from vacestream.recipe import load_recipe

    said = load_recipe("prompt: 'ein F\u00fcchslein \U0001f98a: rot'\nlength: 21f\nseed: 5\n").resolved()
    sink = open_sink(str(tmp_path / "made.mp4"), (64, 64), cli_fps(), comment=json.dumps(said))
    sink.write(np.zeros((3, 64, 64, 3), np.uint8))
    sink.close()
    code, _, err = run("render", "made.mp4", "-o", "again.mp4")
    assert (code, err.splitlines()[-1]) == (0, "wrote again.mp4")
    assert line[0].recipe.resolved() == {**said, "output": [{"path": "again.mp4"}]}
    code, _, err = run("render", "made.mp4")
    assert "made.mp4: exists already" in err


def cli_fps() -> Any:
    from fractions import Fraction

    return Fraction(16)


def test_the_schema_is_json(run: Run) -> None:
    assert json.loads(run("schema")[1])["title"] == "vacestream recipe"
