"""ClusterNode for asyncio, and the one node that most programs need: Cluster."""

import asyncio
import inspect
import threading
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine
from types import TracebackType
from typing import Any, Self, Unpack

from . import _native
from ._config import ClusterConfig, ClusterOptions, merge
from ._node import Link, NodeBase, Resolve
from ._pump import AnyLoopPump, loop_pump, running_loop
from ._streams import Mailbox
from ._types import ClusterEvent

__all__ = ["Cluster", "ClusterNode", "EventStream"]


class ClusterNode(NodeBase[AnyLoopPump]):
    """One node of a cluster. Several may live in a process; :data:`Cluster` is the one that most programs need.

    ::

        async with ClusterNode(node_name="test", host="127.0.0.1", port="auto") as node:
            print(node.get_local_node_id())

    Membership is the business of a native thread: a program that blocks its event loop, or holds the GIL, does not look
    dead to its peers. Handlers run on the event loop that awaited :meth:`start`. Plain functions are called, coroutine
    functions become tasks, begun in the order of events; what they raise goes to the loop's exception handler. A loop
    that is closed does not stop the node: the next call in a running loop takes the handlers over.

    A process that ends without :meth:`stop` says no goodbye, and neither does a node that is collected while it runs:
    the others see ``connection_closed``. After ``os.fork()`` a running node belongs to the parent; in the child every
    call on it raises :class:`ClusterError`.

    The configuration may be given here, or to :meth:`start`.
    """

    def __init__(self, config: ClusterConfig | None = None, /, **options: Unpack[ClusterOptions]) -> None:
        super().__init__(config, options)
        self._tasks: set[asyncio.Task[Any]] = set()

    async def start(self, config: ClusterConfig | None = None, /, **options: Unpack[ClusterOptions]) -> None:
        """Joins the cluster. Returns when the node is running and each seed's first attempt has ended (2 s at most);
        seeds need not be up. All handlers of earlier events have run by then.

        The options are those of :class:`ClusterConfig`, given one by one, or as a `config`, or both (the single ones
        then win); without any, those given to the constructor. After a failure the node is stopped and may be started
        again. Cancelling this call stops the node.

        Raises:
            InvalidClusterConfigError: an option is unknown or invalid.
            ClusterBindError: the address is taken, or cannot be listened on.
            ClusterError: ``Cluster is already running``; or :meth:`stop` was called meanwhile.
        """
        chosen = merge(self._config, config, options)
        ended = self._operate(chosen)
        try:
            await ended
        except asyncio.CancelledError:  # also if it had just succeeded
            await self.stop()
            raise

    async def stop(self) -> None:
        """Leaves the cluster: tells every peer, which then sees ``graceful_shutdown``, and closes. Returns when the
        node is stopped and all handlers of earlier events have run; a second at most. May be called at any time, also
        in handlers; concurrent calls share one stop. Handlers stay registered, and the node may be started again. The
        node stops also if this call is cancelled.
        """
        if self._handle() is not None:
            await self._operate(None)

    def _operate(self, config: ClusterConfig | None) -> asyncio.Future[None]:
        loop = asyncio.get_running_loop()
        ended = loop.create_future()
        self._begin(config, _resolver(loop, ended))
        return ended

    async def __aenter__(self) -> Self:
        """:meth:`start` with the configuration of the constructor."""
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """:meth:`stop`."""
        await self.stop()

    def events(self) -> "EventStream":
        """The events from now on, as an asynchronous iterator. It ends after the node is stopped.

        ::

            async for event in node.events():
                match event:
                    case NodeUp(node):
                        print(node.id)
                    case NodeDown(node_id, reason):
                        print(node_id, reason)

        Above 1,024 events that wait for the iteration, a node's ups and downs shrink to their net effect.
        """
        self._follow_loop()
        return EventStream(self)

    # ------------------------------------------------------------------------------------------------------- delivery

    def _handle(self) -> _native.Handle | None:
        self._follow_loop()
        return super()._handle()

    def _follow_loop(self) -> None:
        """Takes the handlers over to the running loop if the one that they ran on is closed."""
        link = self._link
        if link is None or link.pump is None or not link.pump.loop.is_closed():
            return
        loop = running_loop()
        if loop is not None:
            with self._lock:
                self._move(link, loop)

    def _watch(self, link: Link[AnyLoopPump], *, starting: bool) -> None:
        loop = asyncio.get_running_loop()
        # Whoever stops a node waits for events: a loop that stands still would not deliver them.
        if starting or link.pump is None or not link.pump.loop.is_running():
            self._move(link, loop)

    def _move(self, link: Link[AnyLoopPump], loop: asyncio.AbstractEventLoop) -> None:
        before = link.pump
        if before is not None and before.loop is loop:
            return
        link.pump = loop_pump(link.handle, loop, weakref.ref(self))
        if before is not None:
            before.close()

    def _run(self, handler: Callable[..., object], arguments: tuple[object, ...]) -> None:
        loop = asyncio.get_running_loop()
        try:
            result = handler(*arguments)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException as error:
            self._report(loop, handler, error)
            return
        if inspect.iscoroutine(result):
            self._start_task(loop, handler, result)
        elif inspect.isawaitable(result):
            self._start_task(loop, handler, _awaited(result))

    def _start_task(
        self, loop: asyncio.AbstractEventLoop, handler: Callable[..., object], coroutine: Coroutine[Any, Any, object]
    ) -> None:
        task = loop.create_task(coroutine)
        self._tasks.add(task)  # a loop holds its tasks only weakly

        def done(ended: asyncio.Task[Any]) -> None:
            self._tasks.discard(ended)
            if not ended.cancelled() and (error := ended.exception()) is not None:
                self._report(loop, handler, error)

        task.add_done_callback(done)

    @staticmethod
    def _report(loop: asyncio.AbstractEventLoop, handler: Callable[..., object], error: BaseException) -> None:
        loop.call_exception_handler({"message": f"Exception in cluster event handler {handler!r}", "exception": error})


