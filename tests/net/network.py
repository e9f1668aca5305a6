"""Hosts that are network namespaces on a bridge, which has a namespace of its own: nothing of it is seen outside.

with Network(8) as network:
    one, two, *others = network.hosts
    network.cut(between([one], [two]))  # frames between the two are dropped where they arrive
    network.heal()

No namespace has a name: this process holds each by a descriptor, and the kernel removes it, its interfaces and its
rules with the last process in it. So nothing stays behind, whatever ends the test.
"""

import contextlib
import ctypes
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

CLONE_NEWNET = 0x40000000
Result = TypeVar("Result")
Link = tuple["Host", "Host"]  # sender, receiver


@dataclass(frozen=True)
class Host:
    """One namespace with one interface, eth0."""

    name: str
    fd: int
    address: str

    def enter(self) -> list[str]:
        """What to put before a command, to run it here; the command keeps the pid. It must inherit `fd`."""
        return ["nsenter", f"--net=/proc/self/fd/{self.fd}"]

    def run(self, *command: str, text: str = "", inherit: Iterable[int] = ()) -> str:
        done = subprocess.run(
            [*self.enter(), *command],
            input=text,
            pass_fds=(self.fd, *inherit),
            capture_output=True,
            text=True,
            timeout=60,
        )
        if done.returncode != 0:
            raise OSError(f"{' '.join(command)} on {self.name}: {done.stderr.strip()}")
        return done.stdout

    def call(self, function: Callable[[], Result]) -> Result:
        """Calls it on a thread of this host. A socket that it makes belongs to the host."""
        return on_a_thread(lambda: (system_call("setns", self.fd, CLONE_NEWNET), function())[1])


def system_call(name: str, *arguments: int) -> None:
    if getattr(ctypes.CDLL(None, use_errno=True), name)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{name}: {os.strerror(ctypes.get_errno())}")


def on_a_thread(function: Callable[[], Result]) -> Result:
    """Namespaces belong to threads: a thread of its own leaves the others where they are."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def body() -> None:
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]


def new_namespace() -> int:
    def make() -> int:
        system_call("unshare", CLONE_NEWNET)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return on_a_thread(make)


def between(some: Iterable[Host], others: Iterable[Host]) -> set[Link]:
    """Both directions of each pair."""
    others = list(others)
    return {link for one in some for other in others for link in ((one, other), (other, one)) if one != other}


class Network:
    def __init__(self, size: int = 8, *, v6: bool = False) -> None:
        self.v6 = v6
        self.blocked: set[Link] = set()
        self.loss = 0.0
        self.interfaces_before = socket.if_nameindex()
        self.hosts: list[Host] = []
        self.bridge = Host("bridge", new_namespace(), "")
        self.inodes = [os.fstat(self.bridge.fd).st_ino]
        try:
            # Groups are flooded: neighbour discovery must not wait for a querier that is not there.
            self.bridge.run("ip", "-batch", "-", text="link add br0 type bridge mcast_snooping 0\nlink set br0 up\n")
            for _ in range(size):
                self.add_host()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> "Network":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def address(self, number: int) -> str:
        return f"fd77::{number:x}" if self.v6 else f"10.77.0.{number}"

    def add_host(self) -> Host:
        number = len(self.hosts) + 1
        host = Host(f"h{number}", new_namespace(), self.address(number))
        self.hosts.append(host)
        self.inodes.append(os.fstat(host.fd).st_ino)
        port = f"port{number}"
        self.bridge.run(
            *("ip", "-batch", "-"),
            text=f"link add {port} type veth peer name eth0 netns /proc/self/fd/{host.fd}\n"
            f"link set {port} master br0 up\n",
            inherit=[host.fd],
        )
        host.run("ip", "-batch", "-", text=f"link set lo up\n{self._add(host.address)}link set eth0 up\n")
        if self.v6:
            host.run("ip", "-4", "addr", "flush", "dev", "lo")  # not even 127.0.0.1
        return host

    def _add(self, address: str) -> str:
        return f"addr add {address}/64 dev eth0 nodad\n" if self.v6 else f"addr add {address}/24 dev eth0\n"

    def renumber(self, host: Host, number: int) -> Host:
        """The same machine at another address, as a lease that was not renewed leaves it. What ran on it stays."""
        moved = Host(host.name, host.fd, self.address(number))
        host.run("ip", "-batch", "-", text=f"addr flush dev eth0\n{self._add(moved.address)}")
        self.hosts[self.hosts.index(host)] = moved
        return moved

    def cut(self, links: Iterable[Link]) -> None:
        """Drops everything on these links, where it arrives: for the sender it is lost on the way."""
        self.blocked |= set(links)
        self._load()

    def heal(self) -> None:
        self.blocked.clear()
        self.loss = 0.0
        self._load()

    def lose(self, share: float) -> None:
        """Each packet is lost by this probability."""
        self.loss = share
        self._load()

    def _load(self) -> None:
        """The rules of each host are replaced as a whole."""
        for host in self.hosts:
            rules = [f"-A INPUT -s {sender.address} -j DROP" for sender, receiver in self.blocked if receiver == host]
            if self.loss:
                rules.append(f"-A INPUT -i eth0 -m statistic --mode random --probability {self.loss} -j DROP")
            restore = "ip6tables-restore" if self.v6 else "iptables-restore"
            host.run(restore, "-w", text="\n".join(["*filter", ":INPUT ACCEPT [0:0]", *rules, "COMMIT", ""]))

    def close(self) -> None:
        for host in (*self.hosts, self.bridge):
            os.close(host.fd)
        left = inhabitants(self.inodes)
        assert not left, f"processes still live in the namespaces: {left}"
        assert socket.if_nameindex() == self.interfaces_before, "the test left an interface outside of its namespaces"


def inhabitants(inodes: Iterable[int]) -> list[str]:
    """The processes that live in, or hold on to, one of these namespaces."""
    inodes = set(inodes)
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            held = [process / "ns" / "net", *(process / "fd").iterdir()]
            for reference in held:
                with contextlib.suppress(OSError):
                    target = os.readlink(reference)
                    if target.startswith("net:[") and int(target[5:-1]) in inodes:
                        found.append(f"{process.name} {reference.name}")
    return found


def why_not() -> str:
    """Why there can be no such network here; "" if there can."""
    tools = [tool for tool in ("nsenter", "unshare", "ip", "iptables-restore", "ip6tables-restore") if not have(tool)]
    if tools:
        return f"there is no {', '.join(tools)} here (Debian: iproute2, iptables)"
    if os.geteuid() != 0:
        return "network namespaces need root"
    for v6 in (False, True):
        try:
            with Network(2, v6=v6) as network:
                network.lose(0.5)
        except OSError as error:
            return f"this machine makes no network of namespaces: {error}"
    return ""


def have(tool: str) -> bool:
    return shutil.which(tool) is not None
