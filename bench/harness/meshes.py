"""Meshes of bench/programs/nodes.cc, whose lines carry times of the clock that all processes share."""

from collections.abc import Callable, Sequence
from pathlib import Path

from harness.processes import Process, Processes, free_ports, program, wait_until


def words_of(process: Process, kind: str, since: int = 0) -> list[list[str]]:
    """The lines of this kind after the first `since` lines, split, without the kind."""
    return [text.split()[1:] for text in process.lines()[since:] if text.startswith(f"{kind} ")]


class Mesh:
    """`count` nodes, `each` of them to a process, all seeded with the first; full when it is entered."""

    def __init__(
        self,
        folder: Path,
        count: int,
        *,
        each: int = 1,
        interval: int = 1000,
        ups: bool = False,
        options: Sequence[str] = (),
    ) -> None:
        self.processes = Processes(folder)
        self.count = count
        port = free_ports(1)[0]
        self.seed = f"n0-0@127.0.0.1:{port}"
        self.options = ["--interval", str(interval), "--ups", str(int(ups)), *options]
        self.hosts = [self._start(f"n{index}", each, port if index == 0 else 0) for index in range(count // each)]

    def _start(self, name: str, count: int, port: int = 0) -> Process:
        words = [program("nodes"), "--name", name, "--count", str(count), "--port", str(port), *self.options]
        return self.processes.start([*words, "--expect", str(self.count - 1), "--seed", self.seed], name)

    def join(self, name: str) -> Process:
        """One more node, in a process of its own."""
        host = self._start(name, 1)
        self.hosts.append(host)
        return host

    def __enter__(self) -> "Mesh":
        self.processes.__enter__()
        try:
            self.wait(
                "the mesh is full", lambda: sum(len(words_of(host, "full")) for host in self.hosts) == self.count, 120
            )
        except BaseException as error:
            self.processes.__exit__(type(error), error, error.__traceback__)
            raise
        return self

    def __exit__(self, *error: object) -> None:
        self.processes.__exit__(None, None, None)

    def wait(self, what: str, check: Callable[[], bool], timeout: float) -> None:
        def checked() -> bool:
            self.processes.check_alive()
            return check()

        wait_until(what, checked, timeout)

    def downs_of(self, peer: str, observers: Sequence[Process], marks: dict[int, int]) -> list[list[str]]:
        """What each of `observers` said of the end of `peer` after its mark (a line number by pid): the first of it."""
        found = []
        for observer in observers:
            downs = [words for words in words_of(observer, "down", marks[observer.pid]) if words[2] == peer]
            found += downs[:1]
        return found


def id_of(process: Process) -> str:
    return words_of(process, "started")[0][1]
