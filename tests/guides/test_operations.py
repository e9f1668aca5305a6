"""examples/*: the health check, the shutdown in order, the log of metrics."""

import http.client
import json
import shutil
import socket
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import MakePeer, Run, Start
from support import DEADLINE_S, EXAMPLES, LANGUAGES, Peer, Program, free_ports, get, is_listening, node_project, until

# The same example, held before its node starts until a line comes: what it answers until then can be looked at.
HELD = {
    "python": """
import asyncio, runpy, sys
from noex_cluster import Cluster
start = Cluster.start
async def held(**options):
    print("held", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    await start(**options)
Cluster.start = held
runpy.run_path(sys.argv[1], run_name="__main__")
""",
    "node": """
import { once } from 'node:events';
import { Cluster } from 'noex-cluster';
const start = Cluster.start.bind(Cluster);
Cluster.start = async (config) => {
  console.log('held');
  await once(process.stdin, 'data');
  process.stdin.destroy();
  await start(config);
};
await import(process.argv[2]);
""",
}


def held(language: str, start: Start, folder: Path, **variables: object) -> Program:
    if language == "python":
        file = EXAMPLES / "python" / "health_server.py"
        return start(sys.executable, "-c", HELD["python"], file, cwd=folder, **variables)
    project = node_project(folder)
    (project / "held.mjs").write_text(HELD["node"])
    shutil.copy(EXAMPLES / "node" / "health-server.mjs", project)
    return start("node", project / "held.mjs", "./health-server.mjs", cwd=project, **variables)


@pytest.mark.parametrize("language", LANGUAGES)
def test_health_server(language: str, start: Start, peer: Peer, make_peer: MakePeer, tmp_path: Path) -> None:
    port, health_port = free_ports(2)
    node_id = f"app1@127.0.0.1:{port}"
    variables = {"NODE_NAME": "app1", "CLUSTER_PORT": port, "CLUSTER_SEEDS": peer.id, "HEALTH_PORT": health_port}
    program = held(language, start, tmp_path, **variables)
    program.line(f"health endpoint: http://0.0.0.0:{health_port}/health")
    program.line("held")
    unhealthy = {"status": "stopped", "healthy": False, "nodeId": None, "connectedNodes": 0}
    assert get(health_port, "/health") == (503, unhealthy)

    program.tell("go on")
    program.line(f"running as {node_id}")
    peer.saw_up(node_id)
    healthy = {"status": "running", "healthy": True, "nodeId": node_id, "connectedNodes": 1}
    until(lambda: get(health_port, "/health")[1]["connectedNodes"] == 1, "the peer is counted")
    assert get(health_port, "/health") == (200, healthy)
    assert get(health_port, "/") == (404, None)
    late = make_peer(node_id)
    until(lambda: get(health_port, "/health") == (200, {**healthy, "connectedNodes": 2}), "another one comes")
    peer.stop()
    until(lambda: get(health_port, "/health") == (200, healthy), "the first one leaves")

    assert program.stop() == 0, program.output
    assert late.saw_down(node_id) == "graceful_shutdown"
    assert not is_listening(health_port)


class Job:
    """A piece of work that is not finished before the test wants it to be."""

    def __init__(self, language: str, port: int) -> None:
        self._language = language
        self._socket = socket.create_connection(("127.0.0.1", port), DEADLINE_S)
        if language == "node":
            self._socket.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 6\r\n\r\n")

    def finish(self) -> str:
        self._socket.sendall(b"hello\n")
        if self._language == "python":
            return self._socket.makefile().read()
        response = http.client.HTTPResponse(self._socket, method="POST")
        response.begin()
        assert response.status == 200
        return response.read().decode()

    def close(self) -> None:
        self._socket.close()


@pytest.mark.parametrize("language", LANGUAGES)
def test_shutdown_finishes_what_is_in_flight(language: str, run: Run, peer: Peer) -> None:
    program, node_id, work_port = worker(language, run, peer)
    job = Job(language, work_port)
    program.line("1 in flight")
    program.process.terminate()
    program.line("received SIGTERM, starting graceful shutdown")
    program.line("waiting for 1 in flight")
    assert not is_listening(work_port), "no new work"
    assert peer.node.is_node_connected(node_id), "a member for as long as it works"
    assert peer.downs == []

    assert job.finish() == "HELLO\n"
    assert program.wait() == 0, program.output
    job.close()
    program.line("left the cluster")
    assert "gave up" not in program.output
    assert peer.saw_down(node_id) == "graceful_shutdown"


