"""examples/*/service_registry with a real etcd: who starts at once is one cluster, entries end with their process, and
an etcd that is gone harms nobody who is in.
"""

import contextlib
import re
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from conftest import MakePeer, Run, Start
from support import DEADLINE_S, LANGUAGES, Program, environment, free_ports, get, is_listening, until

PREFIX = "services/noex-cluster/"
TTL_S = 4


class Etcd:
    """One etcd on the loopback interface, which can be ended and started again."""

    def __init__(self, start: Start, folder: Path) -> None:
        assert shutil.which("etcd"), "there is no etcd: `./dev test guides` installs it"
        self._start = start
        self._folder = folder
        self._ports = free_ports(2)
        self.url = f"http://127.0.0.1:{self._ports[0]}"
        self.process: Program
        self.start()

    def start(self) -> None:
        peers = f"http://127.0.0.1:{self._ports[1]}"
        self.process = self._start(
            *("etcd", "--name", "test", "--data-dir", self._folder / "etcd", "--initial-cluster", f"test={peers}"),
            *("--listen-client-urls", self.url, "--advertise-client-urls", self.url),
            *("--listen-peer-urls", peers, "--initial-advertise-peer-urls", peers),
            cwd=self._folder,
        )
        until(self._is_healthy, lambda: self.process.output)

    def _is_healthy(self) -> bool:
        assert self.process.process.poll() is None, self.process.output
        with contextlib.suppress(OSError):  # not yet
            return is_listening(self._ports[0]) and get(self._ports[0], "/health")[0] == 200
        return False

    def lose_everything(self) -> None:
        self.process.kill()
        shutil.rmtree(self._folder / "etcd")

    def control(self, *words: object) -> list[str]:
        """What etcd's own client answers, as words."""
        done = subprocess.run(
            ["etcdctl", f"--endpoints={self.url}", *map(str, words)],
            env=environment(ETCDCTL_API=3),
            capture_output=True,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.split()

    def entries(self) -> set[str]:
        """What is registered."""
        return set(self.control("get", "--prefix", PREFIX, "--print-value-only"))

    def leases(self) -> set[str]:
        return set(re.findall(r"\b[0-9a-f]{16}\b", " ".join(self.control("lease", "list"))))


@pytest.fixture
def etcd(start: Start, tmp_path: Path) -> Etcd:
    return Etcd(start, tmp_path)


def registered(run: Run, language: str, name: str, port: int, url: str) -> Program:
    return run(language, "service_registry", NODE_NAME=name, CLUSTER_PORT=port, ETCD_URL=url, REGISTRY_TTL_S=TTL_S)


def test_four_at_once_are_one_cluster(run: Run, etcd: Etcd, make_peer: MakePeer) -> None:
    names = {"app1": "python", "app2": "node", "app3": "python", "app4": "node"}
    ports = dict(zip(names, free_ports(len(names)), strict=True))
    ids = {name: f"{name}@127.0.0.1:{port}" for name, port in ports.items()}
    programs = {name: registered(run, names[name], name, ports[name], etcd.url) for name in names}
    for name, program in programs.items():
        program.line(f"running as {ids[name]}")
        for other in names:
            if other != name:
                program.line(f"up {ids[other]}")
    assert etcd.entries() == set(ids.values())
    alone = [name for name, program in programs.items() if "seeds: none" in program.output]
    assert len(alone) == 1, f"{alone} found nobody: only the first may"

    peer = make_peer(*etcd.entries())
    for node_id in ids.values():
        peer.saw_up(node_id)
    for name in ("app1", "app2"):
        assert programs[name].stop() == 0, programs[name].output
        assert ids[name] not in etcd.entries(), "who leaves takes the entry along"
        assert peer.saw_down(ids[name]) == "graceful_shutdown"
        programs["app3"].line(f"down {ids[name]} (graceful_shutdown)")
        programs["app4"].line(f"down {ids[name]} (graceful_shutdown)")
    assert etcd.entries() == {ids["app3"], ids["app4"]}, "who stays has kept the lease alive"
    for name in ("app3", "app4"):
        programs[name].kill()
        assert peer.saw_down(ids[name]) == "connection_closed"
    until(lambda: not etcd.entries(), "the leases of the dead run out")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_entry_lives_on_while_its_process_does(language: str, run: Run, etcd: Etcd) -> None:
    [port] = free_ports(1)
    program = registered(run, language, "app1", port, etcd.url)
    program.line("running as")
    [lease] = etcd.leases()
    # For longer than it was granted: until another one, that nobody keeps alive and that began later, has run out.
    other = etcd.control("lease", "grant", TTL_S)[1]
    assert etcd.leases() == {lease, other}
    until(lambda: other not in etcd.leases(), "the other lease runs out")
    assert etcd.leases() == {lease}
    assert etcd.entries() == {f"app1@127.0.0.1:{port}"}
    assert "registered anew" not in program.output
    assert program.stop(signal.SIGINT) == 0, program.output
    assert etcd.leases() == set()


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_etcd_that_loses_everything(language: str, run: Run, etcd: Etcd, make_peer: MakePeer) -> None:
    [port] = free_ports(1)
    node_id = f"app1@127.0.0.1:{port}"
    program = registered(run, language, "app1", port, etcd.url)
    program.line(f"running as {node_id}")
    peer = make_peer(node_id)
    peer.saw_up(node_id)
    etcd.lose_everything()
    program.line("etcd, lease/keepalive: ")
    etcd.start()
    program.line("registered anew")
    assert etcd.entries() == {node_id}

    etcd.process.kill()
    assert program.stop() == 0, program.output
    program.line("the lease will run out")
    assert peer.saw_down(node_id) == "graceful_shutdown"
    assert peer.ups == [node_id]


@pytest.mark.parametrize("language", LANGUAGES)
def test_without_etcd_nothing_starts(language: str, run: Run) -> None:
    [port, nobody] = free_ports(2)
    program = registered(run, language, "app1", port, f"http://127.0.0.1:{nobody}")
    assert program.wait() == 1, program.output
    program.line("etcd, lease/grant: ")
    assert "running as" not in program.output
