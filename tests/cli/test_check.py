"""`noex-cluster check`: each step that can fail is named, with its exit code; and who is let in leaves no trace."""

import json
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import COMMAND, DEADLINE, LOCAL, ROOT, environment, free_ports, node_id, once

STEPS = ["resolve", "connect", "secret", "version", "cluster name", "clock"]


def check(seed: str, *arguments: str, **variables: str) -> tuple[int, dict[str, Any]]:
    done = once("check", seed, "--json", *arguments, **variables)
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["exit_code"] == done.returncode
    assert report["ok"] == (done.returncode == 0)
    names = [step["step"] for step in report["steps"]]
    assert names == STEPS or names[-1] == "join"
    results = [step["result"] for step in report["steps"]]
    if report["failed_step"] is not None:
        failed = names.index(report["failed_step"])
        assert results[failed] == "failed"
        assert set(results[failed + 1 :]) <= {"not_reached"}
        assert report["steps"][failed]["advice"]
    return done.returncode, report


class Listener:
    """Something on a port that is no node."""

    def __init__(self, says: bytes | None = None, hangs_up: bool = False, backlog: int = 16) -> None:
        self.socket = socket.socket()
        self.socket.bind(("127.0.0.1", 0))
        self.socket.listen(backlog)
        self.port = self.socket.getsockname()[1]
        self.kept: list[socket.socket] = []
        self.thread = threading.Thread(target=self._serve, args=(says, hangs_up), daemon=True)
        self.thread.start()

    def _serve(self, says: bytes | None, hangs_up: bool) -> None:
        try:
            while True:
                connection, _ = self.socket.accept()
                self.kept.append(connection)
                if says is not None and connection.recv(1):
                    connection.sendall(says)
                if hangs_up and connection.recv(1):
                    connection.close()
        except OSError:
            return

    def close(self) -> None:
        self.socket.shutdown(socket.SHUT_RDWR)
        self.socket.close()
        for connection in self.kept:
            connection.close()


@pytest.fixture
def listener() -> Iterator[Any]:
    made: list[Listener] = []

    def make(**options: Any) -> Listener:
        made.append(Listener(**options))
        return made[-1]

    yield make
    for one in made:
        one.close()


