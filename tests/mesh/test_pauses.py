"""Several nodes stand still at once (SIGSTOP), beyond the timeout: half of a mesh, and one that only looks on. Who is
awake reports each sleeper once; who wakes reports nobody, and the mesh is whole within an interval of the last waking.
"""

import time

from harness import LANGUAGES, Mesh, NodeProcess, SideBySide, hold

INTERVAL_S = 1.0
# What a busy machine may add to an interval: the processes that wake all want the same two cores.
SCHEDULING_S = 2.0

scenarios = SideBySide(secret="a pause is nobody's fault", at_once=3)


def eight(mesh: Mesh) -> list[NodeProcess]:
    seed = mesh.start("cli", "seed")
    nodes = [seed]
    for index in range(7):
        nodes.append(mesh.spawn(LANGUAGES[index % len(LANGUAGES)], f"n{index}", [seed]))
    for node in nodes:
        node.wait_running(30)
    mesh.wait_full(nodes)
    return nodes


def marks_of(nodes: list[NodeProcess]) -> dict[str, int]:
    return {node.name: node.mark() for node in nodes}


def sleep_and_wake(mesh: Mesh, nodes: list[NodeProcess], sleepers: list[NodeProcess], beyond_s: float) -> None:
    """`sleepers` stand still until everybody else has reported each of them, and `beyond_s` longer."""
    awake = [node for node in nodes if node not in sleepers]
    marks = marks_of(nodes)
    for sleeper in sleepers:
        sleeper.freeze()
    for node in awake:
        for sleeper in sleepers:
            node.wait(
                "down",
                30,
                mark=marks[node.name],
                node=sleeper.id,
                reason="heartbeat_timeout",
            )
    hold(beyond_s, nodes)
    for sleeper in sleepers:
        sleeper.thaw()
    thawed = time.monotonic()
    for node in awake:
        for sleeper in sleepers:
            event = node.wait("up", 30, mark=marks[node.name], node=sleeper.id)
            took = event["seen_at"] - thawed
            assert took < INTERVAL_S + SCHEDULING_S, f"{node.name} saw {sleeper.name} {took:.2f} s after it woke"
    hold(2 * 3 * INTERVAL_S, nodes)  # a second opinion would come with the next timeout
    mesh.assert_agreed(nodes)
    for sleeper in sleepers:
        assert sleeper.since(marks[sleeper.name], "down") == [], f"{sleeper.name} reports somebody"
        assert sleeper.since(marks[sleeper.name], "error") == [], sleeper.name
    for node in awake:
        for other in nodes:
            if other is node:
                continue
            said = [event["event"] for event in node.since(marks[node.name], None, other.id)]
            assert said == (["down", "up"] if other in sleepers else []), f"{node.name} about {other.name}"


@scenarios
def half_of_the_mesh_stands_still(mesh: Mesh) -> None:
    nodes = eight(mesh)
    sleep_and_wake(mesh, nodes, nodes[1::2], beyond_s=2)


@scenarios
def all_but_one_stand_still(mesh: Mesh) -> None:
    nodes = eight(mesh)
    sleep_and_wake(mesh, nodes, nodes[1:], beyond_s=0.5)


@scenarios
def one_that_looks_on_sleeps_through_a_death(mesh: Mesh) -> None:
    """What happened meanwhile it reports by itself, once, and nothing else."""
    nodes = eight(mesh)
    observer, victim = nodes[2], nodes[5]
    others = [node for node in nodes if node not in (observer, victim)]
    marks = marks_of(nodes)
    observer.freeze()
    for node in others:
        node.wait(
            "down",
            30,
            mark=marks[node.name],
            node=observer.id,
            reason="heartbeat_timeout",
        )
    victim.kill()
    for node in others:
        node.wait(
            "down",
            30,
            mark=marks[node.name],
            node=victim.id,
            reason="connection_closed",
        )
    observer.thaw()
    for node in others:
        node.wait("up", 30, mark=marks[node.name], node=observer.id)
    observer.wait(
        "down",
        30,
        mark=marks[observer.name],
        node=victim.id,
        reason="connection_closed",
    )
    hold(2 * 3 * INTERVAL_S, [*others, observer])
    mesh.assert_agreed([*others, observer])
    assert [event["node"] for event in observer.downs(marks[observer.name])] == [victim.id]
    for node in others:
        assert [event["event"] for event in node.since(marks[node.name], None, observer.id)] == ["down", "up"]
        assert [event["event"] for event in node.since(marks[node.name], None, victim.id)] == ["down"]


outcomes, test_pause = scenarios.as_tests()
