"""Those who are slow on purpose: a first frame and a later one at a byte a second, and peers that never read what they
are sent."""

import secrets
import socket
import time
from collections.abc import Iterator
from threading import Event

import pytest
from attack import DEADLINE, Guest, beat, closed_by_peer, connect, frame, hello, new_incarnation
from siege import HEAVY, SECRETS, Background, Siege, eventually

IDENTIFICATION = 10.0  # seconds that a connection may take to say who it is
SLOW = 40  # of each kind, at each victim

pytestmark = HEAVY


@pytest.fixture(scope="module", params=list(SECRETS))
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with Siege(SECRETS[request.param]) as siege:
        yield siege


def drip(streams: dict[socket.socket, bytes], stop: Event) -> None:
    """A byte a second on each, until there is none left or the other side has closed."""
    position = 0
    while streams and not stop.wait(1.0):
        for sock, data in list(streams.items()):
            try:
                sock.send(data[position : position + 1])
            except OSError:
                del streams[sock]
        position += 1


def test_a_first_frame_at_a_byte_a_second(siege: Siege) -> None:
    """It is right in every respect, and would be whole after ten minutes."""
    with siege.watched(counted={"identification_timeout": SLOW}):
        streams: dict[socket.socket, bytes] = {}
        for node in siege.victims.values():
            for index in range(SLOW):
                node_id = f"guest{index}@127.0.0.1:1"
                payload = beat(node_id, ext=hello(new_incarnation(), secrets.token_hex(16)))
                streams[connect(node.port)] = frame(node_id, payload, siege.secret)
        slow = list(streams)
        began = time.monotonic()
        with Background(lambda stop: drip(streams, stop)):
            siege.assert_join_in_time(siege.victims["cli"])
            for sock in slow:
                assert closed_by_peer(sock, IDENTIFICATION + 15)
        assert time.monotonic() - began > IDENTIFICATION / 2
        for sock in slow:
            sock.close()


def test_a_later_frame_at_a_byte_a_second(siege: Siege) -> None:
    """Bytes are no sign of life, frames are: such a guest is down after its timeout, and its id is free again."""
    with siege.watched():
        guests: list[Guest] = []
        marks = {node: node.mark() for node in siege.victims.values()}
        for node in siege.victims.values():
            for index in range(SLOW):
                guests.append(Guest(node.port, f"guest{index}@127.0.0.1:1", siege.secret).join())
        streams = {guest.socket: frame(guest.id, beat(guest.id), siege.secret) for guest in guests}
        with Background(lambda stop: drip(streams, stop)):
            siege.assert_join_in_time(siege.victims["python"])
            for node in siege.victims.values():
                for index in range(SLOW):
                    guest_id = f"guest{index}@127.0.0.1:1"
                    down = node.wait("down", 20, mark=marks[node], node=guest_id)
                    assert down["reason"] == "heartbeat_timeout"
            with Guest(siege.victims["cli"].port, "guest0@127.0.0.1:1", siege.secret) as again:
                again.join().prove_alive()
        for guest in guests:
            guest.__exit__()


def test_peers_that_ask_and_never_read_the_answers(siege: Siege) -> None:
    """What cannot be sent is queued up to 1 MiB a peer; then the peer is cut, and nobody else waits for it."""
    greedy = 8
    with siege.watched(counted={"slow_reader": greedy}):
        for node in siege.victims.values():
            guests = [
                Guest(node.port, f"guest{index}@127.0.0.1:1", siege.secret, receive_buffer=4096).join()
                for index in range(greedy)
            ]
            questions = [
                frame(guest.id, beat(guest.id, ext={"nonce": secrets.token_hex(16)}), siege.secret) * 200
                for guest in guests
            ]

            def ask(stop: Event, guests: list[Guest] = guests, questions: list[bytes] = questions) -> None:
                pending = dict(zip(guests, questions, strict=True))
                while pending and not stop.is_set():
                    for guest, data in list(pending.items()):
                        try:
                            guest.socket.settimeout(DEADLINE)
                            guest.socket.sendall(data)
                        except OSError:
                            del pending[guest]

            with Background(ask) as attack:
                siege.assert_join_in_time(node)
                eventually("all are cut", lambda a=attack: not a.thread.is_alive(), 60)
            for guest in guests:
                guest.__exit__()
    error = siege.victims["cli"].wait("error", kind="overload")
    assert "does not read" in error["message"]
