"""`noex-cluster run --http`: its paths, its events, where it listens."""

import json
import os
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import DEADLINE, ROOT, Node, Stream, free_ports, wait_for

Start = Callable[..., Node]
JSON = "application/json"
TYPES = {
    "/": "text/html; charset=utf-8",
    "/health": JSON,
    "/ready": JSON,
    "/members": JSON,
    "/status": JSON,
    "/metrics": "application/openmetrics-text; version=1.0.0; charset=utf-8",
    "/events": "text/event-stream",
}


def mesh(start: Start, count: int) -> list[Node]:
    """Nodes that all serve HTTP and all see each other."""
    (port,) = free_ports(1)
    nodes = [start("n1", "--port", str(port))]
    nodes += [start(f"n{i}", "--seed", f"n1@127.0.0.1:{port}") for i in range(2, count + 1)]
    for node in nodes:
        for other in nodes:
            if other is not node:
                node.event("up", node=other.id)
    return nodes


def hung_seed(stack: ExitStack) -> str:
    """A seed whose connection neither comes about nor fails: a start waits for it for two seconds."""
    listener = stack.enter_context(socket.socket())
    listener.bind(("127.0.0.1", 0))
    listener.listen(0)
    for _ in range(3):
        filler = stack.enter_context(socket.socket())
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    return f"hung@127.0.0.1:{listener.getsockname()[1]}"


# ------------------------------------------------------------------------------------------------------------ answers


def test_it_is_off_unless_asked(start: Start) -> None:
    node = start("a", http=None)
    node.event("started")
    assert not [event for event in node.events() if event["event"] == "http"]
    inodes = {
        found.group(1)
        for link in os.scandir(f"/proc/{node.process.pid}/fd")
        if (found := re.fullmatch(r"socket:\[(\d+)\]", os.readlink(link.path)))
    }
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [line for line in lines if line[3] == "0A" and line[9] in inodes]
    assert len(listening) == 1, "the node's own port, and no other"


def test_the_environment_asks_as_well(start: Start) -> None:
    node = start("a", http=None, NOEX_HTTP="127.0.0.1:0")
    assert node.ask("/health").status in (200, 503)


def test_a_port_that_is_named_is_the_one(start: Start) -> None:
    (port,) = free_ports(1)
    assert start("a", http=f"127.0.0.1:{port}").url == f"http://127.0.0.1:{port}/"


def test_each_path_has_its_type_and_headers(start: Start) -> None:
    node = start("a")
    node.event("started")
    for path, kind in TYPES.items():
        head = node.ask(path, "HEAD")
        assert (head.status, head.headers["Content-Type"], head.body) == (200, kind, b""), path
        for answer in [head] if path == "/events" else [head, node.ask(path)]:
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert answer.headers["Cache-Control"] == "no-store"
            assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
            assert "Access-Control-Allow-Origin" not in answer.headers
        if path != "/events":
            answer = node.ask(path + "?a=b%20c")
            assert (answer.status, answer.headers["Content-Type"]) == (200, kind)
            assert answer.body
            assert len(answer.body) == int(answer.headers["Content-Length"])
    for path in ("/nothing", "/members/", "//members", "/%00", "/../members", "/events/1"):
        answer = node.ask(path)
        assert answer.status == 404
        assert "/members" in answer.json()["error"]


def test_the_page_needs_nothing_else(start: Start) -> None:
    node = start("a")
    answer = node.ask("/")
    assert len(answer.body) < 40 * 1024
    assert set(re.findall(r"https?://[^'\" )]+", answer.text)) == {"http://www.w3.org/2000/svg"}, "a namespace"
    assert not re.search(r"@[a-z]+\.(?:css|js)@|@NONCE@|innerHTML|insertAdjacentHTML|document\.write", answer.text)
    (nonce,) = set(re.findall(r"nonce=\"([^\"]*)\"", answer.text))
    assert re.fullmatch("[0-9a-f]{32}", nonce)
    policy = answer.headers["Content-Security-Policy"]
    assert f"script-src 'nonce-{nonce}'" in policy
    assert f"style-src 'nonce-{nonce}'" in policy
    assert "unsafe" not in policy
    assert nonce not in node.ask("/").text, "each answer has its own"


def test_the_documents_are_the_nodes_own(start: Start) -> None:
    nodes = mesh(start, 3)
    ids = sorted(node.id for node in nodes)

    def complete() -> Any:
        members = nodes[1].ask("/members").json()
        lists = [member["sees"] for member in (members["local"], *members["members"])]
        return members if all(seen is not None and len(seen) == 2 for seen in lists) else None

    members = wait_for("what each one sees", complete)
    assert members["local"]["id"] == nodes[1].id
    assert [member["id"] for member in members["members"]] == sorted(set(ids) - {nodes[1].id})
    for member in members["members"]:
        assert member["status"] == "connected"
        assert sorted([*member["sees"], member["id"]]) == ids
        assert member["rtt_us"] > 0
        assert isinstance(member["incarnation"], str)
    status = nodes[1].ask("/status").json()
    assert (status["id"], status["name"], status["status"]) == (nodes[1].id, "n2", "running")
    assert status["nodes"]["connected"] == 2
    assert status["pid"] == nodes[1].process.pid
    metrics = nodes[1].ask("/metrics").text
    assert 'noex_cluster_members{state="connected"} 2\n' in metrics
    assert metrics.endswith("# EOF\n")


