"""Recorded conversations: a real node joins through a wire tap, and what it said is said again: while it is up, after
it was killed, after it said goodbye, while it runs again, to the node that it was said to and to others."""

import contextlib
import secrets
import socket
import threading
from collections.abc import Iterator

import pytest
from attack import Guest, Refused, closed_by_peer, connect, framed, wire
from harness import NodeProcess, free_ports
from siege import SECRETS, Siege, eventually

QUIET = "guest-recorded"


class WireTap:
    """Forwards connections to a node, and keeps the frames that the dialler said on each and was answered."""

    def __init__(self, port: int) -> None:
        self.target = port
        self.listener = socket.create_server(("127.0.0.1", free_ports(1)[0]))
        self.port: int = self.listener.getsockname()[1]
        self.said: list[list[bytes]] = []
        self.answered: list[list[bytes]] = []
        threading.Thread(target=self.accept, daemon=True).start()

    def __enter__(self) -> "WireTap":
        return self

    def __exit__(self, *_: object) -> None:
        self.listener.close()

    def accept(self) -> None:
        while True:
            try:
                dialler, _ = self.listener.accept()
            except OSError:
                return
            node = connect(self.target)
            for kept, source, sink in ((self.said, dialler, node), (self.answered, node, dialler)):
                kept.append([])
                threading.Thread(target=forward, args=(source, sink, kept[-1]), daemon=True).start()


def forward(source: socket.socket, sink: socket.socket, frames: list[bytes]) -> None:
    unframer = wire.Unframer()
    source.settimeout(None)
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            frames += [framed(body) for body in unframer.feed(data)]
            sink.sendall(data)
    for sock in (source, sink):
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)


@pytest.fixture(scope="module", params=list(SECRETS))
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with Siege(SECRETS[request.param]) as siege:
        yield siege


def record(siege: Siege, tap: WireTap, node: NodeProcess) -> NodeProcess:
    """A node that joins through the tap. It comes as a guest: it may be up and down."""
    recorded = siege.mesh.spawn("cli", QUIET, [f"{node.name}@127.0.0.1:{tap.port}"])
    siege.mesh.wait_full([*siege.members, recorded])
    return recorded


def replay(port: int, frames: list[bytes]) -> bytes:
    """Says it all again, and reads until it is hung up on. What was answered."""
    with connect(port) as sock:
        answer = b""
        with contextlib.suppress(ConnectionError):
            sock.sendall(frames[0])
            answer = sock.recv(65536)  # before the rest: a reset would take it away
            sock.sendall(b"".join(frames[1:]))
            while data := sock.recv(65536):
                answer += data
        return answer


def test_what_a_node_said_is_worth_nothing_when_it_is_said_again(siege: Siege) -> None:
    victims = list(siege.victims.values())
    seed = siege.victims["python"]
    kinds = ["replayed", "invalid_message", "duplicate_id", "identification_timeout"]
    with siege.watched(at_least=dict.fromkeys(kinds, 0)), WireTap(seed.port) as tap:
        recorded = record(siege, tap, seed)
        for node in siege.members:
            node.wait("up", node=recorded.id)
        eventually("it has beaten once", lambda: any(len(frames) > 3 for frames in tap.said))
        said = list(next(frames for frames in tap.said if len(frames) > 3))

        def play_everything(everywhere: list[NodeProcess]) -> None:
            for node in everywhere:
                answer = replay(node.port, said)
                assert answer, f"{node.name} answers the first frame: it cannot know it from a fresh one"
                for index in range(1, len(said)):  # each of the others as a first frame
                    assert replay(node.port, said[index:]) == b"", f"{node.name} answers frame {index}"

        # While it is up: nobody notices, it least of all.
        marks = {node: node.mark() for node in [*siege.members, recorded]}
        play_everything(victims)
        for node, mark in marks.items():
            assert node.downs(mark) == [], f"{node.name} was led astray"
        siege.assert_join_in_time(seed)

        # After a kill it is down, and stays down.
        recorded.kill()
        for node in siege.members:
            node.wait("down", node=recorded.id, reason="connection_closed")
        marks = {node: node.mark() for node in siege.members}
        play_everything(victims)
        for node in siege.members:
            assert node.since(marks[node], "up", recorded.id) == [], f"{node.name} takes a recording for a node"

        # Another run of it: the old words neither replace it nor speak for it.
        again = siege.mesh.restart(recorded, siege.members)
        siege.mesh.wait_full([*siege.members, again])
        marks = {node: node.mark() for node in [*siege.members, again]}
        play_everything(victims)
        for node, mark in marks.items():
            downs = [event["node"] for event in node.since(mark, "down")]
            assert [name for name in downs if not name.startswith("joiner")] == [], f"{node.name} was led astray"

        # And once it has said goodbye.
        again.stop()
        for node in siege.members:
            node.wait("down", mark=marks[node], node=recorded.id, reason="graceful_shutdown")
        marks = {node: node.mark() for node in siege.members}
        play_everything(victims)
        for node in siege.members:
            assert node.since(marks[node], "up", recorded.id) == []
    for node in victims:
        if node.language != "cli":
            counts = node.stats()["rejected_by_kind"]
            assert counts["replayed"] >= 3
            assert counts["invalid_message"] >= 4 * (len(said) - 1)


