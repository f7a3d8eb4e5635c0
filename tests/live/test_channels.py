"""Every channel tells the desk what the table of verbs says, answers what is wrong, and dies of nothing."""

import json
import os
import pty
import random
import select
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import mido
import numpy as np
import pytest
from pythonosc.osc_message_builder import OscMessageBuilder
from pythonosc.osc_packet import OscPacket

from tests.live.lines import RECIPE, planned, run
from vacestream.live.channels.commands import Commands
from vacestream.live.channels.keys import Keyboard, Terminal, keys_in
from vacestream.live.channels.midi import Midi
from vacestream.live.channels.osc import Osc, osc_table
from vacestream.live.channels.watch import Watch
from vacestream.live.desk import Desk
from vacestream.live.verbs import VERBS
from vacestream.recipe import load_recipe
from vacestream.unbuilt import STEERED

Heard = list[Any]


class Ear(Desk):
    """A desk that notes what it is told."""

    def __init__(self, plans: Any) -> None:
        super().__init__(plans)
        self.heard: Heard = []

    def post(self, data: Any, reply: Callable[[dict[str, Any]], None]) -> None:
        self.heard.append(data)
        super().post(data, reply)


@pytest.fixture(scope="module")
def plans():
    return [planned(), planned(prompt="a green fox")]


@pytest.fixture
def desk(plans) -> Iterator[Ear]:
    with Ear(plans) as ear:
        yield ear


def wait(done: Callable[[], Any]) -> Any:
    """What `done` gives once it gives something."""
    end = time.monotonic() + 20
    while not (found := done()):
        assert time.monotonic() < end, "nothing came"
        time.sleep(0.01)
    return found


class Lines:
    """JSON lines over a pipe."""

    def __init__(self, desk: Desk) -> None:
        reader, self.writer = os.pipe()
        back, front = os.pipe()
        self.answers = os.fdopen(back)
        self.files = [self.answers, os.fdopen(reader, "rb"), out := os.fdopen(front, "w")]
        self.channel = Commands(desk, reader, out)

    def send(self, message: Any) -> None:
        self.write(json.dumps(message).encode())

    def write(self, line: bytes) -> None:
        os.write(self.writer, line + b"\n")

    def answer(self) -> str:
        return json.loads(self.answers.readline())["type"]

    def close(self) -> None:
        os.close(self.writer)
        for thread in self.channel.threads[:1]:
            thread.join()
        for file in self.files:
            file.close()


class OverOsc:
    """OSC over the loopback."""

    def __init__(self, desk: Desk) -> None:
        self.channel = Osc(desk, 0)
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(20)

    def send(self, message: Any) -> None:
        [(name, value)] = (message.get("set") or {k: v for k, v in message.items() if k != "blend"}).items()
        values = value if isinstance(value, list) else [value]
        self.write(*_packet(name, [*values, *([message["blend"]] if "blend" in message else [])]))

    def write(self, packet: bytes) -> None:
        self.socket.sendto(packet, ("127.0.0.1", self.channel.port))

    def answer(self) -> str:
        told = OscPacket(self.socket.recv(1 << 16)).messages[0].message
        return told.address.rsplit("/", 1)[1]

    def close(self) -> None:
        self.socket.close()


def _packet(name: str, values: list[Any]) -> Iterator[bytes]:
    builder = OscMessageBuilder("/vacestream/" + name.replace(".", "/"))
    for value in values:
        builder.add_arg(value)
    yield builder.build().dgram


class Typed:
    """Keys, as a terminal sends them."""

    def __init__(self, desk: Desk) -> None:
        self.keyboard = Keyboard(desk)

    def send(self, message: Any) -> None:
        plain = {"blackout": "b", "freeze": "f", "stop": "q", "scene": "2"}
        ((name, value),) = (message.get("set") or message).items()
        if "set" in message:
            typed = f":{name}={json.dumps(value) if not isinstance(value, str) else value}\r"
        else:
            typed = {"soft": "r", "hard": "R"}[value] if name == "reset" else plain[name]
        for key in keys_in(typed.encode()):
            self.keyboard.press(key)


