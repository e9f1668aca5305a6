"""Bytes of other protocols, and what no peer may send first; and how to see that a connection was closed on them."""

import os
import socket
import struct
import time

TLS_CLIENT_HELLO = bytes.fromhex(
    "16030100c8010000c40303"
    + "5a" * 32
    + "20"
    + "a5" * 32
    + "0026130213031301c02cc030009fcca9cca8ccaac02bc02f009ec024c028006b"
)

STRAYS = {
    "an HTTP request": b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: stray\r\n\r\n",
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a TLS hello": TLS_CLIENT_HELLO,
    "an over-long prefix": struct.pack(">I", 16 * 1024 * 1024 + 1) + b"{",
    "a frame larger than a stranger may send": struct.pack(">I", 300_000) + b" " * 300_000,
    "an empty frame": struct.pack(">I", 0),
    "JSON that is no message": struct.pack(">I", 4) + b"null",
    "an unsigned heartbeat": struct.pack(">I", 84)
    + b'{"version":1,"from":"x@127.0.0.1:9","timestamp":1,"payload":{"type":"heartbeat","a":1}}'[:84],
    "random bytes": b"\0\0\0\x40" + os.urandom(4096),
    "an SSH banner": b"SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n",
}


def closed_by_peer(sock: socket.socket, timeout: float) -> bool:
    """Whether the other side closes the connection in time; what it sends until then is read and dropped."""
    deadline = time.monotonic() + timeout
    while (remaining := deadline - time.monotonic()) > 0:
        sock.settimeout(remaining)
        try:
            if not sock.recv(65536):
                return True
        except (ConnectionResetError, BrokenPipeError):
            return True
        except TimeoutError:
            return False
    return False
