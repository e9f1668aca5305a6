"""fork(): a running node stays the parent's, and the parent does not notice. And subinterpreters, which say no."""

import asyncio
import gc
import multiprocessing
import os
import subprocess
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from noex_cluster import ClusterError, ClusterNode, NodeId, sync
from support import Watch, options, running, until

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")


async def in_child(body: Callable[[], None]) -> None:
    """Runs `body` in a forked child, which must end well."""
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            body()
            code = 0
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    _, status = await asyncio.to_thread(os.waitpid, pid, 0)
    assert os.waitstatus_to_exitcode(status) == 0


async def assert_untouched(node: ClusterNode, watch: Watch) -> None:
    """The parent's node still beats, listens and delivers."""
    assert watch.of("down") == []
    (peer,) = node.get_connected_nodes()
    await until(lambda: node.get_connected_nodes()[0].last_heartbeat_at > peer.last_heartbeat_at)
    async with running("late", seeds=[node.get_local_node_id()]) as late:
        await until(watch.has("up", late.get_local_node_id()))
    assert node.get_status() == "running"


async def test_in_the_child_every_call_says_whose_node_it_is() -> None:
    async with running("app1") as node, running("app2", seeds=[node.get_local_node_id()]):
        watch = Watch(node)
        await until(lambda: node.get_connected_node_count() == 1)
        queries: list[Callable[[], Any]] = [
            node.get_status,
            node.get_local_node_id,
            node.get_local_node_info,
            node.get_nodes,
            node.get_connected_node_count,
            node.get_uptime_ms,
            node.get_stats,
            lambda: node.get_node("a@h:1"),
            lambda: node.is_node_connected("a@h:1"),
            lambda: node.set_process_count(1),
            lambda: asyncio.new_event_loop().run_until_complete(node.start(**options("app1"))),
            lambda: asyncio.new_event_loop().run_until_complete(node.stop()),
        ]

        def child() -> None:
            for query in queries:
                with pytest.raises(ClusterError, match="belongs to the parent process"):
                    query()
            NodeId("a@h:1")

        await in_child(child)
        await assert_untouched(node, watch)


async def test_a_child_that_collects_the_node_does_not_touch_the_parents() -> None:
    async with running("app2") as other:
        nodes = [ClusterNode(**options("app1", seeds=[other.get_local_node_id()]))]
        await nodes[0].start()
        watch = Watch(nodes[0])

        def child() -> None:
            nodes.clear()
            gc.collect()

        await in_child(child)
        await assert_untouched(nodes[0], watch)
        await nodes[0].stop()


async def test_a_child_may_have_nodes_of_its_own() -> None:
    idle = ClusterNode(**options("idle"))
    idle.on_status_change(lambda status: None)
    used = ClusterNode(**options("used"))
    await used.start()
    await used.stop()
    async with running("app1") as node, running("app2", seeds=[node.get_local_node_id()]):
        watch = Watch(node)
        await until(lambda: node.get_connected_node_count() == 1)
        seed = node.get_local_node_id()

        def child() -> None:
            async def join() -> None:
                for mine in (ClusterNode(**options("child")), idle, used):
                    await mine.start(seeds=[seed])
                    assert mine.is_node_connected(seed)
                    await mine.stop()

            asyncio.new_event_loop().run_until_complete(join())
            with sync.ClusterNode(**options("blocking", seeds=[seed])) as blocking:
                assert blocking.is_node_connected(seed)

        await in_child(child)
        names = ("child", "idle", "used", "blocking")
        await until(lambda: [up[0].split("@")[0] for up in watch.of("up") if "app2@" not in up[0]] == list(names))
        await until(lambda: len(watch.of("down")) == len(names))
        assert {down[1] for down in watch.of("down")} == {"graceful_shutdown"}


def _forked_work(seed: str) -> str:
    with sync.ClusterNode(**options("worker", seeds=[seed])) as node:
        return ",".join(node.get_node_ids())


@pytest.mark.parametrize("method", ["fork", "spawn"])
async def test_multiprocessing(method: str) -> None:
    async with running("app1") as node, running("app2", seeds=[node.get_local_node_id()]):
        watch = Watch(node)
        await until(lambda: node.get_connected_node_count() == 1)
        with multiprocessing.get_context(method).Pool(1) as pool:
            result = pool.apply_async(_forked_work, (node.get_local_node_id(),))
            assert node.get_local_node_id() in (await asyncio.to_thread(result.get, 30)).split(",")
            await asyncio.to_thread(pool.close)
            await asyncio.to_thread(pool.join)
        await until(lambda: [down[1] for down in watch.of("down")] == ["graceful_shutdown"])
        watch.events.clear()
        await assert_untouched(node, watch)


SUBINTERPRETER = """
import sys
try:
    import _xxsubinterpreters as interpreters
except ImportError:
    import _interpreters as interpreters
import noex_cluster
id_ = interpreters.create()
code = '''
try:
    import noex_cluster
except ImportError as error:
    print("ImportError:", error)
else:
    print("imported")
'''
interpreters.run_string(id_, code)
print("main", noex_cluster.NodeId("a@h:1"))
"""


def test_a_subinterpreter_is_told_no() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SUBINTERPRETER], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "ImportError:" in done.stdout
    assert "subinterpreters" in done.stdout
    assert "main a@h:1" in done.stdout
