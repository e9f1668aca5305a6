"""A network that loses packets, beside bare TCP connections between each two hosts with a line a second on them:
what TCP cannot give is not asked for."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
from hosts import BUSY, INTERVAL, THRESHOLD, HostMesh, NodeProcess, Scenes, hold, others_of, story, tell, words
from network import Network, why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)

LOSSY = 60.0  # seconds
HEALED = 15.0
BARE = 4  # bare connections for each pair: their gaps are few, and four times as many say more
CHANCE = 2  # downs that are no sign of anything, where the bare beat happens to have none

scenes = Scenes(at_once=2)


class BareBeat:
    """The program bare_beat.py, in the namespaces of this network."""

    def __init__(self, network: Network) -> None:
        hosts = [f"{host.fd}={host.address}" for host in network.hosts]
        script = Path(__file__).with_name("bare_beat.py")
        self.process = subprocess.Popen(
            [sys.executable, str(script), str(INTERVAL), str(INTERVAL * THRESHOLD), str(BARE), *hosts],
            pass_fds=[host.fd for host in network.hosts],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the bare beat ended at once"
        self.connections = json.loads(line)["ready"] // 2

    def __enter__(self) -> "BareBeat":
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.communicate()

    def gaps(self) -> list[float]:
        """Ends it; its silences of a whole timeout or more."""
        said, _ = self.process.communicate("", 20)
        return list(json.loads(said)["gaps"])


def lose(mesh: HostMesh, nodes: list[NodeProcess], share: float) -> tuple[int, list[float]]:
    """A minute of loss; the downs that the mesh reported, and the gaps of the bare beat. All is well again after it."""
    pairs = len(nodes) * (len(nodes) - 1) // 2
    with BareBeat(mesh.network) as bare:
        assert bare.connections == pairs * BARE
        marks = mesh.marks()
        mesh.network.lose(share)
        hold(LOSSY, nodes)
        mesh.network.heal()
        ended = time.monotonic()
        hold(INTERVAL * THRESHOLD + 1, nodes)  # a silence that began in the loss may end in a down just after it
        downs = [
            (observer, peer)
            for observer in nodes
            for peer in others_of(nodes, observer)
            for word in words(story(observer, peer.id, marks[observer]))
            if word != "up"
        ]
        mesh.wait_full(nodes, ended + HEALED + BUSY - time.monotonic())
        healed = time.monotonic() - ended
        gaps = bare.gaps()
    mesh.assert_agreed(nodes)
    late = mesh.marks()
    tell(
        f"{share:.0%} loss: {len(downs)} downs; gaps of a bare beat: {len(gaps) / BARE:.1f}, the longest "
        f"{max(gaps, default=0):.1f} s; full {healed:.1f} s after the loss at the latest"
    )
    hold(max(0.0, ended + HEALED - time.monotonic()), nodes)
    for node in nodes:
        assert not node.downs(late[node]), f"{node.name} has a down when all had healed"
    return len(downs), gaps


@scenes
def a_tenth_of_all_packets(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    downs, _ = lose(mesh, nodes, 0.1)
    assert downs == 0, "10 % loss was taken for death"


@scenes
def a_fifth_of_all_packets(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    downs, gaps = lose(mesh, nodes, 0.2)
    assert downs <= max(len(gaps) / BARE, CHANCE), "more downs than a bare TCP connection has silences of that length"


outcomes, test_scenario = scenes.as_tests()
