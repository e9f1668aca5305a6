"""Who somebody claims to be: ids of others, signatures of every wrong form, goodbyes in another's name, one id twice.
Recorded conversations: test_replay.py."""

import secrets
import socket
from collections import Counter
from collections.abc import Iterator

import pytest
from attack import (
    Guest,
    Refused,
    beat,
    closed_by_peer,
    connect,
    envelope,
    frame,
    framed,
    goodbye,
    hello,
    new_incarnation,
    signed,
    wire,
)
from shapes import text_of
from siege import SECRETS, Siege

GUEST = "guest@127.0.0.1:1"
REASONS = ["graceful_shutdown", "heartbeat_timeout", "connection_closed", "connection_refused"]


@pytest.fixture(scope="module", params=list(SECRETS))
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with Siege(SECRETS[request.param]) as siege:
        yield siege


def first_hello(node_id: str) -> dict[str, object]:
    return beat(node_id, ext=hello(new_incarnation(), secrets.token_hex(16)))


# ----------------------------------------------------------------------------------------------------------- signatures


def forgeries(text: bytes, secret: str) -> dict[str, tuple[bytes, str, str | None]]:
    """Bodies with a signature of another form, or of another text: what a node with the secret calls each, and one
    without (None: it takes it)."""
    right = signed(text, secret)
    head, tag = right[:-66], right[-66:-2]
    one_bit_off = tag[:-1] + (b"0" if tag[-1:] != b"0" else b"1")
    empty_key = wire.hmac.new(b"", text, wire.hashlib.sha256).hexdigest().encode()
    bad, missing = "bad_signature", "missing_signature"
    return {
        "none": (text, missing, None),
        "of another secret": (signed(text, "another secret"), bad, None),
        "of the empty secret": (head + empty_key + b'"}', bad, None),
        "of the secret and a space": (signed(text, secret + " "), bad, None),
        "of another text": (head.replace(b'"timestamp":1', b'"timestamp":2') + tag + b'"}', bad, None),
        "one bit off": (head + one_bit_off + b'"}', bad, None),
        "zeros": (head + b"0" * 64 + b'"}', bad, None),
        "upper case": (head + tag.upper() + b'"}', missing, None),
        "too short": (head + tag[:-1] + b'"}', missing, None),
        "too long": (head + tag + b'0"}', missing, None),
        "no hex": (head + b"g" * 64 + b'"}', missing, None),
        "empty": (head + b'"}', missing, None),
        "null": (text[:-1] + b',"signature":null}', missing, None),
        "a list": (text[:-1] + b',"signature":["' + tag + b'"]}', missing, None),
        "a NUL in it": (head + tag[:-1] + b'\0"}', missing, "malformed"),
        "white space before it": (text[:-1] + b', "signature":"' + tag + b'"}', missing, None),
        "white space behind it": (right + b" ", missing, None),
        "in front": (b'{"signature":"' + tag + b'",' + text[1:], missing, None),
        "twice, the wrong one last": (right[:-1] + b',"signature":"' + b"0" * 64 + b'"}', bad, "malformed"),
        "of the text and its signature": (signed(right, secret), "malformed", "malformed"),
    }


def test_signatures_of_every_wrong_form(siege: Siege) -> None:
    counted: Counter[str] = Counter()
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            text = text_of(envelope(GUEST, first_hello(GUEST)))
            for what, (body, with_secret, without) in forgeries(text, siege.secret or "any").items():
                kind = with_secret if siege.secret else without
                counted.update([kind] if kind else [])
                with connect(node.port) as sock:
                    sock.sendall(framed(body))
                    if kind:
                        assert closed_by_peer(sock, 15), what
                    else:
                        assert sock.recv(4) != b"", f"{what}: it answers with its hello"
                if not kind:
                    continue
                with Guest(node.port, GUEST, siege.secret).join() as guest:
                    counted[kind] += 1
                    guest.send_bytes(framed(body))
                    assert closed_by_peer(guest.socket, 15), f"{what}, later"
        siege.assert_join_in_time(siege.victims["cli"])
    told = {event["kind"] for event in siege.victims["cli"].since(0, "error")}
    assert ("authentication" in told) == (siege.secret is not None)


# -------------------------------------------------------------------------------------------------------- ids of others


