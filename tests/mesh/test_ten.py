"""Ten nodes started at the same instant, all seeded with the first: a full mesh within a second, and not one down event
in the minute after.
"""

import pytest
from harness import Mesh, NodeProcess, hold

TEN = 10
FULL_WITHIN_S = 1.0
ATTEMPTS = 3  # the machine may be busy with other tests just then: what must hold is that it can be done


def start_ten(mesh: Mesh, languages: list[str]) -> tuple[list[NodeProcess], float]:
    """The ten nodes, and the seconds from the start of the last process to the last `up`."""
    nodes = [mesh.spawn(languages[0], "n0")]
    nodes += [mesh.spawn(languages[index % len(languages)], f"n{index}", [nodes[0]]) for index in range(1, TEN)]
    started = max(node.started_at for node in nodes)
    mesh.wait_full(nodes, 60)
    ups = [event for node in nodes for event in node.since(0, "up")]
    assert len(ups) == TEN * (TEN - 1)  # each saw each other once, and nobody twice
    return nodes, max(event["seen_at"] for event in ups) - started


@pytest.mark.timeout(300)
def test_ten_at_once_fill_the_mesh_within_a_second_and_keep_it_for_a_minute() -> None:
    fastest = float("inf")
    for _ in range(ATTEMPTS):
        with Mesh(interval=1000, threshold=3) as mesh:
            nodes, seconds = start_ten(mesh, ["c", "cli"])
            print(f"ten native nodes: full mesh after {seconds:.3f} s")
            fastest = min(fastest, seconds)
            if fastest < FULL_WITHIN_S:
                hold(60, nodes)
                for node in nodes:
                    assert node.downs() == [], node.name
                    assert len(node.since(0, "up")) == TEN - 1, node.name
                mesh.assert_agreed(nodes)
                return
    pytest.fail(f"the fastest of {ATTEMPTS} attempts took {fastest:.2f} s")


@pytest.mark.timeout(300)
def test_ten_of_all_languages_at_once() -> None:
    with Mesh(interval=1000, threshold=3) as mesh:
        nodes, seconds = start_ten(mesh, ["python", "node", "c", "cli"])
        print(f"ten nodes of four kinds: full mesh {seconds:.3f} s after the last process was started")
        hold(20, nodes)
        for node in nodes:
            # An interpreter on a busy machine takes longer to start than the first tries of the others: they say so.
            downs = [event for event in node.downs() if event["reason"] != "connection_refused"]
            assert downs == [], node.name
        mesh.assert_agreed(nodes)
