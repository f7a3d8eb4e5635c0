"""Weights from a hub: what is fetched, gone on with, checked, refused, deleted."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from huggingface_hub import constants, file_download
from safetensors.torch import save

from tests.weights.served import Hub, serving
from vacestream import cli
from vacestream.weights import MODELS, File, Model, Part, find, look_up
from vacestream.weights import hub as hubs

NET, LORA = File("owner/net", "sub/net.safetensors"), File("owner/net", "lora.pt")
VAE = File("shared/vae", "vae.safetensors")
SHARDS = File("owner/big", "m.safetensors.index.json")
ROWS = {
    "tiny": Model({"transformer": Part((NET,)), "lora": Part((LORA,), "CC-BY-NC-4.0"), "vae": Part((VAE,))}),
    "other": Model({"transformer": Part((File("owner/other", "net.pt"),)), "vae": Part((VAE,))}),
    "big": Model({"transformer": Part((SHARDS,))}),
}
WEIGHTS = save({"a": torch.arange(100_000.0)})


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Hub]:
    """A hub with all files of ROWS, which this process takes for Hugging Face's; an empty machine."""
    index = {"weight_map": {"a": "m-1.safetensors", "b": "m-2.safetensors"}}
    with serving() as served:
        served.files = {
            "owner/net/sub/net.safetensors": WEIGHTS,
            "owner/net/lora.pt": random.Random(1).randbytes(50_000),
            "owner/other/net.pt": b"net",
            "shared/vae/vae.safetensors": save({"v": torch.ones(30)}),
            "owner/big/m.safetensors.index.json": json.dumps(index).encode(),
            **{
                f"owner/big/m-{i}.safetensors": save({name: torch.ones(i)})
                for i, name in ((1, "a"), (2, "b"))
            },
        }
        monkeypatch.setattr(constants, "ENDPOINT", served.url)
        monkeypatch.setattr(
            constants, "HUGGINGFACE_CO_URL_TEMPLATE", served.url + "/{repo_id}/resolve/{revision}/{filename}"
        )
        monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
        monkeypatch.setattr(constants, "HF_ASSETS_CACHE", str(tmp_path / "assets"))
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        monkeypatch.setattr(constants, "DOWNLOAD_CHUNK_SIZE", 50_000)
        monkeypatch.setattr(file_download.time, "sleep", lambda _: None)
        for name in ("VACESTREAM_MODELS", "HF_TOKEN"):
            monkeypatch.delenv(name, raising=False)
        for name, row in ROWS.items():
            monkeypatch.setitem(MODELS, name, row)
        yield served


class Run:
    """`vacestream models ...` in this process."""

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self.capsys = capsys

    def __call__(self, *args: str) -> tuple[int, str, str]:
        code = cli.run(["models", *args])
        return code, *self.capsys.readouterr()


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], hub: Hub) -> Run:
    return Run(capsys)


def test_a_pulled_model_is_found_and_pulled_once(run: Run, hub: Hub, tmp_path: Path) -> None:
    code, out, err = run("pull", "tiny")
    assert code == 0, err
    total = len(WEIGHTS) + 50_000 + len(hub.files["shared/vae/vae.safetensors"])
    assert err.splitlines()[0] == f"0 here, 3 to fetch, {total / 1e6:.1f} MB of {total / 1e6:.1f} MB to come"
    found, _ = find("tiny")
    assert [str(part.path) for part in found.values()] == out.splitlines()
    assert found["transformer"].path.read_bytes() == WEIGHTS
    before = len(hub.asked)
    code, again, err = run("pull", "tiny")
    assert (code, again, err.splitlines()[0]) == (0, out, "3 here, 0 to fetch, 0.0 MB of 0.0 MB to come")
    assert len(hub.asked) == before


@pytest.mark.parametrize("folder", [False, True], ids=["cache", "folder"])
def test_an_interrupted_download_goes_on_where_it_stopped(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, folder: bool
) -> None:
    if folder:
        (tmp_path / "models").mkdir()
        monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path / "models"))
    name = "owner/net/sub/net.safetensors"
    hub.cut[name] = 150_000
    code, _, err = run("pull", "tiny")
    assert code == 4
    assert f"sub/net.safetensors of owner/net: {hub.url} cannot be reached" in err
    assert "goes on where it stopped" in err
    assert look_up(ROWS["tiny"].parts["transformer"]) is None
    hub.cut.clear()
    hub.asked.clear()
    code, out, err = run("pull", "tiny", "--json")
    assert code == 0
    assert (name, "bytes=150000-") in hub.fetched()
    start, *_, done = map(json.loads, out.splitlines())
    assert start["num_bytes"] - start["num_left"] == 150_000
    assert (tmp_path / Path(done["paths"][0])).read_bytes() == WEIGHTS
    assert not list(tmp_path.rglob("*.incomplete"))


