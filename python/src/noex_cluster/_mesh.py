"""The meshes of :mod:`noex_cluster.testing`: nodes of this process as members of one cluster, and waiting until they
have been told of each other.
"""

import asyncio
import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Generic, Self, TypedDict, TypeVar, Unpack, cast

from . import sync
from ._cluster import ClusterNode, _resolver
from ._config import ClusterOptions
from ._errors import ClusterError, ClusterNotStartedError
from ._node import NodeBase, PumpType, Resolve
from ._node_id import NodeId
from ._pump import AnyLoopPump, ThreadPump
from ._types import ClusterEvent, ClusterStatus, ErrorEvent, NodeDown, NodeUp, StatusChange

__all__ = ["Mesh", "MeshOptions", "SyncMesh"]

_STOP_TIMEOUT_MS = 5000
# Quick to notice and to mend; and two seconds are far more than a busy machine keeps a native thread waiting.
_FAST = ClusterOptions(
    heartbeat_interval_ms=100, heartbeat_miss_threshold=20, reconnect_base_delay_ms=50, reconnect_max_delay_ms=200
)
_CHOSEN_HERE = ("node_name", "host", "advertise_host", "port", "seeds", "control_socket")


class MeshOptions(TypedDict, total=False):
    """Options for all nodes of a mesh: those of :class:`noex_cluster.ClusterConfig` but for the name, the addresses and
    the seeds, which the mesh chooses itself."""

    cluster_secret: str | None
    cluster_name: str | None
    heartbeat_interval_ms: int | None
    heartbeat_miss_threshold: int | None
    reconnect_base_delay_ms: int | None
    reconnect_max_delay_ms: int | None
    forget_after_ms: int | None


class _Member(NodeBase[PumpType]):
    """What makes a node a member of a mesh: it keeps what its handlers were told, once they all have run. So whoever
    waits for an event here finds that the handlers of the application have seen it."""

    _mesh: "_Members[Any] | None" = None
    _mesh_id: NodeId | None = None  # of the last run
    _mesh_running = False
    _mesh_error = ""  # the last that it reported

    def _emit(self, kind: int, event: ClusterEvent, *arguments: object) -> None:
        super()._emit(kind, event, *arguments)
        if self._mesh is not None:
            self._mesh._note(self, event)


class _AsyncNode(_Member[AnyLoopPump], ClusterNode):
    pass


class _SyncNode(_Member[ThreadPump], sync.ClusterNode):
    pass


NodeType = TypeVar("NodeType", bound=_Member[Any])


class _Members(Generic[NodeType]):
    """The nodes of a mesh, and what each of them was told of the others."""

    def __init__(self, options: MeshOptions) -> None:
        self._options = options
        self._nodes: list[NodeType] = []
        self._up: dict[NodeType, set[NodeId]] = {}
        self._changed = threading.Condition()

    # -------------------------------------------------------------------------------------------------------- members

    @property
    def ids(self) -> tuple[NodeId, ...]:
        """The ids of the running members, in the order in which they were added. As ``seeds`` they let others join."""
        return tuple(node._mesh_id for node in self._running() if node._mesh_id is not None)

    def __len__(self) -> int:
        return len(self._nodes)

    def kill(self, node: NodeBase[Any]) -> NodeId:
        """Ends a member as a crash does: its connections close without a goodbye, and the others see
        ``connection_closed``. Its handlers are told nothing more. Does not wait: the others notice within milliseconds.
        The node may be started again; with ``port=killed.port`` it then has the same id.

        Returns:
            The id that the member had.

        Raises:
            ValueError: the node is no running member of this mesh.
        """
        if not isinstance(node, _Member) or node not in self._nodes or not node._mesh_running or node._mesh_id is None:
            raise ValueError(f"{_id_or_nothing(node)} is no running member of this mesh")
        node_id = node._mesh_id
        node._mesh_running = False
        _abort(node)
        self._wake()
        return node_id

    def _running(self) -> list[NodeType]:
        return [node for node in self._nodes if node._mesh_running]

    def configured(self, name: str | None, more: MeshOptions) -> ClusterOptions:
        """The options of the next member."""
        for option in _CHOSEN_HERE:
            if option in more:
                raise TypeError(f"a mesh chooses {option!r} of its nodes itself")
        chosen = ClusterOptions(
            node_name=name if name is not None else f"node{len(self._nodes) + 1}",
            host="127.0.0.1",
            advertise_host="127.0.0.1",  # whatever the environment says
            port="auto",
            seeds=self.ids,
        )
        options: dict[str, object] = {**_FAST}
        for given in (self._options, more, chosen):
            options.update((option, value) for option, value in given.items() if value is not None)
        return cast(ClusterOptions, options)

    def _enter(self, node: NodeType) -> NodeType:
        node._mesh = self
        self._nodes.append(node)
        self._up[node] = set()
        return node

    def _leave(self, node: NodeType) -> None:
        node._mesh = None
        self._nodes.remove(node)
        del self._up[node]

    # --------------------------------------------------------------------------------------------- what they were told

    def _note(self, node: NodeType, event: ClusterEvent) -> None:
        """Called where handlers run, after all handlers of the event."""
        up = self._up.get(node)
        if up is None:  # it has left
            return
        if isinstance(event, NodeUp):
            up.add(event.node.id)
        elif isinstance(event, NodeDown):
            up.discard(event.node_id)
        elif isinstance(event, ErrorEvent):
            node._mesh_error = str(event.error)
        elif isinstance(event, StatusChange):
            up.clear()
            node._mesh_running = False
            if event.status is ClusterStatus.RUNNING:
                with contextlib.suppress(ClusterNotStartedError):  # it has stopped since, and will be told so
                    node._mesh_id = node.get_local_node_id()
                    node._mesh_running = True
        self._wake()

    def _wake(self) -> None:
        """Lets everybody who waits look again. Any thread."""
        with self._changed:
            self._changed.notify_all()

    def _missing(self) -> list[str]:
        """Who does not see whom, one line for each member that does not see all the others."""
        lines = []
        for node in self._running():
            others = [other for other in self.ids if other != node._mesh_id and other not in self._up[node]]
            if others:
                lines.append(self._line(node, "does not see", others))
        return lines

    def _blind(self, node_id: NodeId, *, up: bool) -> list[str]:
        """The members that do not see that node as up, or not as down."""
        words = "does not see" if up else "still sees"
        return [
            self._line(node, words, [node_id])
            for node in self._running()
            if node._mesh_id != node_id and (node_id in self._up[node]) != up
        ]

    @staticmethod
    def _line(node: NodeType, words: str, ids: Sequence[NodeId]) -> str:
        said = f" (its last error: {node._mesh_error})" if node._mesh_error else ""
        return f"{node._mesh_id} {words} {', '.join(ids)}{said}"


