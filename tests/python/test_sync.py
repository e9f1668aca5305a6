"""The blocking interface: the same node, waits that Ctrl-C ends, handlers on a thread."""

import os
import signal
import threading
import time
from typing import Any

import pytest
from noex_cluster import (
    ClusterBindError,
    ClusterError,
    ClusterNotStartedError,
    ClusterStatus,
    NodeDown,
    NodeInfo,
    NodeUp,
    StatusChange,
    sync,
)
from noex_cluster.sync import ClusterNode
from support import DEADLINE_S, Child, Watch, black_hole, options, taken_port, until_sync


def handler_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == "noex-cluster-events"]


def test_two_nodes() -> None:
    first = ClusterNode(**options("app1"))
    watch = Watch(first)
    with first:
        assert watch.of("status") == [("starting",), ("running",)], "told before start returns"
        with ClusterNode(**options("app2", seeds=[first.get_local_node_id()])) as second:
            second_id = second.get_local_node_id()
            assert second.is_node_connected(first.get_local_node_id()), "start waits for the seed"
            until_sync(watch.has("up", second_id))
            assert first.get_node_ids() == (second_id,)
        until_sync(watch.has("down", second_id, "graceful_shutdown"))
    assert watch.of("status") == [("starting",), ("running",), ("stopping",), ("stopped",)]
    assert watch.threads == {"noex-cluster-events"}
    until_sync(lambda: not handler_threads(), "the threads of stopped nodes end")


def test_the_cluster_of_the_module() -> None:
    assert isinstance(sync.Cluster, ClusterNode)
    assert sync.Cluster.get_status() is ClusterStatus.STOPPED
    with pytest.raises(ClusterNotStartedError):
        sync.Cluster.get_nodes()
    sync.Cluster.stop()
    assert sync.Cluster.wait(0)


def test_errors() -> None:
    node = ClusterNode()
    with taken_port() as port, pytest.raises(ClusterBindError) as caught:
        node.start(node_name="app1", host="127.0.0.1", port=port)
    assert caught.value.port == port
    assert node.get_status() == "stopped"
    with ClusterNode(**options("app1")) as node, pytest.raises(ClusterError, match="Cluster is already running"):
        node.start()


def test_restart_and_concurrent_stops() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    for _ in range(3):
        node.start()
        threads = [threading.Thread(target=node.stop) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        assert node.get_status() == "stopped"
    assert watch.of("status") == [("starting",), ("running",), ("stopping",), ("stopped",)] * 3


def test_a_node_that_cannot_have_a_thread_is_not_left_running(monkeypatch: pytest.MonkeyPatch) -> None:
    descriptors = len(os.listdir("/proc/self/fd"))
    node = ClusterNode(**options("app1"))
    with monkeypatch.context() as patch:

        def full(_: object) -> None:
            raise RuntimeError("can't start new thread")

        patch.setattr(threading.Thread, "start", full)
        with pytest.raises(RuntimeError, match="can't start new thread"):
            node.start()
    assert node.wait(20)
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 1, "but for the node's own"
    with node:
        assert node.get_status() == "running"


def test_wait() -> None:
    node = ClusterNode(**options("app1"))
    node.start()
    began = time.monotonic()
    assert node.wait(0.25) is False
    assert time.monotonic() - began >= 0.2
    threading.Timer(0.1, node.stop).start()
    assert node.wait(20) is True
    assert node.wait() is True


def test_stop_in_a_handler_only_begins() -> None:
    node = ClusterNode(**options("app1"))
    watch = Watch(node)
    errors: list[BaseException] = []

    def handler(status: ClusterStatus) -> None:
        if status is ClusterStatus.RUNNING:
            node.stop()
            try:
                node.start()
            except ClusterError as error:
                errors.append(error)

    node.on_status_change(handler)
    with black_hole() as port, pytest.raises(ClusterError, match="ended by a stop"):
        node.start(seeds=[f"nobody@127.0.0.1:{port}"])
    assert node.wait(20)
    until_sync(watch.has("status", "stopped"))
    assert "a handler cannot call it" in str(errors[0])


def test_a_handler_that_raises_stops_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    reported: list[Any] = []
    monkeypatch.setattr(threading, "excepthook", reported.append)
    node = ClusterNode(**options("app1"))

    def broken(status: ClusterStatus) -> None:
        raise ValueError(status)

    node.on_status_change(broken)
    watch = Watch(node)
    with node:
        pass
    assert len(watch.of("status")) == 4
    assert [str(report.exc_value) for report in reported] == ["starting", "running", "stopping", "stopped"]


def test_a_coroutine_function_is_refused() -> None:
    async def handler(info: NodeInfo) -> None: ...

    with pytest.raises(TypeError, match="plain functions"):
        ClusterNode().on_node_up(handler)


def test_events_as_an_iterator() -> None:
    node = ClusterNode(**options("app1"))
    stream = node.events()
    gone = threading.Event()
    node.on_node_down(lambda *_: gone.set())
    with node:
        with ClusterNode(**options("app2", seeds=[node.get_local_node_id()])):
            pass
        assert gone.wait(DEADLINE_S)
    events = list(stream)
    assert [type(event) for event in events] == [
        StatusChange,
        StatusChange,
        NodeUp,
        NodeDown,
        StatusChange,
        StatusChange,
    ]
    stream.close()
    with pytest.raises(StopIteration):
        next(stream)


def test_an_iterator_closes() -> None:
    with ClusterNode(**options("app1")) as node:
        stream = node.events()
        threading.Timer(0.1, stream.close).start()
        assert list(stream) == []


INTERRUPTED = """
    import sys
    from noex_cluster.sync import Cluster, ClusterNode

    what, seed = sys.argv[1:]
    node = ClusterNode(node_name="child", host="127.0.0.1", port="auto")
    node.on_status_change(lambda status: print("status", status))
    if what != "start":
        node.start(seeds=[seed])
    print("waiting")
    try:
        if what == "start":
            node.start(seeds=[seed])
        elif what == "wait":
            node.wait()
        elif what == "events":
            for event in node.events():
                pass
        print("not interrupted")
    except KeyboardInterrupt:
        print("interrupted", node.get_status())
    node.stop()
    print("left", node.get_status())
"""


@pytest.mark.parametrize("what", ["wait", "events"])
def test_ctrl_c_ends_a_wait(what: str) -> None:
    with ClusterNode(**options("hub")) as hub:
        watch = Watch(hub)
        with Child(INTERRUPTED, what, hub.get_local_node_id()) as child:
            child.line("waiting")
            until_sync(lambda: watch.of("up"))
            time.sleep(0.3)  # well inside the wait
            child.send(signal.SIGINT)
            assert child.line("interrupted") == "interrupted running"
            assert child.line("left") == "left stopped"
            assert child.wait() == 0
        until_sync(lambda: watch.of("down"))
        assert watch.of("down")[0][1] == "graceful_shutdown"


def test_ctrl_c_in_start_stops_the_node() -> None:
    with black_hole() as port, Child(INTERRUPTED, "start", f"nobody@127.0.0.1:{port}") as child:
        child.line("status running")
        child.send(signal.SIGINT)
        assert "interrupted stopped" in child.line("interrupted")
        assert child.wait() == 0
        assert "not interrupted" not in child.output
