"""Event loops: several in several threads, loops that are closed, stand still, or have no add_reader."""

import asyncio
import contextlib
import importlib
import importlib.util
import logging
import os
import threading
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NoReturn

import pytest
from noex_cluster import ClusterNode, ClusterStatus, NodeInfo
from support import Watch, options, running, until, until_sync


@contextlib.contextmanager
def loop_in_thread() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, name="other loop")
    thread.start()
    try:
        yield loop
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


class NoReaders(asyncio.SelectorEventLoop):
    """A loop without add_reader."""

    def add_reader(self, fd: Any, callback: Any, *args: Any) -> NoReturn:  # type: ignore[override]
        raise NotImplementedError

    def remove_reader(self, fd: Any) -> NoReturn:
        raise NotImplementedError


def test_a_closed_loop_does_not_stop_the_node() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    asyncio.run(node.start())
    assert node.get_status() == "running"
    peer = ClusterNode(**options("app2"))

    async def meet() -> None:
        await peer.start(seeds=[node.get_local_node_id()])  # a call in a running loop: it takes the handlers over
        await until(watch.has("up", peer.get_local_node_id()))
        await peer.stop()

    asyncio.run(meet())
    asyncio.run(node.stop())
    assert watch.of("status") == [
        ("starting",),
        ("running",),
        ("stopping",),
        ("stopped",),
    ]


def test_events_of_the_time_between_two_loops_come_late_but_in_order() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    asyncio.run(node.start())
    seed = node.get_local_node_id()
    names = []
    for number in range(3):

        async def come_and_go(name: str = f"app1{number}") -> str:
            async with running(name, seeds=[seed]) as peer:
                await until(lambda: peer.get_connected_node_count() == 1)
                return str(peer.get_local_node_id())

        names.append(asyncio.run(come_and_go()))
        until_sync(lambda: node.get_stats().node_downs == len(names))
    assert watch.of("up") == []
    asyncio.run(node.stop())
    expected = [event for name in names for event in (("up", name), ("down", name, "graceful_shutdown"))]
    assert [event for event in watch.events if event[0] in ("up", "down")] == expected


def test_a_query_takes_the_handlers_over() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    asyncio.run(node.start())

    async def look() -> None:
        async with running("app2", seeds=[node.get_local_node_id()]) as peer:
            node.get_nodes()
            await until(watch.has("up", peer.get_local_node_id()))

    asyncio.run(look())
    asyncio.run(node.stop())


def test_without_a_loop_a_query_answers_all_the_same() -> None:
    node = ClusterNode(**options("app1"))
    asyncio.run(node.start())
    assert node.get_nodes() == ()
    assert node.get_status() == "running"
    asyncio.run(node.stop())
    assert node.get_status() == "stopped"


def test_a_loop_that_stands_still_hands_over_to_stop() -> None:
    still = asyncio.new_event_loop()
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    still.run_until_complete(node.start())
    asyncio.run(node.stop())
    assert watch.of("status")[-1] == ("stopped",)
    still.run_until_complete(node.start())
    still.run_until_complete(node.stop())
    assert len(watch.of("status")) == 8
    still.close()


async def test_stop_from_another_thread() -> None:
    async with running("app1") as node:
        watch = Watch(node)
        with loop_in_thread() as other:
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(node.stop(), other))
        assert node.get_status() == "stopped"
        assert watch.of("status") == [("stopping",), ("stopped",)]
        assert watch.threads == {"MainThread"}, "handlers run on the loop that awaited start"


async def test_handlers_run_on_the_loop_that_awaited_start() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    with loop_in_thread() as other:
        for place, expected in (
            (other, "other loop"),
            (asyncio.get_running_loop(), "MainThread"),
        ):
            watch.threads.clear()
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(node.start(), place))
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(node.stop(), place))
            assert watch.threads == {expected}


def test_a_mesh_of_loops_in_threads() -> None:
    count = 4
    barrier = threading.Barrier(count)
    seed = ClusterNode(**options("seed"))

    def work(number: int) -> int:
        async def main() -> int:
            watch = None
            if number == 0:
                watch = Watch(seed)  # before anybody can come up
                await seed.start()
            await asyncio.to_thread(barrier.wait, 20)
            node = seed
            if watch is None:
                node = ClusterNode(**options(f"app{number}", seeds=[seed.get_local_node_id()]))
                watch = Watch(node)
                await node.start()
            await until(lambda: len(watch.of("up")) >= count - 1)
            assert node.get_connected_node_count() == count - 1
            await asyncio.to_thread(barrier.wait, 20)
            await node.stop()
            assert len(watch.threads) == 1
            return len(watch.of("up"))

        return asyncio.run(main())

    with ThreadPoolExecutor(count) as pool:
        assert all(ups >= count - 1 for ups in pool.map(work, range(count)))


