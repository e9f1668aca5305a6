"""What docs/migrating-from-noex.md says of mixed clusters, beside stand-ins for noex nodes: what each side sees, and
that a migration goes node by node, and back.

What stand-ins cannot show is said to a node of ours by this file itself, frame by frame, as a noex node would.
"""

import re
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import reference_wire as wire
from harness import BUILD, Mesh, NodeProcess, free_ports, hold
from migration import COMMANDS, DOCUMENT, NODE, block, install, until
from test_documents import start
from test_reference_node import SECRET, Line, Peer

INTERVAL_MS = 1000


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return install(tmp_path)


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(secret=SECRET, interval=INTERVAL_MS, threshold=3) as mesh:
        yield mesh


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer("theirs")
    yield peer
    peer.close()


def join(peer: Peer, node: NodeProcess, known: list[str] | None = None) -> tuple[Line, dict[str, Any]]:
    """A connection of the peer that is up, and the first that it is told."""
    line = peer.dial(node)
    line.beat(peer.id, known)
    answer = line.hear()
    assert answer is not None
    node.wait("up", node=peer.id)
    return line, answer


def beats(peer: Peer, line: Line, count: int, known: list[str] | None = None) -> list[dict[str, Any]]:
    """What the node says while the peer beats with it for so many of its intervals."""
    heard = []
    for _ in range(count):
        line.beat(peer.id, known)
        message = line.hear()
        assert message is not None, "the connection was closed"
        heard.append(message)
    return heard


def test_what_a_noex_node_is_told(mesh: Mesh, peer: Peer) -> None:
    node = mesh.start("node", "ours", interval=300)
    line, answer = join(peer, node)
    for message in (answer, *beats(peer, line, 3)):
        assert message["version"] == 1
        assert message["from"] == node.id
        assert list(message["payload"]) == ["type", "nodeInfo", "knownNodes", "ext"]
        info = message["payload"]["nodeInfo"]
        assert list(info) == ["id", "host", "port", "status", "processCount", "lastHeartbeatAt", "uptimeMs"]
        assert (info["id"], info["status"], info["processCount"]) == (node.id, "connected", 0)
    assert node.stop() == 0
    rest = [message["payload"] for message in iter(line.hear, None) if message is not None]
    assert rest[-1]["type"] == "node_down"
    assert (rest[-1]["nodeId"], rest[-1]["reason"]) == (node.id, "graceful_shutdown")


def test_messages_of_noex_are_ignored(mesh: Mesh, peer: Peer) -> None:
    node = mesh.start("node", "ours", interval=300)
    line, _ = join(peer, node)
    ref = {"id": "counter", "nodeId": node.id}
    sent_at = int(time.time() * 1000)
    for payload in (
        {"type": "call", "callId": "m1-0123456789abcdef", "ref": ref, "msg": 1, "timeoutMs": 500, "sentAt": sent_at},
        {"type": "cast", "ref": ref, "msg": 1},
        {"type": "registry_sync", "entries": [], "fullSync": True},
        {"type": "monitor_request", "monitorId": "m1", "monitoringRef": ref, "monitoredRef": ref},
    ):
        line.say(peer.id, payload)
    assert {message["payload"]["type"] for message in beats(peer, line, 5)} == {"heartbeat"}
    assert node.connected() == {peer.id}
    assert node.downs() == []
    assert node.since(0, "error") == []


def test_the_dead_that_a_noex_node_names_are_reported_once(mesh: Mesh, peer: Peer) -> None:
    node = mesh.start("node", "ours", interval=300)
    dead = f"dead@127.0.0.1:{free_ports(1)[0]}"
    line, _ = join(peer, node, [dead])
    while not node.downs():
        beats(peer, line, 1, [dead])
    beats(peer, line, 8, [dead])
    assert [(event["node"], event["reason"]) for event in node.downs()] == [(dead, "connection_refused")]
    assert {"id": dead, "status": "disconnected"} in node.view()["nodes"]