def test_health_and_ready(start: Start) -> None:
    with ExitStack() as stack:
        node = start("a", "--seed", hung_seed(stack))
        early = node.ask("/ready")
        assert early.status == 503
        assert early.json()["ready"] is False
        node.event("started")
        other = start("b", "--seed", node.id)
        node.event("up", node=other.id)
        good = {"status": "running", "healthy": True, "nodeId": node.id, "connectedNodes": 1}
        wait_for("the node to be ready", lambda: node.ask("/ready").status == 200)
        ready = node.ask("/ready").json()
        assert ready == {**good, "ready": True}
        documented = re.findall(r"```json\n(.*?)```", (ROOT / "docs" / "http.md").read_text(), re.DOTALL)
        assert [list(json.loads(text)) for text in documented] == [list(ready)], "as docs/http.md shows it"
        health = node.ask("/health")
        assert (health.status, health.json()) == (200, good)

    # Told to stop: it is not ready any more before its peers hear of it. It stops for as long as a peer that takes
    # nothing lets it wait, or at once; then nobody listens.
    stream = Stream(node)
    stream.until("up", node=other.id)
    node.process.terminate()
    stream.until("status", status="stopping")
    try:
        late = node.ask("/ready")
    except OSError:
        late = None
    assert late is None or (late.status, late.json()["ready"]) == (503, False)
    assert node.process.wait(DEADLINE) == 0
    with pytest.raises(OSError, match=r"refused"):
        node.connect()


def test_documents_of_a_node_that_starts(start: Start) -> None:
    """Before there is anything to tell, they say so and do not break."""
    with ExitStack() as stack:
        node = start("a", "--seed", hung_seed(stack))
        seen = set()
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline and not any(event["event"] == "started" for event in node.events()):
            for path in ("/members", "/status", "/metrics"):
                answer = node.ask(path)
                seen.add(answer.status)
                if answer.status == 503:
                    assert answer.json()["error"]
                    assert answer.headers["Retry-After"]
        assert seen <= {200, 503}
        assert node.ask("/members").status == 200


# ------------------------------------------------------------------------------------------------------------- events


def test_events_are_those_of_the_output(start: Start) -> None:
    one, two, three = mesh(start, 3)
    stream = Stream(one)
    assert (stream.status, stream.headers["Content-Type"]) == (200, TYPES["/events"])
    three.kill()
    events = stream.until("down", node=three.id)
    assert events[-1]["reason"] == "connection_closed"
    assert events[-1]["evidence"]
    one.event("down", node=three.id)
    kinds = {"up", "down", "status", "error"}
    assert events == [event for event in one.events() if event["event"] in kinds][: len(events)]
    assert [event["status"] for event in events if event["event"] == "status"] == ["starting", "running"]

    # One whose connection broke gets what it missed, and nothing twice.
    broken = stream.last_id
    stream.close()
    assert two.stop() == 0
    one.event("down", node=two.id)
    resumed = Stream(one, broken)
    missed = resumed.next()
    assert (missed["event"], missed["node"], missed["reason"]) == ("down", two.id, "graceful_shutdown")
    # An id of an earlier process, or of nobody, is answered with all there is.
    for last_id in ("1.2-3", "x" * 500, f"{broken}99999"):
        assert Stream(one, last_id).next() == {"event": "status", "at": events[0]["at"], "status": "starting"}


def test_event_streams_are_bounded(start: Start) -> None:
    node = start("a")
    node.event("started")
    before = node.descriptors()
    streams = [Stream(node) for _ in range(32)]
    assert [stream.status for stream in streams] == [200] * 32
    refused = Stream(node)
    assert refused.status == 503
    assert json.loads(refused.response.read())["error"]
    assert node.ask("/health").status == 200, "the others are for everything else"
    for stream in streams[:-1]:
        stream.close()
    wait_for("room for one more", lambda: Stream(node).status == 200)
    streams[-1].close()
    wait_for("the descriptors", lambda: node.descriptors() <= before)


def test_a_slow_reader_is_cut_and_a_silent_one_kept(start: Start) -> None:
    """A stream without events has a sign of life every 15 s; an answer that nobody takes ends after 10 s."""
    node = start("a")
    node.event("started")
    quiet = Stream(node)
    before = node.descriptors()
    began = time.monotonic()
    slow = []
    for _ in range(8):
        slow.append(socket.socket())
        slow[-1].setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1024)
        slow[-1].connect(node.address)
        slow[-1].sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    wait_for("all of them", lambda: node.descriptors() >= before + len(slow))
    wait_for("the end of all of them", lambda: node.descriptors() <= before)
    assert time.monotonic() - began > 9
    comment = next(line for line in quiet.lines() if line.startswith(":"))
    assert comment == ":"
    assert time.monotonic() - began > 14
    for connection in slow:
        connection.close()


# -------------------------------------------------------------------------------------------------------------- start


def test_a_taken_port_is_said_before_the_node_joins(start: Start) -> None:
    node = start("a")
    node.event("started")
    host, port = node.address
    second = start("b", "--seed", node.id, http=f"{host}:{port}")
    assert second.process.wait(DEADLINE) == 1
    assert f"cannot serve HTTP on {host}:{port}: Address already in use" in second.err.read_text()
    assert second.events() == []
    assert [event["event"] for event in node.events() if event["event"] == "up"] == []


@pytest.mark.parametrize(
    "address",
    ["8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:many", "127.0.0.1:65536", "::1:80", "127.0.0.1:-1"],
)
def test_an_address_that_is_none(start: Start, address: str) -> None:
    node = start("a", http=address)
    assert node.process.wait(DEADLINE) == 2
    assert f"invalid --http '{address}'" in node.err.read_text()
    assert "127.0.0.1:8080" in node.err.read_text(), "it says what would be right"


def test_a_name_that_is_nobodys(start: Start) -> None:
    node = start("a", http="no-such-host.invalid:8080")
    assert node.process.wait(DEADLINE) == 1
    assert "cannot serve HTTP on no-such-host.invalid:8080" in node.err.read_text()
