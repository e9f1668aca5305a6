"""Whatever ends a test: no process, no namespace, no interface stays behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from network import Network, inhabitants, why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)

SCENE = """
import signal, time
from hosts import HostMesh
from network import Network
with Network(4) as network, HostMesh(network) as mesh:
    mesh.start_full()
    print(*network.inodes, *(node.process.pid for node in mesh.nodes), flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL], ids=lambda how: how.name)
def test_a_test_that_is_ended_leaves_nothing_behind(how: signal.Signals) -> None:
    interfaces = socket.if_nameindex()
    named = sorted(Path("/run/netns").glob("*"))
    scene = subprocess.Popen(
        [sys.executable, "-c", SCENE],
        cwd=Path(__file__).parent,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    )
    try:
        assert scene.stdout is not None
        numbers = [int(text) for text in scene.stdout.readline().split()]
        inodes, pids = numbers[:5], numbers[5:]
        assert len(pids) == 4, "the scene did not begin"
        assert inhabitants(inodes), "nobody is in these namespaces: the look-up sees nothing"
        scene.send_signal(how)
        scene.wait(20)
    finally:
        scene.kill()
        scene.communicate()
    # After SIGKILL nobody ends the nodes: they notice the end of their stdin.
    deadline = time.monotonic() + 20
    while (left := inhabitants(inodes)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not left
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}/fd/0")]
    assert socket.if_nameindex() == interfaces
    assert sorted(Path("/run/netns").glob("*")) == named


def test_a_failing_scene_leaves_nothing_behind() -> None:
    networks = []

    def scene() -> None:
        with Network(3) as network:
            networks.append(network)
            network.cut({(network.hosts[0], network.hosts[1])})
            assert inhabitants(network.inodes), "nobody holds these namespaces: the look-up sees nothing"
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        scene()
    assert not inhabitants(networks[0].inodes)