def test_a_seed_that_lets_us_in(start: Any, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("s\n")
    seed = start("--name", "seed", *LOCAL, "--cluster-name", "blue", "--secret-file", str(secret), "--json")
    seed_id = json.loads(seed.wait_line('"started"'))["id"]
    port = seed_id.rsplit(":", 1)[1]
    for spelling in (seed_id, f"another@127.0.0.1:{port}", f"localhost:{port}", f" {seed_id} "):
        code, report = check(spelling, "--secret-file", str(secret), "--cluster-name", "blue")
        assert code == 0, report
        assert [step["result"] for step in report["steps"]] == ["ok"] * 6
        assert report["answered_as"] == seed_id
        assert report["joined_as"].startswith("check-")
        joined = report["joined_as"]
        assert json.loads(seed.wait_line(f'"node":"{joined}","reason"'))["reason"] == "graceful_shutdown"
    text = once("check", seed_id, NOEX_CLUSTER_SECRET="s", NOEX_CLUSTER_NAME="blue")
    assert text.returncode == 0
    lines = text.stdout.splitlines()
    assert "joins for an instant, as check-" in lines[0], "before it does so"
    assert [line.split()[0] for line in lines[1:7]] == ["✓"] * 6
    assert "has left again" in lines[7]
    assert "\033" not in text.stdout


def test_the_secret(start: Any) -> None:
    closed = start("--name", "closed", *LOCAL, NOEX_CLUSTER_SECRET="s")
    open_to_all = start("--name", "open", *LOCAL)
    code, report = check(node_id(closed), MY_SECRET="guessed", NOEX_SECRET_ENV="MY_SECRET")
    assert (code, report["failed_step"]) == (4, "secret")
    code, report = check(node_id(closed))
    assert (code, report["failed_step"]) == (4, "secret")
    assert "no secret was given" in report["steps"][2]["advice"]
    code, report = check(node_id(open_to_all), NOEX_CLUSTER_SECRET="s")
    assert (code, report["failed_step"]) == (4, "secret")
    assert "the seed has no secret" in report["steps"][2]["advice"]
    assert report["answered_as"] is None
    assert "up" not in {event.split()[0] for event in closed.out.read_text().splitlines()}
    text = once("check", node_id(closed))
    assert "✗ secret" in text.stdout
    assert "→ no secret was given" in text.stdout
    assert "guessed" not in str(report) + text.stdout


def test_the_cluster_name(start: Any) -> None:
    blue = start("--name", "blue", *LOCAL, "--cluster-name", "blue", NOEX_CLUSTER_SECRET="s")
    for name in ((), ("--cluster-name", "red")):
        code, report = check(node_id(blue), *name, NOEX_CLUSTER_SECRET="s")
        assert (code, report["failed_step"]) == (4, "cluster name")
        assert [step["result"] for step in report["steps"][:4]] == ["ok"] * 4


REFERENCE = ROOT / "tests" / "mesh" / "reference_node.py"
SHIFTED = """
import runpy, sys, time
real = time.time
time.time = lambda: real() + {}
sys.path.insert(0, {!r})
runpy.run_path({!r}, run_name="__main__")
"""


@pytest.fixture
def reference() -> Iterator[Any]:
    """A node of the reference implementation's kind, whose clock may be wrong."""
    running: list[subprocess.Popen[str]] = []

    def begin(clock_offset: float = 0) -> str:
        (port,) = free_ports(1)
        program = SHIFTED.format(clock_offset, str(REFERENCE.parent), str(REFERENCE))
        process = subprocess.Popen(
            [sys.executable, "-c", program, "--name", "theirs", "--port", str(port), "--interval", "200"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        running.append(process)
        assert process.stdout
        assert "listening" in process.stdout.readline()
        return f"theirs@127.0.0.1:{port}"

    yield begin
    for process in running:
        process.communicate(timeout=DEADLINE)  # the end of its input is a stop


def test_a_node_of_another_implementation(reference: Any) -> None:
    seed = reference()
    code, report = check(seed)
    assert (code, report["answered_as"]) == (0, seed)
    assert {step["result"] for step in report["steps"]} == {"ok"}
    code, report = check(seed, "--cluster-name", "blue")
    assert (code, report["failed_step"]) == (4, "cluster name")


@pytest.mark.parametrize(("offset", "words"), [(3600, "ahead of ours"), (-3600, "behind ours")])
def test_a_clock_that_is_off_is_a_warning(reference: Any, offset: float, words: str) -> None:
    code, report = check(reference(offset))
    assert code == 0, "nodes join all the same"
    clock = report["steps"][5]
    assert clock["result"] == "warning"
    assert re.search(rf"the seed's is (1h 0m|59m \d+s) {words}", clock["detail"])
    assert "NTP" in clock["advice"]


def test_nobody_there(listener: Any) -> None:
    with socket.socket() as closed:  # bound, so that nobody else listens there
        closed.bind(("127.0.0.1", 0))
        code, report = check(f"seed@127.0.0.1:{closed.getsockname()[1]}")
    assert (code, report["failed_step"]) == (3, "connect")
    assert "refused" in report["steps"][1]["detail"]
    assert report["joined_as"] is None
    code, report = check("no-such-host.invalid:4369", "--timeout", "20")
    assert (code, report["failed_step"]) == (3, "resolve")
    code, report = check(f"seed@127.0.0.1:{listener().port}", "--timeout", "0.5")
    assert (code, report["failed_step"]) == (3, "version")
    assert "has not said anything for 500ms" in report["steps"][3]["detail"]


def test_a_way_that_swallows_everything() -> None:
    """A full backlog drops the packets of whoever connects, as a firewall does."""
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        waiting = []
        for _ in range(4):
            client = socket.socket()
            client.setblocking(False)
            client.connect_ex(full.getsockname())
            waiting.append(client)
        began = time.monotonic()
        code, report = check(f"seed@127.0.0.1:{full.getsockname()[1]}", "--timeout", "0.5")
        assert (code, report["failed_step"]) == (3, "connect")
        assert "firewall" in report["steps"][1]["advice"]
        assert 0.5 <= time.monotonic() - began < 10
        for client in waiting:
            client.close()


@pytest.mark.parametrize(
    "words", [b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"\0\0\0\x02{}", b"\0\0\0\x04nope"]
)
def test_another_program_is_told_from_a_node(listener: Any, words: bytes) -> None:
    code, report = check(f"seed@127.0.0.1:{listener(says=words).port}")
    assert (code, report["failed_step"]) == (5, "version")
    assert report["steps"][2]["result"] == "not_reached"


def test_a_peer_that_hangs_up(listener: Any) -> None:
    code, report = check(f"seed@127.0.0.1:{listener(hangs_up=True).port}")
    assert (code, report["failed_step"]) == (4, "secret")


@pytest.mark.parametrize(
    "seed", ["", "nobody", "a@b", "10.0.0.1:4369", "a@10.0.0.1:0", "a b@10.0.0.1:1", "a@10.0.0.1:4369,b@10.0.0.2:4369"]
)
def test_wrong_usage(seed: str) -> None:
    done = once("check", seed)
    assert done.returncode == 2
    assert done.stderr
    assert once("check").returncode == 2
    assert once("check", "a@127.0.0.1:1", "--secret-env", "NOT_SET_ANYWHERE").returncode == 2


def test_ended_by_a_signal_it_says_goodbye(listener: Any, start: Any) -> None:
    silent = listener()
    process = subprocess.Popen(
        [COMMAND, "check", f"seed@127.0.0.1:{silent.port}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    deadline = time.monotonic() + DEADLINE
    while len(silent.kept) < 2 and time.monotonic() < deadline:  # the step that connects, and the one that joins
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=DEADLINE)
    assert (process.returncode, err) == (1, "")
    assert "ended by a signal" in out


def test_a_reader_that_goes_away_is_no_reason_to_leave_without_a_goodbye(start: Any) -> None:
    seed = start("--name", "seed", *LOCAL)
    seed_id = node_id(seed)
    seed.process.send_signal(signal.SIGSTOP)  # the kernel takes the connection, and it waits to be let in
    process = subprocess.Popen([COMMAND, "check", seed_id], stdout=subprocess.PIPE, env=environment())
    assert process.stdout
    while not process.stdout.readline().startswith("✓ connect".encode()):
        assert process.poll() is None
    process.stdout.close()
    seed.process.send_signal(signal.SIGCONT)
    assert "graceful_shutdown" in seed.wait_line("down ")
    assert process.wait(DEADLINE) == 1
