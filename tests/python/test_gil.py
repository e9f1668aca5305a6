"""The reason to be native: a program that holds the GIL for 20 s is alive to its peers at one heartbeat a second, and
blames nobody when it wakes.
"""

import asyncio
import json
import time

import pytest
from noex_cluster import ClusterNode
from support import Child, Watch, options, until

HELD_S = 20

PROGRAM = """
    import asyncio, ctypes, json, sys, time
    from noex_cluster import Cluster

    sleep = ctypes.PyDLL(None).usleep  # PyDLL keeps the GIL during the call

    async def main():
        events = []
        Cluster.on_node_up(lambda node: events.append(["up", node.id]))
        Cluster.on_node_down(lambda node_id, reason: events.append(["down", node_id, reason]))
        await Cluster.start(node_name="holder", host="127.0.0.1", port="auto", seeds=sys.argv[2:],
                            heartbeat_interval_ms=1000, heartbeat_miss_threshold=3)
        while Cluster.get_connected_node_count() < len(sys.argv) - 2:
            await asyncio.sleep(0.01)
        events.clear()
        pauses = Cluster.get_stats().pauses
        print("holding", flush=True)
        end = time.monotonic() + float(sys.argv[1])
        while time.monotonic() < end:
            sleep(900_000)
        await asyncio.sleep(1)  # what came meanwhile is delivered
        print("report", json.dumps({"events": events, "connected": Cluster.get_connected_node_count(),
                                    "pauses": Cluster.get_stats().pauses - pauses}), flush=True)
        await asyncio.to_thread(sys.stdin.readline)
        await Cluster.stop()

    asyncio.run(main())
"""


@pytest.mark.timeout(180)
async def test_a_held_gil_is_no_death() -> None:
    nodes = [
        ClusterNode(**options(name, heartbeat_interval_ms=1000, heartbeat_miss_threshold=3))
        for name in ("first", "second")
    ]
    watches = [Watch(node) for node in nodes]
    await nodes[0].start()
    await nodes[1].start(seeds=[nodes[0].get_local_node_id()])
    seeds = [node.get_local_node_id() for node in nodes]
    with Child(PROGRAM, str(HELD_S), *seeds) as child:
        await asyncio.to_thread(child.line, "holding")
        began = time.monotonic()
        await until(lambda: all(node.get_connected_node_count() == 2 for node in nodes))
        for watch in watches:
            watch.events.clear()
        report = json.loads((await asyncio.to_thread(child.line, "report", HELD_S + 60)).removeprefix("report "))
        assert time.monotonic() - began >= HELD_S - 1, "it did hold the GIL"
        assert report["events"] == [], "it reports nobody"
        assert report["connected"] == 2
        assert [watch.events for watch in watches] == [[], []], "and is never reported down"
        child.tell("stop")
        assert await asyncio.to_thread(child.wait) == 0
        await until(lambda: all(len(watch.of("down")) == 1 for watch in watches))
    for node in nodes:
        await node.stop()
