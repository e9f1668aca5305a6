"""How events come from the native library to Python: always pulled, on a thread of Python's, never pushed by a thread
of the library. A pump watches a node's event descriptor, and drains the node when it is readable.

Pumps and what watches them (event loops, threads) hold the native handle, but the node only weakly: a node that nobody
else holds is garbage.
"""

import asyncio
import contextlib
import os
import select
import threading
import weakref
from collections.abc import Callable
from typing import Protocol

from . import _native

# Events delivered before others get their turn on the loop.
BATCH = 64


class Node(Protocol):
    """What a pump drains."""

    def _drain(self, pump: "Pump", limit: int) -> bool:
        """Delivers up to `limit` events; False when there are no more."""


class Pump(Protocol):
    def close(self) -> None:
        """Ends it, from any thread, at any time; returns at once. Idempotent."""


def running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


class LoopPump:
    """Delivers on an event loop, by ``add_reader``.

    It watches a copy of the descriptor, which it closes only after the loop has let go of it: the node may be freed
    before, and the number of a descriptor that is still watched must not be given to another file.
    """

    def __init__(self, handle: _native.Handle, loop: asyncio.AbstractEventLoop, node: "weakref.ref[Node]") -> None:
        self.loop = loop
        self._node = node
        self._closed = False
        self._fd = os.dup(handle.event_fd())
        try:
            loop.add_reader(self._fd, self._on_readable)
        except BaseException:
            self._release()
            raise

    def _on_readable(self) -> None:
        node = self._node()
        if node is not None and not self._closed:
            node._drain(self, BATCH)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if running_loop() is self.loop:
            self._unwatch()
        else:
            try:
                self.loop.call_soon_threadsafe(self._unwatch)
            except RuntimeError:  # the loop is closed, and its watch gone
                self._release()

    def _unwatch(self) -> None:
        self.loop.remove_reader(self._fd)
        self._release()

    def _release(self) -> None:
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)

    def __del__(self) -> None:  # of a loop that never ran again: it has dropped the watch by now
        with contextlib.suppress(OSError, AttributeError):
            self._release()


class Poller:
    """A daemon thread that waits for events and calls `on_ready`, until that returns False.

    The thread waits in ``poll``, a call of Python's own: so the interpreter can end while it waits, which a thread
    inside the native library could not be sure to survive.
    """

    def __init__(self, handle: _native.Handle, on_ready: Callable[[], bool]) -> None:
        self._on_ready = on_ready
        self._ending = False
        self._lock = threading.Lock()  # of _wake
        self.thread = threading.Thread(target=self._run, name="noex-cluster-events", daemon=True)
        with contextlib.ExitStack() as on_failure:
            self._wake_read, self._wake = os.pipe()
            on_failure.callback(os.close, self._wake_read)
            on_failure.callback(os.close, self._wake)
            self._fd = os.dup(handle.event_fd())
            on_failure.callback(os.close, self._fd)
            self.thread.start()
            on_failure.pop_all()  # they are the thread's to close

    def _run(self) -> None:
        poll = select.poll()
        poll.register(self._fd, select.POLLIN)
        poll.register(self._wake_read, select.POLLIN)
        try:
            while not self._ending:
                ready = {fd for fd, _ in poll.poll()}
                if self._fd in ready and not self._ending and not self._on_ready():
                    break
        finally:
            with self._lock:
                self._ending = True
                for fd in (self._fd, self._wake_read, self._wake):
                    os.close(fd)

    def close(self) -> None:
        # Not while the thread itself holds the lock, which may happen to collect the node.
        if threading.current_thread() is self.thread:
            self._ending = True
            return
        with self._lock:
            if not self._ending:
                self._ending = True
                os.write(self._wake, b"x")


class ThreadPump:
    """Delivers on a thread of its own, for programs without an event loop."""

    def __init__(self, handle: _native.Handle, node: "weakref.ref[Node]") -> None:
        self._node = node
        self._poller = Poller(handle, self._on_ready)

    @property
    def is_current_thread(self) -> bool:
        """Whether the caller is a handler."""
        return threading.current_thread() is self._poller.thread

    def _on_ready(self) -> bool:
        node = self._node()
        if node is None:
            return False
        node._drain(self, BATCH)
        return True

    def close(self) -> None:
        self._poller.close()


class RelayPump:
    """Delivers on an event loop that has no ``add_reader``: a thread waits and calls into the loop."""

    def __init__(self, handle: _native.Handle, loop: asyncio.AbstractEventLoop, node: "weakref.ref[Node]") -> None:
        self.loop = loop
        self._node = node
        self._closed = False
        self._drained = threading.Semaphore(0)
        self._poller = Poller(handle, self._on_ready)

    def _on_ready(self) -> bool:
        try:
            self.loop.call_soon_threadsafe(self._drain)
        except RuntimeError:  # closed
            return False
        self._drained.acquire()
        return not self._closed

    def _drain(self) -> None:
        try:
            node = self._node()
            if node is not None and not self._closed:
                node._drain(self, BATCH)
        finally:
            self._drained.release()

    def close(self) -> None:
        self._closed = True
        self._poller.close()
        self._drained.release()


AnyLoopPump = LoopPump | RelayPump


def loop_pump(handle: _native.Handle, loop: asyncio.AbstractEventLoop, node: "weakref.ref[Node]") -> AnyLoopPump:
    """The pump that the loop can have. Call it on the loop."""
    try:
        return LoopPump(handle, loop, node)
    except NotImplementedError:
        return RelayPump(handle, loop, node)
