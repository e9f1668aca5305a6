"""Start, stop, queries: what a program sees of one node, and of two."""

import asyncio
import errno
import time
from collections.abc import Callable
from typing import Any

import pytest
from noex_cluster import (
    Cluster,
    ClusterBindError,
    ClusterError,
    ClusterNode,
    ClusterNotStartedError,
    ClusterStatus,
    NodeDownReason,
    NodeId,
    NodeInfo,
    NodeStatus,
    NodeUp,
    StatusChange,
)
from support import Watch, black_hole, options, running, taken_port, until

QUERIES: dict[str, Callable[[ClusterNode], Any]] = {
    "get_local_node_id": lambda node: node.get_local_node_id(),
    "get_local_node_info": lambda node: node.get_local_node_info(),
    "get_nodes": lambda node: node.get_nodes(),
    "get_connected_nodes": lambda node: node.get_connected_nodes(),
    "get_node_ids": lambda node: node.get_node_ids(),
    "get_node": lambda node: node.get_node("a@h:1"),
    "is_node_connected": lambda node: node.is_node_connected("a@h:1"),
    "get_connected_node_count": lambda node: node.get_connected_node_count(),
    "get_uptime_ms": lambda node: node.get_uptime_ms(),
    "get_stats": lambda node: node.get_stats(),
}


@pytest.mark.parametrize("name", QUERIES)
async def test_a_query_needs_a_started_node(name: str) -> None:
    node = ClusterNode(**options("app1"))
    for _ in range(2):  # never started; stopped again
        with pytest.raises(ClusterNotStartedError, match="not started") as caught:
            QUERIES[name](node)
        assert isinstance(caught.value, ClusterError)
        assert isinstance(caught.value, RuntimeError)
        await node.start()
        QUERIES[name](node)
        await node.stop()


def test_the_cluster_is_a_node() -> None:
    assert isinstance(Cluster, ClusterNode)
    assert Cluster.get_status() is ClusterStatus.STOPPED
    with pytest.raises(ClusterNotStartedError):
        Cluster.get_nodes()


async def test_one_node_alone() -> None:
    async with running("app1") as node:
        local = node.get_local_node_id()
        assert type(local) is NodeId
        assert (local.name, local.host) == ("app1", "127.0.0.1")
        assert local.port > 0
        assert node.get_status() is ClusterStatus.RUNNING
        assert node.get_nodes() == node.get_connected_nodes() == ()
        assert node.get_node_ids() == ()
        assert node.get_connected_node_count() == 0
        assert node.get_node("other@127.0.0.1:1") is None
        assert not node.is_node_connected("other@127.0.0.1:1")
        info = node.get_local_node_info()
        assert (info.id, info.host, info.port) == (local, "127.0.0.1", local.port)
        assert info.status is NodeStatus.CONNECTED
        assert abs(info.last_heartbeat_at - time.time() * 1000) < 10_000
        assert 0 <= info.uptime_ms <= node.get_uptime_ms() < 60_000
        assert info.incarnation
    assert node.get_status() is ClusterStatus.STOPPED


async def test_two_nodes_on_any_port() -> None:
    async with running("app1") as first, running("app2", seeds=[first.get_local_node_id()]) as second:
        await until(lambda: first.get_connected_node_count() == second.get_connected_node_count() == 1)
        first_id, second_id = first.get_local_node_id(), second.get_local_node_id()
        (seen,) = first.get_nodes()
        assert isinstance(seen, NodeInfo)
        assert type(seen.id) is NodeId
        assert (seen.id, seen.host, seen.port, seen.status) == (second_id, "127.0.0.1", second_id.port, "connected")
        assert seen.status is NodeStatus.CONNECTED
        assert abs(seen.last_heartbeat_at - time.time() * 1000) < 10_000
        assert seen.incarnation == second.get_local_node_info().incarnation
        assert first.get_node_ids() == (second_id,)
        assert second.get_node(first_id) == second.get_nodes()[0]
        assert second.is_node_connected(first_id)
        assert [info.id for info in second.get_connected_nodes()] == [first_id]
        with pytest.raises(AttributeError):
            seen.port = 1  # type: ignore[misc]


async def test_a_seed_by_another_name_is_an_alias() -> None:
    async with running("app1") as first:
        port = first.get_local_node_id().port
        async with running("app2", seeds=[f"seed@localhost:{port}"]) as second:
            await until(lambda: second.get_connected_node_count() == 1)
            assert second.get_node_ids() == (first.get_local_node_id(),)
            assert second.is_node_connected(f"seed@localhost:{port}")
            found = second.get_node(f"seed@localhost:{port}")
            assert found is not None
            assert found.id == first.get_local_node_id()


async def test_the_same_list_while_nothing_changes() -> None:
    async with running("app1", heartbeat_interval_ms=60_000) as first:
        async with running("app2", heartbeat_interval_ms=60_000, seeds=[first.get_local_node_id()]):
            await until(lambda: first.get_connected_node_count() == 1)
            again = await settled(first)
            assert first.get_nodes() is again
        await until(lambda: first.get_connected_node_count() == 0)
        assert first.get_nodes() is not again
        assert first.get_nodes()[0].status is NodeStatus.DISCONNECTED


