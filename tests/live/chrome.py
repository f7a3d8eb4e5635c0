"""A headless Chromium that a test drives over its debugging pipe; nothing is installed for it."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

NAMES = ("chromium", "chromium-headless-shell", "chromium-browser", "google-chrome", "chrome")
FLAGS = (
    "--headless", "--no-sandbox", "--no-zygote", "--disable-gpu", "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader", "--remote-debugging-pipe", "--window-size=1100,800", "--no-first-run",
)  # fmt: skip


def found() -> str | None:
    """The browser that CHROMIUM names, or one that is installed."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """One page of a browser."""

    def __init__(self, write: int, read: int, url: str) -> None:
        self._write, self._read, self._rest, self._number = write, read, b"", 0
        self._session: dict[str, str] = {}
        target = self.call("Target.createTarget", url=url)["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = {"sessionId": attached["sessionId"]}

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """What a command of the DevTools protocol gives."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": params, **self._session}
        os.write(self._write, json.dumps(message).encode() + b"\0")
        while True:
            while b"\0" not in self._rest:
                piece = os.read(self._read, 1 << 20)
                assert piece, "the browser has gone"
                self._rest += piece
            one, _, self._rest = self._rest.partition(b"\0")
            answer = json.loads(one)
            if answer.get("id") == self._number:
                assert "error" not in answer, answer
                return answer["result"]

    def value(self, script: str) -> Any:
        """What a script gives in the page."""
        given = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        assert "exceptionDetails" not in given, given
        return given["result"].get("value")

    def screenshot(self) -> bytes:
        """The page as PNG."""
        return base64.b64decode(self.call("Page.captureScreenshot")["data"])


@contextmanager
def opened(browser: str, url: str) -> Iterator[Tab]:
    """A tab that shows this page."""
    commands, write = os.pipe()
    read, answers = os.pipe()
    with tempfile.TemporaryDirectory() as profile:
        script = f'exec "$0" "$@" 3<&{commands} 4>&{answers} 2>/dev/null'
        process = subprocess.Popen(
            ["bash", "-c", script, browser, *FLAGS, f"--user-data-dir={profile}"],
            pass_fds=(commands, answers),
        )
        os.close(commands)
        os.close(answers)
        try:
            yield Tab(write, read, url)
        finally:
            os.close(write)
            os.close(read)
            process.terminate()
            process.wait()
