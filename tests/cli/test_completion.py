"""Shell completion: installed by the command itself, and complete."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def vacestream(home: Path, *args: str, **env: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "vacestream", *args],
        env={**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(home), **env},
        cwd=home, capture_output=True, check=True, text=True,
    )  # fmt: skip
    return done.stdout


def test_completion_installs_and_completes_commands_and_options(tmp_path: Path) -> None:
    detected = {"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    assert "bash completion installed" in vacestream(tmp_path, "--install-completion", "bash", **detected)
    script = next(path for path in tmp_path.rglob("*.sh") if "_VACESTREAM_COMPLETE" in path.read_text())
    assert str(script) in (tmp_path / ".bashrc").read_text()
    for words, expected in (("vacestream ren", "render"), ("vacestream render --re", "--resume")):
        asked = {"COMP_WORDS": words, "COMP_CWORD": str(len(words.split()) - 1)}
        assert expected in vacestream(tmp_path, _VACESTREAM_COMPLETE="complete_bash", **asked).split()