def test_a_loop_without_add_reader() -> None:
    async def main() -> None:
        node = ClusterNode(**options("app1"))
        watch = Watch(node)
        for round_ in range(2):
            async with node:
                async with running("app2", seeds=[node.get_local_node_id()]) as peer:
                    await until(watch.has("up", peer.get_local_node_id()))
                await until(watch.has("down", peer_id(watch), "graceful_shutdown"))
            assert watch.of("status") == [
                ("starting",),
                ("running",),
                ("stopping",),
                ("stopped",),
            ] * (round_ + 1)
        assert watch.threads == {"MainThread"}

    with asyncio.Runner(loop_factory=NoReaders) as runner:
        runner.run(main())
    until_sync(
        lambda: not [t for t in threading.enumerate() if t.name == "noex-cluster-events"],
        "its threads end",
    )


def peer_id(watch: Watch) -> str:
    return watch.of("up")[-1][0]


def test_a_loop_without_add_reader_that_is_closed() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    with asyncio.Runner(loop_factory=NoReaders) as runner:
        runner.run(node.start())
    asyncio.run(node.stop())
    assert watch.of("status") == [
        ("starting",),
        ("running",),
        ("stopping",),
        ("stopped",),
    ]
    until_sync(
        lambda: not [t for t in threading.enumerate() if t.name == "noex-cluster-events"],
        "its threads end",
    )


@pytest.mark.parametrize("factory", ["asyncio", "uvloop"])
def test_debug_mode_has_nothing_to_say(factory: str, caplog: pytest.LogCaptureFixture) -> None:
    if factory == "uvloop" and importlib.util.find_spec("uvloop") is None:
        pytest.skip("uvloop is not installed")
    new_loop = importlib.import_module(factory).new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        runner.run(asyncio.sleep(0))  # a loop may keep descriptors of its own open
    open_before = len(os.listdir("/proc/self/fd"))

    async def handler(info: NodeInfo) -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        asyncio.get_running_loop().slow_callback_duration = 5.0  # a busy machine is no fault of ours
        node = ClusterNode(**options("app1"))
        node.on_node_up(handler)
        node.on_status_change(lambda status: None)
        async with node, running("app2", seeds=[node.get_local_node_id()]):
            await until(lambda: node.get_connected_node_count() == 1)

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with asyncio.Runner(debug=True, loop_factory=new_loop) as runner:
            runner.run(main())
    assert [r.getMessage() for r in caplog.records if r.name == "asyncio" and r.levelno >= logging.WARNING] == []
    until_sync(
        lambda: len(os.listdir("/proc/self/fd")) <= open_before,
        "descriptors are closed",
    )


async def test_a_stopped_node_watches_nothing() -> None:
    loop = asyncio.get_running_loop()
    before = len(loop._selector.get_map())  # type: ignore[attr-defined]
    node = ClusterNode(**options("app1"))
    for _ in range(3):
        await node.start()
        assert len(loop._selector.get_map()) == before + 1  # type: ignore[attr-defined]
        await node.stop()
        await until(lambda: len(loop._selector.get_map()) == before)  # type: ignore[attr-defined]


async def test_a_node_that_cannot_be_listened_to_is_not_left_running(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    node = ClusterNode(**options("app1"))
    with monkeypatch.context() as patch:

        def full(*_: Any) -> NoReturn:
            raise OSError(24, "Too many open files")

        patch.setattr(asyncio.get_running_loop(), "add_reader", full)
        with pytest.raises(OSError, match="Too many open files"):
            await node.start()
    await until(lambda: node.get_status() == "stopped")
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1, "but for the node's own"
    watch = Watch(node)
    await node.start()
    await node.stop()
    assert watch.of("status")[-4:] == [
        ("starting",),
        ("running",),
        ("stopping",),
        ("stopped",),
    ]


async def test_an_iterator_in_another_loop() -> None:
    node = ClusterNode(**options("app1"))
    stream = node.events()
    with loop_in_thread() as other:

        async def collect() -> list[object]:
            return [getattr(event, "status", event) async for event in stream]

        collected = asyncio.run_coroutine_threadsafe(collect(), other)
        async with node:
            await until(lambda: len(stream._mailbox) == 0)
        assert await asyncio.wrap_future(collected) == list(ClusterStatus)


async def test_queries_from_many_threads() -> None:
    async with (
        running("app1") as node,
        running("app2", seeds=[node.get_local_node_id()]),
    ):
        await until(lambda: node.get_connected_node_count() == 1)

        def ask() -> int:
            return sum(
                len(node.get_nodes()) + len(node.get_connected_nodes()) + len(node.get_stats().peers)
                for _ in range(200)
            )

        assert await asyncio.gather(*(asyncio.to_thread(ask) for _ in range(4))) == [600] * 4
