"""memory.py SEED: the resident memory of this process before it starts a node and when it is in a mesh, in KiB."""

import asyncio
import json
import os
import re
import sys
from pathlib import Path

from noex_cluster import Cluster


def resident() -> int:
    found = re.search(r"VmRSS:\s+(\d+)", Path("/proc/self/status").read_text())
    assert found
    return int(found[1])


async def main() -> None:
    resident()
    before = resident()
    await Cluster.start(
        node_name="memory",
        host="127.0.0.1",
        port="auto",
        seeds=[sys.argv[1]],
        cluster_secret=os.environ.get("NOEX_CLUSTER_SECRET"),
        heartbeat_interval_ms=1000,
    )
    await asyncio.sleep(3)  # a few beats of everybody
    count = Cluster.get_connected_node_count()
    print(json.dumps({"before": before, "after": resident(), "connected": count}), flush=True)
    ended = asyncio.Event()
    asyncio.get_running_loop().add_reader(sys.stdin, ended.set)
    await ended.wait()
    await Cluster.stop()


asyncio.run(main())
