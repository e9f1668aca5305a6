"""Seeds from DNS: every address that a name has (its A records) is one. A look-up at start, as here, is for who wants
to see, choose or complete what it gives:

    CLUSTER_DNS_NAME=cluster-seeds.internal NODE_NAME=worker1 python dns_seeds.py

Shorter, and better where addresses change: hand the name itself to the node, `seeds=["cluster-seeds.internal:4369"]`.
It then dials every address, and looks the name up anew at each attempt; environment.py does so when it is started with
CLUSTER_SEEDS=cluster-seeds.internal:4369.

    CLUSTER_DNS_NAME  the name to look up; default: cluster-seeds.internal
    CLUSTER_DNS_PORT  the port of the nodes there; default: 4369
    CLUSTER_SEEDS     what is taken if the name has no address
    NODE_NAME, CLUSTER_PORT, CLUSTER_SECRET   as in environment.py
"""

import asyncio
import logging
import os
import signal
import socket

from noex_cluster import Cluster

logger = logging.getLogger("app")


async def discover_seeds() -> list[str]:
    """`seed@address:port` for each address of the name. Whatever the nodes there are called: at a seed's address any
    name is welcome."""
    name = os.environ.get("CLUSTER_DNS_NAME") or "cluster-seeds.internal"
    port = int(os.environ.get("CLUSTER_DNS_PORT") or 4369)
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(name, port, family=socket.AF_INET, type=socket.SOCK_STREAM)
    except socket.gaierror as error:
        logger.warning("%s: %s; taking CLUSTER_SEEDS", name, error.strerror)
        return [seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed]
    addresses = [str(socket_address[0]) for *_, socket_address in found]
    return [f"seed@{address}:{port}" for address in addresses]


async def main() -> None:
    shutdown = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, shutdown.set)

    seeds = await discover_seeds()
    logger.info("seeds: %s", ", ".join(seeds) or "none")
    Cluster.on_node_up(lambda node: logger.info("up %s", node.id))
    Cluster.on_node_down(lambda node_id, reason: logger.info("down %s (%s)", node_id, reason))
    await Cluster.start(
        node_name=os.environ.get("NODE_NAME") or f"worker-{os.getpid()}",
        port=int(os.environ.get("CLUSTER_PORT") or 4369),
        seeds=seeds,
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
    )
    logger.info("running as %s", Cluster.get_local_node_id())
    await shutdown.wait()
    await Cluster.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
