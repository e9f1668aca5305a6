"""Handlers and event iterators: order, where they run, what becomes of their exceptions."""

import asyncio
import contextlib
import logging
import time
from typing import Any

import pytest
from noex_cluster import (
    ClusterEvent,
    ClusterNode,
    ClusterPeerError,
    ClusterStatus,
    ErrorEvent,
    ErrorKind,
    NodeDown,
    NodeDownReason,
    NodeId,
    NodeInfo,
    NodeStatus,
    NodeUp,
    StatusChange,
)
from noex_cluster._streams import COALESCE_ABOVE, Mailbox
from support import Watch, options, running, until


async def test_events_keep_their_order() -> None:
    watches = []
    async with running("hub") as hub:
        watch = Watch(hub)
        expected: list[tuple[str, ...]] = []
        for number in range(5):
            async with running(f"app{number}", seeds=[hub.get_local_node_id()]) as node:
                node_id = node.get_local_node_id()
                await until(watch.has("up", node_id))
            await until(watch.has("down", node_id, "graceful_shutdown"))
            expected += [("up", node_id), ("down", node_id, "graceful_shutdown")]
        watches.append(watch)
        assert watch.events == expected
        assert watch.threads == {"MainThread"}


async def test_handlers_run_in_the_order_of_registration_and_end_one_by_one() -> None:
    node = ClusterNode(**options("app1"))
    calls: list[str] = []

    def handler(status: ClusterStatus) -> None:
        calls.append(f"first {status}")

    first = node.on_status_change(handler)
    again = node.on_status_change(handler)
    node.on_status_change(lambda status: calls.append(f"second {status}"))
    await node.start()
    assert calls == ["first starting"] * 2 + ["second starting"] + ["first running"] * 2 + ["second running"]
    first()
    first()  # ends once
    calls.clear()
    await node.stop()
    assert calls == ["first stopping", "second stopping", "first stopped", "second stopped"]
    again()
    calls.clear()
    await node.start()
    assert calls == ["second starting", "second running"]
    await node.stop()


async def test_a_handler_may_end_another() -> None:
    node = ClusterNode(**options("app1"))
    calls: list[str] = []

    def first(status: ClusterStatus) -> None:
        calls.append(status)
        unsubscribe()

    node.on_status_change(first)
    unsubscribe = node.on_status_change(lambda status: calls.append(f"never {status}"))
    await node.start()
    assert calls == ["starting", "running"]
    await node.stop()


async def test_as_a_decorator() -> None:
    node = ClusterNode(**options("app1"))
    calls: list[str] = []

    @node.on_status_change
    def changed(status: ClusterStatus) -> None:
        calls.append(status)

    await node.start()
    changed()  # the name is the function that unsubscribes
    await node.stop()
    assert calls == ["starting", "running"]


@pytest.mark.parametrize("handler", [None, 5, "print"])
def test_a_handler_must_be_callable(handler: Any) -> None:
    node = ClusterNode()
    for register in (node.on_node_up, node.on_node_down, node.on_status_change, node.on_error):
        with pytest.raises(TypeError, match="must be a function or a coroutine function"):
            register(handler)


async def test_coroutines_begin_in_order_before_start_and_stop_return() -> None:
    node = ClusterNode(**options("app1"))
    begun: list[str] = []
    ended: list[str] = []
    gate = asyncio.Event()

    async def handler(status: ClusterStatus) -> None:
        begun.append(status)
        await gate.wait()
        ended.append(status)

    node.on_status_change(handler)
    await node.start()
    assert begun == ["starting", "running"]
    await node.stop()
    assert begun == ["starting", "running", "stopping", "stopped"]
    assert ended == [], "nobody waits for their ends"
    gate.set()
    await until(lambda: len(ended) == 4)


async def test_callable_objects_and_other_awaitables() -> None:
    node = ClusterNode(**options("app1"))
    seen: list[str] = []

    class Handler:
        async def __call__(self, status: ClusterStatus) -> None:
            seen.append(status)

    node.on_status_change(Handler())
    node.on_status_change(lambda status: asyncio.get_running_loop().create_future())
    async with node:
        assert seen == ["starting", "running"]


