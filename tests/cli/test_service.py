"""`noex-cluster run` under a service manager: what it tells one, and the unit that is installed."""

import contextlib
import ctypes
import itertools
import os
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from support import COMMAND, DEADLINE, LOCAL, RUNTIME, node_id, once

BUILD = COMMAND.parents[1]


class Manager:
    """The end of NOTIFY_SOCKET that a service manager holds."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + address[1:] if address.startswith("@") else address)
        self.socket.settimeout(DEADLINE)
        self.address = address

    def wait(self, part: str) -> str:
        while True:
            said = self.socket.recv(4096).decode()
            if part in said:
                return said

    def drain(self) -> None:
        """Forgets what has come until now."""
        self.socket.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                self.socket.recv(4096)

    def close(self) -> None:
        self.socket.close()


@pytest.fixture(params=["path", "abstract"])
def manager(request: pytest.FixtureRequest) -> Iterator[Manager]:
    name = f"notify-{time.monotonic_ns()}"
    one = Manager(f"@noex-{name}" if request.param == "abstract" else str(RUNTIME / name))
    yield one
    one.close()


def test_a_service_manager_is_told(start: Any, manager: Manager) -> None:
    node = start("--name", "node", *LOCAL, NOTIFY_SOCKET=manager.address)
    assert manager.socket.recv(4096) == b"READY=1", "first of all, when it runs"
    own = node_id(node)
    assert manager.wait("STATUS=") == f"STATUS={own}: connected to 0 nodes"
    peer = start("--name", "peer", *LOCAL, "--seed", own)
    node_id(peer)
    assert manager.wait("connected to 1") == f"STATUS={own}: connected to 1 node"
    node.process.send_signal(signal.SIGTERM)
    assert manager.wait("STOPPING=1").startswith("STOPPING=1\nSTATUS=")
    assert node.process.wait(DEADLINE) == 0


def test_ready_is_not_said_before_it_is_so(start: Any) -> None:
    manager = Manager(str(RUNTIME / "notify-taken"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        node = start("--name", "node", "--host", "127.0.0.1", "--port", port, NOTIFY_SOCKET=manager.address)
        assert node.process.wait(DEADLINE) == 1
    manager.socket.setblocking(False)
    with pytest.raises(BlockingIOError):
        manager.socket.recv(4096)
    manager.close()


def test_the_watchdog_is_fed_as_long_as_the_node_lives(start: Any) -> None:
    manager = Manager(str(RUNTIME / "notify-watchdog"))
    node = start("--name", "node", *LOCAL, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="400000")
    manager.wait("WATCHDOG=1")
    times = []
    for _ in range(5):
        manager.wait("WATCHDOG=1")
        times.append(time.monotonic())
    gaps = [later - earlier for earlier, later in itertools.pairwise(times)]
    assert sum(gaps) / len(gaps) == pytest.approx(0.2, abs=0.1)
    # One that stands still says nothing.
    node.process.send_signal(signal.SIGSTOP)
    manager.drain()
    manager.socket.settimeout(1)
    with pytest.raises(TimeoutError):
        manager.wait("WATCHDOG=1")
    node.process.send_signal(signal.SIGCONT)
    manager.socket.settimeout(DEADLINE)
    manager.wait("WATCHDOG=1")
    assert node.stop() == 0
    # One that is meant for another process is none of ours.
    other = start("--name", "other", *LOCAL, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="100000", WATCHDOG_PID="1")
    node_id(other)
    manager.wait("READY=1")
    manager.socket.settimeout(0.5)
    with pytest.raises(TimeoutError):
        manager.wait("WATCHDOG=1")
    manager.close()


PTRACE_DETACH, PTRACE_SEIZE, PTRACE_INTERRUPT = 17, 0x4206, 0x4207


@contextlib.contextmanager
def halted(thread: int) -> Iterator[None]:
    """One thread of a child process stands still, the others go on."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
    if libc.ptrace(PTRACE_SEIZE, thread, None, None) != 0:
        pytest.skip(f"no thread can be halted here: {os.strerror(ctypes.get_errno())}")
    assert libc.ptrace(PTRACE_INTERRUPT, thread, None, None) == 0
    os.waitpid(thread, 0x40000000)  # __WALL: a thread
    yield
    assert libc.ptrace(PTRACE_DETACH, thread, None, None) == 0


