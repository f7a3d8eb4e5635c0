"""`--page`: one page of this machine: the pictures of the stream as they run, its status, its knobs."""

import json
from collections import deque
from functools import partial
from hmac import compare_digest
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from queue import Empty, SimpleQueue
from secrets import token_urlsafe
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from vacestream.errors import OutputError
from vacestream.live.desk import Desk
from vacestream.live.gallery import Gallery
from vacestream.live.knobs import knobs
from vacestream.live.verbs import VERBS
from vacestream.media.images import as_jpeg

HERE = ("127.0.0.1", "localhost", "::1")
"""Names of this machine, which need no token."""
LONGEST = 1 << 20
"""Bytes of a message."""
_PATIENCE = 5.0
"""Seconds for an answer, and for a browser that says nothing."""


class Page:
    """A web server on one port; where it can be reached from elsewhere, it asks for its token."""

    def __init__(self, desk: Desk, gallery: Gallery, host: str, port: int) -> None:
        self.desk, self.gallery = desk, gallery
        self.token = "" if host in HERE else token_urlsafe(16)
        try:
            self._server = ThreadingHTTPServer((host, port), partial(_Handler, self))
        except OSError as error:
            what = (
                f"--page: cannot listen on {host}:{port} ({error.strerror}); name another place by --page-at"
            )
            raise OutputError(what) from error
        self._server.daemon_threads = True
        self.url = f"http://{host}:{self._server.server_port}/" + (
            f"?token={self.token}" if self.token else ""
        )
        self._lock = Lock()
        self._status: dict[str, Any] = {}
        self._answers: deque[dict[str, Any]] = deque(maxlen=8)
        self._thread = Thread(target=self._server.serve_forever, args=(0.1,), name="page", daemon=True)

    def __enter__(self) -> Self:
        self.desk.listen(self.hear)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def hear(self, answer: dict[str, Any]) -> None:
        """An answer or a status, from any thread."""
        with self._lock:
            if answer["type"] == "status":
                self._status = answer
            else:
                self._answers.append(answer)

    def state(self) -> dict[str, Any]:
        """All that the page shows beside pictures."""
        with self._lock:
            told = {"status": self._status, "answers": list(self._answers)}
        turned = [vars(knob) for knob in knobs(self.desk.recipe)]
        verbs = [{"name": verb.name, "takes": verb.takes, "does": verb.does} for verb in VERBS]
        return {
            **told,
            "now": self.desk.state(),
            "knobs": turned,
            "verbs": verbs,
            "pictures": self.gallery.names(),
        }

    def tell(self, message: Any) -> dict[str, Any]:
        """Post a message; its first answer."""
        answers: SimpleQueue[dict[str, Any]] = SimpleQueue()

        def reply(answer: dict[str, Any]) -> None:
            answers.put(answer)
            if answer["type"] == "refused":
                self.hear(answer)

        self.desk.post(message, reply)
        try:
            return answers.get(timeout=_PATIENCE)
        except Empty:
            return {"type": "waiting"}


class _Handler(BaseHTTPRequestHandler):
    """One request."""

    timeout = _PATIENCE

    def __init__(self, page: Page, *args: Any) -> None:
        self._page = page
        super().__init__(*args)

    def do_GET(self) -> None:
        path = unquote(urlsplit(self.path).path)
        if not self._may():
            self._send(
                403, "text/plain", b"this page asks for the token that was printed when it was opened\n"
            )
        elif path == "/":
            self._send(200, "text/html; charset=utf-8", _page())
        elif path == "/state":
            self._json(self._page.state())
        elif path.startswith("/picture/"):
            picture = self._page.gallery.picture(path.removeprefix("/picture/"))
            if picture is None:
                self._send(404, "text/plain", b"no such picture\n")
            else:
                self._send(200, "image/jpeg", as_jpeg(picture))
        else:
            self._send(404, "text/plain", b"no such page\n")

    def do_POST(self) -> None:
        length = self.headers.get("Content-Length", "")
        if not self._may():
            self._send(403, "text/plain", b"not from here\n")
        elif urlsplit(self.path).path != "/tell" or not length.isdecimal() or int(length) > LONGEST:
            self._send(404, "text/plain", b"no such page\n")
        else:
            try:
                message = json.loads(self.rfile.read(int(length)))
            except (ValueError, RecursionError):
                message = None
            self._json(self._page.tell(message))

    def _may(self) -> bool:
        """Whether who asks has the token, or sits at this machine and is no other site's page."""
        given = parse_qs(urlsplit(self.path).query).get("token", [""])[0]
        host, origin = self.headers.get("Host", ""), self.headers.get("Origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return False
        if self._page.token:
            return compare_digest(given.encode(), self._page.token.encode())
        return urlsplit(f"//{host}").hostname in HERE

    def _json(self, data: dict[str, Any]) -> None:
        self._send(200, "application/json", json.dumps(data, default=str).encode())

    def _send(self, code: int, kind: str, body: bytes) -> None:
        try:
            self.send_response(code)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.send_header("Cache-Control", "no-store")
            self.end_headers()
            self.wfile.write(body)
        except OSError:  # the browser has gone
            self.close_connection = True

    def log_message(self, *_: Any) -> None:
        """Nothing: requests are no news."""


def _page() -> bytes:
    return files("vacestream.live.channels").joinpath("page.html").read_bytes()
