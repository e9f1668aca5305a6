"""Nodes as processes that serve HTTP, and requests to them, down to the bytes."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))
from ports import free_ports  # noqa: E402

__all__ = ["DEADLINE", "ROOT", "Node", "Stream", "free_ports", "wait_for"]

COMMAND = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release")) / "bin" / "noex-cluster"
DEADLINE = 30.0
T = TypeVar("T")


def wait_for(what: str, look: Callable[[], T | None], seconds: float = DEADLINE) -> T:
    """Looks until there is something to see."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if (found := look()) is not None and found is not False:
            return found
        time.sleep(0.02)
    raise AssertionError(f"waited {seconds:g} s in vain for {what}")


class Node:
    """`noex-cluster run --json`; its output goes to files, so that it never waits for a reader."""

    def __init__(
        self, folder: Path, name: str, *arguments: str, http: str | None = "127.0.0.1:auto", **env: str
    ) -> None:
        self.out = folder / f"{name}-{time.monotonic_ns()}.out"
        self.err = self.out.with_suffix(".err")
        clean = {key: value for key, value in os.environ.items() if not key.startswith("NOEX_")}
        # Without a control socket: a node of the same name in another test would look who has the path, and each look
        # is a descriptor of this one.
        command = [COMMAND, "run", "--json", "--no-control-socket", "--name", name, "--host", "127.0.0.1"]
        command += ["--interval", "200", *arguments]
        command += [] if "--port" in arguments else ["--port", "auto"]
        command += ["--http", http] if http else []
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env={**clean, "NOEX_ADVERTISE_HOST": "127.0.0.1", **env},
            )

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines() if line.endswith("}")]

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """The first event that has all of these; waits for it."""

        def look() -> dict[str, Any] | None:
            ended = self.process.poll() is not None
            for event in self.events():
                if event["event"] == kind and fields.items() <= event.items():
                    return event
            if ended:
                raise AssertionError(f"the node has ended: {self.out.read_text()}{self.err.read_text()}")
            return None

        return wait_for(f"{kind} {fields}", look)

    @property
    def id(self) -> str:
        return str(self.event("started")["id"])

    @property
    def url(self) -> str:
        return str(self.event("http")["url"])

    @property
    def address(self) -> tuple[str, int]:
        parts = urlsplit(self.url)
        assert parts.hostname
        assert parts.port
        return parts.hostname, parts.port

    def ask(self, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> "Answer":
        connection = http.client.HTTPConnection(*self.address, timeout=DEADLINE)
        with contextlib.closing(connection):
            connection.request(method, path, body, {key.replace("_", "-"): value for key, value in headers.items()})
            return Answer(connection.getresponse())

    def raw(self, data: bytes) -> bytes:
        """All that comes back for these bytes."""
        with self.connect() as connection:
            connection.sendall(data)
            return read_all(connection)

    def connect(self) -> socket.socket:
        return socket.create_connection(self.address, timeout=DEADLINE)

    def descriptors(self) -> int:
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(DEADLINE)

    def end(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(DEADLINE)


class Answer:
    def __init__(self, response: http.client.HTTPResponse) -> None:
        self.status = response.status
        self.headers = response.headers
        self.body = response.read()

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        assert self.headers["Content-Type"] == "application/json"
        return json.loads(self.body)


def read_all(connection: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while data := connection.recv(65536):
            received += data
    return received


class Stream:
    """One client of /events."""

    def __init__(self, node: Node, last_id: str = "") -> None:
        self.connection = http.client.HTTPConnection(*node.address, timeout=DEADLINE)
        self.connection.request("GET", "/events", headers={"Last-Event-ID": last_id} if last_id else {})
        self.response = self.connection.getresponse()
        self.status = self.response.status
        self.headers = self.response.headers
        self.last_id = ""

    def lines(self) -> Iterator[str]:
        while line := self.response.readline():
            yield line.decode().rstrip("\n")

    def next(self) -> dict[str, Any]:
        """The next event; sets `last_id`."""
        for line in self.lines():
            if line.startswith("id: "):
                self.last_id = line[4:]
            elif line.startswith("data: "):
                return dict(json.loads(line[6:]))
        raise EOFError("the event stream has ended")

    def until(self, kind: str, **fields: Any) -> list[dict[str, Any]]:
        """All events up to the one that has all of these."""
        events = [self.next()]
        while events[-1]["event"] != kind or not fields.items() <= events[-1].items():
            events.append(self.next())
        return events

    def close(self) -> None:
        self.response.close()
        self.connection.close()
