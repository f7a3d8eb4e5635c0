"""The records of the reference systems, replayed; and proof that a replay can fail."""

import importlib.util
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

SCRIPT = Path(__file__).parents[1] / "scripts" / "replay_golden.py"
STREAMED = [
    "longlive_A",
    "longlive_A_sinkspan",
    "longlive_B",
    "longlive_B_early",
    "longlive_inf",
    "memflow",
    "self_forcing",
    "streamdiffusionv2",
]


@pytest.fixture(scope="module")
def replay() -> Callable[..., int]:
    """Arguments of the replay script -> its exit code."""
    spec = importlib.util.spec_from_file_location("replay_golden", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)

    def run(*args: object) -> int:
        try:
            return int(script.main([str(arg) for arg in args]))
        except SystemExit as stop:
            return int(bool(stop.code))

    return run


@pytest.fixture(scope="module")
def records() -> Path:
    if not (folder := os.environ.get("VACESTREAM_GOLDEN")):
        pytest.skip("VACESTREAM_GOLDEN does not name the folder of records")
    return Path(folder)


@pytest.mark.parametrize("name", STREAMED)
def test_every_run_of_a_streamed_record_is_met(name: str, replay: Callable[..., int], records: Path) -> None:
    assert replay(records / name, "--atol", 2e-5) == 0


def test_every_run_of_the_whole_clip_record_is_met(replay: Callable[..., int], records: Path) -> None:
    assert replay(records / "vace_batch", "--atol", 3e-5) == 0


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("longlive_A", "warp=false"),
        ("longlive_A", "attention_sink_latents=0"),
        ("longlive_A", "commit_pass=false"),
        ("longlive_A", "window_latents=12"),
        ("longlive_A_sinkspan", 'quirks=["attend_unfilled_sink"]'),
        ("longlive_A_sinkspan", 'quirks=["freeze_noisy_sink"]'),
        ("longlive_B", 'recache="none"'),
        ("longlive_inf", 'rope="absolute"'),
        ("memflow", "quirks=[]"),
        ("memflow", "bank_interval=1"),
        ("self_forcing", "shift=8"),
        ("streamdiffusionv2", "quirks=[]"),
        ("streamdiffusionv2", "sink_refresh=-1"),
        ("streamdiffusionv2", "attention_sink_latents=1"),
        ("vace_batch", "scale=0"),
    ],
)
def test_a_wrong_setting_is_noticed(name: str, wrong: str, replay: Callable[..., int], records: Path) -> None:
    assert replay(records / name, "--set", wrong) == 1


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("longlive_A", "main/latents/block5"),
        ("longlive_A", "main/trace/call014_block3_context/flow"),
        ("longlive_A", "main/cache/after_block8/layer0/v"),
        ("vace_batch", "outputs/scale1.0/hint0"),
        ("vace_batch", "outputs/encode/vace_context"),
    ],
)
def test_one_value_moved_by_a_thousandth_is_noticed(
    name: str, key: str, replay: Callable[..., int], records: Path, tmp_path: Path
) -> None:
    shutil.copy(records / f"{name}.json", tmp_path)
    tensors = load_file(records / f"{name}.safetensors")
    middle = tensors[key].numel() // 2
    tensors[key].view(-1)[middle] += 1e-3
    save_file(tensors, tmp_path / f"{name}.safetensors")
    assert replay(tmp_path / name) == 1


def test_a_record_without_anything_to_compare_is_not_met(
    replay: Callable[..., int], records: Path, tmp_path: Path
) -> None:
    shutil.copy(records / "longlive_A.json", tmp_path)
    tensors = load_file(records / "longlive_A.safetensors")
    kept = {key: value for key, value in tensors.items() if "/trace/" not in key}
    kept["main/latents/all"] = torch.full_like(kept["main/latents/all"], torch.nan)
    save_file(kept, tmp_path / "longlive_A.safetensors")
    assert replay(tmp_path / "longlive_A") == 1
