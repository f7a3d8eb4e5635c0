#!/usr/bin/env python
"""Run `vacestream live` for MINUTES while its source drops, a sink crawls, nonsense comes: a line of JSON.

In: a clip over TCP whose sender is killed now and then. Out: a virtual camera that counts, a recording, and
an address that is read at a crawl. Steering every few seconds, garbage between, on OSC and on `--commands -`.
"""

import argparse
import json
import os
import random
import signal
import socket
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pyvirtualcam
from pyvirtualcam import camera

from vacestream import cli
from vacestream.media import ffmpeg

RECIPE = """
prompt: on a beige plain background
controls: scribble
size: {size}
fps: {fps}
input: tcp://127.0.0.1:{source}?listen=1
output:
  - {{path: camera:soak, fps: 30}}
  - {{path: take.mkv}}
  - {{path: "tcp://127.0.0.1:{slow}"}}
"""
PROMPTS = ("a red ball on a beige plain background", "on a blue plain background", "a green box")
UP, DOWN, STEERED = 20.0, 4.0, 3.0
"""Seconds that the source lasts, that it is gone, and between two messages."""
BINS = 6
"""Parts of the run whose memory is told."""


class Counting:
    """A camera that keeps no frame: how many, since when, and the longest gap."""

    opened = count = closed = 0
    first = last = gap = 0.0

    def __init__(self, **_: Any) -> None:
        Counting.opened += 1

    def send(self, _frame: object) -> None:
        cls, now = Counting, time.monotonic()
        cls.gap = max(cls.gap, now - cls.last) if cls.count else 0.0
        cls.first, cls.last, cls.count = cls.first or now, now, cls.count + 1

    def close(self) -> None:
        Counting.closed += 1

    device, native_fourcc = "soak", None


def free_port(kind: int = socket.SOCK_STREAM) -> int:
    with socket.socket(type=kind) as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def send(address: str, done: Event) -> None:
    """A moving picture to an address, killed now and then."""
    source = ["-re", "-f", "lavfi", "-i", "testsrc2=size=128x128:rate=16"]
    codec = [
        "-c:v",
        "libx264",
        "-preset",
        "ultrafast",
        "-tune",
        "zerolatency",
        "-g",
        "8",
        "-pix_fmt",
        "yuv420p",
    ]
    while not done.is_set():
        child = subprocess.Popen(
            [ffmpeg.exe(), "-v", "quiet", "-nostdin", *source, *codec, "-f", "mpegts", address]
        )
        begun = time.monotonic()
        while time.monotonic() - begun < UP and child.poll() is None and not done.wait(0.1):
            pass
        lasted = time.monotonic() - begun
        child.kill()
        child.wait()
        done.wait(DOWN if lasted > UP / 2 else 2)


def crawl(port: int, done: Event) -> None:
    """Read what is sent to a port, a kilobyte a second, and hang up now and then."""
    with socket.create_server(("127.0.0.1", port)) as server:
        server.settimeout(0.5)
        while not done.is_set():
            with suppress(OSError):
                line, _ = server.accept()
                with line:
                    for _ in range(30):
                        line.recv(1024)
                        if done.wait(1):
                            return


def steer(stdin: int, osc: int, done: Event) -> None:
    """A message every few seconds, by both ways, and nonsense."""
    rng, out = random.Random(0), socket.socket(type=socket.SOCK_DGRAM)
    while not done.wait(STEERED):
        message: dict[str, Any] = rng.choice(
            [
                {"set": {"prompt": rng.choice(PROMPTS)}},
                {"set": {"context_scale": rng.random()}},
                {"set": {"controls.0.scale": rng.random()}},
                {"blackout": rng.random() < 0.3},
                {"freeze": rng.random() < 0.3},
                {"set": {"prompt": 3}},
                {"nonsense": True},
            ]
        )
        os.write(stdin, json.dumps(message).encode() + b"\n" + rng.randbytes(200) + b"\n")
        out.sendto(rng.randbytes(rng.randrange(1, 400)), ("127.0.0.1", osc))
        out.sendto(b"/vacestream/context_scale\0\0\0,f\0\0\x3f\x00\x00\x00", ("127.0.0.1", osc))
    out.close()


