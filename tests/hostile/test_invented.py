"""100,000 invented nodes: named by a guest in its gossip, and claimed one after the other by connections."""

from collections.abc import Iterator
from threading import Event

import pytest
from attack import DEADLINE, Guest, beat, closed_by_peer, connect, frame
from harness import NodeProcess
from siege import HEAVY, SECRETS, SOAK, Background, Siege, eventually, scaled

INVENTED = 100_000
NODES_MAX = 4096
FORGED = "a secret that is guessed"
GUEST = "guest@127.0.0.1:1"

pytestmark = HEAVY


@pytest.fixture(scope="module", params=list(SECRETS))
def siege(request: pytest.FixtureRequest) -> Iterator[Siege]:
    with Siege(SECRETS[request.param]) as siege:
        yield siege


def invented_id(index: int) -> str:
    """On loopback addresses at which nobody listens: the dials fail at once, as often as they are tried."""
    return f"ghost{index}@127.{1 + index // 62500}.{index // 250 % 250}.{1 + index % 250}:9"


def test_100000_invented_ids_in_gossip(siege: Siege) -> None:
    """None is ever up, the table stays within its limit, those who really join have their place in it, and the other
    members never hear of them: gossip tells only who is connected."""
    ids = [invented_id(index) for index in range(scaled(INVENTED, 2))]
    pieces = [ids[at : at + 2000] for at in range(0, len(ids), 2000)]
    with siege.watched():
        for node in siege.victims.values():
            with Guest(node.port, GUEST, siege.secret).join() as guest:

                def teach(stop: Event, guest: Guest = guest) -> None:
                    for piece in pieces:
                        guest.send(beat(GUEST, piece))

                with Background(teach) as attack:
                    siege.assert_join_in_time(node)
                    attack.thread.join(60)
                guest.prove_alive()
                siege.assert_join_in_time(node)
                if node.language != "cli":
                    stats = node.stats()
                    assert stats["nodes_known"] <= NODES_MAX, "the table is bounded"
                    assert stats["nodes_known"] > NODES_MAX / 2, "and the attack filled it"
                    assert stats["nodes_connected"] == len(siege.members)  # the others and the guest
                    assert stats["dials_in_progress"] <= 64
                assert [event for event in node.since(0, "up") if event["node"].startswith("ghost")] == []
    for node in siege.members:
        told = {event["node"] for event in node.since() if str(event.get("node", "")).startswith("ghost")}
        assert told == set(), f"{node.name} speaks of invented nodes"
    if SOAK:  # nobody vouches for them any more: a minute later they are gone
        for node in siege.victims.values():
            eventually(f"{node.name} forgets them", lambda n=node: len(n.view()["nodes"]) < NODES_MAX / 100, 150)
    watch = siege.members[0]
    assert [node for node in watch.view()["nodes"] if node["id"].startswith("ghost")] == []


def claim(node: NodeProcess, ids: list[str], secret: str | None) -> None:
    """A connection under each id, a hundred at a time; who is taken for somebody stays as long as its hundred."""
    for at in range(0, len(ids), 100):
        sockets = []
        for node_id in ids[at : at + 100]:
            sockets.append(connect(node.port))
            sockets[-1].sendall(frame(node_id, beat(node_id), secret))
        for sock in sockets:
            if secret == FORGED:
                assert closed_by_peer(sock, DEADLINE)
            else:
                assert sock.recv(4) != b"", "it is answered"
            sock.close()


def test_100000_connections_under_invented_ids(siege: Siege) -> None:
    """With a secret none is taken for anybody. Without one each is a member, by design: there the table is bounded, the
    mesh is whole, and whoever really joins finds a place."""
    if siege.secret:
        ids = [invented_id(index).replace("ghost", "guest") for index in range(scaled(INVENTED, 2) // 3)]
    else:
        ids = [invented_id(index).replace("ghost", "guest") for index in range(NODES_MAX + 1000)]
    with siege.watched(counted={"bad_signature": len(ids)} if siege.secret else {}):
        for node in siege.victims.values():
            secret = FORGED if siege.secret else None
            with Background(lambda stop, node=node, secret=secret: claim(node, ids, secret)) as attack:
                siege.assert_join_in_time(node)
                eventually("all have come", lambda a=attack: not a.thread.is_alive(), 100)
                siege.assert_join_in_time(node)
            nodes = [entry["id"] for entry in node.view()["nodes"]]
            assert len(nodes) <= NODES_MAX
            taken_in = [node_id for node_id in nodes if node_id.startswith("guest") and node_id != GUEST]
            assert taken_in == [] if siege.secret else len(taken_in) > NODES_MAX / 2
        if siege.secret:
            for node in siege.members:
                told = {event["node"] for event in node.since() if str(event.get("node", "")).startswith("guest")}
                assert told <= {GUEST}, f"{node.name} takes invented nodes for somebody"
