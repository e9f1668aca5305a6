"""A FastAPI application that is a member, alone or as several workers; `pip install fastapi uvicorn` (and, for the last
line, gunicorn and uvicorn-worker):

    uvicorn fastapi_app:app
    uvicorn fastapi_app:app --workers 4
    gunicorn fastapi_app:app --workers 4 --worker-class uvicorn_worker.UvicornWorker

Each worker is a process, and a member of its own: the lifespan is run by every worker, after it was forked or spawned.
Never start a node when the module is imported: under `gunicorn --preload` that would be the process that forks, and a
node cannot follow its process into a child.

Workers cannot share a port of the cluster, so each takes any free one. CLUSTER_SEEDS names a node whose port is fixed,
such as `noex-cluster run`; a single process may have a fixed one itself.

    CLUSTER_PORT   default: any free one
    NODE_NAME, CLUSTER_SEEDS, CLUSTER_SECRET   as in environment.py
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI, Response
from noex_cluster import Cluster, ClusterStatus


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    port = os.environ.get("CLUSTER_PORT")
    await Cluster.start(
        node_name=f"{os.environ.get('NODE_NAME') or 'web'}-{os.getpid()}",
        port=int(port) if port else "auto",
        seeds=[seed for seed in os.environ.get("CLUSTER_SEEDS", "").split(",") if seed],
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
        # A worker that was killed never comes back under its old id: the others need not dial it for a day.
        forget_after_ms=10 * 60 * 1000,
    )
    try:
        yield
    finally:
        await Cluster.stop()  # the server has answered all requests by now


app = FastAPI(lifespan=lifespan)


@app.get("/health")
async def health(response: Response) -> dict[str, object]:
    status = Cluster.get_status()
    if status is not ClusterStatus.RUNNING:
        response.status_code = 503
        return {"status": status, "healthy": False, "nodeId": None, "connectedNodes": 0}
    return {
        "status": status,
        "healthy": True,
        "nodeId": Cluster.get_local_node_id(),
        "connectedNodes": Cluster.get_connected_node_count(),
    }


@app.get("/nodes")
async def nodes() -> list[dict[str, object]]:
    return [{"id": node.id, "status": node.status, "uptimeMs": node.uptime_ms} for node in Cluster.get_nodes()]
