"""A stand-in for a node of the reference implementation: one process that behaves on the wire as that one was seen
to behave.

It is here because the real one cannot be installed in a test, and because its habits are what a node of ours must
live with: it never speaks first on a connection that it accepted, drops the newer duplicate without a word, keeps
both sockets of a crossed dial, leaves silent re-dials behind when a stored connection is replaced, believes
anybody's node_down, and never forgets an id. Each habit stands in docs/protocol.md ("Living with reference nodes").
It is not a model to follow.

Events go to stdout as JSON lines; `view` and `stop` come in on stdin, as for every node of the mesh tests. The end
of stdin is a stop.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import socket
import sys
import time
from typing import Any

import reference_wire as wire

DIAL_TIMEOUT = 10.0
FIRST_FRAME_TIMEOUT = 10.0
RECONNECT_BASE_MS = 1000
RECONNECT_MAX_MS = 30_000


def now_ms() -> int:
    return int(time.time() * 1000)


def report(event: str, **fields: Any) -> None:
    print(json.dumps({"event": event, "at": now_ms(), **fields}), flush=True)


def split_id(node_id: str) -> tuple[str, str, int]:
    name, _, rest = node_id.partition("@")
    host, _, port = rest.rpartition(":")
    return name, host, int(port)


class Stream(asyncio.Protocol):
    """One socket. `link` is the connection object that owns it; an accepted one has none until its first frame."""

    def __init__(self, node: "ReferenceNode", link: "Link | None" = None) -> None:
        self.node = node
        self.link = link
        self.unframer = wire.Unframer()
        self.transport: asyncio.Transport | None = None
        self.first_frame_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        raw = transport.get_extra_info("socket")
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 0)  # asyncio turns it on; the reference leaves Nagle on
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        self.node.streams.add(self)
        if self.link:
            self.link.adopt(self)
        else:
            loop = asyncio.get_running_loop()
            self.first_frame_timer = loop.call_later(FIRST_FRAME_TIMEOUT, self.destroy, "no first frame")

    def data_received(self, data: bytes) -> None:
        try:
            bodies = self.unframer.feed(data)
        except wire.OverlongPrefix as error:
            self.node.die(str(error))
            return
        for body in bodies:
            if self.transport is None or self.transport.is_closing():
                return
            self.frame_received(body)

    def frame_received(self, body: bytes) -> None:
        first = self.link is None
        try:
            envelope = wire.decode(body, self.node.secret)
        except wire.FrameError as error:
            self.node.bad_frame(str(error), self.peer())
            if first:
                self.destroy("bad first frame")
            return
        if self.link is None and not self.identify(envelope.get("from")):
            return
        self.node.message_received(envelope.get("payload"))

    def identify(self, sender: Any) -> bool:
        """The first frame on an accepted connection says whose it is. False: a duplicate, gone with its frame."""
        if self.first_frame_timer:
            self.first_frame_timer.cancel()
        stored = self.node.links.get(str(sender))
        if stored and stored.stream:
            self.node.trace("duplicate_dropped", node=str(sender))
            self.destroy("duplicate")
            return False
        if stored:
            # The old object lives on: if its reconnect timer runs, or its dial is under way, nobody stops that.
            self.node.trace("replaced", node=str(sender))
        self.link = Link(self.node, str(sender))
        self.link.adopt(self)
        self.node.links[str(sender)] = self.link
        return True

    def destroy(self, why: str) -> None:
        self.node.trace("destroyed", why=why, peer=self.peer())
        if self.transport:
            self.transport.abort()

    def peer(self) -> str:
        address = self.transport.get_extra_info("peername") if self.transport else None
        return f"{address[0]}:{address[1]}" if address else ""

    def connection_lost(self, exc: Exception | None) -> None:
        self.node.streams.discard(self)
        if self.first_frame_timer:
            self.first_frame_timer.cancel()
        if self.link:
            self.link.stream_lost(self)


class Link:
    """The reference's connection object for one peer: it re-dials on its own once it was up, stored or not."""

    def __init__(self, node: "ReferenceNode", peer: str) -> None:
        self.node = node
        self.peer = peer
        self.stream: Stream | None = None  # set while connected
        self.attempt = 0
        self.reconnect_timer: asyncio.TimerHandle | None = None

    def adopt(self, stream: Stream) -> None:
        """TCP is up: that alone resets the backoff."""
        self.stream = stream
        self.attempt = 0

    async def dial(self) -> bool:
        """Whether TCP came up. Who answers there is taken to be `peer`."""
        _, host, port = split_id(self.peer)
        self.node.trace("dial", node=self.peer)
        if self.node.dial_delay:
            await asyncio.sleep(self.node.dial_delay)
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(DIAL_TIMEOUT):
                await loop.create_connection(lambda: Stream(self.node, self), host.strip("[]"), port)
        except OSError as error:
            self.node.trace("dial_failed", node=self.peer, message=str(error))
            return False
        return True

    def stream_lost(self, stream: Stream) -> None:
        if self.stream is not stream or self.node.stopping:
            return
        self.stream = None
        self.node.connection_lost(self.peer)
        self.schedule_reconnect()

    def schedule_reconnect(self) -> None:
        delay = int(min(RECONNECT_BASE_MS * 2**self.attempt, RECONNECT_MAX_MS) * random.uniform(0.5, 1.5))
        self.attempt += 1
        loop = asyncio.get_running_loop()
        self.reconnect_timer = loop.call_later(delay / 1000, lambda: self.node.spawn(self.reconnect()))

    async def reconnect(self) -> None:
        """Opens the socket again and says nothing on it: heartbeats are sent on stored connections only."""
        if self.node.links.get(self.peer) is not self:
            self.node.trace("silent_redial", node=self.peer)
        if not await self.dial() and not self.node.stopping:
            self.schedule_reconnect()

    def send(self, frame: bytes) -> None:
        if self.stream and self.stream.transport and not self.stream.transport.is_closing():
            self.stream.transport.write(frame)


