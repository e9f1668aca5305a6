"""Puts one fault after the other into a copy of the tree and lets the simulator play: each must be noticed within 200
seeds. What is not noticed shows where its scenes or its checks are too weak."""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from sim import LIFE_LIMIT, kind_of, play

ROOT = Path(__file__).resolve().parents[2]
TABLE = Path(__file__).with_name("mutations.toml")
COPIED = ["CMakeLists.txt", "cmake", "core", "capi", "cli", "examples", "bench", "tests/CMakeLists.txt", "tests/sim"]
SEEDS = 200


@dataclass(frozen=True)
class Mutation:
    name: str
    file: str
    search: str
    replace: str

    def fault(self, root: Path) -> str:
        """Why it cannot be applied; empty if it can."""
        path = root / self.file
        count = path.read_text().count(self.search) if path.is_file() else 0
        return "" if count == 1 else f"{self.name!r}: its text occurs {count} times in {self.file}, not once"


def mutations() -> list[Mutation]:
    return [Mutation(**entry) for entry in tomllib.loads(TABLE.read_text())["mutation"]]


def copy_sources(tree: Path) -> None:
    """The sources as they are now. What did not change keeps its time, so that little is built anew."""
    for name in COPIED:
        source = ROOT / name
        for path in [source] if source.is_file() else sorted(source.rglob("*")):
            if path.is_dir() or "__pycache__" in path.parts:
                continue
            target = tree / path.relative_to(ROOT)
            if target.is_file() and target.read_bytes() == path.read_bytes():
                continue
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
        if source.is_dir():
            for path in sorted((tree / name).rglob("*")):
                if path.is_file() and not (ROOT / path.relative_to(tree)).exists():
                    path.unlink()
    if not (tree / ".deps").exists():
        (tree / ".deps").symlink_to(ROOT / ".deps")


def build(tree: Path) -> bool:
    folder = tree / "build"
    launchers = [f"-DCMAKE_{language}_COMPILER_LAUNCHER=ccache" for language in ("C", "CXX")]
    options = ["-DCMAKE_BUILD_TYPE=RelWithDebInfo", "-DNOEX_BINDINGS=OFF", "-DNOEX_IN_TREE=OFF"]
    environment = {**os.environ, "CCACHE_BASEDIR": str(tree), "CCACHE_NOHASHDIR": "1"}
    steps = [["ninja", "-C", str(folder), "noex_sim"]]
    if not (folder / "build.ninja").exists():
        options += launchers if shutil.which("ccache") else []
        steps.insert(0, ["cmake", "-S", str(tree), "-B", str(folder), "-G", "Ninja", *options])
    for step in steps:
        run = subprocess.run(step, env=environment, capture_output=True, text=True, check=False)
        if run.returncode != 0:
            print(run.stdout[-3000:] + run.stderr[-3000:])
            return False
    return True


def verdict(program: Path) -> tuple[int, str]:
    """The seed that noticed and what it said; 0 if none did."""
    for life in play(program, ["--seed", "1", "--seeds", str(SEEDS)], limit=2 * LIFE_LIMIT):
        if life.failure:
            return life.seed, kind_of(life.failure)
    return 0, "MISSED"


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev sim --mutants", description=__doc__)
    parser.add_argument("names", nargs="*", help="only those whose names hold one of these words")
    parser.add_argument("--table", type=Path, help="also writes the table into this file, between its marks")
    arguments = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # also then what was changed is put back
    chosen = [m for m in mutations() if not arguments.names or any(word in m.name for word in arguments.names)]
    faults = [fault for mutation in chosen if (fault := mutation.fault(ROOT))]
    if faults or not chosen:
        print("\n".join(faults) or "no such mutation")
        return 1
    tree = ROOT / "build" / "mutants"
    copy_sources(tree)
    program = tree / "build" / "tests" / "noex_sim"
    if not build(tree):
        return 1
    seed, said = verdict(program)
    if seed != 0:
        print(f"without any fault, seed {seed} says: {said}")
        return 1
    rows = []
    missed = 0
    for mutation in chosen:
        path = tree / mutation.file
        original = path.read_text()
        path.write_text(original.replace(mutation.search, mutation.replace))
        try:
            if not build(tree):
                print(f"{mutation.name!r} does not compile")
                return 1
            seed, said = verdict(program)
        finally:
            path.write_text(original)
        missed += seed == 0
        rows.append((mutation.name, str(seed) if seed else "-", said))
        print(f"{mutation.name:62} {seed or '-':>4}  {said}", flush=True)
    if arguments.table is not None:
        write_table(arguments.table, rows)
    print(f"{len(chosen)} faults, {len(chosen) - missed} noticed within {SEEDS} seeds")
    return 1 if missed else 0


def write_table(file: Path, rows: list[tuple[str, str, str]]) -> None:
    begin, end = "<!-- mutants: begin -->", "<!-- mutants: end -->"
    text = file.read_text()
    head, rest = text.split(begin)
    tail = rest.split(end)[1]
    lines = ["| fault | seed | what is said of it (ID: a node, N: a number) |", "|---|---|---|"]
    lines += [f"| {name} | {seed} | {said} |" for name, seed, said in rows]
    file.write_text("\n".join([head + begin, *lines, end + tail]))


if __name__ == "__main__":
    sys.exit(main())
