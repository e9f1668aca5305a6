"""Cables are cut, in every shape, and put back: who is cut off is down to the other side once, by silence and in time;
nobody else notices; and all is as before by itself.

The cuts are packet filters where the frames arrive: no FIN, no reset, no lost carrier, only silence.
"""

import pytest
from hosts import HostMesh, Scenes, cut_and_heal, pairs_of
from network import why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)

scenes = Scenes()


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
    """Without acknowledgements TCP soon says nothing in the other direction either: both have a timeout."""
    nodes = mesh.start_full()
    deaf, mute = nodes[6], nodes[3]
    cut_and_heal(mesh, nodes, {(deaf, mute)}, pairs_of([deaf], [mute]))


outcomes, test_scenario = scenes.as_tests()
