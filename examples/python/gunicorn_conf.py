"""gunicorn's workers as members of the cluster, with any WSGI application (here gunicorn_app.py):

    CLUSTER_SEEDS=seed1@localhost:4369 gunicorn --config gunicorn_conf.py gunicorn_app:app

gunicorn forks. A node does not survive that: it is a thread, a listening socket and connections, and a forked child has
only the one thread that forked. So a node that was started in the master belongs to the master, and in a worker each
call on it raises ClusterError ("... belongs to the parent process"). Each worker starts a node of its own, after the
fork: in post_worker_init. Not in the application's module: with preload_app that one is imported by the master.
To import noex_cluster there is fine, as it starts nothing.

    NODE_NAME, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.py. Workers take any free port: let CLUSTER_SEEDS name
                                               a node with a fixed one, such as `noex-cluster run`
    BIND, WEB_CONCURRENCY                      where requests come in, and the number of workers
"""

import os
from typing import Any

from noex_cluster.sync import Cluster

bind = os.environ.get("BIND") or "127.0.0.1:8000"
workers = int(os.environ.get("WEB_CONCURRENCY") or 2)
preload_app = True


def post_worker_init(worker: Any) -> None:
    """Runs in each new worker; if it raises, gunicorn says so and ends."""
    Cluster.on_node_up(lambda node: worker.log.info("up %s", node.id))
    Cluster.on_node_down(lambda node_id, reason: worker.log.info("down %s (%s)", node_id, reason))
    Cluster.start(
        node_name=f"{os.environ.get('NODE_NAME') or 'web'}-{worker.pid}",
        port="auto",
        seeds=[seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed],
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
        # A worker that was killed never comes back under its old id: the others need not dial it for a day.
        forget_after_ms=10 * 60 * 1000,
    )
    worker.log.info("running as %s", Cluster.get_local_node_id())


def worker_exit(server: Any, worker: Any) -> None:
    """Runs in a worker that ends, unless it was killed: then the others see connection_closed."""
    Cluster.stop()