def test_the_victims_own_id(siege: Siege) -> None:
    counted = Counter({"duplicate_id": 2})
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            with Guest(node.port, node.id, siege.secret) as double, pytest.raises(Refused, match="duplicate_id"):
                double.join()
            with connect(node.port) as sock:  # as a node without hello
                sock.sendall(frame(node.id, beat(node.id), siege.secret))
                assert closed_by_peer(sock, 15)
            # In the victim's own words it is a node that has dialled itself: nothing to tell anybody.
            with Guest(node.port, GUEST, siege.secret).join() as guest:
                incarnation = guest.peer_incarnation
            with Guest(node.port, node.id, siege.secret, incarnation) as echo, pytest.raises(Refused):
                echo.join()
        siege.assert_join_in_time(siege.victims["node"])
    said = siege.victims["cli"].wait("error", kind="duplicate_id")
    assert siege.victims["cli"].id in said["message"]


def test_another_members_id(siege: Siege) -> None:
    """Whoever claims the id of a member that lives is refused, aloud, and nobody else notices: with a hello after the
    member was asked, without one at once."""
    counted: Counter[str] = Counter()
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            for member in siege.members:
                if member is node:
                    continue
                counted.update(["duplicate_id", "replayed", "replayed"])
                with Guest(node.port, member.id, siege.secret) as double, pytest.raises(Refused, match="duplicate_id"):
                    double.join()
                for payload in (beat(member.id), goodbye(member.id)):
                    with connect(node.port) as sock:
                        sock.sendall(frame(member.id, payload, siege.secret))
                        assert closed_by_peer(sock, 15)
        siege.assert_join_in_time(siege.victims["python"])


def test_one_id_of_a_guest_twice(siege: Siege) -> None:
    """The first stays as long as it answers; when it does not, it is taken for an older run."""
    with siege.watched(counted={"duplicate_id": 1}):
        for node in siege.victims.values():
            first = Guest(node.port, GUEST, siege.secret).join()
            second = Guest(node.port, GUEST, siege.secret)
            second.send(first_hello(GUEST))
            question = first.read_ext("nonce")
            first.send(beat(GUEST, ext={"echo": question}))
            assert second.read_ext("refused") == "duplicate_id"
            second.__exit__()
            first.prove_alive()
            with Guest(node.port, GUEST, siege.secret).join() as third:  # the first holds its tongue
                third.prove_alive()
                assert closed_by_peer(first.socket, 15)
            first.__exit__()


def test_one_guest_on_many_connections(siege: Siege) -> None:
    """One process needs few connections: the oldest go. A limit of docs/limits.md."""
    many, kept = 40, 8
    with siege.watched(counted={"full": many - kept}):
        for node in siege.victims.values():
            incarnation = new_incarnation()
            guests = [Guest(node.port, GUEST, siege.secret, incarnation).join() for _ in range(many)]
            for guest in guests[: many - kept]:
                assert closed_by_peer(guest.socket, 15)
            guests[-1].prove_alive()
            for guest in guests:
                guest.__exit__()


# ------------------------------------------------------------------------------------------------------------- goodbyes


def test_goodbyes_for_others(siege: Siege) -> None:
    """Nobody can declare another dead, whatever reason is given."""
    ids = [node.id for node in siege.members] + ["guest-unknown@127.0.0.1:1"]
    with siege.watched(counted={"foreign_goodbye": len(ids) * len(REASONS)}):
        for node in siege.victims.values():
            with Guest(node.port, GUEST, siege.secret).join() as guest:
                for about in ids:
                    for reason in REASONS:
                        guest.send(goodbye(about, reason))
                guest.prove_alive()
        siege.assert_join_in_time(siege.victims["cli"])
    said = " ".join(event["message"] for event in siege.victims["cli"].since(0, "log"))
    assert "ignored a goodbye for" in said


def test_goodbyes_for_others_in_their_name(siege: Siege) -> None:
    with siege.watched(counted={"wrong_sender": len(siege.members)}):
        for node in siege.victims.values():
            for member in siege.members:
                with Guest(node.port, GUEST, siege.secret).join() as guest:
                    guest.send(goodbye(member.id), sender=member.id)
                    assert closed_by_peer(guest.socket, 15)


# The last one: a node that has just refused hundreds explains itself to nobody for a second.


def test_a_crowd_that_claims_one_members_id(siege: Siege) -> None:
    """They all wait for the one challenge, and are all refused by its answer."""
    crowd = 200
    member = siege.members[0]
    with siege.watched(counted={"duplicate_id": crowd}):
        for node in siege.victims.values():
            doubles: list[socket.socket] = []
            for _ in range(crowd):
                doubles.append(connect(node.port))
                doubles[-1].sendall(frame(member.id, first_hello(member.id), siege.secret))
            siege.assert_join_in_time(node)
            for sock in doubles:
                assert closed_by_peer(sock, 15)
                sock.close()