SAID: dict[str, Any] = {
    "prompt": {"set": {"prompt": "a blue cat"}},
    "references": {"set": {"references": "sprites:9"}},
    "reference scale": {"set": {"references.0.scale": 0.25}},
    "controls": {"set": {"controls.0.on": False}},
    "control scale": {"set": {"controls.0.scale": 0.5}},
    "context_scale": {"set": {"context_scale": 0.5}},
    "mask": {"set": {"mask": "none"}},
    "timeline": {"set": {"timeline": '[{at: 21f, prompt: "a blue cat"}]'}},
    "seed": {"set": {"seed": 8}},
    "steps": {"set": {"steps": 3}},
    "vace": {"set": {"vace.adapter": "none"}},
    "reset": {"reset": "hard"},
    "blackout": {"blackout": True},
    "freeze": {"freeze": True},
    "scene": {"scene": 2},
    "stop": {"stop": True},
}


def test_every_verb_is_said_somewhere_here():
    untold = {"strength", "loras"}  # this stream starts from noise, and has no such file
    assert {verb.name for verb in VERBS} == SAID.keys() - {"reference scale", "control scale"} | untold
    assert {verb.name for verb in VERBS if verb.sets} == {*STEERED, "timeline"}


@pytest.mark.parametrize("name", SAID)
def test_every_channel_tells_a_verb_alike(name, desk, plans):
    message = SAID[name]
    with Desk(plans) as other:
        other.post(message, lambda _: None)
        other.settle()
    for Channel in (Lines, OverOsc, Typed):
        desk.heard.clear()
        channel = Channel(desk)
        if isinstance(channel, Typed):
            channel.send(message)
            wait(lambda: desk.heard)
        else:
            with channel.channel:
                channel.send(message)
                assert channel.answer() == "accepted"
                channel.close()
        desk.settle()
        assert desk.recipe == other.recipe
        if "set" not in message:
            assert desk.heard == [message]


@pytest.mark.parametrize("Channel", [Lines, OverOsc])
def test_one_run_through_each_channel_changes_at_the_border(Channel, plans):  # noqa: N803
    unsteered, desk = run(Desk(plans)), Ear(plans)
    channel = Channel(desk)

    def tell(chunk: int) -> None:
        if chunk == 1:
            channel.send(SAID["prompt"])
            wait(lambda: desk.heard)

    with channel.channel:
        made = run(desk, tell)
        assert [channel.answer(), channel.answer()] == ["accepted", "took"]
        channel.close()
    assert np.array_equal(made[0], unsteered[0])
    assert not np.array_equal(made[1], unsteered[1])


@pytest.mark.parametrize("Channel", [Lines, OverOsc])
def test_garbage_is_answered_and_ends_nothing(Channel, desk):  # noqa: N803
    channel, noise = Channel(desk), random.Random(7)
    whole = next(_packet("prompt", ["a blue cat"]))
    pieces = [noise.randbytes(noise.randrange(1, 90)).replace(b"\n", b"?") for _ in range(60)]
    pieces += [whole[:n] for n in range(1, len(whole), 3)] + [b"#bundle\0" + noise.randbytes(24)] * 5
    pieces += [b"[" * 5000, b'{"set": {"prompt": ' + b'{"a": ' * 2000, b"\xff\xfe{}", b'{"set": 3}', b"null"]
    with channel.channel:
        for piece in pieces:
            channel.write(piece)
            assert Channel is OverOsc or not piece.strip() or channel.answer() == "refused"
        channel.send(SAID["prompt"])
        wait(lambda: desk.heard and SAID["prompt"] in desk.heard)
        channel.close()
    desk.settle()
    assert desk.recipe.prompt == "a blue cat"


