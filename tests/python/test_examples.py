"""The examples as their users run them: separate processes, started and ended as their first lines say."""

import contextlib
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Child

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))

from node_process import free_ports  # noqa: E402  # the path above

EXAMPLES = ROOT / "examples" / "python"
REPORT_S = 40.0  # reports come every 5 or 10 s


class Examples(contextlib.ExitStack):
    """Runs an example several times; all of them end with the test."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.path = str(EXAMPLES / name)

    def run(self, *arguments: str) -> Child:
        return self.enter_context(Child("", *arguments, path=self.path, TZ="UTC", LC_ALL="C"))


@pytest.fixture
def cluster_node() -> Iterator[Examples]:
    with Examples("cluster_node.py") as examples:
        yield examples


@pytest.fixture
def health_monitor() -> Iterator[Examples]:
    with Examples("health_monitor.py") as examples:
        yield examples


def test_cluster_node_three_nodes(cluster_node: Examples) -> None:
    ports = [str(port) for port in free_ports(3)]
    ids = [f"{name}@127.0.0.1:{port}" for name, port in zip(("seed1", "worker1", "worker2"), ports, strict=True)]
    seed1 = cluster_node.run("seed1", ports[0])
    seed1.line("[seed1] Started as")
    worker1 = cluster_node.run("worker1", ports[1], f"seed1@localhost:{ports[0]}")
    worker1.line(f"[worker1] Node joined: {ids[0]}")
    seed1.line(f"[seed1] Node joined: {ids[1]}")
    worker2 = cluster_node.run("worker2", ports[2], f"worker1@localhost:{ports[1]}")
    worker2.line(f"[worker2] Node joined: {ids[0]}")  # found by gossip
    assert f"[worker2] Node joined: {ids[1]}" in worker2.lines
    seed1.line(f"[seed1] Node joined: {ids[2]}")
    worker1.line(f"[worker1] Node joined: {ids[2]}")
    said = [line for line in seed1.lines if "listening on" not in line]  # the warning that there is no secret
    assert said == [
        "Starting node: seed1",
        "[seed1] Cluster status: starting",
        "[seed1] Cluster status: running",
        f"[seed1] Started as {ids[0]}",
        f"[seed1] Node joined: {ids[1]}",
        f"[seed1] Node joined: {ids[2]}",
    ]
    seed1.line("[seed1] Connected to 2 nodes:", REPORT_S)
    seed1.line(f"  - {ids[1]} (0 processes)")
    seed1.line(f"  - {ids[2]} (0 processes)")

    worker1.send(signal.SIGINT)
    assert worker1.wait() == 0
    end = ["", "Shutting down...", "[worker1] Cluster status: stopping", "[worker1] Cluster status: stopped"]
    assert worker1.lines[-4:] == end
    for child, name in ((seed1, "seed1"), (worker2, "worker2")):
        child.line(f"[{name}] Node left: {ids[1]} (graceful_shutdown)")
        child.send(signal.SIGTERM)
        assert child.wait() == 0


def test_cluster_node_with_a_taken_port(cluster_node: Examples) -> None:
    (port,) = free_ports(1)
    cluster_node.run("first", str(port)).line("Started as")
    second = cluster_node.run("second", str(port))
    assert second.wait() == 1
    assert f"cannot listen on 0.0.0.0:{port}" in second.lines[-1]
    assert "ClusterBindError" in second.lines[-1]


def test_health_monitor(health_monitor: Examples) -> None:
    ports = [str(port) for port in free_ports(3)]
    ids = [f"monitor{number}@127.0.0.1:{port}" for number, port in enumerate(ports, 1)]
    first = health_monitor.run("monitor1", ports[0])
    first.line(f"Cluster started as {ids[0]}")
    said = [line for line in first.lines if "listening on" not in line]
    assert said == [
        "Starting cluster health monitor: monitor1",
        f"Port: {ports[0]}",
        "Seeds: (none)",
        "",
        f"Cluster started as {ids[0]}",
    ]
    second = health_monitor.run("monitor2", ports[1], f"monitor1@localhost:{ports[0]}")
    first.line(f"[EVENT] Node joined: {ids[1]}")
    third = health_monitor.run("monitor3", ports[2], f"monitor1@localhost:{ports[0]}")
    first.line(f"[EVENT] Node joined: {ids[2]}")

    first.line("CLUSTER HEALTH MONITOR", REPORT_S)
    title = len(first.lines) - 1
    first.line("Last updated:")
    report = [plain(line) for line in first.lines[title - 1 :]]
    expected = [
        "═{63}",
        " {20}CLUSTER HEALTH MONITOR *",
        "═{63}",
        "",
        "Local Node",
        f"  ID:     {ids[0]}",
        r"  Uptime: \d+s",
        "",
        "Cluster Status",
        "  Health:       HEALTHY",
        "  Availability: 100%",
        "  Connected:    2 / 2 nodes",
        "",
        "Connected Nodes",
        f"  - {ids[1]}",
        r"    processes: 0, uptime: \d+s",
        f"  - {ids[2]}",
        r"    processes: 0, uptime: \d+s",
        "",
        "Recent Events",
        rf"  \+ \[\d\d:\d\d:\d\d\] {ids[2]}",
        rf"  \+ \[\d\d:\d\d:\d\d\] {ids[1]}",
        "",
        r"Last updated: \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z \| Press Ctrl\+C to exit",
    ]
    assert len(report) == len(expected), "\n".join(report)
    for line, pattern in zip(report, expected, strict=True):
        assert re.fullmatch(pattern, line), f"{line!r} is not {pattern!r}"

    second.process.kill()
    first.line(f"[EVENT] Node left: {ids[1]} (connection_closed)")
    assert "DEGRADED" in first.line("Health:", REPORT_S)
    first.line("Availability: 50%")
    first.line("Connected:    1 / 2 nodes")
    assert re.search(rf"- .*\] {ids[1]} \(connection_closed\)", plain(first.line("(connection_closed)")))
    for child in (first, third):
        child.send(signal.SIGINT)
        assert child.wait() == 0
        assert "Shutting down monitor..." in child.lines


def plain(line: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*[mJHK]", "", line)


def test_format_uptime() -> None:
    """As the documented sample shows it."""
    source = (EXAMPLES / "health_monitor.py").read_text()
    function = source[source.index("def format_uptime") : source.index("def format_timestamp")]
    scope: dict[str, object] = {}
    exec(function, scope)
    format_uptime = scope["format_uptime"]
    assert callable(format_uptime)
    shown = [format_uptime(seconds * 1000) for seconds in (0, 30, 105, 135, 3600 * 26 + 61)]
    assert shown == ["0s", "30s", "1m 45s", "2m 15s", "26h 1m 1s"]
