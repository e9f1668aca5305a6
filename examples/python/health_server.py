"""A health check for load balancers and orchestrators: GET /health answers 200 while the node is a running member, else
503.

    NODE_NAME=app1 HEALTH_PORT=8080 python health_server.py
    curl http://localhost:8080/health

    HEALTH_PORT   default: 8080
    NODE_NAME, CLUSTER_PORT, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.py
"""

import asyncio
import json
import logging
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from noex_cluster import Cluster, ClusterNotStartedError, ClusterStatus

logger = logging.getLogger("app")


def get_health() -> dict[str, object]:
    """May be called on any thread, and never waits for the network."""
    status = Cluster.get_status()
    try:
        if status is ClusterStatus.RUNNING:
            node_id, connected = Cluster.get_local_node_id(), Cluster.get_connected_node_count()
            return {"status": status, "healthy": True, "nodeId": node_id, "connectedNodes": connected}
    except ClusterNotStartedError:  # stopped since it was asked for its status
        status = ClusterStatus.STOPPED
    return {"status": status, "healthy": False, "nodeId": None, "connectedNodes": 0}


class HealthHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        if self.path != "/health":
            self.send_error(404)
            return
        health = get_health()
        body = json.dumps(health).encode()
        self.send_response(200 if health["healthy"] else 503)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line for each check is no news."""


def start_health_server(port: int) -> ThreadingHTTPServer:
    """On threads of its own: it answers also while the event loop is busy, and when the node is not started."""
    server = ThreadingHTTPServer(("", port), HealthHandler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    logger.info("health endpoint: http://0.0.0.0:%d/health", port)
    return server


async def main() -> None:
    shutdown = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, shutdown.set)

    start_health_server(int(os.environ.get("HEALTH_PORT") or 8080))
    await Cluster.start(
        node_name=os.environ.get("NODE_NAME") or f"worker-{os.getpid()}",
        port=int(os.environ.get("CLUSTER_PORT") or 4369),
        seeds=[seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed],
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
    )
    logger.info("running as %s", Cluster.get_local_node_id())
    await shutdown.wait()
    await Cluster.stop()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    asyncio.run(main())
