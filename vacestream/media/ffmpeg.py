"""The shipped ffmpeg as a child process whose complaints are kept."""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import IO

_CREATE_NEW_PROCESS_GROUP = 0x200
_SIGPIPE = 13
"""What ends a child that writes into a pipe that nobody reads."""


PROMPT = ("-analyzeduration", "1M", "-probesize", "1M")
"""Options of an input that is to begin soon; nothing of it is lost."""
NOW = (*PROMPT, "-fflags", "nobuffer", "-flags", "low_delay")
"""The same where what came while it was looked at is stale, and left out."""


@cache
def exe() -> str:
    """Path of the ffmpeg binary that the imageio-ffmpeg wheel ships."""
    import imageio_ffmpeg

    return str(imageio_ffmpeg.get_ffmpeg_exe())


@dataclass(frozen=True)
class Child:
    """A running ffmpeg; its stderr goes to a file, so that it never blocks on us."""

    process: "subprocess.Popen[bytes]"
    log: IO[bytes]

    def words(self) -> list[str]:
        """The lines that it wrote to stderr."""
        self.log.seek(0)
        lines = self.log.read().decode(errors="replace").splitlines()
        return [line.strip() for line in lines if line.strip()]

    def last_words(self) -> str:
        """The last line of stderr, or the exit status."""
        if words := self.words():
            return words[-1]
        status = self.process.returncode
        return "its reader has gone" if status == -_SIGPIPE else f"exit status {status}"

    def end(self, *, kill: bool = False, patience: float | None = None) -> int:
        """Close our ends of the pipes, wait, no longer than `patience` seconds, and give the exit status."""
        if kill:
            self.process.kill()
        if self.process.stdin is not None:
            with suppress(OSError):  # the child is gone; its exit status says so
                self.process.stdin.close()
        if self.process.stdout is not None:
            self.process.stdout.close()
        try:
            return self.process.wait(patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def start(args: Sequence[str], *, stdin: int | None, stdout: int | None) -> Child:
    """Start ffmpeg out of reach of the terminal's Ctrl-C: only closing its pipe ends it."""
    log = tempfile.TemporaryFile()  # noqa: SIM115  (lives as long as the child)
    process = subprocess.Popen(
        [exe(), "-hide_banner", "-nostdin", "-v", "error", *args],
        stdin=stdin,
        stdout=stdout,
        stderr=log,
        start_new_session=True,
        creationflags=_CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0,
    )
    return Child(process, log)


def file(path: str | Path) -> str:
    """A path in the form that ffmpeg takes for nothing else, whatever signs it holds."""
    return f"file:{path}"


def seconds(value: Fraction | float) -> str:
    """A time in the form that ffmpeg's options take."""
    return f"{float(value):.6f}"
