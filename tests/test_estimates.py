"""What a plan says of time, disk and downloads: measured or told as unknown, never made up."""

import json
from pathlib import Path

import pytest

from vacestream import cache, cli, pace
from vacestream.errors import RecipeError
from vacestream.estimates import estimate, needs
from vacestream.events import Event
from vacestream.pipelines import PIPELINES
from vacestream.plan import Plan, make_plan
from vacestream.recipe import load_recipe
from vacestream.unbuilt import PLANNED

TEXT = "prompt: x\nlength: 81f\nsize: 64x64\n"


@pytest.fixture(autouse=True)
def models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for weights, empty; nothing elsewhere."""
    monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "no_cache"))
    return tmp_path


def plan(text: str = TEXT) -> Plan:
    return make_plan(load_recipe(text, name="r.yaml"), media=False)


def rendered(made: Plan, monkeypatch: pytest.MonkeyPatch, *, seconds: list[float], frames: list[int]) -> None:
    """A render whose chunks came at these times."""
    clock = iter([0.0, *seconds])
    monkeypatch.setattr(pace, "perf_counter", lambda: next(clock))
    watch = pace.Watch(made)
    watch.see(Event("start"))
    for frame in frames:
        watch.see(Event("chunk", frame))
    watch.see(Event("done", frames[-1] if frames else 0))


def test_time_is_unknown_until_a_render_like_it_was_measured_here(monkeypatch: pytest.MonkeyPatch) -> None:
    assert estimate(plan()).seconds is None
    rendered(plan(), monkeypatch, seconds=[10, 16, 22], frames=[9, 21, 33])
    cost = estimate(plan())
    assert cost.seconds == 10 + (81 - 9) * 0.5
    assert cost.pace
    assert cost.pace.num_frames == 33
    assert estimate(plan(TEXT.replace("81f", "9f"))).seconds == 10
    assert estimate(plan(TEXT.replace("81f", "endless"))).seconds is None


@pytest.mark.parametrize(
    "other",
    ["size: 64x80", "device: cpu", "precision: bf16", "pipeline: longlive-1.3b", "references: sprites:3"],
)
def test_a_render_of_another_kind_tells_nothing(other: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(plan(), monkeypatch, seconds=[10, 16], frames=[9, 21])
    key = other.partition(":")[0]
    text = "".join(f"{line}\n" for line in TEXT.splitlines() if not line.startswith(key))
    assert estimate(plan(f"{text}{other}\n")).seconds is None


def test_the_last_render_counts_and_one_chunk_is_a_measure_too(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(plan(), monkeypatch, seconds=[10, 16], frames=[9, 21])
    rendered(plan(), monkeypatch, seconds=[9], frames=[9])
    assert estimate(plan()).seconds == 9 + 72
    assert len(cache.entries()) == 1
    rendered(plan(TEXT.replace("64x64", "64x80")), monkeypatch, seconds=[], frames=[])
    assert len(cache.entries()) == 1


def test_a_wrong_limit_of_the_cache_is_refused_before_a_render_not_behind_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("VACESTREAM_CACHE_LIMIT", "much")
    with pytest.raises(RecipeError, match="VACESTREAM_CACHE_LIMIT"):
        pace.Watch(plan())


def test_a_measure_that_cannot_be_read_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered(plan(), monkeypatch, seconds=[9], frames=[9])
    (entry,) = cache.entries()
    entry.path.write_text('{"of": "another version"}')
    assert estimate(plan()).seconds is None


@pytest.mark.parametrize(
    ("output", "num_bytes"),
    [
        ("a.mp4", 10_000), ("{path: a.mp4, crf: 24}", 5_000), ("a.mkv", 200_000), ("f/%05d.png", 400_000),
        ("a.y4m", 500_000), ("[a.mkv, b.mkv]", 500_000), ("'-'", 0), ("a.webp", None),
    ],
)  # fmt: skip
def test_disk_is_a_rough_number_of_what_is_measured_and_else_unknown(
    output: str, num_bytes: int | None
) -> None:
    assert estimate(plan(f"{TEXT}output: {output}\n")).num_bytes == num_bytes


def test_downloads_are_the_files_that_are_not_here_and_that_the_recipe_needs(models: Path) -> None:
    text = "pipeline: longlive-1.3b\nprompt: x\nlength: 9f\n"
    cost = estimate(plan(f"{text}references: sprites:1\n"))
    rows = {row["part"]: row for row in cost.to_dict()["downloads"]}
    assert (rows["vae"]["file"], rows["vae"]["licence"]) == ("Wan2.1_VAE.pth", "Apache-2.0")
    assert cost.download_bytes == sum(row["bytes"] or 0 for row in rows.values()) > 10e9
    (models / "Wan2.1_VAE.pth").touch()
    left = {need.name for need in estimate(plan(f"{text}references: sprites:1\n")).downloads}
    assert left == set(rows) - {"vae"}
    assert {need.name for need in estimate(plan(text)).downloads} == left - {"vace"}
    assert estimate(plan()).downloads == ()


def test_the_plan_command_says_all_of_it(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("r.yaml").write_text(TEXT)
    assert cli.run(["plan", "r.yaml"]) == 0
    out = capsys.readouterr().out
    assert "takes          unknown until a render like it is done here" in out
    assert "disk           about 10.0 kB, an estimate" in out
    rendered(plan(), monkeypatch, seconds=[10, 16], frames=[9, 21])
    assert cli.run(["plan", "r.yaml", "--set", "preset=exact", "--explain"]) == 0
    assert "fp32" in next(line for line in capsys.readouterr().out.splitlines() if "preset exact:4" in line)
    assert cli.run(["plan", "r.yaml", "--set", "pipeline=longlive-1.3b"]) == 0
    assert "download       vae: Wan2.1_VAE.pth of Wan-AI/Wan2.1-T2V-1.3B, 50" in capsys.readouterr().out
    assert cli.run(["plan", "r.yaml", "--json"]) == 0
    cost = json.loads(capsys.readouterr().out)["estimates"]
    assert (cost["seconds"], cost["measured_frames"], cost["output_bytes"]) == (46, 21, 10_000)
    assert (cost["downloads"], cost["download_bytes"]) == ([], 0)


def test_every_pipeline_is_listed_with_its_state_its_files_and_whether_they_are_here(
    models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (models / "Wan2.1_VAE.pth").touch()
    assert cli.run(["pipelines", "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert list(rows) == [*PIPELINES, *PLANNED]
    assert rows["sprites"]["weights"] == []
    assert rows["sprites"]["licences"] == ["Apache-2.0"]
    assert rows["longlive-1.3b"]["licences"] == ["CC-BY-NC-SA-4.0", "Apache-2.0"]
    assert rows["framepack"]["licences"] == []
    assert {row["status"] for name, row in rows.items() if name in PLANNED} == {"planned"}
    here = {need["part"]: need["present"] for need in rows["longlive-1.3b"]["weights"]}
    assert here["vae"]
    assert not here["transformer"]
    keys = {"part", "repo", "file", "bytes", "sha256", "licence", "commercial", "present"}
    assert all(set(need) == keys for row in rows.values() for need in row["weights"])
    assert cli.run(["tasks", "--json"]) == 0
    nets = [need for row in json.loads(capsys.readouterr().out) for need in row["weights"]]
    assert nets
    assert all(set(need) == keys - {"part"} and not need["present"] for need in nets)
    assert cli.run(["pipelines"]) == 0
    out = capsys.readouterr().out
    missing = [need for need in needs("longlive-1.3b") if not need.here]
    assert f"{len(missing)} of {len(missing) + 1} files missing" in out
    assert all(f"{name} " in out for name in rows)
