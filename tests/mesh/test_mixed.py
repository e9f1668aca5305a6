"""A mixed mesh: nodes of ours and stand-ins for reference nodes, with a secret. Neither side flaps because of us.

What reference nodes do to each other is theirs: only pairs of one of ours and one of theirs are judged. And a stand-in
has no jitter, no retries of seeds and no tie-break, so its habits show at once if ours do not live with them.
"""

import functools
from typing import Any

from harness import Mesh, NodeProcess, SideBySide, flaps, free_ports, hold

HOLD_S = 45  # the reference's own cycle of false downs is 11 to 12 s long
scenarios = SideBySide(secret="mixed mesh secret", interval=1000, threshold=3, at_once=12)


def is_theirs(node: NodeProcess) -> bool:
    return node.language == "reference"


def mixed_pairs(nodes: list[NodeProcess]) -> list[tuple[NodeProcess, NodeProcess]]:
    return [(a, b) for a in nodes for b in nodes if a is not b and is_theirs(a) != is_theirs(b)]


def wait_mixed(nodes: list[NodeProcess], mesh: Mesh) -> None:
    """Every node of ours sees everybody, and is seen by everybody."""
    for node in nodes:
        node.wait_running(30)
    mesh.wait_full([node for node in nodes if not is_theirs(node)])
    for one, other in mixed_pairs(nodes):
        mesh.wait_full_pair(one, other)


def no_flaps(nodes: list[NodeProcess], marks: dict[str, int] | None = None) -> None:
    ours = [(a, b) for a in nodes for b in nodes if a is not b and not is_theirs(a) and not is_theirs(b)]
    for one, other in mixed_pairs(nodes) + ours:
        found = flaps(one, other, (marks or {}).get(one.name, 0))
        assert found == [], f"{one.name} ({one.language}) about {other.name}"


def marks_of(nodes: list[NodeProcess]) -> dict[str, int]:
    return {node.name: node.mark() for node in nodes}


def theirs(mesh: Mesh, name: str, *seeds: NodeProcess | str, **options: Any) -> NodeProcess:
    options.setdefault("options", ("--trace",))
    return mesh.spawn("reference", name, seeds, **options)


@scenarios
def ours_join_theirs(mesh: Mesh) -> None:
    seed = theirs(mesh, "their-seed").wait_running()
    nodes = [seed, theirs(mesh, "their-2", seed).wait_running()]
    nodes += [mesh.spawn(language, f"our-{language}", [seed]) for language in ("cli", "python", "node")]
    wait_mixed(nodes, mesh)
    hold(HOLD_S, nodes)
    no_flaps(nodes)


@scenarios
def theirs_join_ours(mesh: Mesh) -> None:
    seed = mesh.start("cli", "our-seed")
    nodes = [seed, mesh.start("node", "our-2", [seed])]
    nodes += [theirs(mesh, f"their-{index}", seed) for index in range(3)]
    wait_mixed(nodes, mesh)
    hold(HOLD_S, nodes)
    no_flaps(nodes)


@scenarios
def all_start_at_once_seeded_with_each_other(mesh: Mesh) -> None:
    ports = free_ports(4)
    ids = [
        f"{name}@127.0.0.1:{port}" for name, port in zip(("our-a", "their-a", "our-b", "their-b"), ports, strict=True)
    ]
    nodes = []
    for node_id, port in zip(ids, ports, strict=True):
        name = node_id.partition("@")[0]
        language = "reference" if name.startswith("their") else "c"
        nodes.append(mesh.spawn(language, name, [other for other in ids if other != node_id], port=port))
    wait_mixed(nodes, mesh)
    hold(HOLD_S, nodes)
    no_flaps(nodes)


def dials_cross(speaks_on: str, mesh: Mesh) -> None:
    """A slow network: their dial is still under way when ours arrives. They keep both sockets and speak on one."""
    ours, their = free_ports(2)
    our_id, their_id = f"ours@127.0.0.1:{ours}", f"theirs@127.0.0.1:{their}"
    crossed = ("--dial-delay", "1500", "--crossed", speaks_on, "--trace")
    nodes = [
        mesh.spawn("python", "ours", [their_id], port=ours),
        theirs(mesh, "theirs", our_id, port=their, options=crossed),
    ]
    wait_mixed(nodes, mesh)
    hold(HOLD_S, nodes)
    no_flaps(nodes)
    habits = [event["what"] for event in nodes[1].since(0, "trace")]
    assert "replaced" in habits, "the dials did not cross: this test shows nothing"
    assert ("stored_again" in habits) == (speaks_on == "dialled")
    assert "destroyed" not in habits


for chosen in ("accepted", "dialled"):
    scenarios.case(f"dials_cross_and_they_speak_where_they_{chosen}", functools.partial(dials_cross, chosen))