def test_a_recorded_goodbye_ends_nobody(siege: Siege) -> None:
    seed = siege.victims["node"]
    with siege.watched(counted={"replayed": 1, "wrong_sender": 1}), WireTap(seed.port) as tap:
        recorded = record(siege, tap, seed)
        recorded.stop()
        for node in siege.members:
            node.wait("down", node=recorded.id, reason="graceful_shutdown")
        goodbyes = [data for frames in tap.said for data in frames if b'"node_down"' in data]
        assert goodbyes, "its goodbye went through the tap"
        again = siege.mesh.restart(recorded, siege.members)
        siege.mesh.wait_full([*siege.members, again])
        marks = {node: node.mark() for node in siege.members}
        for node in siege.victims.values():
            assert replay(node.port, goodbyes) == b""
            with Guest(node.port, "guest@127.0.0.1:1", siege.secret).join() as guest:
                guest.send_bytes(goodbyes[0])
                assert closed_by_peer(guest.socket, 15)
        for node in siege.members:
            assert node.since(marks[node], "down", recorded.id) == []
        again.stop()


def test_a_recorded_answer_makes_nobody_of_a_stranger(siege: Siege) -> None:
    """Who dials an address at which a recording is played is not up with anybody."""
    seed = siege.victims["cli"]
    with siege.watched(at_least={}), WireTap(seed.port) as tap:
        record(siege, tap, seed).stop()
        answered = b"".join(next(frames for frames in tap.answered if frames))
        player = socket.create_server(("127.0.0.1", free_ports(1)[0]))

        def play() -> None:
            while True:
                try:
                    sock, _ = player.accept()
                except OSError:
                    return
                sock.recv(65536)
                sock.sendall(answered)
                threading.Timer(1.0, sock.close).start()

        threading.Thread(target=play, daemon=True).start()
        dialler = siege.mesh.spawn("cli", "guest-dialler", [f"{seed.name}@127.0.0.1:{player.getsockname()[1]}"])
        error = dialler.wait("error", kind="authentication")
        assert "does not echo our hello" in error["message"]
        assert dialler.since(0, "up") == []
        assert dialler.connected() == set()
        dialler.stop()
        player.close()


def test_a_guest_that_echoes_what_is_not_asked(siege: Siege) -> None:
    """The control: with the right echo it is taken in, with any other it is not."""
    with siege.watched(counted={"replayed": 1}):
        for node in siege.victims.values():
            with Guest(node.port, "guest@127.0.0.1:1", siege.secret) as guest:
                guest.join().prove_alive()
            liar = Guest(node.port, "guest@127.0.0.1:1", siege.secret)
            liar.wrong_echo = secrets.token_hex(16)
            with liar, pytest.raises(Refused):
                liar.join()
