"""A small hub on 127.0.0.1: repositories of bytes, with the faults that real ones have."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import unquote

COMMIT = "c" * 40


@dataclass
class Hub:
    """What is served, what goes wrong, what was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    """OWNER/REPO/PATH -> its bytes."""
    gated: set[str] = field(default_factory=set)
    """Repositories that want a token."""
    cut: dict[str, int] = field(default_factory=dict)
    """A path -> bytes after which each connection breaks."""
    flipped: set[str] = field(default_factory=set)
    """Paths whose last byte is wrong on the way."""
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    """Method, path, Range of each request."""
    tokens: set[str | None] = field(default_factory=set)
    url: str = ""

    def fetched(self) -> list[tuple[str, str | None]]:
        """Path and Range of each file that was asked for, not only looked at."""
        return [(path, span) for method, path, span in self.asked if method == "GET"]


@contextmanager
def serving() -> Iterator[Hub]:
    """A hub while it runs."""
    hub = Hub()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(body=False)

        def do_GET(self) -> None:
            self._answer(body=True)

        def _answer(self, *, body: bool) -> None:
            repo, path = _named(unquote(self.path))
            name = f"{repo}/{path}"
            hub.asked.append((self.command, name, self.headers.get("Range")))
            if "/resolve/" in self.path:
                hub.tokens.add(self.headers.get("Authorization"))
            if not any(file.startswith(f"{repo}/") for file in hub.files):
                self._refuse(401, "RepoNotFound")
            elif repo in hub.gated and not self.headers.get("Authorization"):
                self._refuse(401, "GatedRepo")
            elif name not in hub.files:
                self._refuse(404, "EntryNotFound")
            else:
                self._send(name, hub.files[name], body=body)

        def _refuse(self, code: int, error: str) -> None:
            self.send_response(code)
            self.send_header("X-Error-Code", error)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def _send(self, name: str, data: bytes, *, body: bool) -> None:
            start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")[0])
            total = hashlib.sha256(data).hexdigest()
            if name in hub.flipped:
                data = data[:-1] + bytes([data[-1] ^ 1])
            self.send_response(206 if start else 200)
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
            self.send_header("Content-Length", str(len(data) - start))
            self.send_header("ETag", f'"{total}"')
            self.send_header("X-Repo-Commit", COMMIT)
            self.end_headers()
            if body:
                stop = hub.cut.get(name, len(data))
                self.wfile.write(data[start : max(start, stop)])
                if stop < len(data):
                    self.close_connection = True

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def _named(path: str) -> tuple[str, str]:
    """/OWNER/REPO/resolve/main/PATH, or any other address -> repository and path."""
    repo, _, rest = path.lstrip("/").partition("/resolve/")
    return (
        (repo, rest.partition("/")[2])
        if rest
        else (path.lstrip("/").rpartition("/")[0], path.rpartition("/")[2])
    )
