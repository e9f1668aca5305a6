"""blocked.py COUNT INTERVAL: so many nodes in one process; says `started ID` of each. At the line `block SECONDS` one
call holds the interpreter's lock for so long. The end of its input ends it."""

import ctypes
import sys

from noex_cluster.sync import ClusterNode

nodes = []
for index in range(int(sys.argv[1])):
    node = ClusterNode(
        node_name=f"blocked-{index}",
        host="127.0.0.1",
        port="auto",
        heartbeat_interval_ms=int(sys.argv[2]),
        heartbeat_miss_threshold=30,
    )
    node.start()
    nodes.append(node)
    print("started", node.get_local_node_id(), flush=True)
for line in sys.stdin:
    ctypes.PyDLL(None).sleep(int(line.split()[1]))  # a PyDLL keeps the lock during its calls
    print("free", line, flush=True)
for node in nodes:
    node.stop()