async def settled(node: ClusterNode) -> tuple[NodeInfo, ...]:
    """The list once the handshake is over."""
    before = node.get_nodes()
    while True:
        await asyncio.sleep(0.2)
        now = node.get_nodes()
        if now is before:
            return now
        before = now


async def test_beats_refresh_the_list() -> None:
    async with running("app1") as first, running("app2", seeds=[first.get_local_node_id()]):
        await until(lambda: first.get_connected_node_count() == 1)
        before = first.get_nodes()[0]
        await until(lambda: first.get_nodes()[0].last_heartbeat_at > before.last_heartbeat_at)
        await until(lambda: first.get_nodes()[0].uptime_ms > before.uptime_ms)


async def test_process_count_is_published() -> None:
    first = ClusterNode(**options("app1"))
    first.set_process_count(5)
    async with first, running("app2", seeds=[first.get_local_node_id()]) as second:
        assert first.get_local_node_info().process_count == 5
        await until(lambda: [info.process_count for info in second.get_nodes()] == [5])
        first.set_process_count(2**53 - 1)
        await until(lambda: [info.process_count for info in second.get_nodes()] == [2**53 - 1])
    async with first:
        assert first.get_local_node_info().process_count == 2**53 - 1


@pytest.mark.parametrize("count", [-1, 2**53, 2**63, -(2**70)])
def test_process_count_has_bounds(count: int) -> None:
    with pytest.raises(ValueError, match="process count"):
        ClusterNode().set_process_count(count)


@pytest.mark.parametrize("count", ["1", 1.0, True, None])
def test_process_count_is_an_int(count: Any) -> None:
    with pytest.raises(TypeError, match="process count must be an int"):
        ClusterNode().set_process_count(count)


@pytest.mark.parametrize("value", [None, 5, b"a@h:1"])
async def test_a_query_wants_a_str(value: Any) -> None:
    async with running("app1") as node:
        for query in (node.get_node, node.is_node_connected):
            with pytest.raises(TypeError, match="node id must be a str"):
                query(value)


@pytest.mark.parametrize("value", ["", "nonsense", "a@h:1\0", "\ud800@h:1"])
async def test_a_query_for_nonsense_finds_nothing(value: str) -> None:
    async with running("app1") as node:
        assert node.get_node(value) is None
        assert node.is_node_connected(value) is False


async def test_the_states_in_order() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    for _ in range(2):
        await node.start()
        assert watch.events == [("status", "starting"), ("status", "running")], "told before start returns"
        await node.stop()
        assert watch.of("status") == [("starting",), ("running",), ("stopping",), ("stopped",)]
        watch.events.clear()


async def test_a_second_start_is_refused() -> None:
    async with running("app1") as node:
        with pytest.raises(ClusterError, match=r"^Cluster is already running") as caught:
            await node.start(**options("app1"))
        assert type(caught.value) is ClusterError
        assert node.get_status() == "running"


async def test_a_second_start_while_starting_is_refused() -> None:
    node = ClusterNode(**options("app1", seeds=["other@127.0.0.1:1"]))
    first = asyncio.create_task(node.start())
    await asyncio.sleep(0)
    with pytest.raises(ClusterError, match="Cluster is already running"):
        await node.start()
    await first
    await node.stop()


async def test_stop_without_start() -> None:
    node = ClusterNode()
    await node.stop()
    await node.start(**options("app1"))
    await node.stop()
    await node.stop()
    assert node.get_status() == "stopped"


async def test_concurrent_stops_share_one() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    await node.start()
    await asyncio.gather(*(node.stop() for _ in range(5)))
    assert watch.of("status").count(("stopping",)) == 1


async def test_stop_while_starting_ends_the_start() -> None:
    node = ClusterNode()
    with black_hole() as port:
        start = asyncio.create_task(node.start(**options("app1", seeds=[f"nobody@127.0.0.1:{port}"])))
        await until(lambda: node.get_status() == "running")
        await node.stop()
        with pytest.raises(ClusterError, match="ended by a stop"):
            await start
        assert node.get_status() == "stopped"


async def test_cancelling_start_stops_the_node() -> None:
    node = ClusterNode()
    watch = Watch(node)
    with black_hole() as port:
        start = asyncio.create_task(node.start(**options("app1", seeds=[f"nobody@127.0.0.1:{port}"])))
        await until(watch.has("status", "running"))
        assert start.cancel()
        with pytest.raises(asyncio.CancelledError):
            await start
    assert node.get_status() == "stopped"
    assert watch.events[-1] == ("status", "stopped")
    await node.start(**options("app1"))  # and may be started again
    await node.stop()


async def test_a_time_limit_on_start() -> None:
    node = ClusterNode()
    with black_hole() as port, pytest.raises(TimeoutError):
        await asyncio.wait_for(node.start(**options("app1", seeds=[f"nobody@127.0.0.1:{port}"])), 0.1)
    await node.stop()
    assert node.get_status() == "stopped"


