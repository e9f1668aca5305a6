"""calls.py SEED EXPECT SAMPLES: what get_nodes() costs in a cluster of EXPECT other nodes that beats.

Says, as JSON, nanoseconds of one call each: `changed` when a beat has changed the list since the call before,
`unchanged` when nothing has, and `floor`, in between: a tuple of frozen dataclasses with the same fields and values,
built in Python.
"""

import json
import os
import sys
import time
from dataclasses import dataclass

from noex_cluster.sync import Cluster


@dataclass(frozen=True, slots=True)
class Plain:
    id: str
    host: str
    port: int
    status: str
    process_count: int
    last_heartbeat_at: int
    uptime_ms: int
    incarnation: int | None


def main() -> None:
    seed, expect, samples = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    Cluster.start(
        node_name="caller",
        host="127.0.0.1",
        port="auto",
        seeds=[seed],
        cluster_secret=os.environ.get("NOEX_CLUSTER_SECRET"),
        heartbeat_interval_ms=1000,
    )
    while Cluster.get_connected_node_count() < expect:
        time.sleep(0.01)
    times: dict[str, list[int]] = {"changed": [], "unchanged": [], "floor": []}
    kept = Cluster.get_nodes()
    now = time.perf_counter_ns
    rounds = 0
    while len(times["changed"]) < samples:
        fields = [
            (n.id, n.host, n.port, n.status, n.process_count, n.last_heartbeat_at, n.uptime_ms, n.incarnation)
            for n in kept
        ]
        time.sleep(0.002)  # a beat or two
        # In turns one of the two is first, while the processor still remembers something else.
        rounds += 1
        for step in range(2):
            began = now()
            if (rounds + step) % 2:
                nodes = Cluster.get_nodes()
                took = now() - began
            else:
                built = tuple([Plain(*values) for values in fields])
                floor = now() - began
        if nodes is not kept:
            times["changed"].append(took)
            times["floor"].append(floor)
        kept = nodes
        assert len(built) == len(nodes) == expect
        began = now()
        nodes = Cluster.get_nodes()
        took = now() - began
        if nodes is kept:
            times["unchanged"].append(took)
        kept = nodes
    assert Cluster.get_connected_node_count() == expect, "not whole any more"
    Cluster.stop()
    print(json.dumps(times))


main()
