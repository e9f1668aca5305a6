"""A node of the demo and of the mesh tests, in Python with asyncio: says what happens as JSON lines, takes `view`,
`stats`, `stop` and `block SECONDS` on stdin. The end of stdin is a stop: a worker does not outlive the program that
started it.
"""

import argparse
import asyncio
import ctypes
import dataclasses
import json
import os
import sys
import time
from typing import Any

from noex_cluster import Cluster


def say(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, "at": int(time.time() * 1000), **fields}), flush=True)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--host")
    parser.add_argument("--port", default="auto", type=lambda text: text if text == "auto" else int(text))
    parser.add_argument("--seed", action="append", default=[])
    parser.add_argument("--interval", type=int, default=5000)
    parser.add_argument("--threshold", type=int, default=3)
    return parser.parse_args()


def view() -> None:
    nodes = [{"id": node.id, "status": node.status} for node in Cluster.get_nodes()]
    say("view", self=Cluster.get_local_node_id(), status=Cluster.get_status(), nodes=nodes)


def stats() -> None:
    present = Cluster.get_stats()
    numbers = {field.name: getattr(present, field.name) for field in dataclasses.fields(present)}
    del numbers["peers"]
    say("stats", **{**numbers, "rejected_by_kind": dict(present.rejected_by_kind)})


def block(seconds: float) -> None:
    """Holds the GIL, as a long call into an extension module does: not even another Python thread runs."""
    end = time.monotonic() + seconds
    usleep = ctypes.PyDLL(None).usleep  # PyDLL keeps the GIL
    while time.monotonic() < end:
        usleep(250_000)
    say("unblocked")


async def commands() -> None:
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := (await reader.readline()).decode().split():
        if line[0] == "view":
            view()
        elif line[0] == "stats":
            stats()
        elif line[0] == "block":
            block(float(line[1]))
        elif line[0] == "stop":
            break


async def main(options: argparse.Namespace) -> None:
    Cluster.on_node_up(lambda node: say("up", node=node.id))
    Cluster.on_node_down(lambda node_id, reason: say("down", node=node_id, reason=reason))
    Cluster.on_error(
        lambda error: say("error", kind=error.kind, message=error.message, node=error.node_id, address=error.address)
    )
    Cluster.on_status_change(
        lambda status: say("status", status=status, node=Cluster.get_local_node_id() if status == "running" else None)
    )
    await Cluster.start(
        node_name=options.name,
        host=options.host,
        port=options.port,
        seeds=options.seed,
        cluster_secret=os.environ.get("NOEX_CLUSTER_SECRET"),
        heartbeat_interval_ms=options.interval,
        heartbeat_miss_threshold=options.threshold,
    )
    await commands()
    await Cluster.stop()


asyncio.run(main(parse_options()))
