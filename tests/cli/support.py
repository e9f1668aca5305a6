"""The command as a process, for the tests of all its verbs."""

import contextlib
import json
import os
import pty
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "demo"))
from ports import free_ports  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
COMMAND = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release")) / "bin" / "noex-cluster"
DEADLINE = 30.0


# Short, for the path of a socket has 107 bytes; of this process, for others test beside it.
RUNTIME = Path(tempfile.mkdtemp(prefix="noex-cli-"))


def environment(**variables: str) -> dict[str, str]:
    """The environment without any option of ours, and with these."""
    clean = {key: value for key, value in os.environ.items() if not key.startswith("NOEX_")}
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "NO_COLOR", "XDG_RUNTIME_DIR"):
        clean.pop(name, None)
    return {**clean, "NOEX_ADVERTISE_HOST": "127.0.0.1", "NOEX_RUNTIME_DIR": str(RUNTIME), **variables}


class Running:
    """The command as a process; its output goes to files, so that it never waits for a reader."""

    def __init__(self, folder: Path, *arguments: str, stdin: int = subprocess.DEVNULL, **variables: str) -> None:
        self.out = folder / f"out-{time.monotonic_ns()}"
        self.err = self.out.with_suffix(".err")
        with self.out.open("w") as out, self.err.open("w") as err:
            self.process = subprocess.Popen(
                [COMMAND, "run", *arguments],
                stdin=stdin,
                stdout=out,
                stderr=err,
                text=True,
                env=environment(**variables),
            )

    def wait_line(self, part: str, *, errors: bool = False) -> str:
        file = self.err if errors else self.out
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            ended = self.process.poll() is not None
            for line in file.read_text().splitlines():
                if part in line:
                    return line
            if ended:
                break
            time.sleep(0.01)
        raise AssertionError(f"no line with {part!r} in:\n{self.out.read_text()}{self.err.read_text()}")

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_text().splitlines()]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        if self.process.stdin:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