class ReferenceNode:
    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        host = "127.0.0.1" if options.host == "0.0.0.0" else options.host
        self.id = f"{options.name}@{host}:{options.port}"
        self.secret = os.environ.get("NOEX_CLUSTER_SECRET", "")
        self.interval = options.interval / 1000
        self.dial_delay = options.dial_delay / 1000
        self.status = "starting"
        self.stopping = False
        self.links: dict[str, Link] = {}
        self.streams: set[Stream] = set()
        self.known: dict[str, str] = {}  # every id ever learnt -> its status
        self.heard_at: dict[str, float] = {}  # monotonic time of the last heartbeat about it
        self.tasks: set[asyncio.Task[None]] = set()
        self.server: asyncio.Server | None = None
        self.started_at = time.monotonic()
        self.stopped = asyncio.Event()

    # ------------------------------------------------------------------------------------------------------- lifecycle

    async def start(self) -> None:
        loop = asyncio.get_running_loop()
        self.server = await loop.create_server(lambda: Stream(self), self.options.host, self.options.port)
        self.started_at = time.monotonic()
        report("listening", node=self.id)
        self.spawn(self.beat())
        seeds = [seed for seed in self.options.seed if seed != self.id]
        await asyncio.gather(*(self.dial_seed(seed) for seed in seeds))
        self.status = "running"
        report("status", status="running", node=self.id)

    async def dial_seed(self, seed: str) -> None:
        """Once, whatever comes of it. No heartbeat follows: it cannot be built while `starting`, and nobody notices."""
        link = self.links.setdefault(seed, Link(self, seed))
        if await link.dial():
            self.store_dialled(link)

    async def stop(self) -> None:
        if self.stopping:
            return
        self.stopping = True
        payload = {"type": "node_down", "nodeId": self.id, "detectedAt": now_ms(), "reason": "graceful_shutdown"}
        self.broadcast(payload)
        if self.server:
            self.server.close()
        for stream in list(self.streams):
            if stream.transport:
                stream.transport.close()  # what is queued still goes out
        for task in self.tasks:
            task.cancel()
        report("stopped", node=self.id)
        self.stopped.set()

    def die(self, message: str) -> None:
        """An uncaught exception."""
        report("died", message=message)
        os._exit(7)

    def spawn(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)

    # --------------------------------------------------------------------------------------------------------- sending

    def heartbeat(self) -> dict[str, Any]:
        _, host, port = split_id(self.id)
        info = {
            "id": self.id,
            "host": host,
            "port": port,
            "status": "connected",
            "processCount": 0,
            "lastHeartbeatAt": now_ms(),
            "uptimeMs": int((time.monotonic() - self.started_at) * 1000),
        }
        return {"type": "heartbeat", "nodeInfo": info, "knownNodes": list(self.known)}

    def broadcast(self, payload: dict[str, Any]) -> None:
        frame = wire.encode(self.id, now_ms(), payload, self.secret)
        for link in list(self.links.values()):
            link.send(frame)

    async def beat(self) -> None:
        """A plain repeating timer: first one interval after the start, no jitter. Timeouts are judged on it, too."""
        due = self.started_at
        while not self.stopping:
            due += self.interval
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due = max(due, time.monotonic() - self.interval)  # beats missed in a pause are not made up for
            self.judge()
            if self.status == "running":
                self.broadcast(self.heartbeat())

    # ------------------------------------------------------------------------------------------------------- receiving

    def message_received(self, payload: Any) -> None:
        kind = payload.get("type") if isinstance(payload, dict) else None
        if kind == "heartbeat":
            self.heartbeat_received(payload["nodeInfo"]["id"], payload["knownNodes"])
        elif kind == "node_down":
            self.set_down(payload["nodeId"], payload["reason"])

    def heartbeat_received(self, node_id: str, known_nodes: list[str]) -> None:
        if node_id == self.id:
            return
        self.heard_at[node_id] = time.monotonic()
        if self.known.get(node_id) != "connected":
            self.known[node_id] = "connected"
            report("up", node=node_id)
        for other in known_nodes:
            if other != self.id and other not in self.known and other not in self.links:
                self.known[other] = "connecting"
                self.spawn(self.dial_learnt(other))

    async def dial_learnt(self, node_id: str) -> None:
        """A dial because of gossip: all at once, without limit, and a heartbeat right after it."""
        link = self.links[node_id] = Link(self, node_id)
        if await link.dial():
            self.store_dialled(link)
            stored = self.links.get(node_id)
            if stored and self.status == "running":
                stored.send(wire.encode(self.id, now_ms(), self.heartbeat(), self.secret))

    def store_dialled(self, link: Link) -> None:
        """A dial came up. If a connection was accepted meanwhile, both stay, and one of them is spoken on."""
        if self.options.crossed == "dialled" and self.links.get(link.peer) is not link:
            self.trace("stored_again", node=link.peer)
            self.links[link.peer] = link

    def connection_lost(self, node_id: str) -> None:
        self.set_down(node_id, "connection_closed")

    def judge(self) -> None:
        oldest = time.monotonic() - self.interval * self.options.threshold
        for node_id, status in list(self.known.items()):
            if status == "connected" and self.heard_at[node_id] < oldest:
                self.set_down(node_id, "heartbeat_timeout")

    def set_down(self, node_id: str, reason: str) -> None:
        if self.known.get(node_id) == "connected":
            self.known[node_id] = "disconnected"
            report("down", node=node_id, reason=reason)

    def bad_frame(self, message: str, peer: str) -> None:
        report("error", message=message, address=peer)
        if self.options.no_error_listener:
            self.die(message)

    # ----------------------------------------------------------------------------------------------------------- talk

    def trace(self, what: str, **fields: Any) -> None:
        if self.options.trace:
            report("trace", what=what, **fields)

    def view(self) -> None:
        nodes = [{"id": node_id, "status": status} for node_id, status in sorted(self.known.items())]
        report("view", self=self.id, status=self.status, nodes=nodes)

    async def commands(self) -> None:
        reader = asyncio.StreamReader()
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := await reader.readline():
            if line.strip() == b"view":
                self.view()
            elif line.strip() == b"stop":
                break
        await self.stop()


