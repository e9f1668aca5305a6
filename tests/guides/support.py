"""What the tests of the guides share: examples as processes, a member that watches them, HTTP with deadlines."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, Unpack

from noex_cluster import ClusterOptions, NodeInfo, sync

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
EXAMPLES = ROOT / "examples"
sys.path.insert(0, str(ROOT / "demo"))

from ports import free_ports  # noqa: E402  # the path above

__all__ = ["DEADLINE_S", "EXAMPLES", "LANGUAGES", "ROOT", "SECRET", "Peer", "Program", "free_ports", "get", "until"]

DEADLINE_S = 40.0  # the machine may be compiling something beside us
LANGUAGES = ("python", "node")
SECRET = "the secret of the guides"
# Of whoever runs the tests: it must not configure what they start.
FOREIGN = ("NOEX_", "CLUSTER_", "NODE_", "ETCD", "GUNICORN", "UVICORN", "WEB_CONCURRENCY", "PORT", "BIND", "WORKERS")
PROXIES = ("http_proxy", "https_proxy", "all_proxy")

Result = TypeVar("Result")


def until(condition: Callable[[], Result], what: object = "", deadline_s: float = DEADLINE_S) -> Result:
    """Waits until the condition gives something true, and returns that."""
    end = time.monotonic() + deadline_s
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what() if callable(what) else what}"
        time.sleep(0.01)
    return result


def environment(**variables: object) -> dict[str, str]:
    """What a program of a test is given: none of the variables of ours but these."""
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(FOREIGN) and name.lower() not in PROXIES
    }
    given = {name: str(value) for name, value in variables.items() if value is not None}
    ours = {"NOEX_ADVERTISE_HOST": "127.0.0.1", "PYTHONDONTWRITEBYTECODE": "1", "CLUSTER_SECRET": SECRET}
    return {**clean, **ours, **given}


class Program:
    """A process, with all that it prints in a file."""

    def __init__(self, folder: Path, command: list[Any], *, cwd: Path = EXAMPLES, **variables: object) -> None:
        self.command = [str(word) for word in command]
        self.file = folder / f"output-{time.monotonic_ns()}.txt"
        with self.file.open("w") as output:
            self.process = subprocess.Popen(
                self.command,
                cwd=cwd,
                env=environment(HOME=folder, **variables),  # gunicorn writes there
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def output(self) -> str:
        return f"$ {' '.join(self.command)}\n{self.file.read_text()}"

    def lines(self) -> list[str]:
        return self.file.read_text().splitlines()

    def line(self, part: str) -> str:
        """The first line that contains `part`."""

        def find() -> str | None:
            ended = self.process.poll() is not None
            found = next((line for line in self.lines() if part in line), None)
            assert found is not None or not ended, f"ended ({self.process.returncode}) without {part!r}\n{self.output}"
            return found

        found = until(find, lambda: f"{part!r} in\n{self.output}")
        assert found is not None
        return found

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.close()

    def wait(self) -> int:
        try:
            return self.process.wait(DEADLINE_S)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"does not end:\n{self.output}") from None

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Asks it to end, and returns its exit code."""
        self.process.send_signal(number)
        return self.wait()

    def kill(self) -> None:
        self.process.kill()
        self.wait()

    def end(self) -> None:
        """Ends it and all that it started, whatever they do."""
        for pid in descendants(self.pid) if self.process.poll() is None else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.wait(DEADLINE_S)
        if self.process.stdin is not None:
            with contextlib.suppress(OSError):
                self.process.stdin.close()


def descendants(pid: int) -> list[int]:
    """The parents before their children: who is gone starts no more."""
    found = [pid]
    for parent in found:
        for task in Path(f"/proc/{parent}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(child) for child in task.read_text().split()]
    return found


class Peer:
    """A member of the cluster that is no example: what it sees is what the tests judge by."""

    def __init__(self, *known: str, **more: Unpack[ClusterOptions]) -> None:
        self.ups: list[str] = []
        self.downs: list[tuple[str, str]] = []
        self.node = sync.ClusterNode()
        self.node.on_node_up(lambda node: self.ups.append(str(node.id)))
        self.node.on_node_down(lambda node_id, reason: self.downs.append((str(node_id), str(reason))))
        options: ClusterOptions = {
            "node_name": "peer",
            "host": "127.0.0.1",
            "advertise_host": "127.0.0.1",
            "port": "auto",
            "seeds": known,
            "cluster_secret": SECRET,
            "reconnect_base_delay_ms": 100,
            "reconnect_max_delay_ms": 500,
            **more,
        }
        self.node.start(**options)

    @property
    def id(self) -> str:
        return str(self.node.get_local_node_id())

    @property
    def port(self) -> int:
        return self.node.get_local_node_id().port

    def saw_up(self, beginning: str, *, but: list[str] | None = None) -> str:
        """Waits for the up of an id with that beginning, and returns the id."""

        def find() -> str | None:
            return next((node for node in self.ups if node.startswith(beginning) and node not in (but or [])), None)

        found = until(find, lambda: f"an up of {beginning}, but {self.ups}")
        assert found is not None
        return found

    def saw_down(self, node_id: str) -> str:
        """Waits for the first down of that id, and returns the reason."""

        def find() -> str | None:
            return next((reason for node, reason in self.downs if node == node_id), None)

        found = until(find, lambda: f"a down of {node_id}, but {self.downs}")
        assert found is not None
        return found

    def info(self, node_id: str) -> NodeInfo:
        found = self.node.get_node(node_id)
        assert found is not None, f"{node_id} is not known"
        return found

    def stop(self) -> None:
        self.node.stop()


def get(port: int, path: str) -> tuple[int, Any]:
    """GET: the status, and the answer if it is JSON. Waits until somebody listens."""
    until(lambda: is_listening(port), f"nobody listens at port {port}")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE_S)
    with contextlib.closing(connection):
        connection.request("GET", path)
        response = connection.getresponse()
        body = response.read()
        is_json = response.headers.get_content_type() == "application/json"
        return response.status, json.loads(body) if is_json else None


def is_listening(port: int, host: str = "127.0.0.1") -> bool:
    try:
        socket.create_connection((host, port), 5).close()
    except ConnectionRefusedError:
        return False
    return True


def node_project(folder: Path) -> Path:
    """A folder as `npm install noex-cluster express` leaves it in a user's project."""
    express = HERE / "node_modules" / "express"
    assert express.is_dir(), "tests/guides/node_modules is empty: `./dev test guides` fills it"
    project = folder / "project"
    if not project.exists():
        modules = project / "node_modules"
        modules.mkdir(parents=True)
        (modules / "noex-cluster").symlink_to(ROOT / "node")
        (modules / "express").symlink_to(express)
    return project


def example(language: str, name: str, folder: Path) -> list[Any]:
    """The command that starts an example."""
    if language == "python":
        return [sys.executable, EXAMPLES / "python" / f"{name}.py"]
    file = EXAMPLES / "node" / f"{name.replace('_', '-')}.mjs"
    return ["node", shutil.copy(file, node_project(folder))]