def test_progress_says_bytes_speed_and_time_left(run: Run, hub: Hub) -> None:
    _, out, _ = run("pull", "tiny", "--json")
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["schema"].split(".")[2] for event in (events[0], events[-1])] == ["start/1", "done/1"]
    last = events[-2]
    assert last["num_done"] == last["num_bytes"] == events[0]["num_bytes"]
    assert last["bytes_per_second"] > 0
    assert last["seconds_left"] == 0


def test_a_byte_that_is_wrong_on_the_way_is_not_taken(run: Run, hub: Hub, tmp_path: Path) -> None:
    hub.flipped.add("owner/net/sub/net.safetensors")
    code, _, err = run("pull", "tiny")
    assert code == 4
    assert "what came is not what" in err
    assert look_up(ROWS["tiny"].parts["transformer"]) is None
    hub.flipped.clear()
    assert run("pull", "tiny")[0] == 0
    assert look_up(ROWS["tiny"].parts["transformer"]).read_bytes() == WEIGHTS


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-9])


@pytest.mark.parametrize("folder", [False, True], ids=["cache", "folder"])
@pytest.mark.parametrize(
    ("harm", "said"), [(flip, "is damaged"), (cut, "is cut short")], ids=["flipped byte", "truncated"]
)
def test_a_damaged_file_is_found_and_mended(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, harm, said: str, folder: bool
) -> None:
    if folder:
        (tmp_path / "models").mkdir()
        monkeypatch.setenv("VACESTREAM_MODELS", str(tmp_path / "models"))
    run("pull", "tiny")
    code, out, _ = run("verify", "tiny")
    assert (code, [line.split()[0] for line in out.splitlines()]) == (0, ["ok"] * 3)
    assert all("its sha256" in line for line in out.splitlines())
    path = look_up(ROWS["tiny"].parts["transformer"])
    harm(path.resolve())
    code, out, err = run("verify")
    assert code == 4
    assert f"bad  {path}  {said}" in out.splitlines()
    assert f"tiny: transformer: {path} {said}; run `vacestream models rm --damaged tiny`" in err
    assert run("rm", "--damaged", "tiny")[1].splitlines() == [str(path)]
    assert run("pull", "tiny")[0] == 0
    assert run("verify", "tiny")[0] == 0
    assert path.read_bytes() == WEIGHTS


def test_a_file_that_is_cut_short_is_fetched_again(run: Run, hub: Hub) -> None:
    run("pull", "tiny")
    path = look_up(ROWS["tiny"].parts["transformer"])
    cut(path.resolve())
    assert run("pull", "tiny")[0] == 0
    assert path.read_bytes() == WEIGHTS


def test_too_little_space_is_told_before_the_first_byte(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10**6, 10**6 - 1000, 1000))
    code, _, err = run("pull", "tiny")
    assert code == 4
    assert f"{tmp_path}: 0.5 MB are to come and 0.0 MB are free; make room, or name another disk" in err
    assert hub.fetched() == []


@pytest.mark.parametrize(
    ("file", "said"),
    [
        (File("owner/none", "net.pt"), "net.pt of owner/none: {url} has no such repository, or not for you"),
        (File("owner/net", "none.pt"), "none.pt of owner/net: the repository has no such file"),
        (File("owner/gate", "net.pt"), "accept it at {url}/owner/gate, set HF_TOKEN"),
    ],
)
def test_what_the_hub_refuses_exits_with_4_and_says_what_to_do(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch, file: File, said: str
) -> None:
    hub.files["owner/gate/net.pt"] = b"x"
    hub.gated.add("owner/gate")
    monkeypatch.setitem(MODELS, "tiny", Model({"net": Part((file,))}))
    code, out, err = run("pull", "tiny")
    assert (code, out) == (4, "")
    assert said.format(url=hub.url) in err
    assert err.endswith("[VS-MODEL]\n")


