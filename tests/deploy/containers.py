"""Containers without a container runtime: what a Dockerfile, a compose file or a manifest says a process gets, and the
process with just that. Each is the first process of its namespace (so signals have no default action), and has a root
of its own that may be read-only, a network, a host name, a resolver, a user without any privilege, and an environment
with nothing else in it.

What an image would bring lies on the machine already: /usr, an interpreter, and the packages as the tree has built
them.
"""

import contextlib
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "net"))

import network  # noqa: E402  # the path above
from network import Host  # noqa: E402

BUILD = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release"))
COMMAND = BUILD / "bin" / "noex-cluster"
DEADLINE_S = 60.0  # the machine may be compiling something beside us

Result = TypeVar("Result")


def until(condition: Callable[[], Result], what: Callable[[], str], deadline_s: float = DEADLINE_S) -> Result:
    """Waits until the condition gives something true, and returns that."""
    end = time.monotonic() + deadline_s
    while not (result := condition()):
        assert time.monotonic() < end, f"not within {deadline_s} s: {what()}"
        time.sleep(0.02)
    return result


def why_not() -> str:
    """Why there can be no such containers here; "" if there can."""
    if reason := network.why_not():
        return reason
    if not network.have("setpriv"):
        return "there is no setpriv here (Debian: util-linux)"
    spaces = ["--mount", "--uts", "--ipc", "--pid", "--fork"]
    script = "mount -t tmpfs none /mnt && mkdir /mnt/proc && mount -t proc proc /mnt/proc && hostname container"
    done = subprocess.run(["unshare", *spaces, "sh", "-c", script], capture_output=True, text=True, check=False)
    return f"this machine makes no containers: {done.stderr.strip()}" if done.returncode else ""


@dataclass(frozen=True)
class Recipe:
    """What the runtime is told."""

    command: Sequence[str]
    env: Mapping[str, str]
    hostname: str
    user: int
    group: int
    folder: str = "/"
    read_only: bool = True
    files: Mapping[str, tuple[Path, int]] = field(default_factory=dict)  # path -> source, mode
    writable: Mapping[str, int] = field(default_factory=dict)  # folders in memory -> mode; the user's own
    names: str = ""  # /etc/resolv.conf


def packages() -> dict[str, Path]:
    """What `pip install`, `npm install` and the archive put into the images, as the tree has it."""
    python, node = getattr(sys, "_base_executable", sys.executable), shutil.which("node")
    assert node, "there is no node"
    return {
        "/usr/local/bin/noex-cluster": COMMAND,
        "/usr/local/bin/python": Path(python).resolve(),
        "/usr/local/bin/node": Path(node).resolve(),
        "/packages/noex_cluster": ROOT / "python" / "src" / "noex_cluster",
        "/srv/node_modules/noex-cluster": ROOT / "node",
        "/srv/worker.py": ROOT / "examples" / "deploy" / "docker" / "worker.py",
        "/srv/server.mjs": ROOT / "examples" / "deploy" / "docker" / "server.mjs",
    }


def mounts(root: str, recipe: Recipe) -> list[str]:
    """The commands that make the root, in a namespace of mounts that ends with the container."""
    lines = ["set -e", f"mount -t tmpfs -o mode=0755 root {root}", f"cd {root}"]
    lines += ["mkdir -p usr dev proc tmp run etc srv packages", "mount --bind /usr usr", "mount -t proc proc proc"]
    lines += [f"ln -s usr/{name} {name}" for name in ("bin", "sbin", "lib", "lib64") if Path(f"/{name}").is_symlink()]
    lines += ["mount -t tmpfs -o mode=0755 local usr/local/bin", "mount -t tmpfs -o mode=1777 tmp tmp"]
    for device in ("null", "zero", "random", "urandom"):
        lines += [f"touch dev/{device}", f"mount --bind /dev/{device} dev/{device}"]
    lines += ["cp /etc/ld.so.cache etc/", "echo 'hosts: files dns' > etc/nsswitch.conf"]
    lines += [f"printf '127.0.0.1 localhost\\n' > etc/hosts; hostname {shlex.quote(recipe.hostname)}"]
    lines += [f"printf %s {shlex.quote(recipe.names)} > etc/resolv.conf"]
    # The interpreter's own home, where it is not below /usr.
    home = Path(sysconfig.get_config_var("installed_base"))
    bound = {} if home.is_relative_to("/usr") and not home.is_relative_to("/usr/local/bin") else {str(home): home}
    for place, source in {**bound, **packages()}.items():
        make = f"mkdir -p .{place}" if source.is_dir() else f"mkdir -p .{os.path.dirname(place)}; touch .{place}"
        if place.endswith("/python"):  # it finds its home beside the file that the link leads to
            lines.append(f"ln -s {source} .{place}")
        else:
            lines += [make, f"mount --bind {source} .{place}"]
    for place, (source, mode) in recipe.files.items():
        lines += [f"mkdir -p .{os.path.dirname(place)}", f"install -m {mode:04o} -g {recipe.group} {source} .{place}"]
    for place, mode in recipe.writable.items():
        options = f"mode={mode:04o},uid={recipe.user},gid={recipe.group}"
        lines += [f"mkdir -p .{place}", f"mount -t tmpfs -o {options} writable .{place}"]
    if recipe.read_only:
        lines.append(f"mount -o remount,ro,bind {root}")
    return lines


