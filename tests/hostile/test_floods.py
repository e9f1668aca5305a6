"""Floods of frames that are right in every respect: beats, questions, long lists, messages of other kinds."""

import time
from collections.abc import Callable, Iterator
from threading import Event

import pytest
from attack import Guest, beat, envelope, frame, framed, signed
from shapes import text_of
from siege import HEAVY, SECRETS, Background, Siege, eventually, scaled

FRAMES = 50_000
FLOODERS = 4
GUEST = "guest@127.0.0.1:1"

pytestmark = HEAVY


@pytest.fixture(scope="module", params=list(SECRETS))
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with Siege(SECRETS[request.param]) as siege:
        yield siege


def guest_id(index: int) -> str:
    return f"guest{index}@127.0.0.1:1"


def plain(node_id: str, secret: str | None) -> bytes:
    return frame(node_id, beat(node_id, ext={}), secret)


def long_list(node_id: str, secret: str | None) -> bytes:
    """Close to 1 MiB of ids that are all known."""
    return frame(node_id, beat(node_id, [node_id] * 45_000, ext={}), secret)


def call(node_id: str, secret: str | None) -> bytes:
    payload = {"type": "cast", "ref": {"id": "x", "nodeId": node_id}, "msg": ["x"] * 100}
    return framed(signed(text_of(envelope(node_id, payload)), secret))


FLOODS: dict[str, tuple[Callable[[str, str | None], bytes], int]] = {
    "beats": (plain, FRAMES),
    "lists": (long_list, 200),
    "casts": (call, FRAMES),
}


@pytest.mark.parametrize("kind", list(FLOODS))
def test_floods_of_valid_frames(siege: Siege, kind: str) -> None:
    """Several guests at a time, as fast as the node takes it: everybody else has a turn as well."""
    make, count = FLOODS[kind]
    for node in siege.victims.values():
        with siege.watched(node):
            guests = [Guest(node.port, guest_id(index), siege.secret).join() for index in range(FLOODERS)]
            sent = [0] * FLOODERS
            stopped = time.monotonic() + 10

            def flood(stop: Event, guests: list[Guest] = guests, sent: list[int] = sent) -> None:
                batch = 100 if count > 1000 else 1
                data = [make(guest.id, siege.secret) * batch for guest in guests]
                while sum(sent) < scaled(count, 4) and not stop.is_set():
                    for index, guest in enumerate(guests):
                        guest.send_bytes(data[index])
                        sent[index] += batch

            with Background(flood) as attack:
                siege.assert_join_in_time(node)
                eventually("the flood ends", lambda a=attack: not a.thread.is_alive(), 60)
            for guest in guests:
                guest.prove_alive()
                guest.__exit__()
            print(f"{node.name}: {sum(sent)} {kind} in {time.monotonic() - stopped + 10:.1f} s")
