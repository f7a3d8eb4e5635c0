"""Files from the hub: what it says of one, and its bytes, going on where a download stopped.

Everything lands where Hugging Face's own tools look for it, or in the folder that VACESTREAM_MODELS names.
"""

import logging
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, get_hf_file_metadata, hf_hub_download, hf_hub_url
from huggingface_hub.errors import (  # type: ignore[attr-defined]
    GatedRepoError,
    HfHubHTTPError,
    HTTPError,
    LocalEntryNotFoundError,
    OfflineModeIsEnabled,
    RemoteEntryNotFoundError,
    RepositoryNotFoundError,
)
from huggingface_hub.file_download import http_get, repo_folder_name
from huggingface_hub.utils import (  # type: ignore[attr-defined]
    build_hf_headers,
    get_session,
    hf_raise_for_status,
)
from huggingface_hub.utils import logging as hub_logging

from vacestream.errors import ModelError
from vacestream.weights.places import FOLDER, models_folder
from vacestream.weights.rows import File
from vacestream.weights.sums import note_sum, sum_of

Tell = Callable[[int], None]
"""Takes the bytes that just came; fewer than none when a server starts a file again."""

PARTIAL = ".incomplete"
AGAIN = "run the same command again; it goes on where it stopped"


@dataclass(frozen=True)
class Remote:
    """A file as it is published now."""

    file: File
    url: str
    num_bytes: int
    total: str | None
    """Its sha256, git's sha1 of a small file, or None where there is no sum."""

    @property
    def place(self) -> Path:
        """Where it is written: in the folder of weights, else where caches keep it."""
        folder = models_folder()
        if folder is not None:
            return folder / self.file.repo / self.file.path
        if self.file.url is not None:
            return Path(constants.HF_ASSETS_CACHE) / "vacestream" / self.file.repo / self.file.path
        return _cache(self.file) / "blobs" / (self.total or "")

    @property
    def partial(self) -> Path:
        """What has come of it so far."""
        tag = "" if self.place.name == self.total else f".{(self.total or 'unknown')[:8]}"
        return self.place.with_name(f"{self.place.name}{tag}{PARTIAL}")

    @property
    def num_here(self) -> int:
        """Bytes that need not come any more."""
        size = self.partial.stat().st_size if self.partial.is_file() else 0
        return size if size <= self.num_bytes else 0


def ask(file: File) -> Remote:
    """What is published under the name of a file; ModelError where nothing is, or nobody answers."""
    with _told(file):
        if file.url is not None:
            response = get_session().head(file.url, follow_redirects=True)
            hf_raise_for_status(response)
            return Remote(file, file.url, int(response.headers["Content-Length"]), file.sha256)
        url = hf_hub_url(file.repo, file.path)
        found = get_hf_file_metadata(url)
        if found.size is None or not found.etag:
            raise ModelError(f"{_shown(file)}: {_host()} does not say its size; is HF_ENDPOINT a hub?")
        if file.sha256 not in (None, found.etag):
            raise ModelError(
                f"{_shown(file)}: {_host()} has another file under this name than was published"
                f" (sha256 {found.etag[:12]}..., not {str(file.sha256)[:12]}...); unset HF_ENDPOINT, or bring"
                f" the file and name its folder in {FOLDER}"
            )
        return Remote(file, url, found.size, found.etag)


def fetch(remote: Remote, tell: Tell) -> Path:
    """The file, whole and checked, where `find` looks; goes on where it was interrupted."""
    remote.partial.parent.mkdir(parents=True, exist_ok=True)
    if not remote.num_here:
        remote.partial.unlink(missing_ok=True)
    with _told(remote.file):
        _bytes(remote, tell)
    if remote.total and sum_of(remote.partial, remote.total) != remote.total:
        remote.partial.unlink()
        raise ModelError(
            f"{_shown(remote.file)}: what came is not what {_host()} announces (its sum differs);"
            " run the same command again"
        )
    remote.partial.replace(remote.place)
    if remote.place.parent.name == "blobs":
        with _told(remote.file):
            return Path(hf_hub_download(remote.file.repo, remote.file.path))
    if remote.total and len(remote.total) == 64:
        note_sum(remote.place, remote.total)
    return remote.place


def refuse_offline() -> None:
    """ModelError where the environment forbids the network."""
    if constants.HF_HUB_OFFLINE:
        name = "HF_HUB_OFFLINE" if os.environ.get("HF_HUB_OFFLINE") else "TRANSFORMERS_OFFLINE"
        raise ModelError(
            f"{name} is set, so nothing is fetched; unset it, or bring the files as OWNER/REPO/FILE into a"
            f" folder and name it in {FOLDER}"
        )


class _Counter:
    """What `http_get` moves as a progress bar."""

    def __init__(self, tell: Tell) -> None:
        self.update = tell

    def __call__(self, **_: Any) -> "_Counter":
        return self

    def __enter__(self) -> "_Counter":
        return self

    def __exit__(self, *_: object) -> None:
        pass


def _bytes(remote: Remote, tell: Tell) -> None:
    headers = {} if remote.file.url else build_hf_headers()
    verbosity = hub_logging.get_verbosity()
    hub_logging.set_verbosity(logging.ERROR)  # it warns of each connection that breaks, and goes on
    try:
        with remote.partial.open("ab") as file:
            http_get(
                remote.url,
                file,
                resume_size=remote.num_here,
                headers=headers,
                expected_size=remote.num_bytes,
                tqdm_class=_Counter(tell),  # type: ignore[arg-type]
            )
    finally:
        hub_logging.set_verbosity(verbosity)


def _cache(file: File) -> Path:
    return Path(constants.HF_HUB_CACHE) / repo_folder_name(repo_id=file.repo, repo_type="model")


def _shown(file: File) -> str:
    return f"{file.path} of {file.repo}"


def _host() -> str:
    return str(constants.ENDPOINT)


@contextmanager
def _told(file: File) -> Iterator[None]:
    """Errors of the hub in our words: what, where, what to do instead."""
    what, page = _shown(file), f"{_host()}/{file.repo}"
    try:
        yield
    except ModelError:
        raise
    except GatedRepoError as error:
        raise ModelError(
            f"{what}: its owner asks for an agreement first; accept it at {page}, set HF_TOKEN to a token of"
            " yours, and run the same command again"
        ) from error
    except RepositoryNotFoundError as error:
        raise ModelError(
            f"{what}: {_host()} has no such repository, or not for you; look at {page}, check HF_ENDPOINT,"
            " and set HF_TOKEN if it is private"
        ) from error
    except RemoteEntryNotFoundError as error:
        raise ModelError(
            f"{what}: the repository has no such file; look at {page}/tree/main, and bring the file into"
            f" the folder that {FOLDER} names if it has moved"
        ) from error
    except OfflineModeIsEnabled:
        refuse_offline()
        raise
    except HfHubHTTPError as error:
        raise ModelError(f"{what}: {_host()} answers {error.response.status_code}; {AGAIN}") from error
    except (HTTPError, LocalEntryNotFoundError) as error:
        raise ModelError(
            f"{what}: {_host()} cannot be reached ({error or type(error).__name__}); check the connection, or"
            f" set HF_ENDPOINT to a mirror, and {AGAIN}"
        ) from error
    except OSError as error:
        why = "cannot be written" if error.errno else "came in another length than announced"
        raise ModelError(f"{what}: {why} ({str(error).splitlines()[0]}); {AGAIN}") from error
