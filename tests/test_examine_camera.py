"""What doctor says of virtual cameras, and what devices lists, on machines that are made of files."""

import json
from pathlib import Path

import pytest

from vacestream import cli
from vacestream.media import camera

Capture = pytest.CaptureFixture[str]
LINE = 'sudo modprobe v4l2loopback devices=1 video_nr=10 card_label="vacestream" exclusive_caps=1'


@pytest.fixture
def kernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty Linux; what a test puts there is what is found."""
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setattr(camera, "V4L", tmp_path / "class")
    monkeypatch.setattr(camera, "MODULES", tmp_path / "module")
    return tmp_path


def load(kernel: Path, caps: str, **devices: str) -> None:
    """v4l2loopback, and devices by name and label; `cam` in the name: a real one."""
    parameters = kernel / "module" / "v4l2loopback" / "parameters"
    parameters.mkdir(parents=True)
    (parameters / "exclusive_caps").write_text(f"{caps},N,N\n")
    (kernel / "class").mkdir()
    for name, label in devices.items():
        folder = kernel / ("usb" if "cam" in label else "virtual") / name
        folder.mkdir(parents=True)
        (folder / "name").write_text(f"{label}\n")
        (kernel / "class" / name).symlink_to(folder)


def said(capsys: Capture) -> tuple[int, dict[str, tuple[bool, str]]]:
    code = cli.run(["doctor", "camera", "--json"])
    rows = json.loads(capsys.readouterr().out)["checks"]
    return code, {row["name"]: (row["ok"], row["instead"]) for row in rows}


def test_without_the_module_the_exact_line_that_loads_it_is_printed(kernel: Path, capsys: Capture) -> None:
    code, found = said(capsys)
    assert code == 6
    assert found["v4l2loopback"][0] is False
    assert found["v4l2loopback"][1].endswith(LINE)


def test_a_module_without_the_device_is_to_be_loaded_again(kernel: Path, capsys: Capture) -> None:
    load(kernel, "Y", video0="A cam", video9="other")
    code, found = said(capsys)
    assert code == 6
    assert found["device"] == (False, f"sudo modprobe -r v4l2loopback && {LINE}")


def test_a_device_that_browsers_do_not_see_is_told(
    kernel: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("os.access", lambda *_: True)
    load(kernel, "N", video10="vacestream")
    code, found = said(capsys)
    assert code == 6
    assert found["device"][0]
    assert found["exclusive_caps"] == (False, f"sudo modprobe -r v4l2loopback && {LINE}")


def test_devices_tells_cameras_from_those_that_are_written_to(kernel: Path, capsys: Capture) -> None:
    load(kernel, "Y", video0="A cam", video10="vacestream")
    assert cli.run(["devices", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["cameras"] == {"camera:A cam": "/dev/video0"}
    assert found["virtual cameras"] == {"camera:vacestream": "/dev/video10"}
