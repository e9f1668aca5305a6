"""`noex-cluster run --http`: its paths, what it refuses, and that no client can hurt the node."""

import json
import os
import random
import re
import socket
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from support import DEADLINE, ROOT, Node, Stream, free_ports, read_all, wait_for

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


# ----------------------------------------------------------------------------------------------------- refused clients


@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"\r\n\r\n", 400),
        (b"hello\r\n\r\n", 400),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),  # TLS
        (b"GET /\r\n\r\n", 400),
        (b"GET / HTTP/9.9\r\nHost: localhost\r\n\r\n", 400),
        (b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        (b"GET /%zz HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"GET " + b"/a" * 4500 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"y" * 20000 + b"\r\n\r\n", 431),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=" + b",".join([b"0-"] * 2000) + b"\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nRange: bytes=" + b"9" * 7000 + b"-\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 99999999999999999999999\r\n\r\n", 200),
        (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 2000 + b"\r\n", 200),
        (b"GET /health HTTP/1.0\r\n\r\n", 200),
        (b"GET http://localhost/health HTTP/1.1\r\nHost: localhost\r\n\r\n", 404),
        (b"DELETE / HTTP/1.1\r\nHost: localhost\r\n\r\n", 405),
        (b"OPTIONS * HTTP/1.1\r\nHost: localhost\r\nOrigin: http://evil.example\r\n\r\n", 405),
        (b"POST /members HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc", 405),
        (b"GET /health HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n", 200),
    ],
)
def test_what_is_no_good_request(start: Start, request_: bytes, status: int) -> None:
    node = start("a")
    node.event("started")
    answer = node.raw(request_)
    assert answer.startswith(b"HTTP/1.1 %d " % status), answer[:200]
    assert b"\r\nConnection: close\r\n" in answer
    assert b"\r\nX-Content-Type-Options: nosniff\r\n" in answer
    assert len(answer) < 48 * 1024
    assert node.ask("/health").status == 200


def test_who_asks_for_another_host_is_refused(start: Start) -> None:
    """A page of the user's browser whose name leads to 127.0.0.1 is of another origin, and stays there."""
    node = start("a")
    node.event("started")
    _, port = node.address
    for host in (
        "localhost",
        f"LOCALHOST:{port}",
        "127.0.0.1",
        f"127.1.2.3:{port}",
        "[::1]",
        f"[::1]:{port}",
        "a.localhost",
    ):
        assert node.ask("/members", Host=host).status == 200, host
    for host in (
        "evil.example",
        f"evil.example:{port}",
        "127.0.0.1.evil.example",
        "localhost.evil.example",
        "10.0.0.1",
    ):
        answer = node.ask("/members", Host=host)
        assert answer.status == 403, host
        assert host in answer.json()["error"]
    for host in ("", "[", "localhost:x", "::1", "[::1", "127.1"):
        assert node.ask("/", Host=host).status in (400, 403), host


def test_beyond_this_machine_it_warns(start: Start) -> None:
    node = start("a", http="0.0.0.0:auto")
    warning = node.event("log", level="warning")
    assert "there is no login" in warning["message"]
    _, port = node.address
    assert Node.ask(node, "/health", Host=f"node1.example:{port}").status in (200, 503)
    local = start("b")
    local.event("started")
    assert not [event for event in local.events() if event["event"] == "log"]


def test_ipv6(start: Start) -> None:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no ::1")
    node = start("a", http="[::1]:auto")
    assert re.fullmatch(r"http://\[::1\]:\d+/", node.url)
    assert node.ask("/health").status in (200, 503)
    assert node.ask("/health", Host="evil.example").status == 403
    # All of IPv6 is all of IPv4, too, as Kubernetes' pods want it.
    both = start("b", http="[::]:auto")
    _, port = both.address
    for host in ("127.0.0.1", "::1"):
        with socket.create_connection((host, port), timeout=DEADLINE) as connection:
            connection.sendall(b"GET /health HTTP/1.0\r\n\r\n")
            assert read_all(connection).startswith(b"HTTP/1.1 ")


# ----------------------------------------------------------------------------------------------------- hostile clients


