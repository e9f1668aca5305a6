"""`noex-cluster run --http` and clients that are no good: whom it refuses, and that none can hurt the node."""

import random
import re
import socket
import time
from collections.abc import Callable

import pytest
from support import DEADLINE, Node, read_all, wait_for

Start = Callable[..., Node]

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
        (b"GET / HTTP/1.1\r\nHost: localhost\r\nhost: \r\n\r\n", 400),
        (b"GET /\x00 HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
        # A line that one reader ends, and another does not.
        (b"GET / HTTP/1.1\r\nHost: localhost\nRange: bytes=0-1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\r\nHost: localhost\rRange: bytes=0-1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: localhost\n\n", 400),
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
    for host in (
        "",
        "[",
        "localhost:x",
        "::1",
        "[::1",
        "127.1",
        "127.0.0.1%00.evil.example",
        "localhost%00",
        "x y.localhost",
    ):
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
