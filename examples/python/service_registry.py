"""Seeds from a service registry, here etcd: a node asks who is there, joins them, and registers itself.

    etcd &
    NODE_NAME=app1 CLUSTER_PORT=4369 python service_registry.py
    NODE_NAME=app2 CLUSTER_PORT=4370 python service_registry.py

An entry lasts as long as its lease. The node keeps the lease alive; it gives it back when it leaves, and when the
process dies the lease runs out. etcd is asked through its JSON gateway (v3.4 and later): nothing needs to be installed.

    ETCD_URL           default: http://127.0.0.1:2379
    REGISTRY_TTL_S     how long the entry of a dead process stays; default: 10
    NODE_NAME, CLUSTER_PORT, CLUSTER_SECRET   as in environment.py
"""

import asyncio
import contextlib
import http.client
import json
import logging
import os
import signal
import urllib.request
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from typing import Any

from noex_cluster import Cluster

logger = logging.getLogger("app")

SERVICE = "services/noex-cluster/"
SERVICE_END = "services/noex-cluster0"  # the first key behind all that begin with SERVICE
LOCK = "locks/noex-cluster"
LOCK_TTL_S = 30  # a node that dies with the lock in its hands blocks others for so long


class ServiceRegistry:
    """Raises ConnectionError if etcd does not answer, or says no."""

    def __init__(self, url: str, ttl_s: int) -> None:
        self._url = url
        self._ttl_s = ttl_s
        self._endpoint = ""
        self._lease = ""

    async def get_endpoints(self) -> list[str]:
        found = await self._call("kv/range", key=encoded(SERVICE), range_end=encoded(SERVICE_END))
        return [b64decode(entry["value"]).decode() for entry in found.get("kvs", [])]

    async def register(self, endpoint: str) -> None:
        self._endpoint = endpoint
        self._lease = await self._grant(self._ttl_s)
        await self._call("kv/put", key=encoded(SERVICE + endpoint), value=encoded(endpoint), lease=self._lease)

    async def unregister(self) -> None:
        await self._call("lease/revoke", ID=self._lease)  # and with the lease goes the entry

    async def keep_registered(self) -> None:
        """Runs until it is cancelled. The cluster does not need the registry, only newcomers do: whatever happens to
        etcd, the node stays, and tries again."""
        while True:
            await asyncio.sleep(self._ttl_s / 3)
            try:
                renewed = await self._call("lease/keepalive", ID=self._lease)
                if int(renewed.get("result", {}).get("TTL", 0)) <= 0:
                    # etcd was away for longer than the lease, or lost its data
                    await self.register(self._endpoint)
                    logger.warning("registered anew")
            except ConnectionError as error:
                logger.warning("%s", error)

    @contextlib.asynccontextmanager
    async def lock(self) -> AsyncIterator[None]:
        """One node at a time. Two that start at once would both find nobody, and be two clusters."""
        lease = await self._grant(LOCK_TTL_S)
        try:
            await self._call("lock/lock", LOCK_TTL_S, name=encoded(LOCK), lease=lease)
            yield
        finally:
            await self._call("lease/revoke", ID=lease)

    async def _grant(self, ttl_s: int) -> str:
        return str((await self._call("lease/grant", TTL=ttl_s))["ID"])

    async def _call(self, method: str, timeout_s: float = 5, **message: object) -> dict[str, Any]:
        request = urllib.request.Request(f"{self._url}/v3/{method}", json.dumps(message).encode())

        def send() -> Any:
            with urllib.request.urlopen(request, timeout=timeout_s) as response:
                return json.load(response)

        try:
            answer: dict[str, Any] = await asyncio.to_thread(send)
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise ConnectionError(f"etcd, {method}: {error}") from error
        return answer


def encoded(text: str) -> str:
    return b64encode(text.encode()).decode()


async def main() -> None:
    shutdown = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, shutdown.set)

    Cluster.on_node_up(lambda node: logger.info("up %s", node.id))
    Cluster.on_node_down(lambda node_id, reason: logger.info("down %s (%s)", node_id, reason))
    registry = ServiceRegistry(
        os.environ.get("ETCD_URL") or "http://127.0.0.1:2379", int(os.environ.get("REGISTRY_TTL_S") or 10)
    )
    try:
        async with registry.lock():
            seeds = await registry.get_endpoints()
            logger.info("seeds: %s", ", ".join(seeds) or "none")
            await Cluster.start(
                node_name=os.environ.get("NODE_NAME") or f"worker-{os.getpid()}",
                port=int(os.environ.get("CLUSTER_PORT") or 4369),
                seeds=seeds,
                cluster_secret=os.environ.get("CLUSTER_SECRET"),
            )
            await registry.register(Cluster.get_local_node_id())
        logger.info("running as %s", Cluster.get_local_node_id())

        keeper = asyncio.create_task(registry.keep_registered())
        await shutdown.wait()
        keeper.cancel()
        try:
            await registry.unregister()  # first: nobody is sent here any more
        except ConnectionError as error:
            logger.warning("%s; the lease will run out", error)
    finally:
        await Cluster.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