def test_silent_clients_keep_nobody_out(start: Start) -> None:
    """Many more connections than are served at once, each with half a request; then none is left of them."""
    node = start("a")
    other = start("b", "--seed", node.id)
    node.event("up", node=other.id)
    before = node.descriptors()
    silent = [node.connect() for _ in range(300)]
    for connection in silent:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: loc")
    began = time.monotonic()
    assert node.ask("/health").status == 200
    assert time.monotonic() - began < 4.5, "before any of them has had its time"
    assert node.descriptors() <= before + 130
    wait_for("the end of all of them", lambda: node.descriptors() <= before, 15)
    for connection in silent:
        connection.close()
    assert [event["event"] for event in node.events()].count("down") == 0


def test_a_request_a_byte_at_a_time_has_five_seconds(start: Start) -> None:
    node = start("a")
    with node.connect() as connection:
        began = time.monotonic()
        with pytest.raises(OSError, match=r"reset|pipe"):  # noqa: PT012  # a loop is what it is about
            while time.monotonic() < began + DEADLINE:
                connection.sendall(b"G")
                time.sleep(0.2)
        assert time.monotonic() - began > 4


def test_a_request_in_pieces_is_one(start: Start) -> None:
    node = start("a")
    with node.connect() as connection:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in b"GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n":
            connection.sendall(bytes([byte]))
        connection.shutdown(socket.SHUT_WR)  # has said all it wants: still gets its answer
        assert read_all(connection).startswith(b"HTTP/1.1 404 ")


def test_mangled_requests(start: Start) -> None:
    """Good requests with bytes changed, doubled and cut: each has an answer of HTTP's or none, and the node lives."""
    node = start("a")
    node.event("started")
    chance = random.Random(6)
    seeds = [
        b"GET /members?a=1&b=%41#c HTTP/1.1\r\nHost: localhost\r\nAccept: */*\r\nConnection: keep-alive\r\n\r\n",
        b"HEAD / HTTP/1.0\r\nHost: 127.0.0.1:80\r\nRange: bytes=0-1,2-\r\nExpect: 100-continue\r\n\r\n",
        b"POST /events HTTP/1.1\r\nHost: [::1]\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        b"GET /health HTTP/1.1\r\nHost: localhost\r\nLast-Event-ID: 1-2\r\nContent-Type: multipart/form-data\r\n\r\n",
    ]
    words = [
        b"\r\n",
        b" ",
        b":",
        b"%",
        b"%u12",
        b"=",
        b"\x00",
        b"\xff",
        b"\t",
        b"A" * 3000,
        b"-1",
        b"bytes=",
        b"?",
        b";",
        b"\n",
    ]
    for _ in range(2000):
        request = bytearray(chance.choice(seeds))
        for _ in range(chance.randint(1, 5)):
            at = chance.randrange(len(request))
            match chance.randrange(4):
                case 0:
                    request[at] = chance.randrange(256)
                case 1:
                    request[at:at] = chance.choice(words)
                case 2:
                    del request[at : at + chance.randint(1, 20)]
                case _:
                    request[at:at] = request[at : at + chance.randint(1, 60)]
            request = request or bytearray(b"G")
        with node.connect() as connection:
            connection.sendall(request)
            connection.shutdown(socket.SHUT_WR)
            answer = read_all(connection)
        assert answer == b"" or answer.startswith(b"HTTP/1.1 "), bytes(request)
    assert node.ask("/health").status == 200


def test_a_flood_of_questions_is_none_for_the_node(start: Start) -> None:
    """A document is made at most ten times a second; who asks more often gets the same again."""
    node = start("a")
    node.event("started")
    began = time.monotonic()
    answers = [node.ask("/members").json()["at"] for _ in range(200)]
    wait_for("a new one", lambda: node.ask("/members").json()["at"] > answers[0])
    assert len(set(answers)) <= (time.monotonic() - began) / 0.1 + 1
    assert answers == sorted(answers)


def test_an_endless_body_is_not_read(start: Start) -> None:
    node = start("a")
    node.event("started")
    before = node.descriptors()
    with node.connect() as connection, pytest.raises(OSError, match=r"reset|pipe|timed out"):  # noqa: PT012
        connection.sendall(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000000\r\n\r\n")
        for _ in range(1600):
            connection.sendall(b"x" * 65536)
    wait_for("its descriptor", lambda: node.descriptors() <= before)
    assert node.ask("/health").status == 200


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
