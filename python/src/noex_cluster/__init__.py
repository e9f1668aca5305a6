"""An embeddable cluster node: this process as a member of a peer-to-peer mesh.

::

    import asyncio
    from noex_cluster import Cluster

    async def main() -> None:
        Cluster.on_node_up(lambda node: print("joined", node.id))
        Cluster.on_node_down(lambda node_id, reason: print("left", node_id, reason))
        await Cluster.start(node_name="app1", seeds=["app2@192.168.1.11:4369"])
        ...
        await Cluster.stop()

    asyncio.run(main())

The node finds the others through seeds, learns the rest by gossip, notices who dies and reconnects. Its work is done
by a native thread, so a busy or blocked program does not look dead to its peers. ``noex_cluster.sync`` has the same
interface for programs without an event loop. Log records go to the logger ``noex_cluster``.
"""

# isort: off
from ._load import native as _native  # first: it says what to do if there is none

# isort: on
from ._cluster import Cluster, ClusterNode, EventStream
from ._config import ClusterConfig, ClusterOptions
from ._errors import (
    ClusterBindError,
    ClusterError,
    ClusterNotStartedError,
    InvalidClusterConfigError,
    InvalidNodeIdError,
)
from ._node_id import NodeId
from ._types import (
    CLUSTER_DEFAULTS,
    METRICS_CONTENT_TYPE,
    ClusterDefaults,
    ClusterEvent,
    ClusterPeerError,
    ClusterStats,
    ClusterStatus,
    ErrorEvent,
    ErrorKind,
    NodeDown,
    NodeDownReason,
    NodeInfo,
    NodeStatus,
    NodeUp,
    PeerStats,
    StatusChange,
)

__version__ = _native.version()
"""The version of the package, which is that of its native library: ``major.minor.patch``."""

__all__ = [
    "CLUSTER_DEFAULTS",
    "METRICS_CONTENT_TYPE",
    "Cluster",
    "ClusterBindError",
    "ClusterConfig",
    "ClusterDefaults",
    "ClusterError",
    "ClusterEvent",
    "ClusterNode",
    "ClusterNotStartedError",
    "ClusterOptions",
    "ClusterPeerError",
    "ClusterStats",
    "ClusterStatus",
    "ErrorEvent",
    "ErrorKind",
    "EventStream",
    "InvalidClusterConfigError",
    "InvalidNodeIdError",
    "NodeDown",
    "NodeDownReason",
    "NodeId",
    "NodeInfo",
    "NodeStatus",
    "NodeUp",
    "PeerStats",
    "StatusChange",
    "__version__",
]
