"""The plain values of the package: states, nodes, events, statistics. Frozen all of them."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import NamedTuple, TypeAlias

from ._errors import ClusterError
from ._load import native as _native
from ._node_id import NodeId

__all__ = [
    "CLUSTER_DEFAULTS",
    "METRICS_CONTENT_TYPE",
    "ClusterDefaults",
    "ClusterEvent",
    "ClusterPeerError",
    "ClusterStats",
    "ClusterStatus",
    "ErrorEvent",
    "ErrorKind",
    "NodeDown",
    "NodeDownReason",
    "NodeInfo",
    "NodeStatus",
    "NodeUp",
    "PeerStats",
    "StatusChange",
]


class ClusterStatus(StrEnum):
    """State of the local node."""

    STARTING = "starting"
    """It listens and dials its seeds."""
    RUNNING = "running"
    """It is a member."""
    STOPPING = "stopping"
    """It says goodbye; queries still answer."""
    STOPPED = "stopped"
    """Not started, or stopped: it may be started (again)."""


class NodeStatus(StrEnum):
    """State of another node, as this node sees it."""

    CONNECTING = "connecting"
    """The first attempt to connect is under way."""
    CONNECTED = "connected"
    """Its heartbeats come."""
    DISCONNECTED = "disconnected"
    """It is down; this node tries to reach it again, unless it said goodbye."""


class NodeDownReason(StrEnum):
    """Why a node is down."""

    HEARTBEAT_TIMEOUT = "heartbeat_timeout"
    """Nothing came from it for ``heartbeat_interval_ms`` x ``heartbeat_miss_threshold``."""
    CONNECTION_CLOSED = "connection_closed"
    """Its connection ended without a goodbye: the process ended, or crashed."""
    CONNECTION_REFUSED = "connection_refused"
    """It was never up, and cannot be connected to."""
    GRACEFUL_SHUTDOWN = "graceful_shutdown"
    """It said goodbye."""


@dataclass(frozen=True, slots=True)
class NodeInfo:
    """A node as it was when this was made."""

    id: NodeId
    """Its identity."""
    host: str
    """The host of the id; an IPv6 address without its brackets."""
    port: int
    """The port of the id."""
    status: NodeStatus
    """How this node sees it."""
    process_count: int
    """What the application there publishes (``set_process_count``), else 0."""
    last_heartbeat_at: int
    """When this node last heard of it, in milliseconds since the epoch; 0: not yet."""
    uptime_ms: int
    """Since its start, in milliseconds, as it said in its last heartbeat."""
    incarnation: int | None
    """Tells one run of a process from the next, where a reconnection keeps it; None: not known yet. Compare for
    equality only."""


class ErrorKind(StrEnum):
    """What a :class:`ClusterPeerError` is about."""

    PROTOCOL = "protocol"
    """A peer sent what the protocol forbids."""
    AUTHENTICATION = "authentication"
    """A missing or wrong signature, or a peer that hangs up on us: a wrong secret?"""
    DUPLICATE_ID = "duplicate_id"
    """Two processes claim one node id."""
    CLUSTER_MISMATCH = "cluster_mismatch"
    """A peer of another ``cluster_name``."""
    OVERLOAD = "overload"
    """A limit was reached."""
    INTERNAL = "internal"
    """A fault of this library."""


class ClusterPeerError(ClusterError):
    """Something is wrong with a peer or a connection. Given to ``on_error`` handlers, never raised: the node goes on.

    Attributes:
        message: one sentence.
        kind: what it is about.
        node_id: the node concerned, None if it is not known.
        address: ``ip:port`` of the peer, None if there is none.
    """

    def __init__(
        self, message: str, kind: ErrorKind, node_id: NodeId | None = None, address: str | None = None
    ) -> None:
        super().__init__(message, kind, node_id, address)
        self.message = message
        self.kind = kind
        self.node_id = node_id
        self.address = address

    def __str__(self) -> str:
        return self.message


@dataclass(frozen=True, slots=True)
class NodeUp:
    """A node joined, or came back."""

    node: NodeInfo
    """The node; the list of nodes already shows it."""
    at: int
    """When it was noticed, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class NodeDown:
    """A node is down."""

    node_id: NodeId
    """Its id."""
    reason: NodeDownReason
    """Why."""
    node: NodeInfo
    """The node as it was last seen."""
    evidence: str
    """What was seen, for logs."""
    at: int
    """When it was noticed, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class StatusChange:
    """The local node has another state."""

    status: ClusterStatus
    """The new one."""
    at: int
    """When it changed, in milliseconds since the epoch."""


@dataclass(frozen=True, slots=True)
class ErrorEvent:
    """Something is wrong with a peer or a connection."""

    error: ClusterPeerError
    """What is wrong, and with whom."""
    at: int
    """When it was noticed, in milliseconds since the epoch."""


ClusterEvent: TypeAlias = NodeUp | NodeDown | StatusChange | ErrorEvent
"""What ``events()`` yields: :class:`NodeUp`, :class:`NodeDown`, :class:`StatusChange` or :class:`ErrorEvent`."""


@dataclass(frozen=True, slots=True)
class PeerStats:
    """Counters of one connection."""

    id: NodeId | None
    """The peer; None while it has not said who it is."""
    address: str
    """Its ``ip:port``."""
    outbound: bool
    """Whether this node dialled."""
    confirmed: bool
    """Whether the peer proved to be live: only such a connection makes it up."""
    frames_received: int
    """Frames that came."""
    frames_sent: int
    """Frames that went."""
    bytes_received: int
    """With the length prefixes."""
    bytes_sent: int
    """With the length prefixes."""
    bytes_queued: int
    """Handed over and not yet taken by the kernel."""
    round_trip_us: int | None
    """Smoothed round trip in microseconds, as the kernel measures it; None while it is not known."""
    silence_ms: int
    """Milliseconds since the last valid frame, or since the connection came."""


@dataclass(frozen=True, slots=True)
class ClusterStats:
    """Counters since the start, and a few numbers of now."""

    frames_received: int
    """Frames that came."""
    frames_sent: int
    """Frames that went."""
    bytes_received: int
    """With the length prefixes."""
    bytes_sent: int
    """With the length prefixes."""
    connections_accepted: int
    """Connections that others dialled."""
    dials: int
    """Dials of this node."""
    dials_failed: int
    """Of these, dials that came to nothing."""
    rejected: int
    """Frames and connections refused."""
    node_ups: int
    """How often a node came up."""
    node_downs: int
    """How often a node went down."""
    pauses: int
    """How often the node woke up late and noticed: a stopped or starved process."""
    events_coalesced: int
    """Node events that were folded because nobody fetched them."""
    logs_dropped: int
    """Log records and errors that were dropped for the same reason."""
    connections: int
    """Connections now."""
    connections_unidentified: int
    """Of these, connections of peers that have not said yet who they are."""
    nodes_known: int
    """Known nodes now, without the local one."""
    nodes_connected: int
    """Connected nodes now."""
    dials_in_progress: int
    """Dials in progress now."""
    events_queued: int
    """Events that wait for Python now."""
    node_reconnects: int
    """Of the ups, those of the same run of a node, again."""
    node_restarts: int
    """Of the ups, those of a new run of a node that was up before."""
    paused_ms: int
    """How many milliseconds the pauses were together."""
    rejected_by_kind: Mapping[str, int]
    """What was refused, by kind, such as ``bad_signature``. Every kind is there."""
    peers: tuple[PeerStats, ...]
    """One entry by connection."""


class ClusterDefaults(NamedTuple):
    """The documented defaults; see :data:`CLUSTER_DEFAULTS`."""

    HOST: str
    """Of ``host``: all interfaces, IPv4."""
    PORT: int
    """Of ``port``."""
    HEARTBEAT_INTERVAL_MS: int
    """Of ``heartbeat_interval_ms``."""
    HEARTBEAT_MISS_THRESHOLD: int
    """Of ``heartbeat_miss_threshold``."""
    RECONNECT_BASE_DELAY_MS: int
    """Of ``reconnect_base_delay_ms``."""
    RECONNECT_MAX_DELAY_MS: int
    """Of ``reconnect_max_delay_ms``."""
    PROTOCOL_VERSION: int
    """The version of the wire that nodes of this package speak."""


def _cluster_defaults() -> ClusterDefaults:
    options = _native.option_defaults()
    return ClusterDefaults(
        HOST=options["host"],
        PORT=options["port"],
        HEARTBEAT_INTERVAL_MS=options["heartbeat_interval_ms"],
        HEARTBEAT_MISS_THRESHOLD=options["heartbeat_miss_threshold"],
        RECONNECT_BASE_DELAY_MS=options["reconnect_base_delay_ms"],
        RECONNECT_MAX_DELAY_MS=options["reconnect_max_delay_ms"],
        PROTOCOL_VERSION=_native.protocol_version(),
    )


CLUSTER_DEFAULTS = _cluster_defaults()
"""The defaults of the configuration, as the native library has them."""

METRICS_CONTENT_TYPE: str = _native.metrics_content_type()
"""Content type of what ``get_metrics()`` returns."""


# What the native module gives, as these values. Its texts are the library's own and are not checked again.


NodeFields: TypeAlias = tuple[str, str, int, str, int, int, int, int | None]


_NODE_STATUSES = {status.value: status for status in NodeStatus}  # a call of the enumeration is slow


def node_info(fields: NodeFields) -> NodeInfo:
    id_, host, port, status, process_count, last_heartbeat_at, uptime_ms, incarnation = fields
    return NodeInfo(
        NodeId._trusted(id_),
        host,
        port,
        _NODE_STATUSES[status],
        process_count,
        last_heartbeat_at,
        uptime_ms,
        incarnation,
    )


def cluster_stats(
    totals: dict[str, int], rejected: dict[str, int], peers: list[dict[str, str | bool | int | None]]
) -> ClusterStats:
    return ClusterStats(**totals, rejected_by_kind=MappingProxyType(rejected), peers=tuple(map(_peer_stats, peers)))


def _peer_stats(fields: dict[str, str | bool | int | None]) -> PeerStats:
    return PeerStats(**{**fields, "id": NodeId.try_parse(fields["id"])})  # type: ignore[arg-type]