def memory() -> float:
    """MiB that this process holds."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def watch(minutes: float, found: dict[str, Any], done: Event) -> None:
    """Count from the first frame on, then end it as Ctrl-C does."""
    while not (Path("take.part.mkv").exists() and Path("take.part.mkv").stat().st_size > 10_000):
        time.sleep(0.2)
    begun, held = time.monotonic(), []
    Counting.gap = Counting.first = 0.0
    Counting.count = 0
    while time.monotonic() - begun < minutes * 60:
        held.append(memory())
        time.sleep(1)
    size = max(1, len(held) // BINS)
    found["memory_mib"] = [round(max(held[i : i + size])) for i in range(0, len(held) - size + 1, size)]
    found["longest_gap_s"] = round(Counting.gap, 3)
    found["camera_fps"] = round((Counting.count - 1) / (Counting.last - Counting.first), 3)
    done.set()
    os.kill(os.getpid(), signal.SIGINT)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("minutes", type=float)
    parser.add_argument("--size", default="64x64")
    parser.add_argument("--fps", type=int, default=16)
    asked = parser.parse_args()
    camera.BACKENDS.clear()
    pyvirtualcam.register_backend("counting", Counting)
    folder, done = tempfile.mkdtemp(), Event()
    found: dict[str, Any] = {"minutes": asked.minutes, "size": asked.size, "fps": asked.fps}
    os.chdir(folder)
    source, slow, osc = free_port(), free_port(), free_port(socket.SOCK_DGRAM)
    Path("soak.yaml").write_text(RECIPE.format(size=asked.size, fps=asked.fps, source=source, slow=slow))
    read, write = os.pipe()
    os.dup2(read, 0)
    work = ((send, (f"tcp://127.0.0.1:{source}", done)), (crawl, (slow, done)), (steer, (write, osc, done)))
    threads = [Thread(target=target, args=args, daemon=True) for target, args in work]
    threads.append(Thread(target=watch, args=(asked.minutes, found, done), daemon=True))
    for thread in threads:
        thread.start()
    log, kept = Path("log").open("w"), os.dup(1)  # noqa: SIM115
    os.dup2(log.fileno(), 1)
    found["exit_code"] = cli.run(["live", "soak.yaml", "--commands", "-", "--osc", str(osc), "--json"])
    os.dup2(kept, 1)
    done.set()
    found |= {"cameras_opened": Counting.opened, "cameras_closed": Counting.closed}
    found |= counted(Path("log").read_text().splitlines())
    found["recorded"] = Path("take.mkv").is_file()
    found["folder"] = folder
    print(json.dumps(found))


def counted(lines: list[str]) -> dict[str, Any]:
    """What the log of the line says."""
    told = [json.loads(line) for line in lines if line.startswith("{")]
    chunks = [one for one in told if one.get("event") == "chunk"]
    if not chunks:
        return {"chunks": 0}
    rates, late = sorted(one["fps"] for one in chunks[2:]), sorted(one["latency"] for one in chunks[2:])
    kinds = [one.get("type") for one in told]
    return {
        "chunks": len(chunks),
        "fps_median": round(rates[len(rates) // 2], 2),
        "latency_median_s": round(late[len(late) // 2], 3),
        "latency_worst_s": round(late[-1], 3),
        "inputs": chunks[-1]["inputs"],
        "drops": chunks[-1]["drops"],
        "held": chunks[-1]["held"],
        "took": kinds.count("took"),
        "refused": kinds.count("refused"),
        "warnings": sum(one.get("event") == "warn" for one in told),
    }


if __name__ == "__main__":
    main()
