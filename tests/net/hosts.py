"""A mesh whose nodes are on hosts of their own, and scenes that run side by side, each on its own network."""

import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mesh"))

from harness import LANGUAGES, Event, Mesh, NodeProcess, SideBySide, hold
from network import Host, Link, Network

PORT = 4369  # the default: each host is a machine of its own
INTERVAL = 1.0
THRESHOLD = 3
# By the definition: the longest pause between two dials, a dial, and two beats. What a busy machine adds comes on top.
HEAL = 30.0 + 5.0 + 2 * INTERVAL
BUSY = 5.0

Pair = tuple[NodeProcess, NodeProcess]  # who reports, whom


class HostMesh(Mesh):
    def __init__(self, network: Network, **options: Any) -> None:
        super().__init__(interval=int(1000 * INTERVAL), threshold=THRESHOLD, **options)
        self.network = network
        self.places: dict[NodeProcess, Host] = {}

    def spawn_on(
        self, place: Host, language: str, seeds: Sequence["NodeProcess | str"] = (), **options: Any
    ) -> NodeProcess:
        """A node on this host, named like it, that finds out by itself under which address others reach it."""
        launcher = [*place.enter(), *options.pop("launcher", [])]
        options.setdefault("host", "::" if self.network.v6 else None)
        options.setdefault("environment", {"NOEX_ADVERTISE_HOST": None})
        node = self.spawn(
            *(language, place.name, seeds),
            **{"port": PORT, "address": place.address, "launcher": launcher, "pass_fds": [place.fd], **options},
        )
        self.places[node] = place
        return node

    def start_all(
        self, seeds: Sequence[str] | None = None, hosts: Sequence[Host] | None = None, **options: Any
    ) -> list[NodeProcess]:
        """One node on each host, the languages in turn; the seeds are the first two, if none are named."""
        hosts = self.network.hosts if hosts is None else hosts
        named = [spell(hosts[0]), spell(hosts[1])] if seeds is None else list(seeds)
        nodes = [
            self.spawn_on(host, LANGUAGES[index % len(LANGUAGES)], named, **options) for index, host in enumerate(hosts)
        ]
        for node in nodes:
            running = node.wait("status", 60, status="running")
            assert running["node"] == node.id, "it found another address than its own"
        return nodes

    def start_full(self, *which: Any, **options: Any) -> list[NodeProcess]:
        """start_all(), and everyone has found everyone."""
        nodes = self.start_all(*which, **options)
        self.wait_full(nodes, HEAL + BUSY)
        self.assert_agreed(nodes)
        return nodes

    def links(self, pairs: Iterable[Pair]) -> set[Link]:
        """The links on which the second of each pair is heard by the first."""
        return {(self.places[peer], self.places[observer]) for observer, peer in pairs}

    def marks(self) -> dict[NodeProcess, int]:
        return {node: node.mark() for node in self.nodes}


def spell(host: Host) -> str:
    return f"{host.name}@[{host.address}]:{PORT}" if ":" in host.address else f"{host.name}@{host.address}:{PORT}"


def pairs_of(some: Iterable[NodeProcess], others: Iterable[NodeProcess]) -> set[Pair]:
    """Both directions of each pair."""
    others = list(others)
    return {pair for one in some for other in others for pair in ((one, other), (other, one)) if one is not other}


def others_of(nodes: Iterable[NodeProcess], *without: NodeProcess) -> list[NodeProcess]:
    return [node for node in nodes if node not in without]


def story(observer: NodeProcess, peer: str, mark: int) -> list[Event]:
    """What `observer` said of the ups and downs of `peer` after `mark`."""
    return [event for event in observer.since(mark, node=peer) if event["event"] in ("up", "down")]


def words(events: Iterable[Event]) -> list[str]:
    return [event["reason"] if event["event"] == "down" else "up" for event in events]


def wait_down(pairs: Iterable[Pair], marks: Mapping[NodeProcess, int], since: float, reason: str) -> list[float]:
    """Waits until the first of each pair says once that the second is down; when they did, in seconds after `since`."""
    deadline = since + INTERVAL * (THRESHOLD + 1) + BUSY
    said = []
    for observer, peer in pairs:
        left = max(0.1, deadline - time.monotonic())
        event = observer.wait("down", left, mark=marks[observer], node=peer.id)
        assert event["reason"] == reason, f"{observer.name} of {peer.name}: {event}"
        said.append(event["seen_at"] - since)
    return sorted(said)


def assert_stories(
    nodes: Sequence[NodeProcess], marks: Mapping[NodeProcess, int], told: Mapping[Pair, Sequence[str]]
) -> None:
    """What is `told` of a pair is exactly what the first said of the second; of other pairs nothing was said."""
    for observer in nodes:
        for peer in others_of(nodes, observer):
            said = words(story(observer, peer.id, marks[observer]))
            assert said == list(told.get((observer, peer), ())), f"{observer.name} of {peer.name}"


def cut_and_heal(mesh: HostMesh, nodes: list[NodeProcess], silent: set[Pair], down: set[Pair]) -> None:
    """Cuts so that the first of each pair of `silent` does not hear the second. The pairs of `down` must say so."""
    marks = mesh.marks()
    began = time.monotonic()
    mesh.network.cut(mesh.links(silent))
    took = wait_down(down, marks, began, "heartbeat_timeout")
    assert took[0] > INTERVAL * (THRESHOLD - 1.5), "silence of less than the timeout was taken for death"
    hold(2 * INTERVAL, nodes)
    for node in nodes:
        gone = {peer.id for observer, peer in down if observer is node}
        assert node.connected() == {other.id for other in others_of(nodes, node)} - gone, node.name
    assert_stories(nodes, marks, dict.fromkeys(down, ("heartbeat_timeout",)))

    mesh.network.heal()
    healed = mesh.wait_full(nodes, HEAL + BUSY)
    hold((THRESHOLD + 1) * INTERVAL, nodes)  # whoever came back stays
    assert_stories(nodes, marks, dict.fromkeys(down, ("heartbeat_timeout", "up")))
    mesh.assert_agreed(nodes)
    tell(f"down after {took[0]:.1f}-{took[-1]:.1f} s, healed in {healed:.1f} s")


class Scenes(SideBySide):
    """Scenes that mostly wait; each gets a network and a mesh of its own."""

    def __init__(self, *, hosts: int = 8, v6: bool = False, at_once: int = 3, **mesh_options: Any) -> None:
        super().__init__(at_once=at_once, **mesh_options)
        self.hosts = hosts
        self.v6 = v6

    def _run(self, scenario: Any) -> None:
        with Network(self.hosts, v6=self.v6) as network, HostMesh(network, **self.mesh_options) as mesh:
            scenario(mesh)


def tell(text: str) -> None:
    """A measured figure, for the log of the tests."""
    print(f"· {text}", flush=True)
