"""A WSGI application, /health and /nodes as JSON, for gunicorn_conf.py, which makes its workers members:

CLUSTER_SEEDS=seed1@localhost:4369 gunicorn --config gunicorn_conf.py gunicorn_app:app
"""

import json
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from noex_cluster.sync import Cluster

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIEnvironment


def app(environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
    """Requests reach a worker while its node runs: it is started before the first, and stopped after the last."""
    if environ["PATH_INFO"] == "/health":
        connected = Cluster.get_connected_node_count()
        answer: object = {
            "status": Cluster.get_status(),
            "healthy": True,
            "nodeId": Cluster.get_local_node_id(),
            "connectedNodes": connected,
            "pid": os.getpid(),
        }
    elif environ["PATH_INFO"] == "/nodes":
        answer = [{"id": node.id, "status": node.status, "uptimeMs": node.uptime_ms} for node in Cluster.get_nodes()]
    else:
        start_response("404 Not Found", [])
        return []
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps(answer).encode()]
