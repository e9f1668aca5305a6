"""Interfaces that go down, machines that get another address, machines without IPv4."""

import time

import pytest
from hosts import (
    BUSY,
    HEAL,
    INTERVAL,
    THRESHOLD,
    HostMesh,
    Scenes,
    assert_stories,
    hold,
    others_of,
    pairs_of,
    story,
    tell,
    wait_down,
    words,
)
from network import why_not

pytestmark = pytest.mark.skipif(bool(reason := why_not()), reason=reason)

scenes = Scenes()


@scenes
def an_interface_goes_down_and_comes_up(mesh: HostMesh) -> None:
    """No FIN, no route, no carrier: sending fails at once, and yet a connection is not dead before its time."""
    nodes = mesh.start_full()
    lost, host = nodes[5], mesh.network.hosts[5]
    pairs = pairs_of([lost], nodes)
    marks = mesh.marks()
    began = time.monotonic()
    host.run("ip", "link", "set", "eth0", "down")
    took = wait_down(pairs, marks, began, "heartbeat_timeout")
    assert took[0] > INTERVAL * (THRESHOLD - 1.5), "silence of less than the timeout was taken for death"
    assert lost.connected() == set()
    hold(2 * INTERVAL, nodes)
    host.run("ip", "link", "set", "eth0", "up")
    healed = mesh.wait_full(nodes, HEAL + BUSY)
    hold((THRESHOLD + 1) * INTERVAL, nodes)
    assert_stories(nodes, marks, dict.fromkeys(pairs, ("heartbeat_timeout", "up")))
    mesh.assert_agreed(nodes)
    tell(f"interface down: noticed after {took[0]:.1f}-{took[-1]:.1f} s, healed in {healed:.1f} s")


@scenes
def an_interface_is_down_for_a_moment(mesh: HostMesh) -> None:
    """Less than the timeout: nobody says a word, TCP delivers later what was lost."""
    nodes = mesh.start_full()
    host = mesh.network.hosts[2]
    marks = mesh.marks()
    host.run("ip", "link", "set", "eth0", "down")
    hold(INTERVAL * 0.8, nodes)
    host.run("ip", "link", "set", "eth0", "up")
    hold(INTERVAL * (2 * THRESHOLD), nodes)
    assert_stories(nodes, marks, {})
    mesh.assert_agreed(nodes)


@scenes
def a_machine_gets_another_address(mesh: HostMesh) -> None:
    """The process ends with its machine's address, and starts again under the same name: a new id, and a new node. The
    old one goes down once, and leaves the lists when it has been down for so long."""
    forget = 12.0
    nodes = mesh.start_all()
    mesh.wait_full(nodes, HEAL + BUSY)
    watcher_host = mesh.network.add_host()
    watcher = mesh.spawn_on(watcher_host, "cli", [nodes[0]], options=["--forget-after-ms", str(int(forget * 1000))])
    watcher.wait_running(60)
    nodes.append(watcher)
    mesh.wait_full(nodes, HEAL + BUSY)

    old, marks = nodes[6], mesh.marks()
    others = others_of(nodes, old)
    began = time.monotonic()
    host = mesh.network.renumber(mesh.network.hosts[6], 77)
    old.kill()  # its last words go nowhere: the address is gone
    new = mesh.spawn_on(host, old.language, [nodes[0], nodes[1]])
    running = new.wait("status", 60, status="running")
    assert new.id != old.id
    assert running["node"] == new.id, "it found another address than its own"
    present = [*others, new]
    took = wait_down([(other, old) for other in others], marks, began, "heartbeat_timeout")
    joined = mesh.wait_full(present, HEAL + BUSY)
    assert old.id in {peer["id"] for peer in watcher.view()["nodes"]}

    hold(took[-1] + forget - (time.monotonic() - began) + 2 * INTERVAL, present)
    for other in others:
        assert words(story(other, old.id, marks[other])) == ["heartbeat_timeout"], other.name
        assert words(story(other, new.id, marks[other])) == ["up"], other.name
        for peer in others_of(others, other):
            assert not story(other, peer.id, marks[other]), f"{other.name} of {peer.name}"
    # As long as others still vouch for it, it may have tried to reach it: that is told once, and is no up.
    assert words(story(new, old.id, 0)) in ([], ["connection_refused"]), "it met its own past"
    mesh.assert_agreed(present)
    listed = {peer["id"]: peer["status"] for peer in nodes[1].view()["nodes"]}
    assert listed[old.id] == "disconnected", "a day has not passed"
    assert old.id not in {peer["id"] for peer in watcher.view()["nodes"]}, "its time to forget has passed"
    tell(f"another address: the old id down after {took[0]:.1f}-{took[-1]:.1f} s, full {joined:.1f} s after that")


outcomes, test_scenario = scenes.as_tests()
