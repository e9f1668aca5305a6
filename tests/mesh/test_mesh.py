"""One mesh of three languages, lived through: joining in any order, crashes, goodbyes, pauses, returns. What must hold
everywhere is one event for one thing that happened, and none for what did not.
"""

import functools

from harness import LANGUAGES, Mesh, NodeProcess, SideBySide, flaps, free_ports, hold

scenarios = SideBySide(interval=1000, threshold=3)


def no_flaps(nodes: list[NodeProcess], marks: dict[str, int] | None = None) -> None:
    for node in nodes:
        for peer in nodes:
            if peer is not node:
                assert flaps(node, peer, (marks or {}).get(node.name, 0)) == [], f"{node.name} about {peer.name}"


def start_all(mesh: Mesh, *more: str) -> list[NodeProcess]:
    """One node of each language (and `more`). All know the first but the last one: that knows its neighbour."""
    languages = [*LANGUAGES, *more]
    nodes = [mesh.spawn(languages[0], f"{languages[0]}0")]
    for index, language in enumerate(languages[1:], 1):
        last = index == len(languages) - 1
        nodes.append(mesh.spawn(language, f"{language}{index}", [nodes[-1] if last else nodes[0]]))
    for node in nodes:
        node.wait_running(30)
    mesh.wait_full(nodes)
    return nodes


def marks_of(nodes: list[NodeProcess]) -> dict[str, int]:
    return {node.name: node.mark() for node in nodes}


@scenarios
def every_node_sees_every_other(mesh: Mesh) -> None:
    nodes = start_all(mesh, "node")
    mesh.assert_agreed(nodes)
    hold(10, nodes)
    mesh.assert_agreed(nodes)
    for node in nodes:
        assert len(node.since(0, "up")) == len(nodes) - 1
        assert node.downs() == []
        assert node.since(0, "error") == []


@scenarios
def a_seed_that_starts_last_is_joined(mesh: Mesh) -> None:
    (port,) = free_ports(1)
    seed_id = f"late@127.0.0.1:{port}"
    early = [mesh.start(language, f"early-{language}", [seed_id]) for language in LANGUAGES]
    for node in early:
        node.wait("down", node=seed_id, reason="connection_refused")
    seed = mesh.start("cli", "late", port=port)
    mesh.wait_full([seed, *early])
    mesh.assert_agreed([seed, *early])
    no_flaps([seed, *early])
    for node in early:
        assert len(node.downs(0, seed_id)) == 1  # the refusal is told once, however often it is dialled


@scenarios
def a_seed_by_another_name_is_listed_by_its_own(mesh: Mesh) -> None:
    seed = mesh.start("python", "real")
    alias = f"alias@localhost:{seed.port}"
    nodes = [seed, *(mesh.start(language, f"by-alias-{language}", [alias]) for language in LANGUAGES)]
    mesh.wait_full(nodes)
    mesh.assert_agreed(nodes)
    for node in nodes[1:]:
        assert [entry["id"] for entry in node.view()["nodes"] if entry["id"].startswith("alias")] == []
        assert node.since(0, None, alias) == []


def killed(language: str, mesh: Mesh) -> None:
    """kill -9, then a restart under the same id: one down and one up, everywhere."""
    nodes = start_all(mesh)
    victim = nodes[LANGUAGES.index(language)]
    others = [node for node in nodes if node is not victim]
    marks = marks_of(nodes)
    victim.kill()
    for node in others:
        node.wait("down", mark=marks[node.name], node=victim.id, reason="connection_closed")
    again = mesh.restart(victim, [others[0]])
    mesh.wait_full([again])
    for node in others:
        node.wait("up", 30, mark=marks[node.name], node=victim.id)
    hold(15, [*others, again])
    mesh.assert_agreed([*others, again])
    for node in others:
        about = [event["event"] for event in node.since(marks[node.name], None, victim.id)]
        assert about == ["down", "up"], node.name
    no_flaps(others, marks)
    assert again.downs() == []


def stopped(language: str, mesh: Mesh) -> None:
    """A goodbye: one down with its reason, and the process ends by itself with code 0."""
    nodes = start_all(mesh)
    leaver = nodes[LANGUAGES.index(language)]
    others = [node for node in nodes if node is not leaver]
    marks = marks_of(nodes)
    assert leaver.stop() == 0
    leaver.wait("status", status="stopped")
    assert leaver.downs(marks[leaver.name]) == []  # its own stop is nobody's down
    for node in others:
        node.wait("down", mark=marks[node.name], node=leaver.id, reason="graceful_shutdown")
    hold(5, others)
    for node in others:
        assert len(node.since(marks[node.name], None, leaver.id)) == 1
    no_flaps(others, marks)
    mesh.assert_agreed(others)


def frozen(language: str, mesh: Mesh) -> None:
    """A pause: down for the others by timeout, up again after it; and the sleeper itself blames nobody."""
    nodes = start_all(mesh)
    sleeper = nodes[LANGUAGES.index(language)]
    others = [node for node in nodes if node is not sleeper]
    marks = marks_of(nodes)
    sleeper.freeze()
    for node in others:
        node.wait("down", 30, mark=marks[node.name], node=sleeper.id, reason="heartbeat_timeout")
    hold(2, others)
    sleeper.thaw()
    for node in others:
        node.wait("up", 30, mark=marks[node.name], node=sleeper.id)
    hold(8, nodes)
    assert sleeper.downs(marks[sleeper.name]) == []
    for node in others:
        about = [event["event"] for event in node.since(marks[node.name], None, sleeper.id)]
        assert about == ["down", "up"], node.name
    no_flaps(others, marks)
    mesh.assert_agreed(nodes)


@scenarios
def a_machine_sleeps_with_all_its_nodes(mesh: Mesh) -> None:
    """Suspend and resume: they wake one after another, each to the silence of the others, and nobody is reported."""
    nodes = start_all(mesh)
    marks = marks_of(nodes)
    for node in nodes:
        node.freeze()
    hold(7, nodes)
    for node in nodes:
        node.thaw()
        hold(0.4, nodes)
    hold(8, nodes)
    for node in nodes:
        assert node.since(marks[node.name]) == [], node.name
    mesh.assert_agreed(nodes)


for scenario in (killed, stopped, frozen):
    for chosen in LANGUAGES:
        scenarios.case(f"{scenario.__name__}_{chosen}", functools.partial(scenario, chosen))

outcomes, test_mesh = scenarios.as_tests()
