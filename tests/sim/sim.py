"""Plays many lives of clusters side by side. One that fails is played again with less and less in it, for as long as it
fails in the same way, and what is left is shown: the plan, the timeline, and the command that plays it alone."""

import argparse
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from pathlib import Path

CHUNK = 50  # seeds that one process plays: more would report late, fewer would start too many
LIFE_LIMIT = 120  # seconds; a life takes less than one
WIDTH = 200

RED, GREEN, YELLOW, BLUE, DIM, BOLD, PLAIN = (f"\x1b[{code}m" for code in (31, 32, 33, 34, 2, 1, 0))


@dataclass(frozen=True)
class Life:
    """What one seed came to."""

    seed: int
    faults: int
    nodes: int
    references: int
    trace: str
    failure: str  # empty: sound

    @property
    def kind(self) -> str:
        return kind_of(self.failure)


@dataclass
class Cast:
    """A life with some of its faults and nodes left out."""

    seed: int
    nodes: int | None = None  # as given by the user
    only: list[int] | None = None
    without: list[int] = field(default_factory=list)

    def options(self) -> list[str]:
        options = ["--seed", str(self.seed)]
        if self.nodes is not None:
            options += ["--nodes", str(self.nodes)]
        if self.only is not None:
            options += ["--only", ",".join(map(str, self.only)) or "-"]
        if self.without:
            options += ["--without", ",".join(map(str, self.without))]
        return options


def kind_of(failure: str) -> str:
    """A failure without who, when and how much: two that agree in it are the same."""
    text = re.sub(r"^at [\d.]+ s: \S+ ", "", failure)
    text = re.sub(r"[\w-]+@[^\s,;)]+", "ID", text)
    text = re.sub(r"\bn\d+x*\b", "ID", text)
    text = text.split(": ")[0]
    return re.sub(r"[\d.]+", "N", text)


LINE = re.compile(r"seed (\d+) faults (\d+) nodes (\d+) references (\d+) hash (\w+) (ok|FAILED .*)$")


def play(program: Path, options: list[str], limit: float) -> Iterator[Life]:
    """The lives that a run of the program plays. One that ends the process is a failure of the seed it was at."""
    command = [str(program), *options, "--lines"]
    try:
        run = subprocess.run(command, capture_output=True, text=True, timeout=limit, check=False)
        output, end = run.stdout, run.stderr.strip().splitlines()
        ended_by = f"ended with {run.returncode}" + (f": {end[-1]}" if end else "")
        completed = run.returncode in (0, 1)
    except subprocess.TimeoutExpired as expired:
        partial = expired.stdout or b""
        output = partial.decode() if isinstance(partial, bytes) else partial
        ended_by, completed = "does not end", False
    last = ""
    for line in output.splitlines():
        last = line
        if match := LINE.match(line):
            seed, faults, nodes, references = map(int, match.groups()[:4])
            failure = match[6].removeprefix("FAILED ") if match[6] != "ok" else ""
            yield Life(seed, faults, nodes, references, match[5], failure)
    if not completed:
        at = re.match(r"seed (\d+)$", last.strip())
        if at is None:
            sys.exit(f"{' '.join(command)} {ended_by}")
        # Aborted by an invariant of the machine itself, or endless. How much was planned is not known.
        yield Life(int(at[1]), 16, 16, 0, "", f"the process {ended_by}")


class Program:
    def __init__(self, path: Path) -> None:
        self.path = path

    def chunk(self, first: int, count: int, nodes: int | None) -> list[Life]:
        options = ["--seed", str(first), "--seeds", str(count)]
        if nodes is not None:
            options += ["--nodes", str(nodes)]
        size = max(1.0, (nodes or 8) / 12) ** 2
        return list(play(self.path, options, limit=LIFE_LIMIT * 2 + 2 * count * size))

    def once(self, cast: Cast) -> Life:
        return list(play(self.path, cast.options(), LIFE_LIMIT))[-1]

    def timeline(self, cast: Cast) -> list[str]:
        command = [str(self.path), *cast.options(), "--verbose"]
        run = subprocess.run(command, capture_output=True, text=True, timeout=LIFE_LIMIT, check=False)
        return run.stdout.splitlines()


def shrink(program: Program, cast: Cast, life: Life) -> Cast:
    """Leaves out faults and then nodes, one by one, as long as the failure stays the same, until nothing can go."""

    def still_fails(smaller: Cast) -> bool:
        return program.once(smaller).kind == life.kind

    best = Cast(cast.seed, cast.nodes, list(range(life.faults)) if cast.only is None else cast.only, cast.without)
    if not still_fails(best):
        return cast  # not by its faults: it is shown as it is
    removed = True
    while removed:
        removed = False
        assert best.only is not None
        for fault in reversed(best.only):
            smaller = Cast(best.seed, best.nodes, [f for f in best.only if f != fault], best.without)
            if still_fails(smaller):
                best, removed = smaller, True
        for node in range(life.nodes - 1, 0, -1):
            if node in best.without:
                continue
            smaller = Cast(best.seed, best.nodes, best.only, sorted([*best.without, node]))
            if still_fails(smaller):
                best, removed = smaller, True
    return best


