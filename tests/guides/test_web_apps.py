"""examples/*: applications of FastAPI and Express that are members."""

import contextlib
import http.client
import socket
import sys
from collections.abc import Callable

import pytest
from conftest import Run, Start
from support import DEADLINE_S, EXAMPLES, Peer, Program, free_ports, get, until

APPS = ("fastapi", "express")
StartApp = Callable[..., Program]


@pytest.fixture
def start_app(run: Run, start: Start) -> StartApp:
    """Starts an application at a web port."""

    def begin(app: str, web_port: int, **variables: object) -> Program:
        if app == "express":
            return run("node", "express_app", PORT=web_port, **variables)
        command = (sys.executable, "-m", "uvicorn", "fastapi_app:app", "--port", web_port)
        return start(*command, cwd=EXAMPLES / "python", **variables)

    return begin


@pytest.mark.parametrize("app", APPS)
def test_an_application_is_a_member(app: str, start_app: StartApp, peer: Peer) -> None:
    port, web_port = free_ports(2)
    program = start_app(app, web_port, NODE_NAME="web1", CLUSTER_PORT=port, CLUSTER_SEEDS=peer.id)
    node_id = peer.saw_up("web1")
    assert node_id.endswith(f"@127.0.0.1:{port}")
    healthy = {"status": "running", "healthy": True, "nodeId": node_id, "connectedNodes": 1}
    until(lambda: get(web_port, "/health") == (200, healthy), lambda: str(get(web_port, "/health")))
    status, [node] = get(web_port, "/nodes")
    assert status == 200
    assert list(node) == ["id", "status", "uptimeMs"]
    assert (node["id"], node["status"]) == (peer.id, "connected")
    assert get(web_port, "/nothing")[0] == 404

    peer.stop()
    until(lambda: get(web_port, "/health")[1]["connectedNodes"] == 0, "the peer is gone")
    assert get(web_port, "/nodes")[1][0]["status"] == "disconnected"
    assert program.process.poll() is None


@pytest.mark.parametrize("app", APPS)
def test_an_application_leaves_politely(app: str, start_app: StartApp, peer: Peer) -> None:
    port, web_port = free_ports(2)
    program = start_app(app, web_port, NODE_NAME="web1", CLUSTER_PORT=port, CLUSTER_SEEDS=peer.id)
    node_id = peer.saw_up("web1")
    assert get(web_port, "/health")[0] == 200
    # uvicorn ends by the very signal, once all is done.
    assert program.stop() == (0 if app == "express" else -15), program.output
    assert peer.saw_down(node_id) == "graceful_shutdown"


def test_express_does_not_wait_for_ever(start_app: StartApp, peer: Peer) -> None:
    """A connection that is kept open for later holds nothing up, and one that never says what it wants is cut off."""
    port, web_port = free_ports(2)
    program = start_app("express", web_port, NODE_NAME="web1", CLUSTER_PORT=port, CLUSTER_SEEDS=peer.id)
    node_id = peer.saw_up("web1")
    program.line("running as")
    kept = http.client.HTTPConnection("127.0.0.1", web_port, timeout=DEADLINE_S)
    silent = socket.create_connection(("127.0.0.1", web_port), DEADLINE_S)
    with contextlib.closing(kept), silent:
        silent.sendall(b"GET /health HTTP/1.1\r\n")
        kept.request("GET", "/health")
        assert kept.getresponse().read()
        assert program.stop() == 0, program.output
    assert peer.saw_down(node_id) == "graceful_shutdown"


@pytest.mark.parametrize("app", APPS)
def test_a_taken_web_port_leaves_politely(app: str, start_app: StartApp, peer: Peer) -> None:
    [port] = free_ports(1)
    program = start_app(app, peer.port, NODE_NAME="web1", CLUSTER_PORT=port, CLUSTER_SEEDS=peer.id)
    assert program.wait() > 0, program.output  # and by no signal
    assert peer.saw_down(peer.saw_up("web1")) == "graceful_shutdown"


@pytest.mark.parametrize("app", APPS)
def test_a_taken_cluster_port_ends_it(app: str, start_app: StartApp, peer: Peer) -> None:
    [web_port] = free_ports(1)
    program = start_app(app, web_port, CLUSTER_PORT=peer.port)
    assert program.wait() > 0, program.output
    assert f"cannot listen on 0.0.0.0:{peer.port}" in program.output