def test_a_token_opens_a_gated_repository(run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    hub.gated.add("owner/net")
    monkeypatch.setenv("HF_TOKEN", "secret")
    assert run("pull", "tiny")[0] == 0
    assert hub.tokens == {"Bearer secret"}


def test_offline_nothing_is_asked_and_the_way_out_is_said(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    run("pull", "other")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    assert run("pull", "other")[0] == 0
    hub.asked.clear()
    code, _, err = run("pull", "tiny")
    assert (code, hub.asked) == (4, [])
    assert "HF_HUB_OFFLINE is set, so nothing is fetched; unset it, or bring the files as OWNER/REPO" in err


def test_a_hub_that_is_not_there_is_named(run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr(
        constants, "HUGGINGFACE_CO_URL_TEMPLATE", "http://127.0.0.1:9/{repo_id}/resolve/{revision}/{filename}"
    )
    code, _, err = run("pull", "tiny")
    assert code == 4
    assert "http://127.0.0.1:9 cannot be reached" in err


def test_a_sharded_checkpoint_comes_with_all_its_shards(run: Run, hub: Hub) -> None:
    assert run("pull", "big")[0] == 0
    index = look_up(ROWS["big"].parts["transformer"])
    assert {path.name for path in index.parent.iterdir()} == {
        "m.safetensors.index.json", "m-1.safetensors", "m-2.safetensors"
    }  # fmt: skip
    code, out, _ = run("verify", "big")
    assert (code, len(out.splitlines())) == (0, 3)
    (index.parent / "m-2.safetensors").resolve().unlink()
    assert look_up(ROWS["big"].parts["transformer"]) is None
    assert run("pull", "big")[0] == 0
    assert look_up(ROWS["big"].parts["transformer"]) == index


def test_a_file_that_is_published_elsewhere_is_kept_and_found(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.files["rembg/download/u2net.onnx"] = b"onnx" * 100
    file = File("someone/rembg", "u2net.onnx", url=f"{hub.url}/rembg/download/u2net.onnx")
    monkeypatch.setitem(MODELS, "tiny", Model({"net": Part((file,))}))
    assert run("pull", "tiny")[0] == 0
    assert find("tiny")[0]["net"].path.read_bytes() == b"onnx" * 100


def test_a_file_under_a_published_name_with_another_sum_is_refused(
    run: Run, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = File("owner/net", "lora.pt", sha256="0" * 64)
    monkeypatch.setitem(MODELS, "tiny", Model({"net": Part((file,))}))
    code, _, err = run("pull", "tiny")
    assert code == 4
    assert "has another file under this name than was published" in err


def test_a_part_that_another_model_needs_stays(run: Run, hub: Hub, tmp_path: Path) -> None:
    run("pull", "tiny", "other")
    code, out, err = run("rm", "tiny")
    assert (code, err) == (0, "tiny: vae stays: other needs it\n")
    assert {Path(line).name for line in out.splitlines()} == {"net.safetensors", "lora.pt"}
    assert find("other")
    run("rm", "other")
    blobs = [path for path in (tmp_path / "hub").rglob("blobs/*") if path.is_file()]
    assert blobs == []


def test_a_listing_says_what_is_here_how_big_and_under_which_licence(run: Run, hub: Hub) -> None:
    run("pull", "other")
    rows = {(row["model"], row["part"]): row for row in json.loads(run("ls", "--json")[1])["files"]}
    assert {name for name, _ in rows} == {*MODELS}
    assert Path(rows["other", "vae"]["path"]).is_file()
    assert rows["tiny", "lora"]["path"] is None
    assert (rows["tiny", "lora"]["licence"], rows["tiny", "lora"]["commercial"]) == ("CC-BY-NC-4.0", False)
    _, out, _ = run("ls")
    assert "tiny                     1 of 3 here" in out
    _, out, _ = run("ls", "tiny")
    assert "CC-BY-NC-4.0 (not for commercial use)" in out


def test_a_recipe_stands_for_all_that_it_needs(run: Run, hub: Hub, tmp_path: Path) -> None:
    (tmp_path / "plain.yaml").write_text("pipeline: longlive-1.3b\nprompt: x\nlength: 9f\n")
    (tmp_path / "depth.yaml").write_text(
        "pipeline: longlive-1.3b\ninput: a.mp4\nprompt: x\ncontrols: depth\nmask: {label: dog}\n"
    )

    def asked(name: str) -> list[tuple[str, str]]:
        rows = json.loads(run("ls", str(tmp_path / name), "--json")[1])["files"]
        return [(row["model"], row["part"]) for row in rows]

    shared = ["transformer", "lora", "vae", "text", "tokenizer"]
    assert asked("plain.yaml") == [("longlive-1.3b", part) for part in shared]
    assert {*asked("depth.yaml")} - {*asked("plain.yaml")} == {
        ("longlive-1.3b", "vace"), ("midas", "net"), ("grounding-dino", "net"), ("grounding-dino", "words"),
        ("sam2", "net"),
    }  # fmt: skip


def test_hf_home_hf_endpoint_and_hf_token_are_obeyed_by_the_command_itself(tmp_path: Path) -> None:
    with serving() as served:
        served.files["lightx2v/Autoencoders/lightvaew2_1.pth"] = b"weights"
        served.gated.add("lightx2v/Autoencoders")
        env = {"HF_HOME": str(tmp_path), "HF_ENDPOINT": served.url, "HF_TOKEN": "mine", "PATH": ""}
        done = subprocess.run(
            [sys.executable, "-m", "vacestream", "models", "pull", "lightvaew2_1"],
            env=env | {"PYTHONPATH": os.environ.get("PYTHONPATH", "")},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert served.tokens == {"Bearer mine"}
    path = Path(done.stdout.strip())
    assert path.is_relative_to(tmp_path)
    assert path.read_bytes() == b"weights"


def test_nothing_heavy_is_imported_to_fetch() -> None:
    code = "import vacestream.weights.pull, vacestream.weights.check, sys; assert 'torch' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_came_of_a_file_is_not_taken_for_another(hub: Hub) -> None:
    remote = hubs.ask(NET)
    remote.partial.parent.mkdir(parents=True)
    remote.partial.write_bytes(b"x" * (len(WEIGHTS) + 1))
    assert remote.num_here == 0
    assert hubs.fetch(remote, lambda _: None).read_bytes() == WEIGHTS
