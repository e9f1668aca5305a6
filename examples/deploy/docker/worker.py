"""A worker in a container: a member of the cluster, with what an orchestrator asks for over HTTP.

    NODE_NAME=worker1 CLUSTER_SECRET_FILE=secret.txt CLUSTER_SEEDS=seed@seed:4369 python worker.py
    curl http://localhost:8080/health

    NODE_NAME            default: worker- and the host's name, which in a container is the container's or the pod's.
                         (The process id, that other programs take, is 1 in every container.)
    CLUSTER_SECRET_FILE  file with the secret of the cluster; it does not start without one
    CLUSTER_SEEDS        nodes to join, with commas between: name@host:port, or host:port with a DNS name
    CLUSTER_NAME         nodes of another name are refused; default: none
    CLUSTER_PORT         default: 4369
    HTTP_PORT            default: 8080
    NOEX_ADVERTISE_HOST  under which address others reach this node; default: found

GET /health   200 while the node lives: a failure means that the process should be restarted. It does not look at the
              others: when the network fails, restarting everybody would not repair it
GET /ready    200 from the end of the start until SIGTERM: whether to send requests here
GET /nodes    who is there, as this node sees it
GET /metrics  the node's metrics, for Prometheus
"""

import asyncio
import json
import logging
import os
import signal
import socket
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from noex_cluster import Cluster, ClusterConfig, ClusterError, ClusterStatus

logger = logging.getLogger("worker")
accepting = threading.Event()  # whether requests should come here


def get_config() -> ClusterConfig:
    secret_file = os.environ.get("CLUSTER_SECRET_FILE")
    if not secret_file:
        raise ValueError("CLUSTER_SECRET_FILE is not set")
    return ClusterConfig(
        os.environ.get("NODE_NAME") or f"worker-{socket.gethostname()}",
        port=int(os.environ.get("CLUSTER_PORT") or 4369),
        seeds=[seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed],
        cluster_name=os.environ.get("CLUSTER_NAME"),
        cluster_secret=Path(secret_file).read_text(encoding="utf-8").removesuffix("\n"),
        # A container that is gone never comes back under its old id: the others need not look for it for a day.
        forget_after_ms=10 * 60 * 1000,
    )


class Handler(BaseHTTPRequestHandler):
    """Queries may be made on any thread, and never wait for the network."""

    def do_GET(self) -> None:
        running = Cluster.get_status() is ClusterStatus.RUNNING
        match self.path:
            case "/health":
                self.answer(200 if running else 503, json.dumps({"status": Cluster.get_status()}))
            case "/ready":
                ready = running and accepting.is_set()
                self.answer(200 if ready else 503, json.dumps({"ready": ready}))
            case "/nodes" if running:
                nodes = {node.id: node.status for node in Cluster.get_nodes()}
                self.answer(200, json.dumps({"self": Cluster.get_local_node_id(), "nodes": nodes}))
            case "/metrics" if running:
                openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8"
                self.answer(200, Cluster.get_metrics(), openmetrics)
            case _:
                self.send_error(503 if self.path in ("/nodes", "/metrics") else 404)

    def answer(self, status: int, text: str, content_type: str = "application/json") -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """A line for each probe is no news."""


async def main() -> None:
    # As process 1 of a container it has no default action for signals: without these SIGTERM would do nothing at all.
    shutdown = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, shutdown.set)

    http = ThreadingHTTPServer(("", int(os.environ.get("HTTP_PORT") or 8080)), Handler)
    threading.Thread(target=http.serve_forever, daemon=True).start()

    try:
        await Cluster.start(get_config())
    except (ClusterError, OSError, ValueError) as error:  # a wrong option, no secret, a port that is taken
        sys.exit(f"cannot start: {error}")
    logger.info("running as %s", Cluster.get_local_node_id())
    accepting.set()

    await shutdown.wait()
    accepting.clear()  # 1. no new work: /ready answers 503
    # 2. here a real worker finishes what it has begun
    await Cluster.stop()  # 3. leave: the others see graceful_shutdown, and do not wait for heartbeats
    logger.info("left the cluster")


if __name__ == "__main__":
    # With what the package logs: who comes up, who is down and on what evidence. The time is the log collector's.
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(main())
