"""The end of the process, by each road, while a node runs: no crash, no hang, and no goodbye that was not said."""

import asyncio
import os
import signal

import pytest
from noex_cluster import ClusterNode
from support import Child, Watch, options, running, until

# A race at exit does not show each time. (Under a sanitizer a child takes seconds.)
ROUNDS = 200 if os.environ.get("NOEX_SOAK") == "1" else 4 if "LD_PRELOAD" in os.environ else 20
AT_ONCE = 5
# Ten times the rounds, ten times the time.
pytestmark = pytest.mark.timeout(1200 if os.environ.get("NOEX_SOAK") == "1" else 120)

ASYNC = """
    import asyncio, gc, os, sys, threading, time
    from noex_cluster import Cluster, ClusterNode

    kept = []

    async def main():
        how, seed = sys.argv[1:]
        Cluster.on_node_up(lambda node: None)
        Cluster.on_status_change(lambda status: asyncio.sleep(0))
        await Cluster.start(node_name="child", host="127.0.0.1", port="auto", seeds=[seed], heartbeat_interval_ms=100)
        print("running", Cluster.get_connected_node_count(), flush=True)
        if how == "stop":
            await Cluster.stop()
        if how == "cycle":
            kept.append(kept)
            node = ClusterNode(node_name="second", host="127.0.0.1", port="auto", heartbeat_interval_ms=100)
            node.on_node_up(lambda info: node)
            kept.append(node)
            await node.start(seeds=[Cluster.get_local_node_id()])
        if how == "thread":
            threading.Thread(target=ask, daemon=True).start()
        if how == "exit":
            sys.exit(3)
        if how == "raise":
            raise ValueError("uncaught")
        if how == "_exit":
            os._exit(4)
        if how == "forever":
            await asyncio.sleep(60)

    def ask():
        while True:
            Cluster.get_stats()
            Cluster.get_nodes()

    asyncio.run(main())
    print("end")
"""

SYNC = """
    import gc, os, sys, threading, time
    from noex_cluster.sync import Cluster

    def busy(node):
        for _ in range(1000):
            time.sleep(0.001)

    how, seed = sys.argv[1:]
    Cluster.on_node_up(busy)
    Cluster.start(node_name="child", host="127.0.0.1", port="auto", seeds=[seed], heartbeat_interval_ms=100)
    print("running", flush=True)
    if how == "stop":
        Cluster.stop()
    if how == "thread":
        threading.Thread(target=Cluster.wait, daemon=True).start()
    if how == "iterator":
        threading.Thread(target=list, args=(Cluster.events(),), daemon=True).start()
    if how == "exit":
        sys.exit(3)
    if how == "raise":
        raise ValueError("uncaught")
    if how == "_exit":
        os._exit(4)
    if how == "forever":
        Cluster.wait()
    print("end")
"""

# road -> exit code
ROADS = {"return": 0, "stop": 0, "thread": 0, "exit": 3, "raise": 1, "_exit": 4}
ROADS_ASYNC = {**ROADS, "cycle": 0}
ROADS_SYNC = {**ROADS, "iterator": 0}


async def end_of(program: str, how: str, code: int, number: signal.Signals | None = None) -> None:
    for done in range(0, ROUNDS, AT_ONCE):
        await some_end(min(AT_ONCE, ROUNDS - done), program, how, code, number)


async def some_end(count: int, program: str, how: str, code: int, number: signal.Signals | None) -> None:
    async with running("hub") as hub:
        watch = Watch(hub)
        children = [Child(program, how, hub.get_local_node_id(), PYTHONWARNINGS="error") for _ in range(count)]
        try:
            for child in children:
                await asyncio.to_thread(child.line, "running")
                if number is not None:
                    child.send(number)
            for child in children:
                assert await asyncio.to_thread(child.wait) == code, child.output
                assert ("end" in child.lines) == (code == 0), child.output
                assert "Fatal" not in child.output
                assert "terminate called" not in child.output
                # Nothing but what the program itself says goes wrong.
                assert ("Traceback" in child.output) == (how == "raise" or number is signal.SIGINT), child.output
            await until(lambda: len([down for down in watch.of("down") if down[0].startswith("child@")]) >= count)
        finally:
            for child in children:
                child.__exit__()
        reasons = {reason for node, reason in watch.of("down") if node.startswith("child@")}
        assert reasons == {"graceful_shutdown" if how == "stop" else "connection_closed"}


@pytest.mark.parametrize("how", ROADS_ASYNC)
async def test_with_asyncio(how: str) -> None:
    await end_of(ASYNC, how, ROADS_ASYNC[how])


@pytest.mark.parametrize("how", ROADS_SYNC)
async def test_without_a_loop(how: str) -> None:
    await end_of(SYNC, how, ROADS_SYNC[how])


@pytest.mark.parametrize("program", [ASYNC, SYNC], ids=["asyncio", "sync"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
async def test_by_a_signal(program: str, number: signal.Signals) -> None:
    await end_of(program, "forever", -number, number)


@pytest.mark.parametrize("program", [ASYNC, SYNC], ids=["asyncio", "sync"])
async def test_by_ctrl_c(program: str) -> None:
    await end_of(program, "forever", -signal.SIGINT, signal.SIGINT)


async def test_signals_stay_the_hosts() -> None:
    """A peer that dies while it is written to sends no SIGPIPE, and Python's handlers run in the main thread."""
    program = """
        import asyncio, signal, sys, threading
        from noex_cluster import Cluster

        async def main():
            got = asyncio.Event()
            for number in (signal.SIGUSR1, signal.SIGTERM):
                asyncio.get_running_loop().add_signal_handler(number, got.set)
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)
            await Cluster.start(node_name="child", host="127.0.0.1", port="auto", seeds=[sys.argv[1]],
                                heartbeat_interval_ms=100)
            print("running", flush=True)
            await got.wait()
            await Cluster.stop()
            print("stopped", flush=True)

        asyncio.run(main())
    """
    node = ClusterNode(**options("hub", heartbeat_interval_ms=100))
    await node.start()
    with Child(program, node.get_local_node_id()) as child:
        await asyncio.to_thread(child.line, "running")
        port = node.get_local_node_id().port
        for _ in range(5):
            await node.stop()
            await node.start(port=port)
        child.send(signal.SIGUSR1)
        await asyncio.to_thread(child.line, "stopped")
        assert await asyncio.to_thread(child.wait) == 0
    await node.stop()
