"""What a node is in every style: queries, handlers, and the delivery of events. How start and stop are waited for, and
where handlers run, is the matter of the classes made of it: ``noex_cluster.ClusterNode`` for asyncio,
``noex_cluster.sync.ClusterNode`` for programs without an event loop.
"""

import logging
import os
import threading
import warnings
import weakref
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from . import _native
from ._config import ClusterConfig, ClusterOptions, merge
from ._errors import ClusterNotStartedError
from ._node_id import NodeId
from ._pump import Pump
from ._types import (
    ClusterEvent,
    ClusterPeerError,
    ClusterStats,
    ClusterStatus,
    ErrorEvent,
    NodeDown,
    NodeDownReason,
    NodeInfo,
    NodeStatus,
    NodeUp,
    StatusChange,
    cluster_stats,
    node_info,
)

_logger = logging.getLogger("noex_cluster")
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}

Resolve = Callable[[BaseException | None], None]
"""Tells whoever waits for an operation that it ended: with None, or with what went wrong."""


class Stream(Protocol):
    """An iterator that ``events()`` gave out."""

    def push(self, event: ClusterEvent) -> None: ...


PumpType = TypeVar("PumpType", bound=Pump)


class Link(Generic[PumpType]):
    """What a node holds of the outside, apart from it, so that it can be let go of when the node is collected."""

    def __init__(self) -> None:
        self.handle = _native.Handle()
        self.pump: PumpType | None = None
        self.process = os.getpid()


def _abandon(link: Link[Any]) -> None:
    """Ends the node that nobody holds any more, without a goodbye. Runs wherever the collector does: it never waits."""
    if link.process != os.getpid():
        return  # the child of a fork: the loop, the descriptors and the node are the parent's
    status = link.handle.status()
    name = link.handle.local_id() if status == ClusterStatus.RUNNING else ""
    if link.pump is not None:
        link.pump.close()
    link.handle.close()
    if status != ClusterStatus.STOPPED:
        message = f"cluster node {name} was dropped while it ran; its peers see connection_closed. Call stop() first"
        warnings.warn(message, ResourceWarning, stacklevel=2)


class _Subscription:
    def __init__(self, handler: Callable[..., object]) -> None:
        self.handler = handler
        self.active = True


