"""The stand-in for reference nodes is what the mixed-mesh tests lean on, so it is tested itself: its text against
the vectors, its habits one by one against a peer that this file plays with bare sockets.
"""

import base64
import itertools
import json
import socket
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import reference_wire as wire
from harness import Mesh, NodeProcess, free_ports

VECTORS = json.loads((Path(__file__).resolve().parents[1] / "vectors" / "v1-vectors.json").read_text())
SECRET = "mesh test secret"

# ----------------------------------------------------------------------------------------------------------------- text


def test_numbers_are_spelt_as_ecmascript_does() -> None:
    for case in VECTORS["numbers"]:
        (value,) = struct.unpack(">d", bytes.fromhex(case["bits"]))
        assert wire.number_text(value) == case["text"], case["bits"]


def test_strings_are_spelt_as_ecmascript_does() -> None:
    for case in VECTORS["strings"]:
        units = bytes.fromhex(case["utf16"].replace(" ", ""))
        text = units.decode("utf-16-be", "surrogatepass")
        assert wire.string_text(text).encode() == base64.b64decode(case["json_utf8_base64"]), case["utf16"]


def test_parsing_and_writing_again() -> None:
    for case in VECTORS["reserialize"]:
        assert wire.stringify(wire.parse(case["in"])) == case["out"]


def test_every_sent_frame_is_understood_and_signed_alike() -> None:
    for vector in VECTORS["vectors"]:
        frame = base64.b64decode(vector["frame_base64"])
        (body,) = wire.Unframer().feed(frame)
        assert body.decode() == vector["payload_text"]
        assert wire.decode(body, vector["secret"] or "")["from"] == vector["from"], vector["name"]
        raw = wire.parse(vector["payload_text"])
        assert wire.encode(raw["from"], raw["timestamp"], raw["payload"], vector["secret"] or "") == frame, vector[
            "name"
        ]


@pytest.mark.parametrize("case", VECTORS["received"], ids=lambda case: case["name"])
def test_received_bytes_get_the_verdict_of_the_reference(case: dict[str, Any]) -> None:
    unframer = wire.Unframer()
    frame = base64.b64decode(case["frame_base64"])
    if case["verdict"] == "throw":
        with pytest.raises(wire.OverlongPrefix):
            unframer.feed(frame)
        return
    bodies = unframer.feed(frame)
    if case["verdict"] == "wait-for-more":
        assert bodies == []
    elif case["verdict"] == "reject":
        with pytest.raises(wire.FrameError):
            wire.decode(bodies[0], case["secret"] or "")
    else:
        payload = wire.decode(bodies[0], case["secret"] or "").get("payload")
        assert (payload or {}).get("type") == case["type"]


# --------------------------------------------------------------------------------------------------------------- habits