def test_the_watchdog_starves_when_the_io_thread_alone_hangs(start: Any) -> None:
    manager = Manager(str(RUNTIME / "notify-hung"))
    node = start("--name", "node", *LOCAL, NOTIFY_SOCKET=manager.address, WATCHDOG_USEC="200000")
    manager.wait("WATCHDOG=1")
    tasks = Path(f"/proc/{node.process.pid}/task").iterdir()
    (thread,) = [int(task.name) for task in tasks if (task / "comm").read_text() == "noex-io\n"]
    with halted(thread):
        manager.drain()
        manager.socket.settimeout(1)
        signs = iter(lambda: manager.wait("WATCHDOG=1"), object())
        with pytest.raises(TimeoutError):
            list(islice(signs, 2))  # one may have been on its way
    manager.socket.settimeout(DEADLINE)
    manager.wait("WATCHDOG=1")
    assert node.stop() == 0
    manager.close()


def test_a_manager_that_is_not_there_is_no_trouble(start: Any) -> None:
    for address in (str(RUNTIME / "nobody"), "relative", "@" + "x" * 200, ""):
        node = start("--name", "node", *LOCAL, NOTIFY_SOCKET=address, WATCHDOG_USEC="100000")
        node_id(node)
        assert node.stop() == 0
        assert node.err.read_text() == ""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    prefix = tmp_path_factory.mktemp("prefix")
    subprocess.run(
        ["cmake", f"-DCMAKE_INSTALL_PREFIX={prefix}", "-P", BUILD / "cli" / "cmake_install.cmake"],
        check=True,
        capture_output=True,
        env={key: value for key, value in os.environ.items() if key != "DESTDIR"},
    )
    return prefix


def test_what_is_installed(installed: Path) -> None:
    for file in (
        "bin/noex-cluster",
        "share/man/man1/noex-cluster.1",
        "share/bash-completion/completions/noex-cluster",
        "share/zsh/site-functions/_noex-cluster",
        "share/fish/vendor_completions.d/noex-cluster.fish",
        "lib/systemd/system/noex-cluster@.service",
    ):
        assert (installed / file).stat().st_size > 500, file


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd here to verify its unit")
def test_systemd_accepts_the_unit(installed: Path, tmp_path: Path) -> None:
    unit = installed / "lib" / "systemd" / "system" / "noex-cluster@.service"
    assert str(installed) not in unit.read_text(), "an archive is unpacked anywhere"
    # Where it finds the command: it is not installed for all.
    tried = tmp_path / unit.name
    tried.write_text(unit.read_text().replace("ExecStart=", f"ExecStart={installed}/bin/"))
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tried], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    judged = subprocess.run(
        ["systemd-analyze", "security", "--offline=true", "--no-pager", tried],
        capture_output=True,
        text=True,
        check=False,
    )
    exposure = re.search(r"Overall exposure level for \S+: (\d+\.\d+)", judged.stdout)
    assert exposure, judged.stderr
    assert float(exposure[1]) < 2


def test_the_unit_gives_what_the_command_takes(installed: Path, start: Any, tmp_path: Path) -> None:
    """Run as the unit says, with systemd's specifiers filled in."""
    unit = (installed / "lib" / "systemd" / "system" / "noex-cluster@.service").read_text()
    (tmp_path / "credentials").mkdir()
    (tmp_path / "credentials" / "secret").write_text("s\n")
    (RUNTIME / "noex-cluster" / "app1").mkdir(parents=True)
    line = re.search(r"^Environment=(.*)$", unit, re.MULTILINE)
    assert line
    filled = line[1].replace("%i", "app1").replace("%d", str(tmp_path / "credentials")).replace("%t", str(RUNTIME))
    variables = dict(word.split("=", 1) for word in filled.split())
    node = start(*LOCAL, **variables)
    assert node_id(node).startswith("app1@")
    assert (RUNTIME / "noex-cluster" / "app1" / "app1.sock").is_socket()
    found = once("status", NOEX_RUNTIME_DIR=str(RUNTIME / "noex-cluster"))  # one level below
    assert (found.returncode, "every message is signed" in found.stdout) == (0, True)
    assert node.stop() == 0
