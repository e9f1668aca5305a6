"""A node that watches its cluster: a report every five seconds, with the last events. In three terminals:

    python health_monitor.py monitor1 4369
    python health_monitor.py monitor2 4370 monitor1@localhost:4369
    python health_monitor.py monitor3 4371 monitor1@localhost:4369

In your own project, `pip install noex-cluster`.
"""

import asyncio
import signal
import sys
import time
from collections import deque
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from noex_cluster import Cluster, NodeDownReason, NodeId, NodeInfo


@dataclass(frozen=True)
class NodeEvent:
    timestamp: float
    node_id: NodeId
    event: Literal["joined", "left"]
    reason: NodeDownReason | None = None


@dataclass(frozen=True)
class ClusterHealth:
    status: Literal["healthy", "degraded", "critical"]
    connected_nodes: int
    total_known_nodes: int
    recent_events: list[NodeEvent]
    uptime_ms: int
    availability_percent: int


# Event history (keep last 100)
event_history: deque[NodeEvent] = deque(maxlen=100)


def set_up_event_tracking() -> None:
    @Cluster.on_node_up
    def joined(node: NodeInfo) -> None:
        event_history.append(NodeEvent(time.time(), node.id, "joined"))
        print(f"[EVENT] Node joined: {node.id}")

    @Cluster.on_node_down
    def left(node_id: NodeId, reason: NodeDownReason) -> None:
        event_history.append(NodeEvent(time.time(), node_id, "left", reason))
        print(f"[EVENT] Node left: {node_id} ({reason})")


def get_cluster_health() -> ClusterHealth:
    connected_nodes = Cluster.get_connected_node_count()
    total_known_nodes = len(Cluster.get_nodes())

    # Calculate availability (connected / total known)
    availability_percent = round(connected_nodes / total_known_nodes * 100) if total_known_nodes > 0 else 100

    # Count recent failures (last 5 minutes)
    five_minutes_ago = time.time() - 5 * 60
    recent_failures = sum(event.event == "left" and event.timestamp > five_minutes_ago for event in event_history)

    # Determine health status
    status: Literal["healthy", "degraded", "critical"]
    if availability_percent >= 80 and recent_failures <= 1:
        status = "healthy"
    elif availability_percent >= 50 and recent_failures <= 3:
        status = "degraded"
    else:
        status = "critical"

    return ClusterHealth(
        status=status,
        connected_nodes=connected_nodes,
        total_known_nodes=total_known_nodes,
        recent_events=list(event_history)[-5:],
        uptime_ms=Cluster.get_uptime_ms(),
        availability_percent=availability_percent,
    )


def format_uptime(ms: int) -> str:
    minutes, seconds = divmod(ms // 1000, 60)
    hours, minutes = divmod(minutes, 60)
    if hours > 0:
        return f"{hours}h {minutes}m {seconds}s"
    if minutes > 0:
        return f"{minutes}m {seconds}s"
    return f"{seconds}s"


def format_timestamp(timestamp: float) -> str:
    return datetime.fromtimestamp(timestamp).strftime("%X")


# Colors (ANSI)
GREEN, YELLOW, RED = "\x1b[32m", "\x1b[33m", "\x1b[31m"
RESET, BOLD, DIM = "\x1b[0m", "\x1b[1m", "\x1b[2m"
STATUS_COLORS = {"healthy": GREEN, "degraded": YELLOW, "critical": RED}
RULE = "═" * 63


def print_health_report() -> None:
    if sys.stdout.isatty():
        print("\x1b[H\x1b[2J\x1b[3J", end="")  # Clear console

    health = get_cluster_health()

    print(f"{BOLD}{RULE}{RESET}")
    print(f"{BOLD}                    CLUSTER HEALTH MONITOR                       {RESET}")
    print(f"{BOLD}{RULE}{RESET}")
    print()

    # Local node info
    print(f"{BOLD}Local Node{RESET}")
    print(f"  ID:     {Cluster.get_local_node_id()}")
    print(f"  Uptime: {format_uptime(health.uptime_ms)}")
    print()

    # Cluster status
    print(f"{BOLD}Cluster Status{RESET}")
    print(f"  Health:       {STATUS_COLORS[health.status]}{health.status.upper()}{RESET}")
    print(f"  Availability: {health.availability_percent}%")
    print(f"  Connected:    {health.connected_nodes} / {health.total_known_nodes} nodes")
    print()

    # Connected nodes
    connected = Cluster.get_connected_nodes()
    print(f"{BOLD}Connected Nodes{RESET}")
    if not connected:
        print(f"  {DIM}(none){RESET}")
    for node in connected:
        print(f"  - {node.id}")
        print(f"    {DIM}processes: {node.process_count}, uptime: {format_uptime(node.uptime_ms)}{RESET}")
    print()

    # Recent events
    print(f"{BOLD}Recent Events{RESET}")
    if not health.recent_events:
        print(f"  {DIM}(no events){RESET}")
    for event in reversed(health.recent_events):
        icon = f"{GREEN}+{RESET}" if event.event == "joined" else f"{RED}-{RESET}"
        reason = f" ({event.reason})" if event.reason else ""
        print(f"  {icon} [{format_timestamp(event.timestamp)}] {event.node_id}{reason}")
    print()

    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    print(f"{DIM}Last updated: {now} | Press Ctrl+C to exit{RESET}")


async def report() -> None:
    """Initial report after short delay, then periodic health reports"""
    await asyncio.sleep(1)
    while True:
        print_health_report()
        await asyncio.sleep(5)


async def main() -> None:
    args = sys.argv[1:]
    name = args[0] if args else "monitor"
    port = int(args[1]) if len(args) > 1 else 4369
    seeds = args[2:]

    print(f"Starting cluster health monitor: {name}")
    print(f"Port: {port}")
    print(f"Seeds: {', '.join(seeds) if seeds else '(none)'}")
    print()

    # Graceful shutdown
    shutdown = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, shutdown.set)

    # Setup tracking before starting
    set_up_event_tracking()

    # Start cluster
    await Cluster.start(
        node_name=name,
        port=port,
        seeds=seeds,
        heartbeat_interval_ms=3000,
        heartbeat_miss_threshold=2,
    )

    print(f"Cluster started as {Cluster.get_local_node_id()}")

    reporter = asyncio.create_task(report())
    await shutdown.wait()
    print("\nShutting down monitor...")
    reporter.cancel()
    await Cluster.stop()


sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also into a pipe
asyncio.run(main())
