"""What goes wrong, brought about: one scene for each section of docs/troubleshooting.md that quotes messages."""

import contextlib
import ctypes
import os
import resource
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from containers import COMMAND, ROOT, until
from name_server import NameServer
from network import Network, between

sys.path.insert(0, str(ROOT / "demo"))

from ports import free_ports  # the path above

LOCAL = ("--host", "127.0.0.1")
SWIFT = ("--heartbeat-interval-ms", "200")
SECRET = "NOEX_CLUSTER_SECRET"
PTRACE_ATTACH, PTRACE_DETACH, WALL = 16, 17, 0x40000000

Scene = Callable[["Stage"], None]
SCENES: dict[str, Scene] = {}
NEED_NETWORK: set[str] = set()


class Stage:
    """The processes of one scene, and all that they print."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.exits = contextlib.ExitStack()
        self.files: list[Path] = []

    def run(self, *command: Any, launcher: Sequence[str] = (), fds: Sequence[int] = (), **env: str) -> "Player":
        clean = {name: value for name, value in os.environ.items() if not name.startswith("NOEX_")}
        file = self.folder / f"{len(self.files)}.txt"
        self.files.append(file)
        with file.open("w") as output:
            process = subprocess.Popen(
                [*launcher, *map(str, command)],
                env={"NOEX_ADVERTISE_HOST": "127.0.0.1", "PYTHONUNBUFFERED": "1", **clean, **env},
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
                pass_fds=fds,
            )
        self.exits.callback(end, process)
        return Player(process, file)

    def node(self, *options: Any, **more: Any) -> "Player":
        return self.run(COMMAND, "run", *options, **more)

    def started(self, *options: Any, **more: Any) -> "Player":
        player = self.node(*options, **more)
        player.wait("status running")
        return player

    def python(self, program: str, **env: Any) -> "Player":
        return self.run(sys.executable, "-c", program, **env)

    @property
    def output(self) -> str:
        """One blank between words: the command sets its lines in columns."""
        return "\n".join(" ".join(line.split()) for file in self.files for line in file.read_text().splitlines())

    def close(self) -> None:
        self.exits.close()


class Player:
    def __init__(self, process: subprocess.Popen[str], file: Path) -> None:
        self.process, self.file = process, file

    def wait(self, part: str) -> None:
        until(lambda: part in self.file.read_text(), lambda: f"{part!r} in\n{self.file.read_text()}")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()


def end(process: subprocess.Popen[str]) -> None:
    process.kill()
    process.wait(20)
    if process.stdin is not None:
        with contextlib.suppress(OSError):
            process.stdin.close()


def scene(section: str, *, network: bool = False) -> Callable[[Scene], Scene]:
    def add(body: Scene) -> Scene:
        SCENES[section] = body
        if network:
            NEED_NETWORK.add(section)
        return body

    return add


def seed(port: int, name: str = "a") -> tuple[str, str]:
    return ("--seed", f"{name}@127.0.0.1:{port}")


# ---------------------------------------------------------------------------------------------------------------------
# It does not start


@scene("A seed is not well-formed")
def seeds(stage: Stage) -> None:
    for text in ("seed1@192.168.1.10", "192.168.1.10:4369", "seed1:192.168.1.10:4369", "a@h1:4369 b@h2:4369"):
        stage.node("--name", "a", "--seed", text)


@scene("A variable that should hold seeds is empty")
def empty_seeds(stage: Stage) -> None:
    stage.node("--name", "a", *LOCAL, "--port", "auto", "--seed", "")


@scene("The port is taken")
def taken(stage: Stage) -> None:
    [port] = free_ports(1)
    stage.started("--name", "a", *LOCAL, "--port", port)
    stage.node("--name", "b", *LOCAL, "--port", port)


@scene("The address to listen on is not here", network=True)
def not_here(stage: Stage) -> None:
    """Where names are answered with 'no such name'."""
    with hosts(stage, 1) as (network, launcher):
        for host in ("10.255.255.1", "nowhere.invalid"):
            stage.node("--name", "a", "--host", host, launcher=launcher(0), fds=[network.hosts[0].fd])
        until(lambda: stage.output.count("cannot listen") == 2, lambda: stage.output)


@scene("The advertised address is a wildcard")
def wildcard(stage: Stage) -> None:
    stage.node("--name", "a", "--advertise-host", "0.0.0.0")


@scene("A name or a port that is none")
def names(stage: Stage) -> None:
    stage.node("--name", "web server")
    stage.node("--name", "a", NOEX_PORT="tcp://10.0.0.1:4369")


@scene("The secret is not there")
def no_secret(stage: Stage) -> None:
    empty = stage.folder / "empty"
    empty.write_text("\n")
    stage.node("--name", "a", NOEX_CLUSTER_SECRET="")
    stage.node("--name", "a", "--secret-file", "/run/secrets/nothing")
    stage.node("--name", "a", "--secret-file", empty)
    stage.python(starting("cluster_secret=''"))


@scene("An option is misspelt")
def misspelt(stage: Stage) -> None:
    stage.python(starting("seed=['a@127.0.0.1:4369']"))


@scene("The package has no module for this machine")
def no_module(stage: Stage) -> None:
    package = ROOT / "python" / "src" / "noex_cluster"
    shutil.copytree(package, stage.folder / "noex_cluster", ignore=shutil.ignore_patterns("_native*.so", "__pycache__"))
    stage.python("import noex_cluster", PYTHONPATH=str(stage.folder))


def starting(*options: str) -> str:
    return (
        "from noex_cluster.sync import Cluster\n"
        f"Cluster.start(node_name='a', host='127.0.0.1', port='auto', {', '.join(options)})\n"
    )


# ---------------------------------------------------------------------------------------------------------------------
# It sees nobody


@contextlib.contextmanager
def hosts(stage: Stage, count: int, *, answers: bool = True, v6: bool = False) -> Iterator[tuple[Network, Any]]:
    """Machines, and what starts a command on one of them; there is a name server that knows no name, or none at all."""
    with contextlib.ExitStack() as stack:
        network = stack.enter_context(Network(count, v6=v6))
        place = network.add_host()
        if answers:
            stack.enter_context(NameServer(place))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        (folder / "resolv.conf").write_text(f"nameserver {place.address}\noptions timeout:1 attempts:1\n")
        mount = f'mount --bind {folder}/resolv.conf /etc/resolv.conf && exec "$0" "$@"'
        stack.callback(stage.close)  # who lives on a host ends before it

        def launcher(index: int) -> list[str]:
            return [*network.hosts[index].enter(), "unshare", "--mount", "sh", "-c", mount]

        yield network, launcher


@scene("No seed was reached")
def unreached(stage: Stage) -> None:
    nobody, port = free_ports(2)
    stage.node("--name", "a", *LOCAL, "--port", port, *seed(nobody, "b"))


@scene("A name is unknown, or nobody answers for names", network=True)
def unknown_names(stage: Stage) -> None:
    words = {True: "unknown host", False: "the name server does not answer"}
    for answers, said in words.items():
        with hosts(stage, 1, answers=answers) as (network, launcher):
            options = ("--name", "a", "--seed", "cluster.mesh.test:4369")
            stage.node(*options, launcher=launcher(0), fds=[network.hosts[0].fd])
            until(lambda: f"({options[-1]}: {said})" in stage.output, lambda: stage.output)  # noqa: B023  # at once


@scene("Nothing comes back", network=True)
def nothing_comes_back(stage: Stage) -> None:
    with hosts(stage, 2) as (network, launcher):
        one, other = network.hosts[:2]
        network.cut(between([one], [other]))
        seeds = {"192.0.2.1": "unreachable", other.address: "timed out", "10.77.0.200": "no route"}
        for index, address in enumerate(seeds):
            options = ("--name", "a", "--port", 4369 + index, "--seed", f"b@{address}:4369")
            stage.node(*options, launcher=launcher(0), fds=[one.fd])
        for said in seeds.values():
            until(lambda: said in stage.output, lambda: stage.output)  # noqa: B023  # at once


@scene("This machine has IPv6 only", network=True)
def v6_only(stage: Stage) -> None:
    with hosts(stage, 1, v6=True) as (network, launcher):
        command = ["env", "--unset=NOEX_ADVERTISE_HOST", COMMAND, "run", "--name", "a"]
        stage.run(*command, launcher=launcher(0), fds=[network.hosts[0].fd])
        until(lambda: "listens on IPv4 only" in stage.output, lambda: stage.output)


# ---------------------------------------------------------------------------------------------------------------------
# Refused


def pair(stage: Stage, options: Sequence[Any], more: Sequence[Any], **secrets: str) -> tuple[Player, Player]:
    """Two nodes; the second has the first as its seed."""
    first, second = free_ports(2)
    has: list[dict[str, Any]] = [{SECRET: secrets[key]} if key in secrets else {} for key in ("one", "other")]
    return (
        stage.started("--name", "a", *LOCAL, "--port", first, *options, **has[0]),
        stage.started("--name", "b", *LOCAL, "--port", second, *seed(first), *more, **has[1]),
    )


@scene("The secrets differ")
def two_secrets(stage: Stage) -> None:
    pair(stage, (), (), one="a secret", other="another")


@scene("Only one side has a secret")
def one_secret(stage: Stage) -> None:
    pair(stage, (), (), one="a secret")


@scene("Everybody may join")
def open_to_all(stage: Stage) -> None:
    [port] = free_ports(1)
    stage.node("--name", "a", "--port", port)


@scene("Another cluster")
def two_clusters(stage: Stage) -> None:
    pair(stage, ("--cluster-name", "blue"), ("--cluster-name", "green"))


@scene("One id twice")
def twice(stage: Stage) -> None:
    member, port = free_ports(2)
    stage.started("--name", "c", *LOCAL, "--port", member)
    first = stage.started("--name", "a", *LOCAL, "--port", port, *seed(member, "c"))
    first.wait("up")
    stage.node("--name", "a", "--host", "127.0.0.2", "--port", port, *seed(member, "c"))


@scene("Something else talks to the port")
def stranger(stage: Stage) -> None:
    [port] = free_ports(1)
    stage.started("--name", "a", *LOCAL, "--port", port)
    with socket.create_connection(("127.0.0.1", port), 10) as connection:
        connection.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n")


@scene("Strangers in large numbers")
def strangers(stage: Stage) -> None:
    """More than are let wait. Each end takes a descriptor of a process that has plenty."""
    [port] = free_ports(1)
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    node = stage.started("--name", "a", *LOCAL, "--port", port)
    assert most >= 2048, "this machine lets a process have few descriptors"
    with contextlib.ExitStack() as stack:
        for _ in range(300):
            stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
        node.wait("closed the oldest of")


# ---------------------------------------------------------------------------------------------------------------------
# Nodes go down


def swift_pair(stage: Stage, name: str) -> Player:
    """A member that dies in a moment, and one that sees it."""
    first, second = free_ports(2)
    seeing = stage.started("--name", "a", *LOCAL, "--port", first, *SWIFT)
    dying = stage.started("--name", name, *LOCAL, "--port", second, *SWIFT, *seed(first))
    seeing.wait(f"{name}@127.0.0.1:{second}")
    return dying


@scene("The process ended, or was killed")
def killed(stage: Stage) -> None:
    swift_pair(stage, "b").process.kill()
    # What is unread when a process ends makes the kernel reset the connection.
    stopped = swift_pair(stage, "c")
    stopped.process.send_signal(signal.SIGSTOP)
    until(lambda: "heartbeat_timeout" in stage.output, lambda: stage.output)
    again = swift_pair(stage, "d")
    again.process.send_signal(signal.SIGSTOP)
    until(lambda: unread(again.process.pid), lambda: "a beat that nobody reads")
    again.process.kill()


def unread(pid: int) -> bool:
    """Whether bytes wait for this process at an established connection of its own."""
    inodes = set()
    for file in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            inodes.add(os.readlink(file).removeprefix("socket:[").removesuffix("]"))
    for line in Path(f"/proc/{pid}/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == "01" and words[9] in inodes and int(words[4].split(":")[1], 16) > 0:
            return True
    return False


@scene("It left")
def left(stage: Stage) -> None:
    swift_pair(stage, "b").process.terminate()


@scene("It fell silent")
def silent(stage: Stage) -> None:
    swift_pair(stage, "b").process.send_signal(signal.SIGSTOP)


# ---------------------------------------------------------------------------------------------------------------------
# In a program


@scene("Not started")
def not_started(stage: Stage) -> None:
    stage.python("from noex_cluster.sync import Cluster\nCluster.get_nodes()")
    stage.run("node", "-e", f"require('{ROOT}/node').Cluster.getNodes()")


@scene("Started twice")
def started_twice(stage: Stage) -> None:
    stage.python(starting() + "Cluster.start(node_name='b')")


@scene("After a fork")
def forked(stage: Stage) -> None:
    fork = "import os\nif os.fork() == 0:\n    Cluster.get_nodes()\nelse:\n    os.wait()\n"
    stage.python(starting() + fork)


@scene("Statistics that do not come")
def no_answer(stage: Stage) -> None:
    """A debugger holds the node's own thread, and no other."""
    ask = "print('ready')\ninput()\ntry:\n    Cluster.get_stats()\nexcept Exception as error:\n    print(error)\n"
    ask += "input()\n"  # it must not end while a thread of it is held
    player = stage.python(starting() + ask)
    player.wait("ready")
    pid = player.process.pid
    [thread] = [
        int(task.name) for task in Path(f"/proc/{pid}/task").iterdir() if (task / "comm").read_text() == "noex-io\n"
    ]
    ptrace = ctypes.CDLL(None, use_errno=True).ptrace
    ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
    assert ptrace(PTRACE_ATTACH, thread, None, None) == 0, os.strerror(ctypes.get_errno())
    os.waitpid(thread, WALL)
    try:
        player.tell("now")
        player.wait("I/O thread")
    finally:
        ptrace(PTRACE_DETACH, thread, None, None)


@scene("No node to ask")
def no_node(stage: Stage) -> None:
    stage.run(COMMAND, "status", "--control-socket", stage.folder / "nothing.sock")


def settle(stage: Stage, fits: Callable[[str], bool], deadline_s: float) -> str:
    """What the scene's processes have said when it fits, or at the deadline."""
    end_at = time.monotonic() + deadline_s
    while not fits(stage.output) and time.monotonic() < end_at:
        time.sleep(0.02)
    return stage.output
