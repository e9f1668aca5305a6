"""The Python interface as a type checker sees it. Checked with `mypy --strict`, never run: each `type: ignore[...]`
stands where an error must be, since one that is not needed is an error itself.
"""

import asyncio
import os
from collections.abc import Callable
from typing import Literal, assert_never, assert_type

from noex_cluster import (
    CLUSTER_DEFAULTS,
    Cluster,
    ClusterBindError,
    ClusterConfig,
    ClusterError,
    ClusterEvent,
    ClusterNode,
    ClusterNotStartedError,
    ClusterPeerError,
    ClusterStats,
    ClusterStatus,
    ErrorEvent,
    ErrorKind,
    InvalidClusterConfigError,
    InvalidNodeIdError,
    NodeDown,
    NodeDownReason,
    NodeId,
    NodeInfo,
    NodeStatus,
    NodeUp,
    PeerStats,
    StatusChange,
    sync,
)


async def lifecycle() -> None:
    assert_type(await Cluster.start(node_name="app1"), None)
    await Cluster.start(
        node_name=os.environ.get("NODE_NAME"),
        host=None,
        port=int(os.environ.get("CLUSTER_PORT", "4369")),
        seeds=os.environ.get("CLUSTER_SEEDS", "").split(","),
        cluster_secret=os.environ.get("CLUSTER_SECRET"),
    )
    await Cluster.start(node_name="app1", port="auto", seeds=("a@h:1",))
    await Cluster.start(ClusterConfig("app1"), port=5000)
    await Cluster.start(ClusterConfig.from_dict({"nodeName": "app1"}))
    assert_type(await Cluster.stop(), None)
    async with ClusterNode(node_name="app1", port="auto") as node:
        assert_type(node, ClusterNode)

    await Cluster.start(nodeName="app1")  # type: ignore[call-arg]
    await Cluster.start(node_name="app1", port="any")  # type: ignore[arg-type]
    await Cluster.start(node_name="app1", port="4369")  # type: ignore[arg-type]
    await Cluster.start(node_name="app1", seeds=[5])  # type: ignore[list-item]
    await Cluster.start({"node_name": "app1"})  # type: ignore[arg-type]
    ClusterConfig()  # type: ignore[call-arg]
    ClusterConfig("app1", "127.0.0.1")  # type: ignore[call-arg]


def values() -> None:
    config = ClusterConfig("app1", host=os.environ.get("HOST"), port="auto", seeds=["a@h:1"])
    assert_type(config.host, str)
    assert_type(config.seeds, tuple[str, ...])
    assert_type(config.cluster_secret, str | None)
    assert_type(config.heartbeat_interval_ms, int)
    port: int | Literal["auto"] = config.port
    print(port)
    config.host = "::"  # type: ignore[misc]
    assert_type(CLUSTER_DEFAULTS.HOST, str)
    assert_type(CLUSTER_DEFAULTS.PORT, int)
    CLUSTER_DEFAULTS.PORT = 1  # type: ignore[misc]

    node_id = NodeId.parse("a@h:1")
    assert_type(node_id, NodeId)
    assert_type(NodeId.try_parse(object()), NodeId | None)
    assert_type(NodeId.create("a", "h", 1), NodeId)
    assert_type(NodeId.is_valid("x"), bool)
    assert_type((node_id.name, node_id.host, node_id.port), tuple[str, str, int])
    text: str = node_id
    wrong: NodeId = "a@h:1"  # type: ignore[assignment]
    print(text, wrong)
    node_id.port = 2  # type: ignore[misc]
    NodeId.parse(None)  # type: ignore[arg-type]


