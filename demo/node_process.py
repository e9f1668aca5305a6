"""One node of a cluster in a process of its own, spoken to by JSON lines: the demo and the mesh tests start their
nodes with this.

Every node program prints one JSON object a line ({"event": "up", "node": ...}) and takes the words `view` and
`stop` on its stdin. A reader thread collects what it says; whoever waits for something gives a deadline. Processes
are ended by their own pid, whatever happens.
"""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from ports import free_ports

__all__ = ["BUILD", "ROOT", "Event", "Expected", "NodeProcess", "command_line", "free_ports"]

ROOT = Path(__file__).resolve().parent.parent
BUILD = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release"))
Event = dict[str, Any]


class Expected(AssertionError):
    """Something that had to happen did not happen in time."""


def command_line(language: str) -> list[str]:
    """How a node of this language is started; the options that follow are the same for all."""
    node = os.environ.get("NOEX_NODE", "node")
    return {
        "cli": [str(BUILD / "bin" / "noex-cluster"), "run", "--json", "--control-stdin"],
        "c": [str(BUILD / "examples" / "c" / "worker")],
        "python": [sys.executable, str(ROOT / "demo" / "worker.py")],
        "node": [node, str(ROOT / "demo" / "worker.mjs")],
        "reference": [sys.executable, str(ROOT / "tests" / "mesh" / "reference_node.py")],
    }[language]