class NodeBase(Generic[PumpType]):
    """Queries and handlers of a node."""

    def __init__(self, config: ClusterConfig | None, options: ClusterOptions) -> None:
        self._config = merge(None, config, options) if config is not None or options else None
        self._link: Link[PumpType] | None = None  # made by the first start: what is forked before needs no care
        self._finalizer: weakref.finalize[..., Any] | None = None
        self._lock = threading.Lock()
        self._subscriptions: dict[int, tuple[_Subscription, ...]] = {}
        self._streams: weakref.WeakSet[Stream] = weakref.WeakSet()
        self._operations: dict[int, Resolve] = {}
        self._told = ClusterStatus.STOPPED  # as handlers were last told
        self._nodes: tuple[int, tuple[NodeInfo, ...]] | None = None  # by the version of the list

    # ------------------------------------------------------------------------------------------------------- queries

    def get_status(self) -> ClusterStatus:
        """The state of the local node. Answers at any time, on any thread."""
        handle = self._handle()
        return ClusterStatus.STOPPED if handle is None else ClusterStatus(handle.status())

    def get_local_node_id(self) -> NodeId:
        """The id of the local node.

        Like all queries below it may be called on any thread, never waits for the network, and answers while the node
        is running or stopping.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return NodeId._trusted(self._require().local_id())

    def get_local_node_info(self) -> NodeInfo:
        """The local node as the others see it.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return node_info(self._require().local_node())

    def get_nodes(self) -> tuple[NodeInfo, ...]:
        """All other known nodes, also those that are down, sorted by id.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        handle = self._require()
        version = handle.nodes_version()
        kept = self._nodes
        if kept is not None and kept[0] == version:
            return kept[1]
        nodes = tuple(map(node_info, handle.nodes()))  # of that version, or of a later one
        self._nodes = (version, nodes)
        return nodes

    def get_connected_nodes(self) -> tuple[NodeInfo, ...]:
        """The nodes that are connected.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return tuple(node for node in self.get_nodes() if node.status is NodeStatus.CONNECTED)

    def get_node_ids(self) -> tuple[NodeId, ...]:
        """The ids of all other known nodes.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return tuple(node.id for node in self.get_nodes())

    def get_node(self, node_id: str) -> NodeInfo | None:
        """The node with this id, or the one that answers at the configured seed with this id; None if there is none.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        found = self._require().find(node_id)
        return None if found is None else node_info(found)

    def is_node_connected(self, node_id: str) -> bool:
        """Whether the node with this id (or configured seed) is connected.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return self._require().is_node_connected(node_id)

    def get_connected_node_count(self) -> int:
        """How many nodes are connected.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return self._require().connected_count()

    def get_uptime_ms(self) -> int:
        """Milliseconds since the start.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return self._require().uptime_ms()

    def get_stats(self) -> ClusterStats:
        """Counters, for monitoring. The node's own thread is asked, which answers within milliseconds.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return cluster_stats(*self._require().stats())

    def get_metrics(self) -> str:
        """The same and more as OpenMetrics 1.0 text, for the application's own ``/metrics``; answer with the content
        type :data:`METRICS_CONTENT_TYPE`.

        Raises:
            ClusterNotStartedError: the node is not started.
        """
        return self._require().metrics()

    def set_process_count(self, count: int) -> None:
        """Publishes a number of the application's own choice, 0 to 2^53 - 1, as this node's ``process_count``. It may
        be set before start, and stays over stop and start. Any thread.

        Raises:
            ValueError: the number is out of bounds.
            TypeError: it is no int.
        """
        with self._lock:
            self._open().handle.set_process_count(count)

    # ------------------------------------------------------------------------------------------------------ handlers

    def on_node_up(self, handler: Callable[[NodeInfo], object]) -> Callable[[], None]:
        """Calls `handler` with each node that joins or comes back. Inside it :meth:`get_nodes` already shows the node.

        Handlers may be registered at any time, on any thread, and stay over stop and start. One that raises stops no
        other. Where they run: see the class.

        Returns:
            A function that ends this registration.
        """
        return self._subscribe(_native.EVENT_NODE_UP, handler)

    def on_node_down(self, handler: Callable[[NodeId, NodeDownReason], object]) -> Callable[[], None]:
        """Calls `handler` with the id of each node that is down, and why. Otherwise as :meth:`on_node_up`."""
        return self._subscribe(_native.EVENT_NODE_DOWN, handler)

    def on_status_change(self, handler: Callable[[ClusterStatus], object]) -> Callable[[], None]:
        """Calls `handler` with each new state of the local node. Otherwise as :meth:`on_node_up`."""
        return self._subscribe(_native.EVENT_STATUS, handler)

    def on_error(self, handler: Callable[[ClusterPeerError], object]) -> Callable[[], None]:
        """Calls `handler` when something is wrong with a peer or a connection: a wrong secret, a second process with
        one id, broken messages. At most ten a second. Otherwise as :meth:`on_node_up`."""
        return self._subscribe(_native.EVENT_ERROR, handler)

    def _subscribe(self, kind: int, handler: Callable[..., object]) -> Callable[[], None]:
        if not callable(handler):
            raise TypeError(f"the handler must be a function or a coroutine function, not {type(handler).__name__}")
        subscription = _Subscription(handler)
        with self._lock:
            self._subscriptions[kind] = (*self._subscriptions.get(kind, ()), subscription)

        def unsubscribe() -> None:
            subscription.active = False
            with self._lock:
                rest = tuple(other for other in self._subscriptions[kind] if other is not subscription)
                self._subscriptions[kind] = rest

        return unsubscribe

    # -------------------------------------------------------------------------------------------------- native handle

    def _handle(self) -> _native.Handle | None:
        """The native handle, None as long as there was nothing to have one for."""
        link = self._link
        return None if link is None or self._is_of_parent(link) else link.handle

    def _require(self) -> _native.Handle:
        handle = self._handle()
        if handle is None:
            raise ClusterNotStartedError
        return handle

    def _is_of_parent(self, link: Link[PumpType]) -> bool:
        """Whether this is the child of a fork, and the node was not running: then nothing of the parent's is left in
        it. Calls on one that was running say so themselves."""
        return self._told is ClusterStatus.STOPPED and not self._operations and link.process != os.getpid()

    def _open(self) -> Link[PumpType]:
        """With the lock held."""
        link = self._link
        if link is None or self._is_of_parent(link):
            if self._finalizer is not None:
                self._finalizer.detach()
            link = self._link = Link()
            self._finalizer = weakref.finalize(self, _abandon, link)
            self._finalizer.atexit = False
        return link

    def _begin(self, config: ClusterConfig | None, resolve: Resolve) -> None:
        """Begins to start, with a configuration, or to stop; `resolve` is called when that ended, after the handlers of
        all earlier events."""
        options = None if config is None else config._as_options()
        with self._lock:
            link = self._open()
            if options is not None:
                wanted = _native.LOG_DEBUG if _logger.isEnabledFor(logging.DEBUG) else _native.LOG_INFO
                link.handle.select_log_level(wanted)
                operation = link.handle.start(options)
                self._nodes = None
            else:
                operation = link.handle.stop()
            self._operations[operation] = resolve
            try:
                self._watch(link, starting=options is not None)
            except BaseException:  # nobody would ever hear of it: no descriptor left, or no thread
                del self._operations[operation]
                if options is not None:
                    link.handle.stop()
                raise

    def _watch(self, link: Link[PumpType], *, starting: bool) -> None:
        """Sees to it that a pump drains this node. With the lock held."""
        raise NotImplementedError

    def _run(self, handler: Callable[..., object], arguments: tuple[object, ...]) -> None:
        """Calls a handler; what it raises goes to where the style puts it."""
        raise NotImplementedError

    # ------------------------------------------------------------------------------------------------------- delivery

    def _drain(self, pump: Pump, limit: int) -> bool:
        """Delivers up to `limit` events; False when there are no more. Called by the pump, where handlers run."""
        link = self._link
        for _ in range(limit):
            if link is None or link.pump is not pump:  # another one has taken over
                return False
            event = link.handle.next_event()
            if event is None:
                self._rest(link)
                return False
            self._dispatch(event)
        return True

    def _rest(self, link: Link[PumpType]) -> None:
        """Lets the pump go when nothing can come any more until the next start."""
        with self._lock:
            if self._told is not ClusterStatus.STOPPED or self._operations or link.pump is None:
                return
            pump, link.pump = link.pump, None
        pump.close()

    def _dispatch(self, event: _native.Event) -> None:
        kind = event.kind
        if kind == _native.EVENT_NODE_UP:
            up = NodeUp(_node_of(event), event.created_at)
            self._emit(kind, up, up.node)
        elif kind == _native.EVENT_NODE_DOWN:
            node = _node_of(event)
            down = NodeDown(node.id, NodeDownReason(event.reason), node, event.evidence, event.created_at)
            self._emit(kind, down, down.node_id, down.reason)
        elif kind == _native.EVENT_STATUS:
            change = StatusChange(ClusterStatus(event.status), event.created_at)
            self._told = change.status
            self._emit(kind, change, change.status)
        elif kind == _native.EVENT_ERROR:
            error = event.error
            assert isinstance(error, ClusterPeerError)
            self._emit(kind, ErrorEvent(error, event.created_at), error)
        elif kind == _native.EVENT_LOG:
            _log(event)
        elif kind == _native.EVENT_COMPLETION:
            with self._lock:
                resolve = self._operations.pop(event.operation, None)
            if resolve is not None:
                resolve(event.error)

    def _emit(self, kind: int, event: ClusterEvent, *arguments: object) -> None:
        for stream in tuple(self._streams):
            stream.push(event)
        for subscription in self._subscriptions.get(kind, ()):
            if subscription.active:  # a handler before it may have ended it
                self._run(subscription.handler, arguments)


def _node_of(event: _native.Event) -> NodeInfo:
    fields = event.node
    assert fields is not None
    return node_info(fields)


def _log(event: _native.Event) -> None:
    """Passes a record of the library on, with the time at which it was made there."""
    level = _LEVELS.get(event.level, logging.ERROR)
    if not _logger.isEnabledFor(level):
        return
    record = _logger.makeRecord(_logger.name, level, "(noex_cluster)", 0, event.message, (), None)
    record.created = event.created_at / 1000
    record.msecs = float(event.created_at % 1000)
    _logger.handle(record)