def test_a_recorded_frame_of_a_noex_node_is_taken(mesh: Mesh, peer: Peer) -> None:
    """What v1 cannot prevent, and its bound: ten seconds before the newest that was seen."""
    node = mesh.start("node", "ours")
    host, port = "127.0.0.1", int(peer.id.rpartition(":")[2])

    def recorded(at: int) -> bytes:
        info = {"id": peer.id, "host": host, "port": port, "status": "connected", "processCount": 0}
        info |= {"lastHeartbeatAt": at, "uptimeMs": 5}
        return wire.encode(peer.id, at, {"type": "heartbeat", "nodeInfo": info, "knownNodes": []}, SECRET)

    now = int(time.time() * 1000)
    for _ in range(2):
        mark = node.mark()
        line = peer.dial(node)
        line.sock.sendall(recorded(now))  # the same bytes
        node.wait("up", mark=mark, node=peer.id)
        line.sock.close()
        node.wait("down", mark=mark, node=peer.id, reason="connection_closed")
    mark = node.mark()
    line = peer.dial(node)
    line.sock.sendall(recorded(now - 11_000))
    assert line.closed_within(10)
    assert node.since(mark, "up") == []


def test_a_cluster_name_keeps_noex_nodes_out(mesh: Mesh) -> None:
    named = mesh.start("cli", "named", options=("--cluster-name", "blue"))
    noex = mesh.start("reference", "noex", [named])
    assert "names no cluster, ours is 'blue'" in named.wait("error", kind="cluster_mismatch")["message"]
    hold(3, [named, noex])
    assert named.since(0, "up") == []


def test_who_beats_slower_is_down_for_a_noex_node(mesh: Mesh) -> None:
    noex = mesh.start("reference", "noex", interval=300)
    slow = mesh.start("cli", "slow", [noex], interval=5000)
    noex.wait("up", node=slow.id)
    assert noex.wait("down", node=slow.id)["reason"] == "heartbeat_timeout"


def test_a_noex_node_that_stands_still_is_down_once_and_comes_back(mesh: Mesh) -> None:
    ours = mesh.start("cli", "ours")
    noex = mesh.start("reference", "noex", [ours])
    mesh.wait_full_pair(ours, noex)
    mark = ours.mark()
    noex.freeze()
    ours.wait("down", mark=mark, node=noex.id, reason="heartbeat_timeout")
    noex.thaw()
    ours.wait("up", 30, mark=mark, node=noex.id)
    hold(3, [ours, noex])
    about = [event["event"] for event in ours.since(mark, None, noex.id)]
    assert about == ["down", "up"]


# -------------------------------------------------------------------------------------------------------- the migration


class Moved:
    """The document's program for a moved node, configured by its environment."""

    def __init__(self, project: Path, node_id: str, seeds: list[str]) -> None:
        self.id = node_id
        (project / "moved.mjs").write_text(block("js"))
        name, _, address = node_id.partition("@")
        host, _, port = address.rpartition(":")
        variables = f"NODE_NAME={name} NODE_HOST={host} NODE_PORT={port} CLUSTER_SEEDS={','.join(seeds)}"
        variables += f" CLUSTER_SECRET='{SECRET}' HEARTBEAT_INTERVAL_MS={INTERVAL_MS}"
        self.program = start(f"{variables} {NODE} {project / 'moved.mjs'}", project)
        self.program.wait(rf"I am {re.escape(node_id)} and see \d+$")

    def mark(self) -> int:
        return len(self.program.lines)

    def about(self, node_id: str, mark: int) -> list[str]:
        lines = [line.split() for line in self.program.lines[mark:]]
        return [
            " ".join([words[0], *words[2:]]) for words in lines if words[0] in ("up", "down") and words[1] == node_id
        ]

    def errors(self) -> list[str]:
        return [line for line in self.program.lines if line.startswith("error ")]

    def stop(self) -> None:
        assert self.program.end(signal.SIGTERM) == 0, self.program.lines

    def end(self) -> None:
        self.program.close()


class Noex:
    """A stand-in that is a member of the mesh to be moved."""

    def __init__(self, mesh: Mesh, node_id: str, seeds: list[str]) -> None:
        self.id = node_id
        name, _, address = node_id.partition("@")
        self.process = mesh.start("reference", name, seeds, port=int(address.rpartition(":")[2]))

    def mark(self) -> int:
        return self.process.mark()

    def about(self, node_id: str, mark: int) -> list[str]:
        events = [event for event in self.process.since(mark, None, node_id) if event["event"] in ("up", "down")]
        return [" ".join([event["event"], *([event["reason"]] if "reason" in event else [])]) for event in events]

    def stop(self) -> None:
        assert self.process.stop() == 0

    def end(self) -> None:
        self.process.end()