class NodeProcess:
    def __init__(
        self,
        language: str,
        name: str,
        port: int,
        seeds: Sequence[str] = (),
        *,
        host: str | None = "127.0.0.1",
        address: str = "127.0.0.1",
        launcher: Sequence[str] = (),
        pass_fds: Sequence[int] = (),
        secret: str | None = None,
        interval: int = 1000,
        threshold: int = 3,
        options: Sequence[str] = (),
        environment: Mapping[str, str | None] | None = None,
        on_event: Callable[["NodeProcess", Event], None] | None = None,
    ) -> None:
        """`host` None leaves the choice to the library, `address` is what its id must then say; `launcher` goes before
        the command and must become it (exec), so that the process is the node; a variable that is None is unset."""
        self.language = language
        self.name = name
        self.port = port
        self.id = f"{name}@[{address}]:{port}" if ":" in address else f"{name}@{address}:{port}"
        self.events: list[Event] = []
        self.said: list[str] = []  # every line, as it came
        self.frozen = False
        self.on_event = on_event
        self._changed = threading.Condition()
        argv = [*command_line(language), "--name", name, "--port", str(port)]
        if host is not None:
            argv += ["--host", host]
        for seed in seeds:
            argv += ["--seed", seed]
        argv += ["--interval", str(interval), "--threshold", str(threshold), *options]
        wanted = {**os.environ, "NOEX_ADVERTISE_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1", **(environment or {})}
        env = {key: value for key, value in wanted.items() if value is not None}
        env.pop("NOEX_CLUSTER_SECRET", None)
        if secret is not None:
            env["NOEX_CLUSTER_SECRET"] = secret
        if not shutil.which(argv[0]):
            raise Expected(f"there is no {argv[0]}: ./dev build makes it")
        self.started_at = time.monotonic()
        self.process = subprocess.Popen(
            [*launcher, *argv],
            env=env,
            pass_fds=pass_fds,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
        )
        self._reader = threading.Thread(target=self._read, name=f"reader of {name}", daemon=True)
        self._reader.start()

    # -------------------------------------------------------------------------------------------------------- listening

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            line = line.rstrip("\n")
            try:
                event = json.loads(line)
            except ValueError:
                event = None
            with self._changed:
                self.said.append(line)
                if isinstance(event, dict) and "event" in event:
                    event["seen_at"] = time.monotonic()
                    self.events.append(event)
                self._changed.notify_all()
            if self.on_event and isinstance(event, dict) and "event" in event:
                self.on_event(self, event)
        with self._changed:
            self._changed.notify_all()

    def mark(self) -> int:
        """A place in the event list, to wait only for what comes after it."""
        with self._changed:
            return len(self.events)

    def since(self, mark: int = 0, kind: str | None = None, node: str | None = None) -> list[Event]:
        with self._changed:
            events = self.events[mark:]
        return [event for event in events if kind in (None, event["event"]) and node in (None, event.get("node"))]

    def wait(
        self, kind: str, timeout: float = 15.0, /, *, mark: int = 0, expected: str | None = None, **fields: Any
    ) -> Event:
        """The first event of this kind after `mark` with these fields; a field may be a predicate. Raises Expected."""

        def fits(event: Event) -> bool:
            return event["event"] == kind and all(
                wanted(event.get(key)) if callable(wanted) else event.get(key) == wanted
                for key, wanted in fields.items()
            )

        deadline = time.monotonic() + timeout
        position = mark
        with self._changed:
            while True:
                for event in self.events[position:]:
                    if fits(event):
                        return event
                position = max(position, len(self.events))
                remaining = deadline - time.monotonic()
                ended = self.process.poll() is not None and not self._reader.is_alive()
                if remaining <= 0 or ended:
                    break
                self._changed.wait(min(remaining, 0.2))
        wanted = ", ".join(f"{key}={'…' if callable(value) else value}" for key, value in fields.items())
        words = " | ".join(self.said[-3:])
        ending = f"; it ended with code {self.process.returncode} and the words: {words}" if ended else ""
        raise Expected(
            f"{self.name} ({self.language}) did not say {expected or f'{kind} {wanted}'} within {timeout:g} s{ending}"
        )

    def wait_running(self, timeout: float = 20.0) -> "NodeProcess":
        self.wait("status", timeout, status="running", expected="that it is running")
        return self

    def downs(self, mark: int = 0, node: str | None = None) -> list[Event]:
        return self.since(mark, "down", node)

    def up_now(self) -> set[str]:
        """The nodes that this one said are up, by its events alone."""
        up: set[str] = set()
        for event in self.since():
            if event["event"] == "up":
                up.add(event["node"])
            elif event["event"] == "down":
                up.discard(event["node"])
            elif event["event"] == "status" and event.get("status") == "stopped":
                up.clear()
        return up

    # --------------------------------------------------------------------------------------------------------- commands

    def tell(self, command: str) -> None:
        try:
            assert self.process.stdin is not None
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except (BrokenPipeError, ValueError, OSError):
            pass  # it is gone: whoever waits for the answer says so

    def view(self, timeout: float = 15.0) -> Event:
        """Its own list of nodes, as getNodes() gives it."""
        mark = self.mark()
        self.tell("view")
        return self.wait("view", timeout, mark=mark, expected="its view")

    def stats(self, timeout: float = 15.0) -> Event:
        """Its statistics, as getStats() gives them, in Python's names. Of the Python and the Node program."""
        mark = self.mark()
        self.tell("stats")
        return self.wait("stats", timeout, mark=mark, expected="its statistics")

    def connected(self, timeout: float = 15.0) -> set[str]:
        return {node["id"] for node in self.view(timeout)["nodes"] if node["status"] == "connected"}

    def freeze(self) -> None:
        self.frozen = True
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.frozen = False

    def kill(self) -> None:
        """kill -9: no goodbye."""
        self.process.kill()
        self.process.wait(10)

    def stop(self, timeout: float = 10.0) -> int:
        """Stops politely and waits for the end of the process. Raises Expected."""
        self.tell("stop")
        return self.wait_exit(timeout)

    def wait_exit(self, timeout: float = 10.0) -> int:
        try:
            code = self.process.wait(timeout)
        except subprocess.TimeoutExpired as error:
            raise Expected(f"{self.name} ({self.language}) did not end within {timeout:g} s") from error
        self._reader.join(2)
        return code

    @property
    def alive(self) -> bool:
        return self.process.poll() is None

    def end(self) -> None:
        """Ends the process if it still runs, frozen or not."""
        if self.alive:
            self.process.kill()
            self.process.wait(10)
        self._reader.join(2)
        for stream in (self.process.stdin, self.process.stdout):
            if stream:
                with contextlib.suppress(OSError):
                    stream.close()

    def transcript(self, lines: int = 40) -> str:
        said = self.said[-lines:]
        skipped = len(self.said) - len(said)
        head = f"--- {self.name} ({self.language}, pid {self.process.pid}, exit code {self.process.poll()})"
        return "\n".join(
            [head, *([f"    … {skipped} lines before"] if skipped else []), *("    " + line for line in said)]
        )