class Container:
    """One that was started. The network's host must outlive it."""

    def __init__(self, host: Host, recipe: Recipe, place: Path) -> None:
        self.host, self.recipe, self.place = host, recipe, place
        self.root = place / f"root-{time.monotonic_ns()}"
        self.root.mkdir(parents=True)
        self.log = self.root.with_suffix(".log")
        script = [*mounts(str(self.root), recipe), f"exec chroot {self.root} {shlex.join(self._enter(recipe.command))}"]
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [
                    *(*host.enter(), "unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--kill-child"),
                    *("sh", "-c", "\n".join(script)),
                ],
                pass_fds=[host.fd],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def _enter(self, command: Sequence[str]) -> list[str]:
        user = [f"--reuid={self.recipe.user}", f"--regid={self.recipe.group}", "--clear-groups"]
        installed = {"PYTHONPATH": "/packages"}  # in the place of `pip install`
        env = [f"{name}={value}" for name, value in {**installed, **self.recipe.env}.items()]
        folder = f"--chdir={self.recipe.folder}"
        return ["setpriv", *user, "--no-new-privs", "--bounding-set=-all", "env", "-i", folder, *env, *command]

    @property
    def pid(self) -> int:
        """The container's first process, as it is called outside."""
        pid = self.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children")
        return int(until(children.read_text, lambda: self.output))

    def wait_set_up(self) -> None:
        """Until its root is made: what is executed in it finds all that it has."""
        until(lambda: os.readlink(f"/proc/{self.pid}/root") == str(self.root), lambda: self.output)

    @property
    def output(self) -> str:
        return f"$ {shlex.join(self.recipe.command)} ({self.recipe.hostname})\n{self.log.read_text()}"

    def line(self, *parts: str, mark: int = 0) -> str:
        """The first line with all these parts, after so many characters of the output."""

        def find() -> str | None:
            ended = self.process.poll() is not None
            lines = self.output[mark:].splitlines()
            found = next((line for line in lines if all(part in line for part in parts)), None)
            assert found is not None or not ended, f"ended ({self.process.returncode}) without {parts}\n{self.output}"
            return found

        found = until(find, lambda: f"{parts} in\n{self.output}")
        assert found is not None
        return found

    def mark(self) -> int:
        return len(self.output)

    def execute(self, command: Sequence[str], timeout_s: float = 10) -> subprocess.CompletedProcess[str]:
        """As `docker exec`, and as a health check: a further process in the container."""
        spaces = ["--mount", "--uts", "--ipc", "--net", "--pid", "--root", "--wd"]
        return subprocess.run(
            ["nsenter", f"--target={self.pid}", *spaces, *self._enter(command)],
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def stop(self, grace_s: float, number: signal.Signals = signal.SIGTERM) -> float:
        """Asks it to end; the seconds that it took. To be killed after all is a failure."""
        began = time.monotonic()
        os.kill(self.pid, number)
        try:
            code = self.process.wait(grace_s)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"did not end within {grace_s} s of {number.name}:\n{self.output}") from None
        assert code == 0, f"ended with {code}\n{self.output}"
        return time.monotonic() - began

    def kill(self) -> None:
        os.kill(self.pid, signal.SIGKILL)
        self.process.wait(DEADLINE_S)

    def end(self) -> None:
        """Whatever state it is in. The first process of a container takes all others there along."""
        while self.process.poll() is None:
            children: list[str] = []
            with contextlib.suppress(OSError):
                children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
            for child in children:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(child), signal.SIGKILL)
            if not children:
                self.process.kill()
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(0.1)


def http_get(host: Host, address: str, port: int, path: str, timeout_s: float = 3) -> tuple[int, str]:
    """GET from that host, by a process of its own; (0, why) if there is no answer."""
    program = (
        "import http.client, json, sys\n"
        "try:\n"
        "    connection = http.client.HTTPConnection(sys.argv[1], int(sys.argv[2]), timeout=float(sys.argv[4]))\n"
        "    connection.request('GET', sys.argv[3])\n"
        "    response = connection.getresponse()\n"
        "    print(json.dumps([response.status, response.read().decode()]))\n"
        "except OSError as error:\n"
        "    print(json.dumps([0, str(error)]))\n"
    )
    words = [sys.executable, "-I", "-c", program, address, str(port), path, str(timeout_s)]
    status, body = json.loads(host.run(*words))
    return status, body