async def main(options: argparse.Namespace) -> None:
    node = ReferenceNode(options)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: node.die(f"{context['message']}: {context.get('exception')!r}"))
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, lambda: node.spawn(node.stop()))
    commands = loop.create_task(node.commands())
    await node.start()
    await node.stopped.wait()
    deadline = time.monotonic() + 1
    while node.streams and time.monotonic() < deadline:  # noqa: ASYNC110  the goodbyes go out
        await asyncio.sleep(0.01)
    commands.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await commands


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--name", required=True)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--seed", action="append", default=[], help="name@host:port; may be repeated")
    parser.add_argument("--interval", type=int, default=5000, help="heartbeatIntervalMs")
    parser.add_argument("--threshold", type=int, default=3, help="heartbeatMissThreshold")
    parser.add_argument(
        "--no-error-listener",
        action="store_true",
        help="a bad frame ends the process",
    )
    parser.add_argument("--dial-delay", type=int, default=0, help="ms that a dial takes; lets dials cross")
    parser.add_argument(
        "--crossed",
        choices=("accepted", "dialled"),
        default="accepted",
        help="which of the two sockets of a crossed dial it speaks on; it keeps both",
    )
    parser.add_argument("--trace", action="store_true", help="also report what it does with its connections")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(parse_options()))
