"""examples/c/cluster_node.c and examples/cpp/cluster_node.cc in the documented way: three terminals, the third knows
only the second. They say the same."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))
from ports import free_ports  # noqa: E402  # the path above

EXAMPLES = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release")) / "examples"
DEADLINE = 30.0


class Terminal:
    def __init__(self, program: Path, folder: Path, *arguments: str) -> None:
        self.name = arguments[0]
        self.output = folder / f"{self.name}.txt"
        with self.output.open("w") as output:
            self.process = subprocess.Popen(
                [program, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env={**os.environ, "NOEX_ADVERTISE_HOST": "127.0.0.1"},
            )

    def lines(self) -> list[str]:
        return self.output.read_text().splitlines()

    def wait(self, line: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while line not in self.lines():
            assert time.monotonic() < deadline, f"{self.name} did not print {line!r}, but {self.lines()}"
            assert self.process.poll() is None, f"{self.name} ended: {self.lines()}"
            time.sleep(0.01)

    def interrupt(self, number: int = signal.SIGINT) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


@pytest.fixture(params=["c", "cpp"])
def terminal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Any]:
    opened: list[Terminal] = []
    program = EXAMPLES / request.param / "cluster_node"

    def open_one(*arguments: str) -> Terminal:
        opened.append(Terminal(program, tmp_path, *arguments))
        return opened[-1]

    yield open_one
    for one in opened:
        if one.process.poll() is None:
            one.process.kill()
        one.process.wait(10)


def test_three_terminals(terminal: Any) -> None:
    ports = free_ports(3)
    ids = [f"{name}@127.0.0.1:{port}" for name, port in zip(("seed1", "worker1", "worker2"), ports, strict=True)]
    seed = terminal("seed1", str(ports[0]))
    seed.wait(f"[seed1] Started as {ids[0]}")
    worker1 = terminal("worker1", str(ports[1]), f"seed1@localhost:{ports[0]}")
    worker1.wait(f"[worker1] Started as {ids[1]}")
    worker2 = terminal("worker2", str(ports[2]), f"worker1@localhost:{ports[1]}")
    for one, others in ((seed, ids[1:]), (worker1, [ids[0], ids[2]]), (worker2, ids[:2])):
        for other in others:
            one.wait(f"[{one.name}] Node joined: {other}")
    assert seed.lines()[:3] == [
        "Starting node: seed1",
        "[seed1] Cluster status: starting",
        "[seed1] Cluster status: running",
    ]

    worker2.process.kill()
    for one in (seed, worker1):
        one.wait(f"[{one.name}] Node left: {ids[2]} (connection_closed)")
    assert worker1.interrupt(signal.SIGTERM) == 0
    seed.wait(f"[seed1] Node left: {ids[1]} (graceful_shutdown)")
    assert worker1.lines()[-3:] == [
        "Shutting down...",
        "[worker1] Cluster status: stopping",
        "[worker1] Cluster status: stopped",
    ]
    assert seed.interrupt() == 0


def test_what_cannot_work_is_said(terminal: Any) -> None:
    without = terminal("seed1")
    assert without.process.wait(DEADLINE) == 2
    assert "usage: " in without.lines()[0]
    [port] = free_ports(1)
    first = terminal("first", str(port))
    first.wait(f"[first] Started as first@127.0.0.1:{port}")
    second = terminal("second", str(port))
    assert second.process.wait(DEADLINE) == 1
    assert any(str(port) in line and "cannot start" in line for line in second.lines())
    assert first.interrupt() == 0
