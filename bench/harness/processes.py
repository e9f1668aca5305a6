"""Nodes in processes of their own whose output goes to files: nothing here wakes up while they work.

All times are of CLOCK_MONOTONIC, which the processes of a machine share, in seconds; the command's JSON lines carry
milliseconds of the wall clock and are converted.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "demo"))
from ports import free_ports as free_ports  # noqa: E402  # the path above

BUILD = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release"))
SECRET = "the secret of the benchmark"


class Expected(AssertionError):
    """Something that had to happen did not happen in time."""


def now() -> float:
    return time.clock_gettime(time.CLOCK_MONOTONIC)


def wait_until(what: str, check: Callable[[], Any], timeout: float, step: float = 0.05) -> Any:
    deadline = now() + timeout
    while not (result := check()):
        if now() > deadline:
            raise Expected(f"{what}: not within {timeout:g} s")
        time.sleep(step)
    return result


class Process:
    """A program, its output in a file that is read when somebody asks."""

    def __init__(self, argv: Sequence[str | Path], log: Path, *, secret: str | None = SECRET) -> None:
        environment = {**os.environ, "NOEX_ADVERTISE_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
        environment.pop("NOEX_CLUSTER_SECRET", None)
        if secret is not None:
            environment["NOEX_CLUSTER_SECRET"] = secret
        self.log = log
        self.frozen = False
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as out:
            self.spawned_at = now()
            self.process = subprocess.Popen(
                [str(word) for word in argv],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=environment,
            )
        self._seen = 0
        self._lines: list[str] = []

    @property
    def pid(self) -> int:
        return self.process.pid

    def lines(self) -> list[str]:
        """All whole lines that it has written so far."""
        with self.log.open("rb") as file:
            file.seek(self._seen)
            new = file.read()
        end = new.rfind(b"\n") + 1
        self._seen += end
        self._lines += new[:end].decode(errors="replace").splitlines()
        return self._lines

    def tell(self, command: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{command}\n".encode())
        self.process.stdin.flush()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)
        self.frozen = number == signal.SIGSTOP or (self.frozen and number != signal.SIGCONT)

    def check_alive(self) -> None:
        code = self.process.poll()
        if code is not None:
            raise Expected(f"{self.log.name} ended with {code}: " + " | ".join(self.lines()[-3:]))

    def end(self, timeout: float = 5) -> None:
        """Closes its input, which is a stop to every program here, and ends it if that is not enough."""
        if self.frozen:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGCONT)
        with contextlib.suppress(OSError):
            if self.process.stdin is not None:
                self.process.stdin.close()
        try:
            self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Processes:
    """Those of one scene; they end with it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.all: list[Process] = []

    def __enter__(self) -> "Processes":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for process in self.all:  # all are told first: hundreds that end one after the other take their time
            if not process.frozen:
                with contextlib.suppress(OSError):
                    process.process.stdin.close()  # type: ignore[union-attr]
        for process in self.all:
            process.end()

    def start(self, argv: Sequence[str | Path], name: str, *, secret: str | None = SECRET) -> Process:
        process = Process(argv, self.folder / f"{name}.log", secret=secret)
        self.all.append(process)
        return process

    def check_alive(self) -> None:
        for process in self.all:
            process.check_alive()


def program(name: str) -> Path:
    """A program of bench/, as built."""
    path = BUILD / "bench" / name
    if not path.exists():
        raise Expected(f"there is no {path}: ./dev build makes it")
    return path


def command(name: str, port: int, seeds: Iterable[str], *, interval: int, threshold: int = 3) -> list[str | Path]:
    """`noex-cluster run`, saying what happens as JSON lines, stopped by the end of its input."""
    words: list[str | Path] = [
        BUILD / "bin" / "noex-cluster",
        "run",
        "--json",
        "--control-stdin",
        "--host",
        "127.0.0.1",
    ]
    words += ["--name", name, "--port", str(port), "--interval", str(interval), "--threshold", str(threshold)]
    for seed in seeds:
        words += ["--seed", seed]
    return words


def javascript(script: str, *words: str) -> list[str | Path]:
    return [os.environ.get("NOEX_NODE", "node"), ROOT / "bench" / "programs" / script, *words]


def python(script: str, *words: str) -> list[str | Path]:
    return [sys.executable, ROOT / "bench" / "programs" / script, *words]


def events(process: Process) -> list[dict[str, Any]]:
    """The JSON lines of a node; other lines (a warning of the interpreter) are an error that is shown."""
    found = []
    for text in process.lines():
        try:
            found.append(json.loads(text))
        except ValueError:
            raise Expected(f"{process.log.name} said: {text}") from None
    return found


def cpu_seconds(pid: int) -> float:
    """What a process has used of a core so far, user and system; the clock ticks of /proc are too coarse for this."""
    total = 0
    for task in Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError):  # it has ended meanwhile
            total += int((task / "schedstat").read_text().split()[0])
    return total / 1e9


def resident_kib(pid: int, field: str = "VmRSS") -> int:
    for text in Path(f"/proc/{pid}/status").read_text().splitlines():
        if text.startswith(f"{field}:"):
            return int(text.split()[1])
    raise Expected(f"{pid} has no {field}")
