"""One node of a cluster: says who joins and who leaves, and every ten seconds who is there. In three terminals:

    python cluster_node.py seed1 4369
    python cluster_node.py worker1 4370 seed1@localhost:4369
    python cluster_node.py worker2 4371 worker1@localhost:4370     (finds seed1 by gossip)

In your own project, `pip install noex-cluster`.
"""

import asyncio
import signal
import sys

from noex_cluster import Cluster


async def start_node(name: str, port: int, seeds: list[str]) -> None:
    print(f"Starting node: {name}")

    # Set up event handlers before starting
    Cluster.on_node_up(lambda node: print(f"[{name}] Node joined: {node.id}"))
    Cluster.on_node_down(lambda node_id, reason: print(f"[{name}] Node left: {node_id} ({reason})"))
    Cluster.on_status_change(lambda status: print(f"[{name}] Cluster status: {status}"))

    # Start the cluster
    await Cluster.start(
        node_name=name,
        port=port,
        seeds=seeds,
        heartbeat_interval_ms=2000,  # Fast for demo
        heartbeat_miss_threshold=2,
    )

    print(f"[{name}] Started as {Cluster.get_local_node_id()}")


async def report(name: str) -> None:
    """Periodic status report"""
    while True:
        await asyncio.sleep(10)
        connected = Cluster.get_connected_nodes()
        print(f"[{name}] Connected to {len(connected)} nodes:")
        for node in connected:
            print(f"  - {node.id} ({node.process_count} processes)")


async def main() -> None:
    # Parse command line args
    args = sys.argv[1:]
    name = args[0] if args else "node1"
    port = int(args[1]) if len(args) > 1 else 4369
    seeds = args[2:]

    # Graceful shutdown
    shutdown = asyncio.Event()
    loop = asyncio.get_running_loop()
    for signal_number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(signal_number, shutdown.set)

    await start_node(name, port, seeds)
    reporter = asyncio.create_task(report(name))
    await shutdown.wait()
    print("\nShutting down...")
    reporter.cancel()
    await Cluster.stop()


sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]  # also into a pipe
asyncio.run(main())
