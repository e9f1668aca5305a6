"""Machines that have no IPv4 at all, not even on the loopback interface."""

import pytest
from hosts import HostMesh, Scenes, cut_and_heal, pairs_of
from network import why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)

scenes = Scenes(v6=True)


@scenes
def hosts_without_ipv4_are_a_mesh_and_heal(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    assert all(node.id.startswith(f"{node.name}@[fd77::") for node in nodes)
    assert "127.0.0.1" not in mesh.network.hosts[0].run("ip", "addr")
    lost = pairs_of([nodes[1]], nodes)
    cut_and_heal(mesh, nodes, lost, lost)


@scenes
def the_default_host_says_that_it_is_ipv4_only(mesh: HostMesh) -> None:
    """It cannot be reached, so it must not look as if all were well."""
    node = mesh.spawn_on(mesh.network.hosts[0], "cli", host=None)
    node.wait("status", 60, status="running")
    said = node.wait("log", 10, level="warning")["message"]
    assert "'::'" in said
    assert mesh.network.hosts[0].address in said


outcomes, test_scenario = scenes.as_tests()
