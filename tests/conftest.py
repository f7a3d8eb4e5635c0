"""Every test has a cache of its own, and leaves the user's alone."""

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this test keeps what it keeps; nothing is there yet."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VACESTREAM_CACHE", str(folder))
    monkeypatch.delenv("VACESTREAM_CACHE_LIMIT", raising=False)
    return folder