def painted(line: str) -> str:
    """A line of the timeline as a terminal shows it best."""
    if "FAILED" in line:
        return f"{BOLD}{RED}{line}{PLAIN}"
    if "FAULT" in line[:20]:
        return f"{YELLOW}{line}{PLAIN}"
    if "  network  " in line[:30]:
        return f"{BLUE}{line}{PLAIN}"
    if re.search(r"\bDOWN ", line):
        return f"{RED}{line}{PLAIN}"
    if re.search(r"\bUP ", line):
        return f"{GREEN}{line}{PLAIN}"
    return f"{DIM}{line}{PLAIN}"


def show(program: Program, cast: Cast, everything: bool) -> None:
    colours = sys.stdout.isatty()
    for line in program.timeline(cast):
        if not everything and re.search(r"  log: (up|down) ", line):
            continue  # said again by the event
        print(painted(line[:WIDTH]) if colours else line)


def report(program: Program, cast: Cast, life: Life, may_shrink: bool) -> None:
    print(f"seed {life.seed} FAILED {life.failure}\n", flush=True)
    smallest = shrink(program, cast, life) if may_shrink else cast
    show(program, smallest, everything=False)
    print(f"\nagain: ./dev sim {' '.join(smallest.options())}")


def play_many(program: Program, first: int, count: int, nodes: int | None, keep_going: bool, jobs: int) -> int:
    chunks = [(at, min(CHUNK, first + count - at)) for at in range(first, first + count, CHUNK)]
    played, mixed, failures = 0, 0, list[Life]()
    progress = sys.stderr.isatty()
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(program.chunk, at, size, nodes) for at, size in chunks]
        for done in as_completed(waiting):
            if done.cancelled():
                continue
            lives = done.result()
            played += len(lives)
            mixed += sum(life.references > 0 for life in lives)
            failures += [life for life in lives if life.failure]
            if progress:
                print(f"\r{played} of {count} lives, {len(failures)} failed ", end="", file=sys.stderr, flush=True)
            if failures and not keep_going:
                for other in waiting:
                    other.cancel()
    if progress:
        print("\r", end="", file=sys.stderr)
    failures.sort(key=lambda life: life.seed)
    for life in failures[: 10 if keep_going else 1]:
        report(program, Cast(life.seed, nodes), life, may_shrink=True)
        print()
    for life in failures[10:]:
        print(f"seed {life.seed} FAILED {life.failure}")
    print(f"{played} lives, {len(failures)} failed, {mixed} with nodes of the reference")
    return 1 if failures else 0


def compare(programs: list[Path], first: int, count: int) -> int:
    """The same seeds by two compilers: every life must be the same to the last byte and nanosecond."""
    runs = [list(play(program, ["--seed", str(first), "--seeds", str(count)], LIFE_LIMIT * 2)) for program in programs]
    for one, other in zip(*runs, strict=False):
        if one != other:
            print(f"seed {one.seed} differs:\n  {programs[0]}: {one}\n  {programs[1]}: {other}")
            return 1
    if any(len(run) != count for run in runs):
        print(f"{[len(run) for run in runs]} lives were played instead of {count}")
        return 1
    print(f"{count} lives are the same in {' and '.join(map(str, programs))}")
    return 0


def numbers(text: str) -> list[int]:
    return [] if text == "-" else [int(number) for number in text.split(",")]


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev sim", description=__doc__)
    parser.add_argument("--seeds", type=int, metavar="K", help="how many lives (default 1000)")
    parser.add_argument("--seed", type=int, metavar="S", help="the first; alone: this one, with its timeline")
    parser.add_argument("--nodes", type=int, metavar="N", help="nodes in each (default: 3 to 12, by the seed)")
    parser.add_argument("--only", type=numbers, metavar="F,..", help="only these of the planned faults; -: none")
    parser.add_argument("--without", type=numbers, default=[], metavar="N,..", help="without these nodes")
    parser.add_argument("--keep-going", action="store_true", help="do not stop at the first failure")
    parser.add_argument("--no-shrink", action="store_true", help="with --seed: show a failure as it is")
    parser.add_argument("--verbose", action="store_true", help="with --seed: show the log lines of ups and downs, too")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1), help="processes (default 2)")
    parser.add_argument("--program", type=Path, action="append", required=True, help=argparse.SUPPRESS)
    parser.add_argument("--compare", action="store_true", help="the same seeds by gcc and clang: one trace")
    arguments = parser.parse_args()
    program = Program(arguments.program[0])
    if arguments.compare:
        return compare(arguments.program, arguments.seed or 1, arguments.seeds or 50)
    if arguments.seed is None or arguments.seeds is not None:
        first, count = arguments.seed or 1, arguments.seeds or 1000
        return play_many(program, first, count, arguments.nodes, arguments.keep_going, arguments.jobs)
    cast = Cast(arguments.seed, arguments.nodes, arguments.only, arguments.without)
    life = program.once(cast)
    if life.failure and arguments.only is None and not arguments.no_shrink:
        report(program, cast, life, may_shrink=True)
    else:
        show(program, cast, arguments.verbose)
    return 1 if life.failure else 0


if __name__ == "__main__":
    sys.exit(main())