async def test_exceptions_go_to_the_loop_and_stop_nobody() -> None:
    node = ClusterNode(**options("app1"))
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    calls: list[str] = []

    def plain(status: ClusterStatus) -> None:
        raise ValueError(f"plain {status}")

    async def coroutine(status: ClusterStatus) -> None:
        raise ValueError(f"coroutine {status}")

    node.on_status_change(plain)
    node.on_status_change(coroutine)
    node.on_status_change(lambda status: calls.append(status))
    async with node:
        assert calls == ["starting", "running"]
        await until(lambda: len(reported) == 4)
    found = sorted(str(context["exception"]) for context in reported[:4])
    assert found == ["coroutine running", "coroutine starting", "plain running", "plain starting"]
    assert all("cluster event handler" in context["message"] for context in reported)


async def test_a_cancelled_handler_is_no_error() -> None:
    node = ClusterNode(**options("app1"))
    reported: list[dict[str, Any]] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: reported.append(context))
    node.on_status_change(lambda status: asyncio.sleep(60))
    await node.start()
    await asyncio.sleep(0)
    for task in tuple(node._tasks):
        task.cancel()
    await until(lambda: not node._tasks)
    await node.stop()
    for task in tuple(node._tasks):
        task.cancel()
    await until(lambda: not node._tasks)
    assert reported == []


async def test_stop_in_a_handler() -> None:
    node = ClusterNode(**options("app1"))
    stopped = asyncio.Event()

    async def handler(info: NodeInfo) -> None:
        await node.stop()
        stopped.set()

    node.on_node_up(handler)
    await node.start()
    async with running("app2", seeds=[node.get_local_node_id()]):
        await asyncio.wait_for(stopped.wait(), 20)
        assert node.get_status() == "stopped"


async def test_our_own_stop_reports_nobody_down() -> None:
    async with running("app1") as first:
        second = ClusterNode(**options("app2", seeds=[first.get_local_node_id()]))
        watch = Watch(second)
        await second.start()
        await until(watch.has("up", first.get_local_node_id()))
        await second.stop()
        assert watch.of("down") == []


async def test_a_wrong_secret_is_said_on_both_sides(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "noex_cluster")
    errors: list[ClusterPeerError] = []
    async with running("app1", cluster_secret="right") as first:
        watch = Watch(first)
        first.on_error(errors.append)
        second = ClusterNode(**options("app2", cluster_secret="wrong", seeds=[first.get_local_node_id()]))
        told = Watch(second)
        async with second:
            await until(lambda: watch.of("error") and told.of("error"), "an error on each side")
            assert watch.of("error")[0] == told.of("error")[0] == ("authentication",)
            assert watch.of("up") == told.of("up") == []
            assert first.get_stats().rejected_by_kind["bad_signature"] >= 1
    error = errors[0]
    assert error.kind is ErrorKind.AUTHENTICATION
    assert error.message == str(error)
    assert error.address is not None
    assert error.address.startswith("127.0.0.1:")
    assert "wrong" not in error.message.split()
    assert any(record.levelname == "WARNING" for record in caplog.records), "and in the log, without any handler"


async def test_log_records(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "noex_cluster")
    node = ClusterNode(**options("app1", seeds=["absent@127.0.0.1:1"]))
    before = time.time()
    async with node:
        await until(lambda: any("no seed was reached" in record.getMessage() for record in caplog.records))
    (line,) = [record for record in caplog.records if "no seed was reached" in record.getMessage()]
    assert "absent@127.0.0.1:1" in line.getMessage()
    assert line.name == "noex_cluster"
    assert line.levelno >= logging.WARNING
    assert before - 1 < line.created < time.time() + 1
    levels = {record.levelname for record in caplog.records}
    assert levels <= {"DEBUG", "INFO", "WARNING", "ERROR"}


async def test_the_level_of_the_logger_counts(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "noex_cluster")
    async with running("app1", host="0.0.0.0", advertise_host="127.0.0.1"):
        pass
    assert caplog.records == []
    caplog.set_level(logging.WARNING, "noex_cluster")
    async with running("app1", host="0.0.0.0", advertise_host="127.0.0.1"):
        pass
    assert any("without a secret" in record.getMessage() for record in caplog.records)


