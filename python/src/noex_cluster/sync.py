"""The same interface for programs without an event loop: calls wait, and handlers run on a thread.

::

    from noex_cluster.sync import Cluster

    Cluster.on_node_up(lambda node: print("joined", node.id))
    Cluster.start(node_name="app1", seeds=["app2@192.168.1.11:4369"])
    Cluster.wait()

Nodes of this module are its own: ``noex_cluster.sync.Cluster`` is not the node ``noex_cluster.Cluster``. Everything
else, such as ``NodeId``, the exceptions and the queries, is that of ``noex_cluster``.
"""

import inspect
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, Unpack

from ._config import ClusterConfig, ClusterOptions, merge
from ._errors import ClusterError
from ._node import Link, NodeBase
from ._pump import ThreadPump
from ._streams import Mailbox
from ._types import ClusterEvent

__all__ = ["Cluster", "ClusterNode", "EventStream"]

_SLICE_S = 0.1  # Python runs its signal handlers between two slices
_STOP_TIMEOUT_S = 5.0


class _Ended:
    """The end of an operation, as one thread tells it to another."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self._error: BaseException | None = None

    def resolve(self, error: BaseException | None) -> None:
        self._error = error
        self._event.set()

    def wait(self, timeout: float | None = None) -> None:
        self._event.wait(timeout)  # a signal handler may run, and raise, while it waits

    def result(self) -> None:
        if self._error is not None:
            raise self._error


class ClusterNode(NodeBase[ThreadPump]):
    """One node of a cluster, with blocking calls. See :class:`noex_cluster.ClusterNode`, which this one is but for

    * :meth:`start`, :meth:`stop` and :meth:`wait`, which wait; Ctrl-C ends the wait;
    * handlers, which are plain functions and run on a daemon thread of the node, one at a time, in the order of
      events. What one raises goes to ``threading.excepthook``;
    * :meth:`events`, which is a plain iterator.

    ::

        with ClusterNode(node_name="test", host="127.0.0.1", port="auto") as node:
            print(node.get_local_node_id())
    """

    def __init__(self, config: ClusterConfig | None = None, /, **options: Unpack[ClusterOptions]) -> None:
        super().__init__(config, options)

    def start(self, config: ClusterConfig | None = None, /, **options: Unpack[ClusterOptions]) -> None:
        """Joins the cluster. Returns when the node is running and each seed's first attempt has ended (2 s at most);
        seeds need not be up. All handlers of earlier events have run by then.

        The options are those of :class:`ClusterConfig`, given one by one, or as a `config`, or both (the single ones
        then win); without any, those given to the constructor. After a failure the node is stopped and may be started
        again. A KeyboardInterrupt while it waits stops the node.

        Raises:
            InvalidClusterConfigError: an option is unknown or invalid.
            ClusterBindError: the address is taken, or cannot be listened on.
            ClusterError: ``Cluster is already running``; :meth:`stop` was called meanwhile; or this is a handler, which
                cannot wait for events.
        """
        if self._is_handler():
            raise ClusterError(
                "start() waits for handlers, so a handler cannot call it: start the node on another thread"
            )
        chosen = merge(self._config, config, options)
        ended = _Ended()
        try:
            self._begin(chosen, ended.resolve)
            ended.wait()
        except ClusterError:  # refused: nothing has begun
            raise
        except BaseException:  # of a signal handler, Ctrl-C's or another
            if self._handle() is not None:
                stopped = _Ended()
                self._begin(None, stopped.resolve)
                stopped.wait(_STOP_TIMEOUT_S)
            raise
        ended.result()

    def stop(self) -> None:
        """Leaves the cluster: tells every peer, which then sees ``graceful_shutdown``, and closes. Returns when the
        node is stopped and all handlers of earlier events have run; a second at most. Called in a handler it only
        begins to stop. Concurrent calls share one stop. Handlers stay registered, and the node may be started again.
        """
        if self._handle() is None:
            return
        ended = _Ended()
        self._begin(None, ended.resolve)
        if not self._is_handler():
            ended.wait()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until the node is stopped, for `timeout` seconds at most. Ctrl-C ends the wait, and leaves the node
        as it is.

        Returns:
            Whether the node is stopped.
        """
        handle = self._handle()
        if handle is None:
            return True
        deadline = None if timeout is None else time.monotonic() + timeout
        while True:
            rest = _SLICE_S if deadline is None else min(_SLICE_S, deadline - time.monotonic())
            if handle.wait(max(0, int(rest * 1000))):
                return True
            if deadline is not None and time.monotonic() >= deadline:
                return False

    def __enter__(self) -> Self:
        """:meth:`start` with the configuration of the constructor."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """:meth:`stop`."""
        self.stop()

    def events(self) -> "EventStream":
        """The events from now on, as an iterator that waits for the next. It ends after the node is stopped. Above
        1,024 events that wait for the iteration, a node's ups and downs shrink to their net effect."""
        return EventStream(self)

    # ------------------------------------------------------------------------------------------------------- delivery

    def _subscribe(self, kind: int, handler: Callable[..., object]) -> Callable[[], None]:
        if inspect.iscoroutinefunction(handler):
            raise TypeError(
                "handlers of a blocking node are plain functions; noex_cluster.ClusterNode takes coroutines"
            )
        return super()._subscribe(kind, handler)

    def _is_handler(self) -> bool:
        pump = self._link.pump if self._link is not None else None
        return pump is not None and pump.is_current_thread

    def _watch(self, link: Link[ThreadPump], *, starting: bool) -> None:
        if link.pump is None:
            link.pump = ThreadPump(link.handle, weakref.ref(self))

    def _run(self, handler: Callable[..., object], arguments: tuple[object, ...]) -> None:
        try:
            handler(*arguments)
        except BaseException as error:
            thread = threading.current_thread()
            threading.excepthook(threading.ExceptHookArgs((type(error), error, error.__traceback__, thread)))


class EventStream(Iterator[ClusterEvent]):
    """What :meth:`ClusterNode.events` gives: an iterator over events. It keeps its node alive."""

    def __init__(self, node: ClusterNode) -> None:
        self._node: ClusterNode | None = node
        self._changed = threading.Condition()
        self._mailbox = Mailbox()
        with node._lock:
            node._streams.add(self)

    def push(self, event: ClusterEvent) -> None:
        """Called where handlers run."""
        with self._changed:
            self._mailbox.push(event)
            self._changed.notify_all()

    def __next__(self) -> ClusterEvent:
        with self._changed:
            while not self._mailbox:
                if self._mailbox.complete or self._node is None:
                    raise StopIteration
                self._changed.wait()
            return self._mailbox.pop()

    def close(self) -> None:
        """Ends the iteration. An iterator that is dropped needs no such call."""
        node, self._node = self._node, None
        if node is not None:
            with node._lock:
                node._streams.discard(self)
        with self._changed:
            self._changed.notify_all()


Cluster = ClusterNode()
"""The node of this process, for programs without an event loop."""
