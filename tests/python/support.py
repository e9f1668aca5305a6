"""What the tests of the Python face share: waiting with deadlines, children that are ended whatever happens, the events
of a node as a list.
"""

import asyncio
import contextlib
import os
import queue
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any, Unpack

from noex_cluster import ClusterNode, ClusterOptions
from noex_cluster._node import NodeBase

DEADLINE_S = 20.0  # the machine may be compiling something beside us
# Quick, and far from wrong: nothing here waits for a heartbeat that does not come.
FAST = ClusterOptions(host="127.0.0.1", port="auto", heartbeat_interval_ms=200, heartbeat_miss_threshold=25)


def options(name: str, **more: Unpack[ClusterOptions]) -> ClusterOptions:
    """The options of a test's node: those above, unless `more` says otherwise."""
    return {**FAST, "node_name": name, **more}


async def until(condition: Callable[[], Any], what: str = "", deadline_s: float = DEADLINE_S) -> None:
    """Waits until the condition holds."""
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        await asyncio.sleep(0.01)


def until_sync(condition: Callable[[], Any], what: str = "", deadline_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s: {what}"
        time.sleep(0.01)


class Watch:
    """The events of a node, as ('up', id), ('down', id, reason), ('status', status), ('error', kind)."""

    def __init__(self, node: NodeBase[Any]) -> None:
        self.events: list[tuple[str, ...]] = []
        self.threads: set[str] = set()
        node.on_node_up(lambda info: self._add("up", info.id))
        node.on_node_down(lambda node_id, reason: self._add("down", node_id, reason))
        node.on_status_change(lambda status: self._add("status", status))
        node.on_error(lambda error: self._add("error", error.kind))

    def _add(self, *event: str) -> None:
        self.threads.add(threading.current_thread().name)
        self.events.append(tuple(str(part) for part in event))

    def of(self, kind: str) -> list[tuple[str, ...]]:
        return [event[1:] for event in self.events if event[0] == kind]

    def has(self, *event: str) -> Callable[[], bool]:
        return lambda: event in self.events


@contextlib.asynccontextmanager
async def running(name: str, **more: Unpack[ClusterOptions]) -> AsyncIterator[ClusterNode]:
    """A node that runs, and is stopped in the end."""
    async with ClusterNode(**options(name, **more)) as node:
        yield node


@contextlib.contextmanager
def taken_port(host: str = "127.0.0.1") -> Iterator[int]:
    with socket.create_server((host, 0)) as server:
        yield server.getsockname()[1]


@contextlib.contextmanager
def black_hole() -> Iterator[int]:
    """A port of 127.0.0.1 where a connection is never made, nor refused: a start with such a seed takes 2 s."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(socket.socket())
        server.bind(("127.0.0.1", 0))
        server.listen(0)
        for _ in range(4):  # more than its queue holds
            client = stack.enter_context(socket.socket())
            client.setblocking(False)
            client.connect_ex(server.getsockname())
        yield server.getsockname()[1]


class Child:
    """A Python process that runs `program`, or the file `path`; what it prints comes line by line."""

    def __init__(self, program: str = "", *arguments: str, path: str = "", **environment: str) -> None:
        command = [sys.executable, *([path] if path else ["-c", textwrap.dedent(program)]), *arguments]
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "NOEX_ADVERTISE_HOST": "127.0.0.1", **environment}
        self.process = subprocess.Popen(
            command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        self.lines: list[str] = []
        self._new: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._new.put(line.rstrip("\n"))
        self._new.put(None)

    def line(self, part: str, deadline_s: float = DEADLINE_S) -> str:
        """The next line that contains `part`."""
        end = time.monotonic() + deadline_s
        while True:
            try:
                line = self._new.get(timeout=max(0.0, end - time.monotonic()))
            except queue.Empty:
                line = None
            assert line is not None, f"no line with {part!r}; it said:\n{self.output}"
            self.lines.append(line)
            if part in line:
                return line

    @property
    def output(self) -> str:
        return "\n".join(self.lines)

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, deadline_s: float = DEADLINE_S) -> int:
        """The exit code, once all it said is in `lines`."""
        code = self.process.wait(deadline_s)
        self._reader.join(deadline_s)
        while (line := self._new.get(timeout=deadline_s)) is not None:
            self.lines.append(line)
        return code

    def __enter__(self) -> "Child":
        return self

    def __exit__(self, *_: object) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