Member = Moved | Noex


def wait_for(word: str, member: Member, node_id: str, mark: int) -> None:
    until(
        lambda: any(said.split()[0] == word for said in member.about(node_id, mark)),
        f"{member.id} says {word} of {node_id}",
    )


def replace(members: list[Member], index: int, make: Callable[[], Member]) -> None:
    """Stops a member and starts another in its place, and judges what is said: one down of the old id, one up of the
    new, one up of each by the new one. What noex nodes say of a new noex node is their affair."""
    old = members[index]
    others = [member for member in members if member is not old]
    marks = {member.id: member.mark() for member in others}
    old.stop()
    for member in others:
        wait_for("down", member, old.id, marks[member.id])
    new = members[index] = make()
    for member in others:
        wait_for("up", member, new.id, marks[member.id])
        wait_for("up", new, member.id, 0)
    standing = [member.process for member in members if isinstance(member, Noex)]
    hold(1.5 * INTERVAL_MS / 1000, standing)  # in which a second down would be said
    for member in others:
        if isinstance(member, Noex) and isinstance(new, Noex):
            continue
        said = [word for node_id in dict.fromkeys((old.id, new.id)) for word in member.about(node_id, marks[member.id])]
        assert said == ["down graceful_shutdown", "up"], member.id
        assert new.about(member.id, 0) == ["up"], member.id


@pytest.mark.timeout(240)
def test_node_by_node_and_back(project: Path, mesh: Mesh) -> None:
    ports = free_ports(5)
    ids = [f"app{index}@127.0.0.1:{port}" for index, port in enumerate(ports[:4], 1)]
    members: list[Member] = []
    try:
        for index, node_id in enumerate(ids):
            members.append(Noex(mesh, node_id, ids[:index]))
        mesh.wait_full(mesh.nodes)
        replace(members, 2, lambda: Moved(project, ids[2], ids))
        replace(members, 1, lambda: Moved(project, ids[1], ids))
        replace(members, 0, lambda: Moved(project, ids[0], ids))  # the seed of them all comes last; the fourth stays
        again = f"app3@127.0.0.1:{ports[4]}"
        replace(members, 2, lambda: Noex(mesh, again, ids))
        assert [member.errors() for member in members if isinstance(member, Moved)] == [[], []]
    finally:
        for member in members:
            member.end()


def test_the_old_id_is_taken_back_when_it_is_forgotten(mesh: Mesh) -> None:
    said = re.search(r"`(a frame without hello from 'app2@10\.0\.0\.2:4370', which speaks with one)`", DOCUMENT)
    assert said
    ours = mesh.start("cli", "app1", options=("--forget-after-ms", "6000"))
    left = mesh.start("python", "app2", [ours])
    mesh.wait_full_pair(ours, left)
    mark = ours.mark()
    assert left.stop() == 0
    ours.wait("down", mark=mark, node=left.id, reason="graceful_shutdown")
    back = mesh.start("reference", "app2", [ours], port=left.port)
    refused = ours.wait("error", mark=mark, kind="authentication")
    assert said[1].replace("app2@10.0.0.2:4370", left.id) in refused["message"]
    ours.wait("up", 30, mark=mark, node=back.id)


def test_the_observer_sees_everybody(mesh: Mesh) -> None:
    [line] = COMMANDS
    noex = mesh.start("reference", "app1")
    other = mesh.start("reference", "app2", [noex])
    command = line.replace("NOEX_CLUSTER_SECRET=...", f"NOEX_CLUSTER_SECRET='{SECRET}'")
    command = command.replace(" noex-cluster run", f" {BUILD}/bin/noex-cluster run")
    command = command.replace("4400", str(free_ports(1)[0])).replace("app1@10.0.0.1:4369", noex.id)
    assert "..." not in command
    with start(f"{command} --interval {INTERVAL_MS}") as observer:
        for node in (noex, other):
            observer.wait(rf"\bup +{re.escape(node.id)}$")
            node.wait("up", node=lambda text: str(text).startswith("observer@127.0.0.1:"))
        assert observer.end(signal.SIGTERM) == 0
        for node in (noex, other):
            node.wait("down", reason="graceful_shutdown")
