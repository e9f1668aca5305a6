"""A node that its environment configures, as containers and service managers do it. In two terminals:

NODE_NAME=seed1 python environment.py
NODE_NAME=worker1 CLUSTER_PORT=4370 CLUSTER_SEEDS=seed1@localhost:4369 python environment.py

NODE_NAME        name of this node; default: worker- and the process id
CLUSTER_BIND_IP  address to listen on; default: all of the machine's
CLUSTER_PORT     port to listen on; default: 4369
CLUSTER_SEEDS    nodes to join, with commas between: name@host:port, or host:port with a DNS name, of which every
                 address is tried, and looked up anew at each attempt. The first node of a cluster needs none
CLUSTER_SECRET   the same for all nodes; without it everybody who can connect is a member
"""

import asyncio
import logging
import os
import signal
import sys

from noex_cluster import Cluster, ClusterConfig, ClusterError

logger = logging.getLogger("app")


def get_cluster_config() -> ClusterConfig:
    return ClusterConfig(
        os.environ.get("NODE_NAME") or f"worker-{os.getpid()}",
        host=os.environ.get("CLUSTER_BIND_IP"),
        port=int(os.environ.get("CLUSTER_PORT") or 4369),
        seeds=[seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed],
        # Not set: no secret. Set to an empty text: an error, rather than a cluster that is open to all.
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
    )


async def main() -> None:
    shutdown = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, shutdown.set)

    Cluster.on_node_up(lambda node: logger.info("up %s", node.id))
    Cluster.on_node_down(lambda node_id, reason: logger.info("down %s (%s)", node_id, reason))
    try:
        await Cluster.start(get_cluster_config())
    except (ClusterError, ValueError) as error:  # a wrong option, a port that is taken
        sys.exit(f"cannot start: {error}")
    logger.info("running as %s", Cluster.get_local_node_id())

    await shutdown.wait()
    await Cluster.stop()  # says goodbye: the others see graceful_shutdown instead of a crash


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
