"""What an attacker speaks: frames of any bytes, signed or not, and guests who go through the hello as a node does.

Everything here is on blocking sockets with deadlines; crowds of sockets are in crowd.py.
"""

import json
import secrets
import socket
import struct
import sys
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "mesh"))

import reference_wire as wire
from stray_bytes import closed_by_peer

__all__ = [
    "DEADLINE",
    "Guest",
    "Payload",
    "Refused",
    "beat",
    "closed_by_peer",
    "connect",
    "connect_briefly",
    "envelope",
    "frame",
    "framed",
    "goodbye",
    "hello",
    "new_incarnation",
    "now_ms",
    "signed",
    "split",
    "wire",
]

Payload = dict[str, Any]
DEADLINE = 15.0


def now_ms() -> int:
    return int(time.time() * 1000)


# --------------------------------------------------------------------------------------------------------------- frames


def framed(body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + body


def signed(text: bytes, secret: str | None) -> bytes:
    """Any bytes, with the signature that makes them authentic where they end in a brace."""
    if not secret or not text.endswith(b"}"):
        return text
    tag = wire.hmac.new(secret.encode(), text, wire.hashlib.sha256).hexdigest()
    return text[:-1] + b',"signature":"' + tag.encode() + b'"}'


def beat(node_id: str, known: list[str] | None = None, ext: Payload | None = None, **info: Any) -> Payload:
    """A heartbeat's payload. Without `ext` it is that of a reference node."""
    _, host, port = split(node_id)
    node = {
        "id": node_id,
        "host": host,
        "port": port,
        "status": "connected",
        "processCount": 0,
        "lastHeartbeatAt": now_ms(),
        "uptimeMs": 1000,
        **info,
    }
    payload: Payload = {"type": "heartbeat", "nodeInfo": node, "knownNodes": known or []}
    if ext is not None:
        payload["ext"] = ext
    return payload


def goodbye(about: str, reason: str = "graceful_shutdown") -> Payload:
    return {"type": "node_down", "nodeId": about, "detectedAt": now_ms(), "reason": reason}


def hello(incarnation: str, nonce: str, echo: str | None = None, interval: int = 500) -> Payload:
    ext: Payload = {"inc": incarnation, "nonce": nonce, "interval": interval, "cluster": "", "caps": []}
    return ext if echo is None else {**ext, "echo": echo}


def split(node_id: str) -> tuple[str, str, int]:
    name, _, rest = node_id.partition("@")
    host, _, port = rest.rpartition(":")
    return name, host, int(port) if port.isdigit() else 1


def envelope(sender: str, payload: Payload, timestamp: int | None = None) -> Payload:
    return {"version": 1, "from": sender, "timestamp": timestamp or now_ms(), "payload": payload}


def frame(sender: str, payload: Payload, secret: str | None, timestamp: int | None = None) -> bytes:
    return wire.encode(sender, timestamp or now_ms(), payload, secret or "")


def new_incarnation() -> str:
    return f"{now_ms():012x}{secrets.token_hex(2)}"


# --------------------------------------------------------------------------------------------------------------- guests


class Refused(Exception):
    """The node closed the connection, or said that it would not have us."""


def connect(port: int, receive_buffer: int = 0) -> socket.socket:
    sock = socket.socket()
    if receive_buffer:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)  # before: the window is agreed on then
    sock.settimeout(DEADLINE)
    sock.connect(("127.0.0.1", port))
    return sock


def connect_briefly(port: int) -> socket.socket:
    """One of very many: it leaves no port behind that waits a minute for nothing."""
    sock = connect(port)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return sock


class Guest:
    """One connection of a peer that speaks our protocol. As a context manager it closes its socket, no goodbye."""

    def __init__(
        self, port: int, node_id: str, secret: str | None, incarnation: str | None = None, receive_buffer: int = 0
    ) -> None:
        self.id = node_id
        self.secret = secret
        self.incarnation = incarnation or new_incarnation()
        self.unframer = wire.Unframer()
        self.frames: list[Payload] = []
        self.wrong_echo: str | None = None  # what is said instead of the node's nonce
        self.socket = connect(port, receive_buffer)

    def __enter__(self) -> "Guest":
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, payload: Payload, sender: str | None = None) -> None:
        self.send_bytes(frame(sender or self.id, payload, self.secret))

    def send_bytes(self, data: bytes) -> None:
        self.socket.settimeout(DEADLINE)
        self.socket.sendall(data)

    def read(self, timeout: float = DEADLINE) -> Payload:
        """The next frame's envelope. Raises Refused at the end of the stream, TimeoutError when there is none."""
        deadline = time.monotonic() + timeout
        while not self.frames:
            self.socket.settimeout(max(0.001, deadline - time.monotonic()))
            try:
                data = self.socket.recv(65536)
            except (ConnectionResetError, BrokenPipeError) as error:
                raise Refused("reset") from error
            if not data:
                raise Refused("closed")
            self.frames += [json.loads(body) for body in self.unframer.feed(data)]
        return self.frames.pop(0)

    def read_ext(self, key: str, timeout: float = DEADLINE) -> Any:
        """Reads on to a heartbeat whose `ext` has the key; its value. Raises Refused if one says that we are."""
        deadline = time.monotonic() + timeout
        while True:
            ext = self.read(max(0.001, deadline - time.monotonic()))["payload"].get("ext") or {}
            if "refused" in ext and key != "refused":
                raise Refused(ext["refused"])
            if key in ext:
                return ext[key]

    def join(self) -> "Guest":
        """The whole hello; returns when the node has confirmed us. Raises Refused."""
        nonce = secrets.token_hex(16)
        self.send(beat(self.id, ext=hello(self.incarnation, nonce)))
        envelope_ = self.read()
        ext = envelope_["payload"].get("ext", {})
        if "refused" in ext:
            raise Refused(ext["refused"])
        assert ext["echo"] == nonce
        self.peer_incarnation = ext["inc"]
        self.send(beat(self.id, ext={"echo": self.wrong_echo or ext["nonce"]}))
        self.read()  # its list of nodes: it has taken us in
        return self

    def prove_alive(self) -> None:
        """Asks for a sign of life, and reads on until it is there: all that we sent before has been dealt with."""
        question = secrets.token_hex(16)
        self.send(beat(self.id, ext={"nonce": question}))
        while self.read_ext("echo") != question:
            pass