def test_status_comes_back_over_osc_and_the_table_names_what_can_be_turned(desk):
    osc = OverOsc(desk)
    with osc.channel:
        osc.send(SAID["blackout"])
        assert osc.answer() == "accepted"
        desk.status({"fps": 17.5, "latency": 0.25, "chunk": 3})
        told = {one.message.address: one.message.params for one in OscPacket(osc.socket.recv(9999)).messages}
        osc.close()
    assert told["/vacestream/status/fps"] == [17.5]
    assert told["/vacestream/status/prompt"] == ["a red dog"]
    assert "/vacestream/controls/0/scale" in [address for address, _, _ in osc_table(desk.recipe)]


def test_a_controller_turns_knobs_and_programs_are_scenes(desk):
    port = mido.ports.EchoPort()
    with Midi(desk, port):
        for value in range(65):
            port.send(mido.Message("control_change", control=1, value=value))
        port.send(mido.Message("control_change", control=3, value=0))
        port.send(mido.Message("control_change", control=99, value=3))
        wait(
            lambda: (
                desk.recipe.context_scale == pytest.approx(64 / 127 * 2) and not desk.recipe.controls[0].on
            )
        )
        port.send(mido.Message("program_change", program=1))
        wait(lambda: desk.recipe.prompt == "a green fox")
    assert len(desk.heard) < 20


def test_a_watched_recipe_turns_the_stream_and_a_wrong_edit_is_told_and_ignored(desk, tmp_path):
    path, answers = tmp_path / "scene.yaml", []

    def write(**changed: Any) -> None:
        (tmp_path / "new").write_text(json.dumps({**RECIPE, **changed}))
        (tmp_path / "new").replace(path)

    write()
    with Watch(desk, path, lambda: load_recipe(path), answers.append):
        write(prompt="a blue cat", context_scale=3.0)
        wait(lambda: answers)
        assert "scene.yaml:1: context_scale: 3.0 is out of range" in answers[0]["message"]
        assert desk.recipe.prompt == "a red dog"
        write(prompt="a blue cat", size="64x64")
        wait(lambda: len(answers) == 2)
        assert "scene.yaml:1: size: is fixed" in answers[1]["message"]
        write(prompt="a blue cat", context_scale=0.5)
        wait(lambda: desk.recipe.prompt == "a blue cat")
    desk.settle()
    assert desk.recipe.context_scale == 0.5
    assert [one["type"] for one in answers] == ["refused", "refused", "accepted"]


@contextmanager
def shown_on(desk: Desk) -> Iterator[tuple[int, Callable[[], str]]]:
    """A terminal with the view: where to type, and all that was drawn so far."""
    master, slave = pty.openpty()
    drawn, ends = bytearray(), Event()

    def read() -> None:
        while not ends.is_set():
            if select.select([master], [], [], 0.05)[0]:
                drawn.extend(os.read(master, 1 << 16))

    reader = Thread(target=read)
    reader.start()
    try:
        with Terminal(desk, slave):
            yield master, lambda: drawn.decode(errors="replace")
    finally:
        ends.set()
        reader.join()
        os.close(slave)
        os.close(master)


def test_keys_come_from_a_terminal_that_shows_what_they_did(desk):
    with shown_on(desk) as (keys, drawn):
        desk.status({"fps": 12.5, "latency": 0.5, "chunk": 1})
        wait(lambda: "12.5 fps" in drawn())
        os.write(keys, b"pa blue cax\x7ft\r")
        wait(lambda: desk.recipe.prompt == "a blue cat")
        os.write(keys, b"\x1b[C\x1b[C\x1b[B\x1b[B ")
        wait(lambda: desk.recipe.context_scale == 1.2 and not desk.recipe.controls[0].on)
        os.write(keys, b":controls.0.scale=3\r")
        wait(lambda: "3 is out of range" in drawn())
        os.write(keys, b"b")
        wait(lambda: desk.heard[-1] == {"blackout": True})


def test_the_page_file_is_shipped():
    from vacestream.live.channels import page

    assert (Path(page.__file__).parent / "page.html").is_file()