def queries(cluster: ClusterNode | sync.ClusterNode) -> None:
    assert_type(cluster.get_status(), ClusterStatus)
    assert_type(cluster.get_local_node_id(), NodeId)
    assert_type(cluster.get_local_node_info(), NodeInfo)
    assert_type(cluster.get_nodes(), tuple[NodeInfo, ...])
    assert_type(cluster.get_connected_nodes(), tuple[NodeInfo, ...])
    assert_type(cluster.get_node_ids(), tuple[NodeId, ...])
    assert_type(cluster.get_node("a@h:1"), NodeInfo | None)
    assert_type(cluster.is_node_connected(NodeId("a@h:1")), bool)
    assert_type(cluster.get_connected_node_count(), int)
    assert_type(cluster.get_uptime_ms(), int)
    assert_type(cluster.set_process_count(5), None)
    stats = cluster.get_stats()
    assert_type(stats, ClusterStats)
    assert_type(stats.peers, tuple[PeerStats, ...])
    assert_type(stats.peers[0].round_trip_us, int | None)
    assert_type(cluster.get_metrics(), str)
    assert_type(stats.rejected_by_kind["bad_signature"], int)
    stats.rejected_by_kind["bad_signature"] = 1  # type: ignore[index]
    info = cluster.get_local_node_info()
    assert_type(info.id, NodeId)
    assert_type(info.status, NodeStatus)
    assert_type((info.process_count, info.last_heartbeat_at, info.uptime_ms), tuple[int, int, int])
    info.port = 1  # type: ignore[misc]
    cluster.getNodes()  # type: ignore[union-attr]


def handlers(cluster: ClusterNode) -> None:
    def up(node: NodeInfo) -> None: ...
    async def up_later(node: NodeInfo) -> None: ...
    def down(node_id: NodeId, reason: NodeDownReason) -> None: ...
    def wrong(node_id: NodeId) -> None: ...

    assert_type(cluster.on_node_up(up), Callable[[], None])
    assert_type(cluster.on_node_up(up_later), Callable[[], None])
    assert_type(cluster.on_node_down(down), Callable[[], None])
    assert_type(cluster.on_status_change(lambda status: assert_type(status, ClusterStatus)), Callable[[], None])
    assert_type(cluster.on_error(lambda error: assert_type(error, ClusterPeerError)), Callable[[], None])
    cluster.on_node_down(lambda node_id, reason: print(node_id.name, reason.value))
    cluster.on_node_up(wrong)  # type: ignore[arg-type]
    cluster.on_node_down(up)  # type: ignore[arg-type]

    @cluster.on_node_up
    def joined(node: NodeInfo) -> None: ...

    assert_type(joined(), None)


def name_of(event: ClusterEvent) -> str:
    match event:
        case NodeUp(node):
            assert_type(node, NodeInfo)
            return node.id
        case NodeDown(node_id, reason):
            assert_type(reason, NodeDownReason)
            return node_id
        case StatusChange(status):
            return status
        case ErrorEvent(error):
            assert_type(error.kind, ErrorKind)
            assert_type(error.node_id, NodeId | None)
            return error.message
        case never:
            assert_never(never)


async def iterate(cluster: ClusterNode) -> None:
    async for event in cluster.events():
        print(name_of(event))
    for event in cluster.events():  # type: ignore[attr-defined]
        print(event)


def blocking() -> None:
    sync.Cluster.start(node_name="app1", port="auto")
    assert_type(sync.Cluster.wait(1.5), bool)
    for event in sync.Cluster.events():
        print(name_of(event))
    sync.Cluster.stop()
    with sync.ClusterNode(node_name="app1") as node:
        assert_type(node, sync.ClusterNode)
    sync.Cluster.start(nodeName="app1")  # type: ignore[call-arg]


def errors() -> None:
    caught: list[ClusterError] = [ClusterNotStartedError(), InvalidClusterConfigError("reason")]
    try:
        asyncio.run(Cluster.start(node_name="app1"))
    except InvalidClusterConfigError as error:
        as_value_error: ValueError = error
        assert_type(error.reason, str)
        caught.append(error)
        print(as_value_error)
    except InvalidNodeIdError as error:
        assert_type((error.value, error.reason), tuple[str, str])
    except ClusterBindError as error:
        as_os_error: OSError = error
        assert_type((error.address, error.port, error.code, error.syscall), tuple[str, int, str, str])
        print(as_os_error)
    except ClusterNotStartedError as error:
        as_runtime_error: RuntimeError = error
        print(as_runtime_error)
