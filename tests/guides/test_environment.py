"""examples/*/environment: configured by variables alone, in any mixture of languages; what cannot work is said."""

import signal

import pytest
from conftest import MakePeer, Run
from support import LANGUAGES, Peer, free_ports, is_listening


@pytest.mark.parametrize(("first", "second"), [("python", "node"), ("node", "python")])
def test_two_programs_are_a_cluster(first: str, second: str, run: Run, make_peer: MakePeer) -> None:
    ports = free_ports(2)
    ids = [f"seed1@127.0.0.1:{ports[0]}", f"worker1@127.0.0.1:{ports[1]}"]
    seed = run(first, "environment", NODE_NAME="seed1", CLUSTER_PORT=ports[0], CLUSTER_BIND_IP="127.0.0.1")
    seed.line(f"running as {ids[0]}")
    # Every address of the name is tried: `localhost` needs no DNS.
    seeds = f"localhost:{ports[0]},"
    worker = run(second, "environment", NODE_NAME="worker1", CLUSTER_PORT=ports[1], CLUSTER_SEEDS=seeds)
    worker.line(f"running as {ids[1]}")
    worker.line(f"up {ids[0]}")
    seed.line(f"up {ids[1]}")
    peer = make_peer(f"localhost:{ports[1]}")
    for node_id in ids:
        peer.saw_up(node_id)
    assert not is_listening(ports[0], "127.0.0.2"), "CLUSTER_BIND_IP is one address"
    assert is_listening(ports[1], "127.0.0.2"), "all addresses are the default"

    assert "empty entry" not in worker.output, "the last comma is nothing to warn of"
    assert worker.stop() == 0, worker.output
    seed.line(f"down {ids[1]} (graceful_shutdown)")
    assert peer.saw_down(ids[1]) == "graceful_shutdown"
    assert seed.stop(signal.SIGINT) == 0, seed.output
    assert peer.saw_down(ids[0]) == "graceful_shutdown"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_program_without_a_name(language: str, run: Run, peer: Peer) -> None:
    [port] = free_ports(1)
    program = run(language, "environment", CLUSTER_PORT=port, CLUSTER_SEEDS=f"nobody@127.0.0.1:9,{peer.id}")
    node_id = f"worker-{program.pid}@127.0.0.1:{port}"
    program.line(f"running as {node_id}")
    assert peer.saw_up("worker-") == node_id
    program.line("down nobody@127.0.0.1:9 (connection_refused)")
    assert program.stop() == 0, program.output
    assert peer.saw_down(node_id) == "graceful_shutdown"


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_secret_is_no_member(language: str, run: Run, peer: Peer) -> None:
    [port] = free_ports(1)
    program = run(language, "environment", CLUSTER_PORT=port, CLUSTER_SEEDS=peer.id, CLUSTER_SECRET="another")
    program.line("running as")
    member = run(language, "environment", NODE_NAME="member", CLUSTER_PORT=free_ports(1)[0], CLUSTER_SEEDS=peer.id)
    member.line(f"up {peer.id}")
    peer.saw_up("member@")
    assert program.stop() == 0, program.output
    assert len(peer.ups) == 1


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("variables", "complaint"),
    [
        ({"NODE_NAME": "1st"}, "'1st'"),
        ({"CLUSTER_PORT": "http"}, ""),
        ({"CLUSTER_SEEDS": "192.168.1.10:4369"}, "'192.168.1.10:4369'"),
        ({"CLUSTER_SECRET": ""}, "ecret"),
    ],
    ids=["name", "port", "seed", "empty-secret"],
)
def test_a_wrong_variable(language: str, variables: dict[str, str], complaint: str, run: Run) -> None:
    program = run(language, "environment", **{"CLUSTER_PORT": free_ports(1)[0], **variables})
    assert program.wait() == 1, program.output
    [said] = [line for line in program.lines() if "cannot start: " in line]
    assert complaint in said
    assert "running as" not in program.output


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_taken_port(language: str, run: Run, peer: Peer) -> None:
    program = run(language, "environment", CLUSTER_PORT=peer.port)
    assert program.wait() == 1, program.output
    assert str(peer.port) in program.line("cannot start: ")
