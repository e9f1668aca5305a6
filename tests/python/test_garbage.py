"""A node that nobody holds any more: collected, ended without a goodbye, and nobody has to wait for it."""

import asyncio
import gc
import os
import threading
import time
import weakref

import pytest
from noex_cluster import ClusterNode, NodeInfo, sync
from support import Watch, black_hole, options, running, until, until_sync


def native_threads() -> int:
    """Threads of the library, by the names it gives them."""
    names = []
    for task in os.listdir("/proc/self/task"):
        try:
            with open(f"/proc/self/task/{task}/comm") as comm:
                names.append(comm.read().strip())
        except OSError:  # ended meanwhile
            continue
    return sum(name.startswith("noex-io") for name in names)


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_dropping_a_node_ends_it_without_a_goodbye() -> None:
    async with running("hub") as hub:
        watch = Watch(hub)
        node = ClusterNode(**options("app1", seeds=[hub.get_local_node_id()]))
        await node.start()
        node_id = node.get_local_node_id()
        await until(watch.has("up", node_id))
        gone = weakref.ref(node)
        del node
        assert gone() is None, "no cycle keeps it"
        await until(watch.has("down", node_id, "connection_closed"))


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_handlers_that_refer_to_their_node_do_not_keep_it() -> None:
    async with running("hub") as hub:
        watch = Watch(hub)

        async def use() -> tuple[str, "weakref.ref[ClusterNode]"]:
            node = ClusterNode(**options("app1", seeds=[hub.get_local_node_id()]))

            async def handler(info: NodeInfo) -> None:
                node.get_nodes()

            node.on_node_up(handler)
            node.on_status_change(lambda status: node.get_status())
            await node.start()
            return node.get_local_node_id(), weakref.ref(node)

        node_id, gone = await use()
        await until(watch.has("up", node_id))

        def collected() -> bool:
            gc.collect()
            return gone() is None

        await until(collected)
        await until(watch.has("down", node_id, "connection_closed"))


async def test_a_dropped_node_is_warned_of() -> None:
    node = ClusterNode(**options("app1"))
    await node.start()
    with pytest.warns(ResourceWarning, match=r"app1@127\.0\.0\.1:\d+ was dropped while it ran"):
        del node


async def test_a_stopped_node_goes_in_silence(recwarn: pytest.WarningsRecorder) -> None:
    node = ClusterNode(**options("app1"))
    await node.start()
    await node.stop()
    del node
    gc.collect()
    assert [str(warning.message) for warning in recwarn] == []


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_dropping_many_does_not_hold_up_the_loop_and_leaves_nothing() -> None:
    loop = asyncio.get_running_loop()
    threads = native_threads()
    watched = len(loop._selector.get_map())  # type: ignore[attr-defined]
    descriptors = len(os.listdir("/proc/self/fd"))
    nodes = [ClusterNode(**options(f"app{number}")) for number in range(8)]
    await asyncio.gather(*(node.start() for node in nodes))
    assert native_threads() == threads + 8
    began = time.thread_time()
    nodes.clear()
    assert time.thread_time() - began < 0.2, "the loop's own work"
    await until(lambda: native_threads() == threads, "its threads end")
    await until(lambda: len(loop._selector.get_map()) == watched, "the loop lets go")  # type: ignore[attr-defined]
    await until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "descriptors are closed")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dropping_while_the_loop_is_closed_or_stands_still() -> None:
    threads = native_threads()
    descriptors = len(os.listdir("/proc/self/fd"))
    node = ClusterNode(**options("app1"))
    asyncio.run(node.start())
    del node
    until_sync(lambda: native_threads() == threads, "the node ends though its loop is closed")
    still = asyncio.new_event_loop()
    node = ClusterNode(**options("app2"))
    still.run_until_complete(node.start())
    del node
    until_sync(lambda: native_threads() == threads, "the node ends though its loop stands still")
    still.close()
    del still
    gc.collect()
    until_sync(lambda: len(os.listdir("/proc/self/fd")) <= descriptors, "descriptors are closed")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dropping_a_blocking_node() -> None:
    threads = native_threads()
    node = sync.ClusterNode(**options("app1"))
    node.on_status_change(lambda status: None)
    node.start()
    assert native_threads() == threads + 1
    del node
    until_sync(lambda: native_threads() == threads)
    until_sync(lambda: not [t for t in threading.enumerate() if t.name == "noex-cluster-events"], "its thread ends")


@pytest.mark.filterwarnings("ignore::ResourceWarning")
async def test_dropping_in_another_thread() -> None:
    threads = native_threads()
    nodes = [ClusterNode(**options("app1"))]
    await nodes[0].start()
    await asyncio.to_thread(nodes.clear)
    await until(lambda: native_threads() == threads)


async def test_a_start_under_way_keeps_its_node() -> None:
    async def start() -> None:
        with black_hole() as port:
            await ClusterNode(**options("app1")).start(seeds=[f"nobody@127.0.0.1:{port}"])

    task = asyncio.create_task(start())
    await asyncio.sleep(0.1)
    gc.collect()
    with pytest.warns(ResourceWarning):
        await task  # it ended as a start does; only then nobody holds the node


async def test_an_iterator_keeps_its_node() -> None:
    node = ClusterNode(**options("app1"))
    stream = node.events()
    await node.start()
    gone = weakref.ref(node)
    del node
    gc.collect()
    kept = gone()
    assert kept is not None
    await kept.stop()
    assert len([event async for event in stream]) == 4


def test_memory_of_many_nodes_is_given_back() -> None:
    async def cycle(count: int) -> None:
        for _ in range(count):
            async with running("app1"):
                pass

    asyncio.run(cycle(20))
    descriptors = len(os.listdir("/proc/self/fd"))
    before = resident_kib()
    asyncio.run(cycle(150))
    assert len(os.listdir("/proc/self/fd")) <= descriptors
    assert resident_kib() - before < 20_000, "150 nodes started and stopped"


def resident_kib() -> int:
    gc.collect()
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS"))