# ---------------------------------------------------------------------------------------------------------- iterators


async def test_an_iterator_sees_what_handlers_see() -> None:
    async with running("hub") as hub:
        watch = Watch(hub)
        events: list[ClusterEvent] = []

        async def listen() -> None:
            async for event in hub.events():
                events.append(event)

        listener = asyncio.create_task(listen())
        await asyncio.sleep(0)
        async with running("app1", seeds=[hub.get_local_node_id()]) as node:
            node_id = node.get_local_node_id()
            await until(watch.has("up", node_id))
        await until(lambda: len(events) == 2)
        up, down = events
        assert isinstance(up, NodeUp)
        assert isinstance(down, NodeDown)
        assert up.node.id == down.node_id == down.node.id == node_id
        assert up.node.status is NodeStatus.CONNECTED
        assert down.node.status is NodeStatus.DISCONNECTED
        assert down.reason is NodeDownReason.GRACEFUL_SHUTDOWN
        assert down.evidence
        await hub.stop()
        await asyncio.wait_for(listener, 20)
    assert [type(event) for event in events] == [NodeUp, NodeDown, StatusChange, StatusChange]


async def test_an_iterator_closes() -> None:
    async with running("app1") as node:
        stream = node.events()
        waiting = asyncio.create_task(anext(stream))
        await asyncio.sleep(0)
        await stream.aclose()
        with pytest.raises(StopAsyncIteration):
            await waiting
        with pytest.raises(StopAsyncIteration):
            await anext(stream)
        assert len(node._streams) == 0


async def test_a_cancelled_wait_loses_nothing() -> None:
    node = ClusterNode(**options("app1"))
    stream = node.events()
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(anext(stream), 0.01)
    async with node:
        assert [await anext(stream), await anext(stream)] == [
            StatusChange(ClusterStatus.STARTING, ANY),
            StatusChange(ClusterStatus.RUNNING, ANY),
        ]


class Anything(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


ANY = Anything()


def info(name: str) -> NodeInfo:
    return NodeInfo(NodeId(f"{name}@h:1"), "h", 1, NodeStatus.CONNECTED, 0, 0, 0, None)


def up(name: str) -> ClusterEvent:
    return NodeUp(info(name), 0)


def down(name: str) -> ClusterEvent:
    return NodeDown(NodeId(f"{name}@h:1"), NodeDownReason.CONNECTION_CLOSED, info(name), "", 0)


def drained(mailbox: Mailbox) -> list[ClusterEvent]:
    return [mailbox.pop() for _ in range(len(mailbox))]


def test_a_mailbox_that_nobody_reads_keeps_the_net_effect() -> None:
    mailbox = Mailbox()
    mailbox.push(down("old"))
    error = ErrorEvent(ClusterPeerError("x", ErrorKind.PROTOCOL), 0)
    for _ in range(100 * COALESCE_ABOVE):
        for event in (up("flapping"), error, down("flapping")):
            mailbox.push(event)
        assert len(mailbox) <= COALESCE_ABOVE + 1
    mailbox.push(up("new"))
    mailbox.push(StatusChange(ClusterStatus.STOPPED, 0))
    events = drained(mailbox)
    assert events[0] == down("old")
    assert events[-2:] == [up("new"), StatusChange(ClusterStatus.STOPPED, 0)]
    balance = 0
    for event in events:
        if isinstance(event, NodeUp | NodeDown) and event.node.id.name == "flapping":
            balance += 1 if isinstance(event, NodeUp) else -1
            assert balance in (0, 1), "up and down alternate"
    assert balance == 0
    mailbox.push(up("late"))
    assert len(mailbox) == 0, "nothing comes after the stop"


def test_a_mailbox_that_is_read_keeps_everything() -> None:
    mailbox = Mailbox()
    for _ in range(10):
        events = [event for number in range(COALESCE_ABOVE // 2) for event in (up(f"a{number}"), down(f"a{number}"))]
        for event in events:
            mailbox.push(event)
        assert drained(mailbox) == events
