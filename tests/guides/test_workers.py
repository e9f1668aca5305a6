"""examples/*: worker processes as members. Each has a node of its own, begun after the fork; one that is killed is seen
as down and its replacement as up; all leave politely with whoever started them.
"""

import os
import re
import signal
import sys
from pathlib import Path

import pytest
from conftest import Run, Start
from support import EXAMPLES, SECRET, Peer, Program, free_ports, get, until

PYTHON = EXAMPLES / "python"


def module(name: str, *arguments: object) -> tuple[object, ...]:
    return (sys.executable, "-m", name, *arguments)


def commands(web_port: int) -> dict[str, tuple[object, ...]]:
    """Who starts workers: as the examples say, with two of them."""
    bind = ("--bind", f"127.0.0.1:{web_port}")
    uvicorn_worker = ("--worker-class", "uvicorn_worker.UvicornWorker")
    return {
        "gunicorn": module("gunicorn", "--config", "gunicorn_conf.py", *bind, "gunicorn_app:app"),
        "gunicorn-uvicorn": module("gunicorn", "fastapi_app:app", "--workers", 2, *uvicorn_worker, *bind),
        "gunicorn-uvicorn-preload": module(
            *("gunicorn", "fastapi_app:app", "--workers", 2, *uvicorn_worker, *bind, "--preload")
        ),
        "uvicorn": module("uvicorn", "fastapi_app:app", "--port", web_port, "--workers", 2),
    }


def pid_of(node_id: str) -> int:
    return int(node_id.split("@")[0].split("-")[1])


def children(program: Program) -> set[int]:
    return {int(pid) for pid in Path(f"/proc/{program.pid}/task/{program.pid}/children").read_text().split()}


def two_workers(peer: Peer) -> list[str]:
    first = peer.saw_up("web-")
    return [first, peer.saw_up("web-", but=[first])]


@pytest.mark.parametrize("server", commands(0))
def test_workers_are_members(server: str, start: Start, peer: Peer) -> None:
    [web_port] = free_ports(1)
    program = start(*commands(web_port)[server], cwd=PYTHON, CLUSTER_SEEDS=peer.id)
    workers = two_workers(peer)
    assert {pid_of(node_id) for node_id in workers} <= children(program), "a node is the worker's own"
    # Whoever answers is one of them, and sees the other and the peer.
    answers = until(lambda: [answer for answer in [get(web_port, "/health")[1]] if answer["connectedNodes"] == 2])
    assert answers[0]["nodeId"] in workers
    assert {node["id"] for node in get(web_port, "/nodes")[1]} < {*workers, peer.id}

    os.kill(pid_of(workers[0]), signal.SIGKILL)
    assert peer.saw_down(workers[0]) == "connection_closed"
    replacement = peer.saw_up("web-", but=workers)
    assert pid_of(replacement) in children(program)
    assert peer.node.is_node_connected(workers[1])

    assert program.stop() in (0, -signal.SIGTERM), program.output
    for node_id in (workers[1], replacement):
        assert peer.saw_down(node_id) == "graceful_shutdown"
    assert len(peer.ups) == 3
    assert len(peer.downs) == 3


def test_a_reload_of_gunicorn_replaces_them_politely(start: Start, peer: Peer) -> None:
    [web_port] = free_ports(1)
    program = start(*commands(web_port)["gunicorn"], cwd=PYTHON, NODE_NAME="web", CLUSTER_SEEDS=peer.id)
    workers = two_workers(peer)
    program.process.send_signal(signal.SIGHUP)
    for node_id in workers:
        assert peer.saw_down(node_id) == "graceful_shutdown"
    third = peer.saw_up("web-", but=workers)
    fourth = peer.saw_up("web-", but=[*workers, third])
    assert get(web_port, "/health")[1]["nodeId"] in (third, fourth)
    assert program.stop() == 0, program.output
    for node_id in (third, fourth):
        assert peer.saw_down(node_id) == "graceful_shutdown"


def test_gunicorn_ends_if_its_workers_cannot_join(start: Start) -> None:
    [web_port] = free_ports(1)
    program = start(*commands(web_port)["gunicorn"], cwd=PYTHON, CLUSTER_SECRET="")
    assert program.wait() > 0, program.output  # and by no signal
    program.line("InvalidClusterConfigError")
    program.line("exited with code 3")


