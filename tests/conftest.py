"""Tests have a cache of their own, and leave the user's alone; nets that several of them use."""

from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture(scope="session", autouse=True)
def shared_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """For what is made once and used by several tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("VACESTREAM_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.delenv("VACESTREAM_CACHE_LIMIT", raising=False)
        yield


@pytest.fixture(scope="session")
def finders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nets that find and follow things."""
    from tests.shelf import write_finders

    folder = tmp_path_factory.mktemp("finders")
    write_finders(folder)
    return folder


@pytest.fixture(autouse=True)
def cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this test keeps what it keeps; nothing is there yet."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("VACESTREAM_CACHE", str(folder))
    return folder