class Line:
    """One socket between this test and the stand-in."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unframer = wire.Unframer()
        self.bodies: list[bytes] = []

    def say(self, sender: str, payload: dict[str, Any], secret: str = SECRET) -> None:
        self.sock.sendall(wire.encode(sender, int(time.time() * 1000), payload, secret))

    def beat(self, sender: str, known: list[str] | None = None, about: str | None = None, secret: str = SECRET) -> None:
        host, _, port = sender.partition("@")[2].rpartition(":")
        info = {"id": about or sender, "host": host, "port": int(port), "status": "connected", "processCount": 0}
        info |= {"lastHeartbeatAt": int(time.time() * 1000), "uptimeMs": 5}
        self.say(sender, {"type": "heartbeat", "nodeInfo": info, "knownNodes": known or []}, secret)

    def hear(self, timeout: float = 10.0) -> dict[str, Any] | None:
        """The next message; None when the other side closed. TimeoutError when it says nothing."""
        deadline = time.monotonic() + timeout
        while not self.bodies:
            self.sock.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.sock.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.bodies += self.unframer.feed(data)
        envelope = wire.decode(self.bodies.pop(0), SECRET)
        assert list(envelope) == ["version", "from", "timestamp", "payload", "signature"]
        return envelope

    def closed_within(self, timeout: float) -> bool:
        deadline = time.monotonic() + timeout
        try:
            while self.hear(max(0.01, deadline - time.monotonic())):
                pass
        except TimeoutError:
            return False
        return True


class Peer:
    """A listening address, and lines to and from the stand-in."""

    def __init__(self, name: str) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.id = f"{name}@127.0.0.1:{self.listener.getsockname()[1]}"
        self.lines: list[Line] = []

    def accept(self, timeout: float = 15.0) -> Line:
        self.listener.settimeout(timeout)
        line = Line(self.listener.accept()[0])
        self.lines.append(line)
        return line

    def dial(self, node: NodeProcess) -> Line:
        line = Line(socket.create_connection(("127.0.0.1", node.port), 10))
        self.lines.append(line)
        return line

    def close(self) -> None:
        for line in self.lines:
            line.sock.close()
        self.listener.close()


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(secret=SECRET, interval=400, threshold=5) as mesh:
        yield mesh


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer("peer")
    yield peer
    peer.close()


def start(
    mesh: Mesh, *options: str, seeds: tuple[str, ...] = (), interval: int = 400, secret: str | None = SECRET
) -> NodeProcess:
    return mesh.start("reference", "ref", seeds, options=("--trace", *options), interval=interval, secret=secret)


def test_it_never_speaks_first_where_it_was_dialled(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    line = peer.dial(node)
    with pytest.raises(TimeoutError):
        line.hear(1.0)  # two of its beats
    line.beat(peer.id)
    answer = line.hear()
    assert answer is not None
    assert answer["from"] == node.id
    assert list(answer["payload"]) == ["type", "nodeInfo", "knownNodes"]
    assert answer["payload"]["knownNodes"] == [peer.id]
    node.wait("up", node=peer.id)


def test_its_first_frame_to_a_seed_comes_one_interval_later(mesh: Mesh, peer: Peer) -> None:
    node = mesh.spawn("reference", "ref", (peer.id,), interval=1000, options=("--trace",))
    line = peer.accept()
    connected_at = time.monotonic()
    assert line.hear() is not None
    assert 0.7 < time.monotonic() - connected_at < 5
    assert node.since(0, "up") == []  # the seed has not spoken


def test_a_seed_is_dialled_once(mesh: Mesh, peer: Peer) -> None:
    (port,) = free_ports(1)
    node = start(mesh, seeds=(f"late@127.0.0.1:{port}",))
    next(peer_beats(peer, node))
    assert [event["node"] for event in node.since(0, "trace") if event["what"] == "dial"] == [f"late@127.0.0.1:{port}"]


def peer_beats(peer: Peer, node: NodeProcess) -> Iterator[None]:
    """Joins the stand-in and hears three of its beats: time for it to do what it would do."""
    line = peer.dial(node)
    while True:
        for _ in range(3):
            line.beat(peer.id)
            assert line.hear() is not None
        yield


def test_gossip_is_dialled_at_once_and_greeted_at_once(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh, interval=3000)
    third = Peer("third")
    try:
        line = peer.dial(node)
        line.beat(peer.id, known=[third.id])
        accepted = third.accept(2.5)  # less than its interval
        greeting = accepted.hear(2.0)
        assert greeting is not None
        assert sorted(greeting["payload"]["knownNodes"]) == sorted([peer.id, third.id])
    finally:
        third.close()


def test_the_newer_duplicate_is_dropped_without_a_word(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    first = peer.dial(node)
    first.beat(peer.id)
    node.wait("up", node=peer.id)
    mark = node.mark()
    second = peer.dial(node)
    second.say(peer.id, {"type": "node_down", "nodeId": peer.id, "detectedAt": 1, "reason": "graceful_shutdown"})
    assert second.closed_within(5)
    first.beat(peer.id)
    assert first.hear() is not None
    assert node.downs(mark) == []  # the frame of the duplicate was not executed


def test_the_frame_that_identifies_is_executed_whatever_its_type(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    other = Peer("other")
    try:
        line = peer.dial(node)
        line.beat(peer.id)
        node.wait("up", node=peer.id)
        other.dial(node).say(
            other.id, {"type": "node_down", "nodeId": peer.id, "detectedAt": 1, "reason": "connection_closed"}
        )
        assert node.wait("down", node=peer.id)["reason"] == "connection_closed"  # anybody is believed
    finally:
        other.close()


def test_a_replaced_connection_leaves_silent_redials_behind(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    line = peer.dial(node)
    line.beat(peer.id)
    node.wait("up", node=peer.id)
    line.sock.close()
    assert node.wait("down", node=peer.id)["reason"] == "connection_closed"
    mark = node.mark()
    fresh = peer.dial(node)
    fresh.beat(peer.id)
    node.wait("up", mark=mark, node=peer.id)
    node.wait("trace", mark=mark, what="replaced", node=peer.id)
    silent = peer.accept()
    with pytest.raises(TimeoutError):
        silent.hear(1.5)
    fresh.beat(peer.id)
    node.wait("trace", mark=mark, what="silent_redial", node=peer.id)
    mark = node.mark()
    silent.sock.close()  # as a node does after 10 s of silence
    assert node.wait("down", mark=mark, node=peer.id)["reason"] == "connection_closed"  # false: `fresh` lives
    fresh.beat(peer.id)
    node.wait("up", mark=mark, node=peer.id)
    peer.accept()  # and again


def test_both_sockets_of_a_crossed_dial_are_kept(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh, "--dial-delay", "700")
    other = Peer("other")
    try:
        line = peer.dial(node)
        line.beat(peer.id, known=[other.id])
        node.wait("trace", what="dial", node=other.id)
        inbound = other.dial(node)  # while its own dial is under way
        inbound.beat(other.id)
        outbound = other.accept()
        assert not outbound.closed_within(1.0)
        inbound.beat(other.id)
        assert inbound.hear() is not None
        assert node.downs() == []
    finally:
        other.close()


def test_down_by_silence_about_the_id_whoever_speaks(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    line = peer.dial(node)
    line.beat(peer.id)
    line.beat(peer.id, about="friend@127.0.0.1:1")
    node.wait("up", node="friend@127.0.0.1:1")
    for _ in range(8):  # more than the threshold, by its own beats
        line.beat(peer.id)
        assert line.hear() is not None
    assert node.downs(0, peer.id) == []
    assert node.wait("down", node="friend@127.0.0.1:1")["reason"] == "heartbeat_timeout"
    line.bodies.clear()
    beat = line.hear()
    assert beat is not None
    assert "friend@127.0.0.1:1" in beat["payload"]["knownNodes"]  # it gossips the dead, and forgets nobody


def test_it_reconnects_by_backoff_but_not_after_a_first_failure(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    line = peer.dial(node)
    line.beat(peer.id, known=["never@127.0.0.1:1"])
    node.wait("trace", what="dial_failed", node="never@127.0.0.1:1")
    peer.listener.close()
    line.sock.close()
    dials: list[float] = []
    mark = node.mark()
    for _ in range(3):
        dial = node.wait("trace", mark=mark, what="dial", node=peer.id)
        mark = node.events.index(dial) + 1
        dials.append(dial["at"] / 1000)
    gaps = [later - earlier for earlier, later in itertools.pairwise(dials)]
    assert 0.9 < gaps[0] < 5  # 2 s * [0.5, 1.5)
    assert 1.9 < gaps[1] < 9  # 4 s * [0.5, 1.5)
    assert len([event for event in node.since(0, "trace", "never@127.0.0.1:1") if event["what"] == "dial"]) == 1


def test_it_says_goodbye(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    line = peer.dial(node)
    line.beat(peer.id)
    node.wait("up", node=peer.id)
    assert node.stop() == 0
    message = line.hear()
    while message and message["payload"]["type"] == "heartbeat":
        message = line.hear()
    assert message is not None
    assert message["payload"]["nodeId"] == node.id
    assert message["payload"]["reason"] == "graceful_shutdown"
    assert line.hear() is None


def test_unsigned_frames_are_reported_and_skipped(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    stranger = peer.dial(node)
    stranger.beat(peer.id, secret="")
    assert stranger.closed_within(5)
    assert "signature" in node.wait("error")["message"]
    line = peer.dial(node)
    line.beat(peer.id)
    node.wait("up", node=peer.id)
    line.beat(peer.id, secret="another")
    line.beat(peer.id)
    assert line.hear() is not None  # once identified, the connection stays
    assert node.downs() == []


def test_a_silent_connection_ends_after_ten_seconds(mesh: Mesh, peer: Peer) -> None:
    line = peer.dial(start(mesh))
    began = time.monotonic()
    assert line.closed_within(30)
    assert time.monotonic() - began > 9


@pytest.mark.parametrize("listener", [True, False], ids=["with an error listener", "without"])
def test_a_bad_frame_ends_it_only_without_an_error_listener(mesh: Mesh, peer: Peer, listener: bool) -> None:
    node = start(mesh, *([] if listener else ["--no-error-listener"]))
    peer.dial(node).sock.sendall(b"\0\0\0\4nope")
    node.wait("error")
    if listener:
        assert next(peer_beats(peer, node), True) is None
    else:
        assert node.wait_exit() == 7


def test_an_overlong_prefix_ends_it(mesh: Mesh, peer: Peer) -> None:
    node = start(mesh)
    peer.dial(node).sock.sendall(b"GET / HTTP/1.1\r\n\r\n")
    assert node.wait_exit() == 7
