"""A worker that leaves in order, for rolling deployments. At SIGTERM it takes no new work, finishes what it has, leaves
the cluster, and ends. Its work here: a line comes in over TCP, and goes back in capitals.

    NODE_NAME=worker1 WORK_PORT=8080 python graceful_shutdown.py
    nc localhost 8080

    WORK_PORT        where work comes in; default: 8080
    DRAIN_TIMEOUT_S  how long it waits for unfinished work; default: 5. What starts and stops processes should wait for
                     longer before it kills (Kubernetes: 30 s, Docker: 10 s)
    NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.py
"""

import asyncio
import contextlib
import logging
import os
import signal
from typing import Any

from noex_cluster import Cluster

logger = logging.getLogger("app")
in_flight: set[asyncio.Task[Any]] = set()


async def work(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    task = asyncio.current_task()
    assert task is not None
    in_flight.add(task)
    task.add_done_callback(in_flight.discard)
    logger.info("%d in flight", len(in_flight))
    with contextlib.suppress(ConnectionError):  # the client is gone
        line = await reader.readline()
        writer.write(line.upper())
        writer.close()
        await writer.wait_closed()


async def drain(timeout_s: float) -> None:
    if not in_flight:
        return
    logger.info("waiting for %d in flight", len(in_flight))
    _, unfinished = await asyncio.wait(in_flight, timeout=timeout_s)
    if unfinished:
        logger.warning("gave up %d in flight", len(unfinished))


async def main() -> None:
    shutdown: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    def shut_down(number: signal.Signals) -> None:
        if not shutdown.done():
            shutdown.set_result(number.name)

    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, shut_down, number)

    await Cluster.start(
        node_name=os.environ.get("NODE_NAME") or f"worker-{os.getpid()}",
        port=int(os.environ.get("CLUSTER_PORT") or 4369),
        seeds=[seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed],
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
    )
    try:
        server = await asyncio.start_server(work, port=int(os.environ.get("WORK_PORT") or 8080))
        logger.info("running as %s", Cluster.get_local_node_id())
        logger.info("received %s, starting graceful shutdown", await shutdown)

        server.close()  # 1. no new work
        await drain(float(os.environ.get("DRAIN_TIMEOUT_S") or 5))  # 2. finish what is in flight
    finally:
        await Cluster.stop()  # 3. leave: the others hear it at once, and do not wait for heartbeats
    logger.info("left the cluster")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