@pytest.mark.parametrize("language", LANGUAGES)
def test_shutdown_does_not_wait_for_ever(language: str, run: Run, peer: Peer) -> None:
    program, node_id, work_port = worker(language, run, peer, DRAIN_TIMEOUT_S=0.2)
    job = Job(language, work_port)
    program.line("1 in flight")
    assert program.stop() == 0, program.output
    job.close()
    program.line("gave up 1 in flight")
    program.line("left the cluster")
    assert peer.saw_down(node_id) == "graceful_shutdown"


@pytest.mark.parametrize("language", LANGUAGES)
def test_shutdown_without_work(language: str, run: Run, peer: Peer) -> None:
    program, node_id, work_port = worker(language, run, peer)
    job = Job(language, work_port)
    assert job.finish() == "HELLO\n"
    assert program.stop() == 0, program.output
    job.close()
    assert "waiting for" not in program.output
    assert peer.saw_down(node_id) == "graceful_shutdown"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_taken_work_port_leaves_politely(language: str, run: Run, peer: Peer) -> None:
    [port] = free_ports(1)
    variables = {"NODE_NAME": "worker1", "CLUSTER_PORT": port, "CLUSTER_SEEDS": peer.id, "WORK_PORT": peer.port}
    program = run(language, "graceful_shutdown", **variables)
    assert program.wait() == 1, program.output
    assert peer.saw_down(f"worker1@127.0.0.1:{port}") == "graceful_shutdown"


def worker(language: str, run: Run, peer: Peer, **more: object) -> tuple[Program, str, int]:
    port, work_port = free_ports(2)
    variables = {"NODE_NAME": "worker1", "CLUSTER_PORT": port, "CLUSTER_SEEDS": peer.id, "WORK_PORT": work_port}
    program = run(language, "graceful_shutdown", **{**variables, **more})
    node_id = f"worker1@127.0.0.1:{port}"
    program.line(f"running as {node_id}")
    assert peer.saw_up("worker1@") == node_id
    return program, node_id, work_port


@pytest.mark.parametrize("language", LANGUAGES)
def test_metrics_log(language: str, run: Run, peer: Peer) -> None:
    [port] = free_ports(1)
    node_id = f"app1@127.0.0.1:{port}"
    peer.node.set_process_count(7)
    variables = {"NODE_NAME": "app1", "CLUSTER_PORT": port, "CLUSTER_SEEDS": peer.id, "METRICS_INTERVAL_S": 0.1}
    program = run(language, "metrics_log", **variables)
    assert peer.saw_up("app1@") == node_id

    def logged() -> list[dict[str, Any]]:
        return [json.loads(line) for line in program.lines() if line.startswith("{") and line.endswith("}")]

    def complete() -> dict[str, Any] | None:
        return next((one for one in logged() if [node["processCount"] for node in one["nodes"]] == [7]), None)

    found = until(complete, lambda: f"the peer in\n{program.output}")
    assert found is not None
    assert list(found) == ["timestamp", "status", "connectedNodes", "nodes"]
    assert (found["status"], found["connectedNodes"]) == ("running", 1)
    [node] = found["nodes"]
    assert list(node) == ["id", "status", "processCount", "uptimeMs"]
    assert (node["id"], node["status"]) == (peer.id, "connected")
    assert node["uptimeMs"] >= 0
    until(lambda: peer.info(node_id).process_count == 1, "what the example counts is seen by others")

    before = len(logged())
    until(lambda: len(logged()) >= before + 3, "a line for each interval")
    times = [datetime.fromisoformat(one["timestamp"]) for one in logged()]
    assert times == sorted(times)
    assert all(one["timestamp"].endswith("Z") for one in logged())
    assert program.stop() == 0, program.output
    assert peer.saw_down(node_id) == "graceful_shutdown"
    assert all(one["status"] == "running" for one in logged())