async def _awaited(awaitable: Any) -> object:
    return await awaitable


def _resolver(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[None]") -> Resolve:
    """Ends `future`, from whatever thread or loop the handlers run on."""

    def resolve(error: BaseException | None) -> None:
        if future.done():  # whoever waited has given up
            return
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)

    def resolve_on_loop(error: BaseException | None) -> None:
        if running_loop() is loop:
            resolve(error)
        elif not loop.is_closed():
            loop.call_soon_threadsafe(resolve, error)

    return resolve_on_loop


class EventStream(AsyncIterator[ClusterEvent]):
    """What :meth:`ClusterNode.events` gives: an asynchronous iterator over events. It keeps its node alive."""

    def __init__(self, node: ClusterNode) -> None:
        self._node: ClusterNode | None = node
        self._lock = threading.Lock()
        self._mailbox = Mailbox()
        self._waiting: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        with node._lock:
            node._streams.add(self)

    def push(self, event: ClusterEvent) -> None:
        """Called where handlers run."""
        with self._lock:
            self._mailbox.push(event)
        self._wake()

    def _wake(self) -> None:
        with self._lock:
            waiting, self._waiting = self._waiting, []
        for loop, future in waiting:
            _resolver(loop, future)(None)

    async def __anext__(self) -> ClusterEvent:
        while True:
            with self._lock:
                if self._mailbox:
                    return self._mailbox.pop()
                if self._mailbox.complete or self._node is None:
                    raise StopAsyncIteration
                loop = asyncio.get_running_loop()
                future: asyncio.Future[None] = loop.create_future()
                self._waiting.append((loop, future))
            await future

    async def aclose(self) -> None:
        """Ends the iteration. An iterator that is dropped needs no such call."""
        node, self._node = self._node, None
        if node is not None:
            with node._lock:
                node._streams.discard(self)
        self._wake()


Cluster = ClusterNode()
"""The node of this process."""