IN_THE_MASTER = """
from noex_cluster.sync import Cluster

workers = 1
preload_app = True


def when_ready(server):
    Cluster.start(node_name="master", host="127.0.0.1", port="auto", seeds=[{seed!r}], cluster_secret={secret!r})


def post_fork(server, worker):
    try:
        Cluster.get_nodes()
    except Exception as error:
        worker.log.info("in the worker: %s: %s", type(error).__name__, error)
    else:
        worker.log.info("in the worker: no error")


def on_exit(server):
    Cluster.stop()
"""


def test_a_node_of_the_master_is_none_of_its_workers(start: Start, peer: Peer, tmp_path: Path) -> None:
    """What gunicorn_conf.py warns of. A worker that is forked while the master's node runs is told so at each call; and
    whatever becomes of it, that node goes on."""
    [web_port] = free_ports(1)
    configuration = tmp_path / "wrong_conf.py"
    configuration.write_text(IN_THE_MASTER.format(seed=peer.id, secret=SECRET))
    bind = ("--bind", f"127.0.0.1:{web_port}")
    program = start(*module("gunicorn", "--config", configuration, *bind, "gunicorn_app:app"), cwd=PYTHON)
    master = peer.saw_up("master@")
    told = r"\[(\d+)\] \[INFO\] in the worker: ClusterError: .*belongs to the parent process"
    [first] = until(lambda: re.findall(told, program.output), lambda: program.output)
    os.kill(int(first), signal.SIGKILL)
    [_, second] = until(lambda: re.findall(f"(?s){told}.*{told}", program.output), lambda: program.output)[0]
    assert int(second) in children(program)
    assert get(web_port, "/health")[0] == 500
    program.line("Error handling request")

    assert peer.downs == []
    assert peer.node.is_node_connected(master)
    assert program.stop() == 0, program.output
    assert peer.saw_down(master) == "graceful_shutdown"


def test_workers_of_node_cluster(run: Run, peer: Peer) -> None:
    port, web_port = free_ports(2)
    variables = {"NODE_NAME": "web", "CLUSTER_PORT": port, "PORT": web_port, "WORKERS": 2, "CLUSTER_SEEDS": peer.id}
    program = run("node", "cluster_workers", **variables)
    primary = peer.saw_up("web@")
    assert primary == f"web@127.0.0.1:{port}"
    workers = two_workers(peer)
    assert {pid_of(node_id) for node_id in workers} == children(program)
    for node_id in workers:
        program.line(f"up {node_id}")
    answer = until(lambda: next(iter([one for one in [get(web_port, "/")[1]] if len(one["nodes"]) == 3]), None))
    assert answer is not None
    assert answer["nodeId"] in workers
    assert answer["pid"] == pid_of(answer["nodeId"])
    assert {answer["nodeId"], *answer["nodes"]} == {primary, peer.id, *workers}

    os.kill(pid_of(workers[0]), signal.SIGKILL)
    assert peer.saw_down(workers[0]) == "connection_closed"
    program.line(f"worker {pid_of(workers[0])} ended (SIGKILL)")
    program.line(f"down {workers[0]} (connection_closed)")
    replacement = peer.saw_up("web-", but=workers)
    assert pid_of(replacement) in children(program)

    assert program.stop() == 0, program.output
    for node_id in (workers[1], replacement, primary):
        assert peer.saw_down(node_id) == "graceful_shutdown"
    downs = [node_id for node_id, _ in peer.downs]
    assert downs[-1] == primary, "the seed of the others leaves last"
    assert len(peer.ups) == 4


def test_node_cluster_outlives_its_primary_by_nothing(run: Run, peer: Peer) -> None:
    """The primary is killed: its workers end, too."""
    port, web_port = free_ports(2)
    variables = {"NODE_NAME": "web", "CLUSTER_PORT": port, "PORT": web_port, "WORKERS": 2, "CLUSTER_SEEDS": peer.id}
    program = run("node", "cluster_workers", **variables)
    primary, workers = peer.saw_up("web@"), two_workers(peer)
    for node_id in workers:
        program.line(f"worker {pid_of(node_id)} running as {node_id}")
    program.kill()
    for node_id in (primary, *workers):
        assert peer.saw_down(node_id) == "connection_closed"
