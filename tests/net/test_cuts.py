"""Cables are cut, in every shape, and put back: who is cut off is down to the other side once, by silence and in time;
nobody else notices; and all is as before by itself.

The cuts are packet filters where the frames arrive: no FIN, no reset, no lost carrier, only silence.
"""

import time

import pytest
from hosts import (
    BUSY,
    HEAL,
    INTERVAL,
    THRESHOLD,
    HostMesh,
    NodeProcess,
    Pair,
    Scenes,
    assert_stories,
    hold,
    others_of,
    pairs_of,
    tell,
    wait_down,
)
from network import why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)

scenes = Scenes()


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
    assert_stories(nodes, marks, dict.fromkeys(down, ["heartbeat_timeout"]))

    mesh.network.heal()
    healed = mesh.wait_full(nodes, HEAL + BUSY)
    hold((THRESHOLD + 1) * INTERVAL, nodes)  # whoever came back stays
    assert_stories(nodes, marks, dict.fromkeys(down, ["heartbeat_timeout", "up"]))
    mesh.assert_agreed(nodes)
    tell(f"down after {took[0]:.1f}-{took[-1]:.1f} s, healed in {healed:.1f} s")


@scenes
def one_host_is_isolated(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    lost = pairs_of([nodes[3]], nodes)
    cut_and_heal(mesh, nodes, lost, lost)


@scenes
def a_seed_is_isolated(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    lost = pairs_of([nodes[0]], nodes)
    cut_and_heal(mesh, nodes, lost, lost)


@scenes
def the_mesh_is_split_in_halves(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    lost = pairs_of(nodes[::2], nodes[1::2])  # both halves have two languages, and a seed
    cut_and_heal(mesh, nodes, lost, lost)


@scenes
def two_halves_of_four_neighbours(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    lost = pairs_of(nodes[:4], nodes[4:])  # the second half has no seed of its own
    cut_and_heal(mesh, nodes, lost, lost)


@scenes
def one_pair_loses_sight_of_each_other(mesh: HostMesh) -> None:
    nodes = mesh.start_full()
    lost = pairs_of([nodes[2]], [nodes[5]])
    cut_and_heal(mesh, nodes, lost, lost)


@scenes
def one_direction_of_a_pair_is_silent(mesh: HostMesh) -> None:
    """Who hears nothing says so and falls silent itself; then the other hears nothing either."""
    nodes = mesh.start_full()
    deaf, mute = nodes[6], nodes[3]
    marks = mesh.marks()
    began = time.monotonic()
    mesh.network.cut(mesh.links({(deaf, mute)}))
    wait_down([(deaf, mute)], marks, began, "heartbeat_timeout")
    first = time.monotonic()
    took = wait_down([(mute, deaf)], marks, first, "heartbeat_timeout")
    assert took[0] > INTERVAL * (THRESHOLD - 1.5), "the one that was heard all the time was given up first"
    hold(2 * INTERVAL, nodes)
    both = pairs_of([deaf], [mute])
    assert_stories(nodes, marks, dict.fromkeys(both, ["heartbeat_timeout"]))
    mesh.network.heal()
    healed = mesh.wait_full(nodes, HEAL + BUSY)
    hold((THRESHOLD + 1) * INTERVAL, nodes)
    assert_stories(nodes, marks, dict.fromkeys(both, ["heartbeat_timeout", "up"]))
    mesh.assert_agreed(nodes)
    tell(f"the heard one was down {took[0]:.1f} s later, healed in {healed:.1f} s")


outcomes, test_scenario = scenes.as_tests()
