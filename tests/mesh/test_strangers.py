"""Those who do not belong: strangers without the secret, a second process under a taken id, and bytes of other
protocols. They are turned away, it is said why, and the mesh does not notice.
"""

import socket
from collections.abc import Iterator

import pytest
from harness import LANGUAGES, Mesh, NodeProcess, hold
from stray_bytes import STRAYS, closed_by_peer

SECRET = "mesh test secret"


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(secret=SECRET, interval=500, threshold=4) as mesh:
        yield mesh


def pair(mesh: Mesh) -> tuple[NodeProcess, NodeProcess]:
    seed = mesh.start("cli", "seed")
    member = mesh.start("python", "member", [seed])
    mesh.wait_full([seed, member])
    return seed, member


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("secret", ["guessed", None], ids=["wrong secret", "no secret"])
def test_without_the_secret_nobody_becomes_a_member(mesh: Mesh, language: str, secret: str | None) -> None:
    seed, member = pair(mesh)
    stranger = mesh.start(language, "stranger", [seed, member], secret=secret)
    refused = seed.wait("error", kind="authentication")
    assert "signature" in refused["message"] or "secret" in refused["message"]
    assert "secret" in stranger.wait("error", kind="authentication")["message"]
    hold(4, [seed, member, stranger])
    assert stranger.since(0, "up") == []
    assert stranger.connected() == set()
    for node in (seed, member):
        assert [event for event in node.since(0, None, stranger.id) if event["event"] != "error"] == []
        assert node.downs() == []
    mesh.assert_agreed([seed, member])


def test_a_member_with_a_secret_is_not_led_astray_by_a_seed_without(mesh: Mesh) -> None:
    seed = mesh.start("cli", "seed", secret=None)
    node = mesh.start("python", "node", [seed], secret=SECRET)
    assert "secret" in node.wait("error", kind="authentication")["message"]
    hold(3, [seed, node])
    for one in (seed, node):
        assert one.since(0, "up") == []
        assert one.connected() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_second_process_under_a_taken_id_is_refused_aloud(mesh: Mesh, language: str) -> None:
    seed, member = pair(mesh)
    original = mesh.start(language, "twin", [seed])
    mesh.wait_full([seed, member, original])
    # The same id on another loopback address: both advertise 127.0.0.1, which the environment says.
    double = mesh.start(language, "twin", [seed], port=original.port, host="127.0.0.2")
    said = seed.wait("error", kind="duplicate_id")
    assert original.id in said["message"]
    told = double.wait("error", kind="duplicate_id")
    assert original.id in told["message"]
    hold(4, [seed, member, original, double])
    assert double.connected() == set()
    for node in (seed, member, original):
        assert node.downs() == [], node.name
    mesh.assert_agreed([seed, member, original])


@pytest.mark.timeout(180)
def test_strays_are_cut_and_the_mesh_does_not_notice(mesh: Mesh) -> None:
    seed = mesh.start("cli", "seed")
    nodes = [seed, *(mesh.start(language, language, [seed]) for language in LANGUAGES[1:])]
    mesh.wait_full(nodes)
    marks = {node.name: node.mark() for node in nodes}
    for node in nodes:
        for what, data in STRAYS.items():
            with socket.create_connection(("127.0.0.1", node.port), 10) as stray:
                stray.sendall(data)
                assert closed_by_peer(stray, 10), f"{node.name} keeps {what}"
    silent = [socket.create_connection(("127.0.0.1", node.port), 10) for node in nodes]
    hold(5, nodes)
    for node in nodes:
        assert node.since(marks[node.name], "down") == [], node.name
        assert node.since(marks[node.name], "up") == [], node.name
    mesh.assert_agreed(nodes)
    for sock in silent:  # who says nothing is let go after the time for identification
        assert closed_by_peer(sock, 30)
        sock.close()
    mesh.assert_agreed(nodes)
