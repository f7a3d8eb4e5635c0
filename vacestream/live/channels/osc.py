"""`--osc PORT`: OSC messages over UDP; addresses are the recipe's keys, /vacestream/controls/0/scale."""

import json
import socket
from threading import Lock, Thread
from types import TracebackType
from typing import Any, Self

from pythonosc.osc_bundle_builder import IMMEDIATELY, OscBundleBuilder
from pythonosc.osc_message_builder import BuildError, OscMessageBuilder
from pythonosc.osc_packet import OscPacket, ParseError

from vacestream.errors import OutputError
from vacestream.live.desk import Desk
from vacestream.live.knobs import fitted, knobs
from vacestream.live.verbs import OSC_ROOT, VERBS
from vacestream.recipe import Recipe

MAX_PEERS = 8
"""Senders that are told how the line fares: the last ones that were heard."""
_LOOK = 0.2
"""Seconds between two looks at whether all is over."""
_STATUS = ("fps", "latency", "chunk", "frame", "prompt")
Peer = tuple[str, int]


class Osc:
    """One UDP port of this machine: messages in, answers and status back to who sent them."""

    def __init__(self, desk: Desk, port: int, *, reply: int | None = None, host: str = "127.0.0.1") -> None:
        """`reply`: the port that answers go to, if not to the one that a message comes from."""
        self._desk, self._reply = desk, reply
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        try:
            self._socket.bind((host, port))
        except OSError as error:
            self._socket.close()
            what = f"--osc {port}: cannot listen on {host} ({error.strerror}); name another port"
            raise OutputError(what) from error
        self._socket.settimeout(_LOOK)
        self.port: int = self._socket.getsockname()[1]
        self._peers: dict[Peer, None] = {}
        self._lock, self._ends = Lock(), False
        self._thread = Thread(target=self._read, name="osc", daemon=True)

    def __enter__(self) -> Self:
        self._desk.listen(self._tell_all)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ends = True
        self._thread.join()
        self._socket.close()

    def _read(self) -> None:
        while not self._ends:
            try:
                packet, peer = self._socket.recvfrom(1 << 16)
            except TimeoutError:
                continue
            except OSError:  # a peer that is gone; there may be others
                continue
            self._hear(packet, peer)

    def _hear(self, packet: bytes, sender: Peer) -> None:
        peer = (sender[0], self._reply or sender[1])
        with self._lock:
            self._peers.pop(peer, None)
            self._peers[peer] = None
            for gone in list(self._peers)[:-MAX_PEERS]:
                del self._peers[gone]
        try:
            told = [(one.message.address, one.message.params) for one in OscPacket(packet).messages]
        except (ParseError, ValueError, IndexError):
            told = [("", [])]
        for address, values in told:
            self._desk.post(message_of(address, values), lambda answer: self._answer(answer, peer))

    def _answer(self, answer: dict[str, Any], peer: Peer) -> None:
        """accepted, refused and took: the frame, and what it is about."""
        said = answer["message"] if answer["type"] == "refused" else json.dumps(answer, default=str)
        self._send([(f"{OSC_ROOT}{answer['type']}", [answer["frame"], said])], peer)

    def _tell_all(self, answer: dict[str, Any]) -> None:
        if answer["type"] != "status":
            return
        told = [(f"{OSC_ROOT}status/{name}", [answer[name]]) for name in _STATUS if name in answer]
        with self._lock:
            peers = list(self._peers)
        for peer in peers:
            self._send(told, peer)

    def _send(self, told: list[tuple[str, list[Any]]], peer: Peer) -> None:
        bundle = OscBundleBuilder(IMMEDIATELY)
        for address, values in told:
            builder = OscMessageBuilder(address)
            for value in values:
                builder.add_arg(value)
            bundle.add_content(builder.build())
        try:
            self._socket.sendto(bundle.build().dgram, peer)
        except (OSError, BuildError):
            return


def message_of(address: str, values: list[Any]) -> Any:
    """The message that an OSC message means; no dict where it means none."""
    if not address.startswith(OSC_ROOT):
        return address
    name, value = address.removeprefix(OSC_ROOT).strip("/").replace("/", "."), _one(values)
    if any(verb.name == name and not verb.sets for verb in VERBS):
        return {name: _told(name, value)}
    if name == "prompt" and len(values) == 2:
        return {"set": {"prompt": values[0]}, "blend": values[1]}
    return {"set": {name: fitted(name, value)}}


def _one(values: list[Any]) -> Any:
    return values[0] if len(values) == 1 else values


def _told(name: str, value: Any) -> Any:
    """What a button sends: nothing, a number, or the word itself."""
    if name == "reset":
        return value or "soft"
    if name == "scene":
        return int(value) if isinstance(value, float) and value == int(value) else value
    return bool(value) if value in (0, 1) and value != [] else value or True


def osc_table(recipe: Recipe) -> list[tuple[str, str, str]]:
    """Address, what it takes, what it does: the verbs, and the knobs of this recipe."""
    rows = [(verb.osc, verb.takes, verb.does) for verb in VERBS]
    named = {verb.name for verb in VERBS}
    for knob in [one for one in knobs(recipe) if one.key not in named]:
        takes = "0 or 1" if knob.is_switch else f"{knob.low:g} to {knob.high:g}"
        rows.append((f"{OSC_ROOT}{knob.key.replace('.', '/')}", takes, f"now {knob.value:g}"))
    return rows
