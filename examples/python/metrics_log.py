"""The state of the cluster as a line of JSON every so often, for whatever collects logs.

NODE_NAME=app1 METRICS_INTERVAL_S=5 python metrics_log.py

METRICS_INTERVAL_S   default: 30
NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.py
"""

import asyncio
import json
import os
import signal
from datetime import UTC, datetime

from noex_cluster import Cluster


def get_cluster_metrics() -> dict[str, object]:
    nodes = Cluster.get_connected_nodes()
    return {
        "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "status": Cluster.get_status(),
        "connectedNodes": len(nodes),
        "nodes": [
            {"id": node.id, "status": node.status, "processCount": node.process_count, "uptimeMs": node.uptime_ms}
            for node in nodes
        ],
    }


async def log_cluster_metrics(interval_s: float) -> None:
    while True:
        print(json.dumps(get_cluster_metrics()), flush=True)
        await asyncio.sleep(interval_s)


async def main() -> None:
    shutdown = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, shutdown.set)

    await Cluster.start(
        node_name=os.environ.get("NODE_NAME") or f"worker-{os.getpid()}",
        port=int(os.environ.get("CLUSTER_PORT") or 4369),
        seeds=[seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed],
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
    )
    # What the others see as this node's processCount is yours to say: jobs, sessions, whatever you count.
    Cluster.set_process_count(1)
    metrics = asyncio.create_task(log_cluster_metrics(float(os.environ.get("METRICS_INTERVAL_S") or 30)))
    await shutdown.wait()
    metrics.cancel()
    await Cluster.stop()


if __name__ == "__main__":
    asyncio.run(main())