async def test_cancelling_stop_still_stops() -> None:
    node = ClusterNode(**options("app1"))
    await node.start()
    stop = asyncio.create_task(node.stop())
    await asyncio.sleep(0)
    stop.cancel()
    await asyncio.gather(stop, return_exceptions=True)
    await until(lambda: node.get_status() == "stopped")


async def test_a_taken_port() -> None:
    node = ClusterNode()
    watch = Watch(node)
    with taken_port() as port, pytest.raises(ClusterBindError) as caught:
        await node.start(node_name="app1", host="127.0.0.1", port=port)
    error = caught.value
    assert isinstance(error, ClusterError)
    assert isinstance(error, OSError)
    assert error.errno == errno.EADDRINUSE
    assert (error.code, error.address, error.port) == ("EADDRINUSE", "127.0.0.1", port)
    assert error.syscall in ("bind", "listen")
    assert f"127.0.0.1:{port}" in str(error)
    assert "epmd" in str(error), "whose port is the default one too"
    assert watch.of("status") == [("starting",), ("stopped",)]
    assert node.get_status() == "stopped"
    await node.start(node_name="app1", host="127.0.0.1", port=port)
    assert node.get_local_node_id() == f"app1@127.0.0.1:{port}"
    await node.stop()


async def test_a_host_of_nobody() -> None:
    with pytest.raises(ClusterBindError) as caught:
        await ClusterNode().start(node_name="app1", host="192.0.2.1", port="auto")
    assert caught.value.errno == errno.EADDRNOTAVAIL
    with pytest.raises(ClusterBindError, match=r"nobody\.invalid") as caught:
        await ClusterNode().start(node_name="app1", host="nobody.invalid", port="auto")
    assert caught.value.errno is None
    assert caught.value.syscall == "getaddrinfo"


async def test_a_restart_is_one_down_and_one_up() -> None:
    async with running("app1") as first:
        watch = Watch(first)
        second = ClusterNode(**options("app2", seeds=[first.get_local_node_id()]))
        await second.start()
        second_id = second.get_local_node_id()
        await until(watch.has("up", second_id))
        incarnation = first.get_nodes()[0].incarnation
        await second.stop()
        await until(watch.has("down", second_id, "graceful_shutdown"))
        await second.start(port=second_id.port)
        await until(lambda: watch.of("up") == [(second_id,), (second_id,)])
        assert watch.of("down") == [(second_id, "graceful_shutdown")]
        assert first.get_nodes()[0].incarnation != incarnation
        await second.stop()


async def test_statistics() -> None:
    async with running("app1") as first, running("app2", seeds=[first.get_local_node_id()]) as second:
        await until(lambda: first.get_connected_node_count() == 1)
        stats = second.get_stats()
        assert stats.dials >= 1
        assert stats.nodes_connected == stats.nodes_known == stats.connections == 1
        assert stats.frames_sent > 0
        assert stats.frames_received > 0
        assert stats.bytes_received > stats.frames_received
        assert stats.rejected == sum(stats.rejected_by_kind.values()) == 0
        assert "bad_signature" in stats.rejected_by_kind
        (peer,) = stats.peers
        assert peer.id == first.get_local_node_id()
        assert peer.address == f"127.0.0.1:{first.get_local_node_id().port}"
        assert peer.outbound
        assert peer.confirmed
        with pytest.raises(TypeError):
            stats.rejected_by_kind["x"] = 1  # type: ignore[index]


async def test_queries_in_handlers_show_the_event() -> None:
    seen: list[object] = []
    first = ClusterNode(**options("app1"))
    first.on_node_up(lambda info: seen.append([known.id for known in first.get_connected_nodes()] == [info.id]))
    first.on_node_down(lambda node_id, _: seen.append(not first.is_node_connected(node_id)))
    first.on_status_change(lambda status: seen.append(status != "running" or bool(first.get_local_node_id())))
    async with first:
        async with running("app2", seeds=[first.get_local_node_id()]):
            await until(lambda: len(seen) == 3)
        await until(lambda: len(seen) == 4)
    assert seen == [True] * 6


async def test_events_as_values() -> None:
    node = ClusterNode(**options("app1"))
    stream = node.events()
    async with node, running("app2", seeds=[node.get_local_node_id()]) as second:
        second_id = second.get_local_node_id()
        await until(lambda: node.get_connected_node_count() == 1)
    events = [event async for event in stream]
    statuses = [event.status for event in events if isinstance(event, StatusChange)]
    assert statuses == ["starting", "running", "stopping", "stopped"]
    assert [event.node.id for event in events if isinstance(event, NodeUp)] == [second_id]
    assert all(abs(event.at - time.time() * 1000) < 60_000 for event in events)


def test_the_words() -> None:
    assert list(ClusterStatus) == ["starting", "running", "stopping", "stopped"]
    assert list(NodeStatus) == ["connecting", "connected", "disconnected"]
    reasons = ["heartbeat_timeout", "connection_closed", "connection_refused", "graceful_shutdown"]
    assert list(NodeDownReason) == reasons
    assert f"{NodeStatus.CONNECTED}" == "connected"