def _late(what: str, timeout_s: float, lines: list[str]) -> TimeoutError:
    return TimeoutError("\n  ".join([f"{what} within {timeout_s:g} s:", *lines]))


def _id_of(node: NodeBase[Any] | str) -> NodeId:
    if isinstance(node, str):
        return NodeId.parse(node)
    known = node._mesh_id if isinstance(node, _Member) else None
    return node.get_local_node_id() if known is None else known


def _id_or_nothing(node: NodeBase[Any]) -> str:
    known = node._mesh_id if isinstance(node, _Member) else None
    return known or "the node"


def _abort(node: NodeBase[Any]) -> None:
    """Ends a node without a goodbye. The native node goes with the last reference to it, which is held here, or for a
    moment by whoever is in a call on it: so no call ever meets a node that is gone."""
    with node._lock:
        link, node._link = node._link, None
        finalizer, node._finalizer = node._finalizer, None
        operations, node._operations = node._operations, {}
        node._told = ClusterStatus.STOPPED
        node._nodes = None
    if link is None:
        return
    if finalizer is not None:
        finalizer.detach()
    pump, link.pump = link.pump, None
    if pump is not None:
        pump.close()
    del link
    end = StatusChange(ClusterStatus.STOPPED, time.time_ns() // 1_000_000)
    for stream in tuple(node._streams):
        stream.push(end)  # an iteration over events would wait for ever
    for resolve in operations.values():
        resolve(ClusterError("the node was killed"))


class Mesh(_Members[_AsyncNode]):
    """A mesh of asyncio nodes; :func:`start_mesh` makes one. ``one, two, three = mesh`` names its members, which are
    :class:`noex_cluster.ClusterNode`."""

    def __init__(self, options: MeshOptions) -> None:
        super().__init__(options)
        self._waiting: list[Resolve] = []

    @property
    def nodes(self) -> tuple[ClusterNode, ...]:
        """All members, also those that were stopped or killed, in the order in which they were added."""
        return tuple(self._nodes)

    def __iter__(self) -> Iterator[ClusterNode]:
        return iter(self.nodes)

    def __getitem__(self, index: int) -> ClusterNode:
        return self._nodes[index]

    async def add(
        self, name: str | None = None, *, timeout_s: float = 10.0, **options: Unpack[MeshOptions]
    ) -> ClusterNode:
        """Starts one more member, and waits until the mesh is full again.

        The name is ``node4`` and so on by default; `options` win over those of the mesh. A node that does not become a
        member is stopped.

        Raises:
            InvalidClusterConfigError: an option is unknown or invalid.
            TimeoutError: the mesh is not full within `timeout_s` seconds; says who does not see whom.
        """
        node = await self._add(name, options)
        try:
            await self.wait_until_full(timeout_s)
        except BaseException:
            await node.stop()
            self._leave(node)
            raise
        return node

    async def _add(self, name: str | None, options: MeshOptions) -> _AsyncNode:
        node = self._enter(_AsyncNode(**self.configured(name, options)))
        try:
            await node.start()
        except BaseException:
            self._leave(node)
            raise
        return node

    async def wait_until_full(self, timeout_s: float = 10.0) -> None:
        """Waits until every running member sees all other running members as up, and its handlers have been told.

        Raises:
            TimeoutError: not within `timeout_s` seconds; says who does not see whom.
        """
        await self._wait("the mesh is not full", self._missing, timeout_s)

    async def wait_until_up(self, node: NodeBase[Any] | str, timeout_s: float = 10.0) -> None:
        """Waits until every running member sees `node` as up, a node or an id, and its handlers have been told.

        Raises:
            TimeoutError: not within `timeout_s` seconds; says who does not see it.
            ClusterNotStartedError: the node is not started, and is no member of this mesh.
        """
        node_id = _id_of(node)
        await self._wait(f"{node_id} is not up", lambda: self._blind(node_id, up=True), timeout_s)

    async def wait_until_down(self, node: NodeBase[Any] | str, timeout_s: float = 10.0) -> None:
        """Waits until no running member sees `node` as up, a node or an id, and their handlers have been told.

        Raises:
            TimeoutError: not within `timeout_s` seconds; says who still sees it.
            ClusterNotStartedError: the node is not started, and is no member of this mesh.
        """
        node_id = _id_of(node)
        await self._wait(f"{node_id} is not down", lambda: self._blind(node_id, up=False), timeout_s)

    async def _wait(self, what: str, lines: Callable[[], list[str]], timeout_s: float) -> None:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            news = loop.create_future()
            with self._changed:
                self._waiting.append(_resolver(loop, news))  # before looking: what happens in between is not missed
            found = lines()
            if not found:
                return
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(deadline):
                    await news
                continue
            raise _late(what, timeout_s, lines() or found)

    def _wake(self) -> None:
        with self._changed:
            waiting, self._waiting = self._waiting, []
        for resolve in waiting:
            resolve(None)

    async def stop(self) -> None:
        """Stops all members, politely and at once. Idempotent."""
        await asyncio.gather(*(node.stop() for node in self._nodes))

    def _stop_without_loop(self) -> None:
        """For the end of a test, whose event loop may be gone: the native nodes are stopped, and no handler runs."""
        handles = [node._link.handle for node in self._nodes if node._link is not None]
        for handle in handles:
            if handle.status() != ClusterStatus.STOPPED:
                handle.stop()
        for handle in handles:
            handle.wait(_STOP_TIMEOUT_MS)
        for node in self._nodes:
            node._mesh_running = False
            _abort(node)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """:meth:`stop`."""
        await self.stop()


class SyncMesh(_Members[_SyncNode]):
    """A mesh of blocking nodes; :func:`start_mesh_sync` makes one. ``one, two, three = mesh`` names its members, which
    are :class:`noex_cluster.sync.ClusterNode`."""

    @property
    def nodes(self) -> tuple[sync.ClusterNode, ...]:
        """All members, also those that were stopped or killed, in the order in which they were added."""
        return tuple(self._nodes)

    def __iter__(self) -> Iterator[sync.ClusterNode]:
        return iter(self.nodes)

    def __getitem__(self, index: int) -> sync.ClusterNode:
        return self._nodes[index]

    def add(
        self, name: str | None = None, *, timeout_s: float = 10.0, **options: Unpack[MeshOptions]
    ) -> sync.ClusterNode:
        """As :meth:`Mesh.add`."""
        node = self._add(name, options)
        try:
            self.wait_until_full(timeout_s)
        except BaseException:
            node.stop()
            self._leave(node)
            raise
        return node

    def _add(self, name: str | None, options: MeshOptions) -> _SyncNode:
        node = self._enter(_SyncNode(**self.configured(name, options)))
        try:
            node.start()
        except BaseException:
            self._leave(node)
            raise
        return node

    def wait_until_full(self, timeout_s: float = 10.0) -> None:
        """As :meth:`Mesh.wait_until_full`. Not to be called in a handler, like all waits."""
        self._wait("the mesh is not full", self._missing, timeout_s)

    def wait_until_up(self, node: NodeBase[Any] | str, timeout_s: float = 10.0) -> None:
        """As :meth:`Mesh.wait_until_up`."""
        node_id = _id_of(node)
        self._wait(f"{node_id} is not up", lambda: self._blind(node_id, up=True), timeout_s)

    def wait_until_down(self, node: NodeBase[Any] | str, timeout_s: float = 10.0) -> None:
        """As :meth:`Mesh.wait_until_down`."""
        node_id = _id_of(node)
        self._wait(f"{node_id} is not down", lambda: self._blind(node_id, up=False), timeout_s)

    def _wait(self, what: str, lines: Callable[[], list[str]], timeout_s: float) -> None:
        with self._changed:
            if not self._changed.wait_for(lambda: not lines(), timeout_s):
                raise _late(what, timeout_s, lines())

    def _note(self, node: _SyncNode, event: ClusterEvent) -> None:
        with self._changed:  # who waits looks on another thread
            super()._note(node, event)

    def stop(self) -> None:
        """Stops all members, politely, the last one first. Idempotent."""
        for node in reversed(self._nodes):
            node.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """:meth:`stop`."""
        self.stop()
