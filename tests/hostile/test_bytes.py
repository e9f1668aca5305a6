"""Bytes that are no frames: every first byte, random lengths and those at the limits, other protocols' hellos, noise.
First on a connection, and behind a hello that was in order."""

import contextlib
import random
import struct
from collections import Counter
from collections.abc import Iterator

import pytest
from attack import Guest, closed_by_peer, connect, framed
from siege import HEAVY, SECRETS, Siege, scaled
from stray_bytes import STRAYS

STRANGER_MAX = 256 * 1024
MEMBER_MAX = 1024 * 1024
PROTOCOL_MAX = 16 * 1024 * 1024

pytestmark = HEAVY


@pytest.fixture(scope="module", params=list(SECRETS))
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with Siege(SECRETS[request.param]) as siege:
        yield siege


def verdict(data: bytes, secret: str | None, frame_max: int) -> str | None:
    """What a node makes of one frame of noise, whole or not, by the documented limits; None: it waits for the rest."""
    if len(data) < 4:
        return None
    (size,) = struct.unpack_from(">I", data)
    if size > PROTOCOL_MAX or (size > frame_max and frame_max == STRANGER_MAX):
        return "frame_too_large"
    if size > frame_max:
        return "frame_skipped"
    if len(data) - 4 < size:
        return None
    return "missing_signature" if secret else "malformed"


def prefixes() -> list[bytes]:
    """Starts of frames, with a few bytes behind them that are no JSON."""
    noise = random.Random(4369)
    cases = [bytes([first]) + noise.randbytes(3) + b"\xff" * 64 for first in range(256)]
    cases += [bytes([first]) for first in range(256)]
    cases += [noise.randbytes(size) for size in (2, 3)]
    # One is a length that is drawn over the whole range, one that is drawn over its orders of magnitude.
    for _ in range(scaled(60)):
        cases.append(struct.pack(">I", noise.randrange(2**32)) + b"\xff" * 300)
        cases.append(struct.pack(">I", noise.randrange(2 ** noise.randrange(1, 25))) + b"\xff" * 300)
    for size in (0, 1, 2**31 - 1, 2**31, 2**32 - 1):
        cases.append(struct.pack(">I", size) + b"\xff" * 8)
    for limit in (64 * 1024, STRANGER_MAX, MEMBER_MAX):
        for size in (limit - 1, limit, limit + 1):
            cases.append(framed(b" " * size))
    for size in (PROTOCOL_MAX - 1, PROTOCOL_MAX, PROTOCOL_MAX + 1):
        cases.append(struct.pack(">I", size) + b" " * 1000)
    return cases


def strike(sock: Guest | None, port: int, data: bytes, kind: str | None, counted: Counter[str]) -> None:
    """Sends the bytes, on a fresh connection or on a guest's, and sees that it is closed if it is to be."""
    raw = sock.socket if sock else connect(port)
    try:
        try:
            raw.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            assert kind == "frame_too_large", f"cut while it sent {data[:16]!r}"
        if kind is not None:
            counted[kind] += 1
        if kind not in (None, "frame_skipped"):
            assert closed_by_peer(raw, 15), f"{kind}, and yet it stays: {data[:40]!r}"
    finally:
        raw.close()


def test_any_prefix_as_the_first_bytes(siege: Siege) -> None:
    counted: Counter[str] = Counter()
    with siege.watched(counted=counted):
        cases = prefixes()
        for node in siege.victims.values():
            counted.clear()
            for data in cases:
                strike(None, node.port, data, verdict(data, siege.secret, STRANGER_MAX), counted)
        siege.assert_join_in_time(siege.victims["cli"])


def test_any_prefix_behind_a_hello_that_was_in_order(siege: Siege) -> None:
    counted: Counter[str] = Counter()
    cases = prefixes()
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            for data in cases[:: 1 if len(cases) < 800 else 2]:
                with Guest(node.port, "guest@127.0.0.1:1", siege.secret).join() as guest:
                    strike(guest, node.port, data, verdict(data, siege.secret, MEMBER_MAX), counted)
        siege.assert_join_in_time(siege.victims["cli"])


def test_what_is_over_the_limit_of_a_member_is_read_through_and_the_next_frame_counts(siege: Siege) -> None:
    counted = Counter({"frame_skipped": 3})
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            with Guest(node.port, "guest@127.0.0.1:1", siege.secret).join() as guest:
                for size in (MEMBER_MAX + 1, PROTOCOL_MAX - 1, PROTOCOL_MAX):
                    guest.send_bytes(framed(b" " * size))
                    guest.prove_alive()


def test_other_protocols(siege: Siege) -> None:
    counted: Counter[str] = Counter()
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            for data in STRAYS.values():
                kind = verdict(data, siege.secret, STRANGER_MAX)
                assert kind is not None
                # The only one of them that is JSON, and has a version: it lacks what its type needs.
                if b'"heartbeat"' in data and not siege.secret:
                    kind = "invalid_message" if data.endswith(b"}}") else "malformed"
                strike(None, node.port, data, kind, counted)
    said = " ".join(event["message"] for event in siege.victims["cli"].since(0, "error"))
    for what in ("an HTTP request", "an HTTP/2 request", "a TLS handshake", "an SSH client or server"):
        assert f"this looks like {what}" in said or "more errors were not reported" in said


def test_noise_behind_noise_in_pieces(siege: Siege) -> None:
    """Streams of random bytes and of frames with random bodies, cut in random places: the first frame decides."""
    noise = random.Random(7)
    counted: Counter[str] = Counter()
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            noise.seed(7)
            for _ in range(scaled(60)):
                stream = b"".join(
                    framed(noise.randbytes(noise.randrange(200))) if noise.random() < 0.7 else noise.randbytes(50)
                    for _ in range(5)
                )
                cut = noise.randrange(1, len(stream))
                with connect(node.port) as sock:
                    sock.sendall(stream[:cut])
                    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # the first piece was enough
                        sock.sendall(stream[cut:])
                    kind = verdict(stream, siege.secret, STRANGER_MAX)
                    assert kind is not None
                    counted[kind] += 1
                    assert closed_by_peer(sock, 15)