def restarted(mesh: Mesh, language: str) -> None:
    """kill -9 and a restart under the same id: one down and one up for the others, and then quiet."""
    seed = mesh.start("cli", "our-seed")
    victim = mesh.spawn(language, "victim", [seed])
    nodes = [seed, victim, mesh.spawn("node", "our-2", [seed]), theirs(mesh, "their-1", seed)]
    wait_mixed(nodes, mesh)
    others = [node for node in nodes if node is not victim]
    marks = marks_of(nodes)
    victim.kill()
    judges = [node for node in others if is_theirs(node) != is_theirs(victim) or not is_theirs(node)]
    for node in judges:
        node.wait("down", 30, mark=marks[node.name], node=victim.id, reason="connection_closed")
    again = mesh.restart(victim, [seed])
    for node in judges:
        node.wait("up", 60, mark=marks[node.name], node=victim.id)
        mesh.wait_full_pair(again, node)
    hold(HOLD_S, [*others, again])
    for node in judges:
        about = [
            event["event"]
            for event in node.since(marks[node.name], None, victim.id)
            if event["event"] in ("up", "down")
        ]
        assert about == ["down", "up"], f"{node.name} ({node.language}) about the restarted {language} node"
    no_flaps(others, marks)
    for node in judges:
        assert flaps(again, node) == []


@scenarios
def one_of_ours_restarts(mesh: Mesh) -> None:
    restarted(mesh, "python")


@scenarios
def one_of_theirs_restarts(mesh: Mesh) -> None:
    restarted(mesh, "reference")


@scenarios
def our_seed_restarts(mesh: Mesh) -> None:
    """They never dial a seed again: ours must find its way back to them."""
    seed = mesh.start("cli", "our-seed")
    nodes = [seed, mesh.spawn("python", "our-2", [seed]), theirs(mesh, "their-1", seed)]
    wait_mixed(nodes, mesh)
    marks = marks_of(nodes)
    seed.kill()
    for node in nodes[1:]:
        node.wait("down", 30, mark=marks[node.name], node=seed.id)
    again = mesh.restart(seed)
    nodes = [again, *nodes[1:]]
    wait_mixed(nodes, mesh)
    marks = marks_of(nodes)
    hold(HOLD_S, nodes)
    no_flaps(nodes, marks)


@scenarios
def goodbyes(mesh: Mesh) -> None:
    seed = mesh.start("cli", "our-seed")
    our, their = mesh.spawn("node", "our-2", [seed]), theirs(mesh, "their-1", seed)
    nodes = [seed, our, their, theirs(mesh, "their-2", seed)]
    wait_mixed(nodes, mesh)
    marks = marks_of(nodes)
    assert our.stop() == 0
    for node in (seed, their, nodes[3]):
        node.wait("down", mark=marks[node.name], node=our.id, reason="graceful_shutdown")
    hold(5, [seed, their])
    assert their.stop() == 0
    seed.wait("down", mark=marks[seed.name], node=their.id, reason="graceful_shutdown")
    hold(15, [seed, nodes[3]])
    for node, gone in ((seed, our), (seed, their), (their, our), (nodes[3], our)):
        about = [
            event["event"] for event in node.since(marks[node.name], None, gone.id) if event["event"] in ("up", "down")
        ]
        assert about == ["down"], f"{node.name} about {gone.name}"
    no_flaps([seed, nodes[3]], marks)


@scenarios
def one_of_ours_is_frozen_and_thawed(mesh: Mesh) -> None:
    seed = mesh.start("cli", "our-seed")
    sleeper, their = mesh.spawn("python", "sleeper", [seed]), theirs(mesh, "their-1", seed)
    nodes = [seed, sleeper, their]
    wait_mixed(nodes, mesh)
    marks = marks_of(nodes)
    sleeper.freeze()
    for node in (seed, their):
        node.wait("down", 30, mark=marks[node.name], node=sleeper.id, reason="heartbeat_timeout")
    sleeper.thaw()
    for node in (seed, their):
        node.wait("up", 30, mark=marks[node.name], node=sleeper.id)
    hold(20, nodes)
    assert sleeper.downs(marks[sleeper.name]) == []
    for node in (seed, their):
        about = [
            event["event"]
            for event in node.since(marks[node.name], None, sleeper.id)
            if event["event"] in ("up", "down")
        ]
        assert about == ["down", "up"], node.name


@scenarios
def strangers_to_each_other(mesh: Mesh) -> None:
    """Without the same secret nobody becomes a member, and nobody's process ends."""
    our, their = mesh.start("cli", "our-seed"), theirs(mesh, "their-seed").wait_running()
    wrong = [
        mesh.start("python", "our-wrong", [their], secret="guessed"),
        theirs(mesh, "their-wrong", our, secret="guessed").wait_running(),
        theirs(mesh, "their-none", our, secret=None).wait_running(),
    ]
    our.wait("error", kind="authentication")
    their.wait("error")
    hold(15, [our, their, *wrong])
    for node in (our, their):
        assert node.since(0, "up") == []
    for node in wrong[:2]:
        assert node.since(0, "up") == []


outcomes, test_mixed = scenarios.as_tests()
