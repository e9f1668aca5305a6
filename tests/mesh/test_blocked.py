"""The reason to be native: an application that blocks its event loop, or holds the GIL, for 20 s is alive to its peers
at one heartbeat a second, and blames nobody when it wakes.
"""

import time

import pytest
from harness import LANGUAGES, Mesh, NodeProcess, hold

BLOCKED_S = 20


@pytest.mark.timeout(180)
def test_a_blocked_application_is_never_reported_and_reports_nobody() -> None:
    with Mesh(interval=1000, threshold=3) as mesh:
        seed = mesh.start("cli", "seed")
        nodes = [seed, *(mesh.start(language, language, [seed]) for language in LANGUAGES[1:])]
        mesh.wait_full(nodes)
        marks = {node.name: node.mark() for node in nodes}
        blocked: list[NodeProcess] = [node for node in nodes if node.language in ("python", "node")]
        began = time.monotonic()
        for node in blocked:
            node.tell(f"block {BLOCKED_S}")
            node.tell("view")
        hold(BLOCKED_S / 2, nodes)
        for node in blocked:  # it truly is blocked: what was asked after it began has no answer yet
            assert node.since(marks[node.name], "view") == []
        for node in blocked:
            node.wait("unblocked", BLOCKED_S + 30, mark=marks[node.name])
            node.wait("view", 30, mark=marks[node.name])
        assert time.monotonic() - began >= BLOCKED_S - 0.5
        hold(2, nodes)
        for node in nodes:
            assert node.downs(marks[node.name]) == [], node.name
            assert node.since(marks[node.name], "up") == [], node.name
        mesh.assert_agreed(nodes)
