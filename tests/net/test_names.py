"""A seed that is a DNS name with several addresses, from a name server of the test's own, as a service registry has it:
some are dead, and they change."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hosts import BUSY, HEAL, INTERVAL, PORT, THRESHOLD, HostMesh, Scenes, assert_stories, hold, others_of, tell
from name_server import NameServer
from network import why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)

NAME = "cluster.mesh.test"
SEED = f"{NAME}:{PORT}"
DEAD = ["10.77.0.201", "10.77.0.202"]  # nobody there: not even refused

scenes = Scenes()


@contextmanager
def names_for(mesh: HostMesh) -> Iterator[tuple[NameServer, list[str]]]:
    """A name server on a host of its own, and what starts a command that asks it: in a mount namespace of its own,
    which ends with the command, /etc/resolv.conf names that server."""
    with NameServer(mesh.network.add_host()) as server, tempfile.TemporaryDirectory() as folder:
        config = Path(folder) / "resolv.conf"
        config.write_text(f"nameserver {server.address}\noptions timeout:1 attempts:2\n")
        mount = f'mount --bind "{config}" /etc/resolv.conf && exec "$0" "$@"'
        yield server, ["unshare", "--mount", "sh", "-c", mount]


@scenes
def one_name_has_live_and_dead_addresses(mesh: HostMesh) -> None:
    *hosts, late = mesh.network.hosts
    with names_for(mesh) as (server, launcher):
        # The late host is alive, but at first nothing listens there.
        server.answers[NAME] = [DEAD[0], late.address, hosts[4].address, DEAD[1], hosts[1].address]
        nodes = mesh.start_all([SEED], hosts, launcher=launcher)
        full = mesh.wait_full(nodes, HEAL + BUSY)
        nodes.append(mesh.spawn_on(late, "python", [SEED], launcher=launcher))
        mesh.wait_full(nodes, HEAL + BUSY)
        hold((THRESHOLD + 1) * INTERVAL, nodes)
        mesh.assert_agreed(nodes)
        for node in nodes:
            assert not node.downs(), "an address without a name is nobody whose absence is told"
            listed = {peer["id"] for peer in node.view()["nodes"]}
            assert listed == {other.id for other in others_of(nodes, node)}, "a list names nodes, not addresses"
        tell(f"five answers, three of them dead: full {full:.1f} s after the last start")


@scenes
def answers_change(mesh: HostMesh) -> None:
    """First the name is unknown, then its addresses are dead, then they are the nodes'; at last others'."""
    first, second = mesh.network.hosts[:5], mesh.network.hosts[5:]
    with names_for(mesh) as (server, launcher):
        nodes = mesh.start_all([SEED], first, launcher=launcher)
        hold(2 * INTERVAL, nodes)
        server.answers[NAME] = DEAD
        hold(4 * INTERVAL, nodes)
        assert not any(node.since(0, "up") or node.downs() for node in nodes)
        assert server.asked.count(NAME) > 2 * len(nodes), "it is asked again at each attempt"

        server.answers[NAME] = [host.address for host in first[:3]]
        full = mesh.wait_full(nodes, HEAL + BUSY)
        # While a node is connected to nobody it asks at least every 5 s; a dial that is under way takes up to 5 more.
        assert full <= 5 + 5 + 2 * INTERVAL + BUSY
        tell(f"the name got its addresses: full {full:.1f} s later")

        server.answers[NAME] = [host.address for host in first[3:]]
        newcomers = mesh.start_all([SEED], second, launcher=launcher)
        mesh.wait_full(nodes + newcomers, HEAL + BUSY)
        mesh.assert_agreed(nodes + newcomers)

        # The first hosts leave; whoever is new now finds the others by the name's present addresses alone.
        server.answers[NAME] = [host.address for host in second[:2]]
        for node in nodes:
            assert node.stop(15) == 0
        for node in newcomers:
            for gone in nodes:
                assert node.wait("down", 10, node=gone.id)["reason"] == "graceful_shutdown"
        marks = mesh.marks()
        last = mesh.spawn_on(mesh.network.add_host(), "node", [SEED], launcher=launcher)
        last.wait_running(60)
        present = [*newcomers, last]
        mesh.wait_full(present, HEAL + BUSY)
        hold((THRESHOLD + 1) * INTERVAL, present)
        assert_stories(newcomers, marks, {})
        mesh.assert_agreed(present)


outcomes, test_scenario = scenes.as_tests()