def once(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """The command with arguments that make it end by itself."""
    return subprocess.run(
        [COMMAND, *arguments],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        env=environment(**variables),
        check=False,
    )


LOCAL = ("--host", "127.0.0.1", "--port", "auto")


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """The first true answer of `condition`."""
    deadline = time.monotonic() + DEADLINE
    while time.monotonic() < deadline:
        if answer := condition():
            return answer
        time.sleep(0.01)
    raise AssertionError(f"not within {DEADLINE} s: {what}")


def node_id(running: Running) -> str:
    return running.wait_line("status running as ").rsplit(" ", 1)[-1]


def member(name: str, status: str = "connected", **fields: Any) -> dict[str, Any]:
    """A member as the `members` document has it."""
    return {
        "id": f"{name}@10.0.0.1:4369",
        "status": status,
        "process_count": 2,
        "last_heartbeat_at": 1_700_000_000_000,
        "uptime_ms": 135_000,
        "incarnation": "112233",
        "address": "10.0.0.1:4369",
        "outbound": True,
        "rtt_us": 210,
        "clock_offset_ms": 3,
        "sees": [],
        **fields,
    }


STATUS: dict[str, Any] = {
    "id": "fake@127.0.0.1:4369",
    "name": "fake",
    "cluster_name": "blue",
    "status": "running",
    "version": "0.1.0",
    "pid": 123,
    "incarnation": "112233",
    "at": 1_700_000_002_000,
    "started_at": 1_700_000_000_000,
    "uptime_ms": 7_265_000,
    "process_count": 2,
    "authenticated": True,
    "heartbeat_interval_ms": 5000,
    "heartbeat_miss_threshold": 3,
    "nodes": {"known": 3, "connected": 2, "connecting": 0, "disconnected": 1},
    "connections": 2,
    "unidentified": 0,
    "dials_in_progress": 1,
    "pauses": 0,
    "rejected": 7,
    "events_queued": 0,
    "seeds": [
        {"seed": "app2@10.0.0.2:4369", "node": "app2@10.0.0.2:4369", "state": "connected", "failure": None},
        {"seed": "app3@10.0.0.3:4369", "node": None, "state": "waiting", "failure": "connection refused"},
    ],
}
MEMBERS: dict[str, Any] = {
    "at": 1_700_000_002_000,
    "local": member("fake", address=None, outbound=None, rtt_us=None),
    "members": [member("app2"), member("app3", "disconnected", rtt_us=None, outbound=None, address=None, sees=None)],
}


class FakeNode:
    """A control socket that says what a test wants it to, and how slowly."""

    def __init__(self, name: str = "fake", *, answers: dict[str, str | None] | None = None, folder: Path = RUNTIME):
        folder.mkdir(exist_ok=True)
        self.path = folder / f"{name}.sock"
        self.answers: dict[str, str | None] = {
            "status": json.dumps(STATUS),
            "members": json.dumps(MEMBERS),
            "metrics": json.dumps({"metrics": "# TYPE a gauge\na 1\n# EOF\n"}),
            "events": "",
            **(answers or {}),
        }
        self.asked: list[str] = []
        self.listeners: list[socket.socket] = []  # who asked for events
        self._connections: list[socket.socket] = []
        self._socket = socket.socket(socket.AF_UNIX)
        self.path.unlink(missing_ok=True)
        self._socket.bind(str(self.path))
        self.path.chmod(0o600)
        self._socket.listen()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._socket.accept()
                self._connections.append(connection)
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError, ValueError), connection.makefile("r") as lines:
            for line in lines:
                word = line.strip()
                self.asked.append(word)
                answer = self.answers.get(word, '{"error":"unknown request"}')
                if answer is None:
                    continue  # silence
                if word == "events":
                    connection.sendall(answer.encode())
                    self.listeners.append(connection)
                else:
                    connection.sendall(answer.encode("utf-8", "surrogateescape") + b"\n")

    def tell(self, **event: Any) -> None:
        for listener in self.listeners:
            with contextlib.suppress(OSError):  # who listened may be gone
                listener.sendall(json.dumps(event).encode() + b"\n")

    def close(self) -> None:
        # A blocked accept() ends with the socket's shutdown only.
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self.path.unlink(missing_ok=True)


def as_a_terminal_starts_it() -> None:
    """What a shell starts in the background ignores the signals of a terminal's keys; and what is ignored stays so."""
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_DFL)


class Terminal:
    """The command on a terminal of its own; what it writes is kept."""

    def __init__(self, *arguments: str, rows: int = 24, columns: int = 80, **variables: str) -> None:
        self.primary, secondary = pty.openpty()
        self.resize(rows, columns)
        self.modes = self._modes()
        self.output = b""
        self.process = subprocess.Popen(
            [COMMAND, *arguments],
            stdin=secondary,
            stdout=secondary,
            stderr=secondary,
            env=environment(**{"TERM": "xterm-256color", **variables}),
            start_new_session=True,
            preexec_fn=as_a_terminal_starts_it,
        )
        self.secondary = secondary

    def _modes(self) -> list[Any]:
        import termios

        return termios.tcgetattr(self.primary)

    def resize(self, rows: int, columns: int) -> None:
        import fcntl
        import struct
        import termios

        fcntl.ioctl(self.primary, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def read(self) -> str:
        """What has come until now."""
        while select.select([self.primary], [], [], 0.02)[0]:
            try:
                self.output += os.read(self.primary, 65536)
            except OSError:
                break
        return self.output.decode("utf-8", "replace")

    def wait_text(self, text: str, since: int = 0) -> str:
        return str(wait_until(lambda: self.read()[since:] if text in self.read()[since:] else "", repr(text)))

    def send(self, keys: bytes) -> None:
        os.write(self.primary, keys)

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        os.close(self.secondary)
        os.close(self.primary)
