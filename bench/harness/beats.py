"""The lateness of beats, beside that of bare threads: hosts of nodes, and bench/programs/beats.cc, which measures."""

from dataclasses import dataclass, field
from pathlib import Path

from harness import processes as programs
from harness.figures import quantile
from harness.meshes import words_of
from harness.processes import Expected, Process, Processes, wait_until

INTERVAL = 100  # ms
THRESHOLD = 30  # nobody is given up in what is measured here


@dataclass
class Scene:
    """How late each beat of the nodes was, and each tick of the bare threads, in ms."""

    beats: list[float] = field(default_factory=list)
    ticks: list[float] = field(default_factory=list)
    churned: int = 0

    def add(self, other: "Scene") -> None:
        self.beats += other.beats
        self.ticks += other.ticks
        self.churned += other.churned


class Host:
    """A program with nodes under test in it, without a secret, that is told what to do on its input."""

    def __init__(self, processes: Processes, name: str, *words: str | Path, count: int) -> None:
        """`words` start the program; bench/programs/host.cc takes options, the others take count and interval."""
        self.count = count
        options = ["--count", str(count), "--interval", str(INTERVAL), "--threshold", str(THRESHOLD)]
        if words[0] != programs.program("host"):
            options = [str(count), str(INTERVAL)]
        self.process: Process = processes.start([*words, *options], name, secret=None)
        wait_until(f"{name} runs", lambda: self._alive() and len(words_of(self.process, "started")) == count, 30)
        self.ids = [words[0] for words in words_of(self.process, "started")]

    def _alive(self) -> bool:
        self.process.check_alive()
        return True

    def tell(self, command: str) -> None:
        self.process.tell(command)

    def ask(self, command: str, answer: str) -> list[str]:
        """Tells it, and waits for its next line that begins with `answer`."""
        mark = len(self.process.lines())
        self.tell(command)
        return self.wait(answer, mark)

    def wait(self, answer: str, mark: int = 0, timeout: float = 20) -> list[str]:
        wait_until(answer, lambda: self._alive() and words_of(self.process, answer, mark), timeout)
        return words_of(self.process, answer, mark)[0]


def measure(processes: Processes, host: Host, seconds: int, *, churn: int = 0, churn_ids: int = 0) -> Scene:
    """The beats of all nodes of `host`, for so long after a second of warming up."""
    name = f"{host.process.log.stem}-beats-{len(processes.all)}"
    words = [programs.program("beats"), "--seconds", str(seconds), "--interval", str(INTERVAL)]
    words += [word for node in host.ids for word in ("--node", node)]
    if churn:
        words += ["--churn", str(churn), "--churn-ids", str(churn_ids)]
    receiver = processes.start(words, name, secret=None)
    wait_until("the beats are measured", lambda: receiver.process.poll() is not None, seconds + 30)
    scene = Scene(
        beats=[float(words[0]) for words in words_of(receiver, "beat")],
        ticks=[float(words[0]) for words in words_of(receiver, "tick")],
        churned=sum(int(words[0]) for words in words_of(receiver, "churned")),
    )
    unknown = sum(int(words[0]) for words in words_of(receiver, "unknown"))
    # There must be as many beats as ticks, or what is judged are only the punctual ones. (Of both there are
    # few on a machine that does not come to run them.)
    few = not scene.ticks or len(scene.beats) + unknown < 0.8 * len(scene.ticks) - 2
    if receiver.process.returncode != 0 or few or unknown > 0.02 * (len(scene.beats) + len(scene.ticks)) + 2:
        counts = f"{len(scene.beats)} beats and {len(scene.ticks)} ticks, and {unknown} of unknown lateness"
        raise Expected(f"{counts}: " + " | ".join(receiver.lines()[-3:]))
    if not scene.beats:
        raise Expected("no beat came")
    return scene


def difference(some: list[float], others: list[float], share: float = 0.99) -> float:
    """How much larger the quantile of `some` is, 0 if it is not."""
    return max(0.0, quantile(some, share) - quantile(others, share))
