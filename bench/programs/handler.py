"""handler.py NAME PORT SEED: a node whose handler says how long ago the frame came that made a node up (ms)."""

import asyncio
import os
import sys
import time

from noex_cluster import Cluster, NodeInfo


def on_node_up(node: NodeInfo) -> None:
    print(f"up {time.time() * 1000 - node.last_heartbeat_at:.3f} {node.id}", flush=True)


async def main() -> None:
    name, port, seed = sys.argv[1:]
    Cluster.on_node_up(on_node_up)
    await Cluster.start(
        node_name=name,
        host="127.0.0.1",
        port=int(port),
        seeds=[seed],
        cluster_secret=os.environ.get("NOEX_CLUSTER_SECRET"),
        heartbeat_interval_ms=1000,
    )
    print("running", flush=True)
    loop = asyncio.get_running_loop()
    ended = asyncio.Event()
    loop.add_reader(sys.stdin, ended.set)
    await ended.wait()
    await Cluster.stop()


asyncio.run(main())
