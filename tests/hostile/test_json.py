"""JSON of every wrong shape: what is no JSON, what is too deep or too much, every field of every message with a wrong
type, missing, and twice, every kind of invalid id. From strangers as the first frame, and from guests who went
through the hello as a later one. In a mesh with a secret: unsigned, signed wrongly, and signed rightly by one who has
turned."""

from collections import Counter
from collections.abc import Iterator

import pytest
from attack import Guest, beat, closed_by_peer, connect, envelope, framed, goodbye, signed
from shapes import Shape, all_shapes, other_messages, text_of
from siege import HEAVY, SECRETS, Siege

GUEST = "guest@127.0.0.1:1"

pytestmark = HEAVY


@pytest.fixture(scope="module", params=list(SECRETS))
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with Siege(SECRETS[request.param]) as siege:
        yield siege


def with_wrong_signature(text: bytes) -> bytes:
    return signed(text, "another secret")


def kind_of(shape: Shape, sent: bytes, secret: str | None) -> tuple[str, bool]:
    """What a node calls it, and whether the connection goes on."""
    if secret and b'"signature":"' not in sent[-80:]:
        return "missing_signature", False
    return shape.kind, shape.stays


def test_a_first_frame_of_a_wrong_shape(siege: Siege) -> None:
    counted: Counter[str] = Counter()
    shapes = all_shapes(GUEST)
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            for shape in shapes:
                bodies = [shape.text] if siege.secret is None else [shape.text, signed(shape.text, siege.secret)]
                for body in dict.fromkeys(bodies):
                    kind, stays = kind_of(shape, body, siege.secret)
                    counted[kind] += 1
                    with connect(node.port) as sock:
                        sock.sendall(framed(body))
                        assert stays or closed_by_peer(sock, 15), f"{shape.what} is not {kind}"
        siege.assert_join_in_time(siege.victims["python"])


def test_a_first_frame_of_a_wrong_shape_with_a_forged_signature(siege: Siege) -> None:
    """The signature is judged before anything is parsed; without a secret it is of no interest."""
    counted: Counter[str] = Counter()
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            for shape in all_shapes(GUEST):
                if not shape.text.endswith(b"}"):
                    continue
                kind = "bad_signature" if siege.secret else shape.kind
                counted[kind] += 1
                with connect(node.port) as sock:
                    sock.sendall(framed(with_wrong_signature(shape.text)))
                    stays = shape.stays and not siege.secret
                    assert stays or closed_by_peer(sock, 15), f"{shape.what} is not {kind}"


@pytest.mark.parametrize("authentic", [True, False], ids=["signed", "unsigned"])
def test_a_later_frame_of_a_wrong_shape(siege: Siege, authentic: bool) -> None:
    counted: Counter[str] = Counter()
    shapes = all_shapes(GUEST)
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            counted.clear()
            for shape in shapes:
                # Without a secret a signature is of no interest, whatever it is.
                body = signed(shape.text, siege.secret or "any secret") if authentic else shape.text
                kind, stays = kind_of(shape, body, siege.secret)
                counted[kind] += 1
                with Guest(node.port, GUEST, siege.secret).join() as guest:
                    guest.send_bytes(framed(body))
                    if stays:
                        guest.prove_alive()
                    else:
                        assert closed_by_peer(guest.socket, 15), f"{shape.what} is not {kind}"
        siege.assert_join_in_time(siege.victims["node"])


def test_other_messages_are_read_over_whatever_is_in_them(siege: Siege) -> None:
    counted: Counter[str] = Counter()
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            with Guest(node.port, GUEST, siege.secret).join() as guest:
                for text in other_messages(GUEST):
                    guest.send_bytes(framed(signed(text, siege.secret)))
                guest.prove_alive()


def test_right_frames_of_wrong_people(siege: Siege) -> None:
    """The control: what the faults are put into is right, and is taken from whom it is about and nobody else."""
    other = "guest-other@127.0.0.1:2"
    counted = Counter({"wrong_sender": 2, "invalid_message": 2})
    with siege.watched(counted=counted):
        for node in siege.victims.values():
            for payload in (beat(other), goodbye(other)):  # another one's frame on a guest's connection
                with Guest(node.port, GUEST, siege.secret).join() as guest:
                    guest.send(payload, sender=other)
                    assert closed_by_peer(guest.socket, 15)
            with Guest(node.port, GUEST, siege.secret).join() as guest:  # about another, in one's own name
                guest.send(beat(other))
                assert closed_by_peer(guest.socket, 15)
            with connect(node.port) as sock:
                text = text_of(envelope(GUEST, beat(other)))
                sock.sendall(framed(signed(text, siege.secret)))
                assert closed_by_peer(sock, 15)
            with Guest(node.port, GUEST, siege.secret).join() as guest:
                guest.send(beat(GUEST, [GUEST]))
                guest.prove_alive()
