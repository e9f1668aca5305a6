"""Runs the libFuzzer targets: `./dev fuzz` and the smoke of `./dev test --all`.

Each target reads its kept corpus (tests/fuzz/corpus) and what it found before (build/fuzz/corpus), and adds to the
latter. A find ends its target; the file that shows it is named with the command that replays it.
"""

import argparse
import contextlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HERE = ROOT / "tests" / "fuzz"
BUILD = ROOT / "build" / "fuzz"
AT_ONCE = 2
KEPT_SIZE_MAX = 600  # a message has about 500 bytes; of what is longer the beginning is kept
DICTIONARIES = {
    "codec": "json",
    "hello": "json",
    "session": "json",
    "driver": "json",
    "config": "ids",
    "node_id": "ids",
    "cli_documents": "documents",
    "cli_http": "http",
}
ENVIRONMENT = {
    "ASAN_OPTIONS": "detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
}
# "#1234  DONE   cov: 56 ft: 78 corp: 9/10b lim: 11 exec/s: 12 rss: 13Mb"
PROGRESS = re.compile(r"^#(\d+)\s.*\bcov: (\d+) ft: (\d+) corp: (\d+)", re.MULTILINE)


@dataclass
class Target:
    name: str
    started: float = 0.0
    process: "subprocess.Popen[bytes] | None" = None
    known_finds: set[Path] = field(default_factory=set)

    @property
    def program(self) -> Path:
        return BUILD / "tests" / "fuzz" / f"fuzz_{self.name}"

    @property
    def kept(self) -> Path:
        return HERE / "corpus" / self.name

    @property
    def found(self) -> Path:
        return BUILD / "corpus" / self.name

    @property
    def log(self) -> Path:
        return BUILD / f"{self.name}.log"

    def finds(self) -> set[Path]:
        return set((BUILD / "artifacts").glob(f"{self.name}-*"))

    def corpora(self) -> list[Path]:
        self.found.mkdir(parents=True, exist_ok=True)
        return [self.found, *([self.kept] if self.kept.is_dir() else [])]

    def start(self, seconds: int) -> None:
        (BUILD / "artifacts").mkdir(parents=True, exist_ok=True)
        self.known_finds = self.finds()
        command = [
            *(self.program, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048"),
            f"-artifact_prefix={BUILD / 'artifacts' / self.name}-",
            *self.corpora(),
        ]
        if self.name in DICTIONARIES:
            command.insert(1, f"-dict={HERE / DICTIONARIES[self.name]}.dict")
        self.started = time.monotonic()
        with self.log.open("wb") as output:
            self.process = subprocess.Popen(command, env=os.environ | ENVIRONMENT, stdout=output, stderr=output)

    def report(self) -> bool:
        """Says how it went; returns whether all is well."""
        assert self.process is not None
        text = self.log.read_text(errors="replace")
        progress = PROGRESS.findall(text)
        executions, coverage, features, inputs = map(int, progress[-1]) if progress else (0, 0, 0, 0)
        new = sorted(self.finds() - self.known_finds)
        well = self.process.returncode == 0 and not new and executions > 0
        print(
            f"{'✓' if well else '✗'} {self.name:<14} {executions:>10,} executions in "
            f"{time.monotonic() - self.started:.0f} s, cov {coverage}, ft {features}, corpus {inputs}",
            flush=True,
        )
        if not well:
            for line in text.splitlines()[-40:]:
                print(f"    | {line[:300]}")
            for file in new:
                print(f"  again with: {self.program.relative_to(ROOT)} {file.relative_to(ROOT)}")
            sys.stdout.flush()
        return well

    def keep(self) -> None:
        """Takes into the kept corpus what of the found one reaches something new."""
        self.kept.mkdir(parents=True, exist_ok=True)
        before = set(self.kept.iterdir())
        with tempfile.TemporaryDirectory(dir=BUILD) as folder:
            # What is named by hand, or showed a bug once, stays; of the rest only as much as its coverage needs.
            for file in before:
                if not re.fullmatch("[0-9a-f]{40}", file.name):
                    shutil.copy2(file, folder)
            size_max = f"-max_len={KEPT_SIZE_MAX}"
            command = [self.program, "-set_cover_merge=1", size_max, folder, self.kept, self.found]
            with self.log.open("wb") as output:
                subprocess.run(command, check=True, env=os.environ | ENVIRONMENT, stdout=output, stderr=output)
            for file in before:
                file.unlink()
            for file in Path(folder).iterdir():
                shutil.copy2(file, self.kept)
        size = sum(file.stat().st_size for file in self.kept.iterdir())
        print(f"✓ {self.name:<14} {len(list(self.kept.iterdir()))} inputs kept, {size / 1024:.0f} KiB", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(prog="./dev fuzz", description=__doc__)
    names = sorted(source.stem for source in HERE.glob("*.cc"))
    parser.add_argument(
        "targets", nargs="*", metavar="target", help=f"of {', '.join(names)}; all of them if none is named"
    )
    parser.add_argument("--minutes", type=float, help="for each target (default 1)")
    parser.add_argument("--seconds", type=int, help="the same in seconds")
    parser.add_argument("--keep", action="store_true", help="run nothing: merge what was found into tests/fuzz/corpus")
    options = parser.parse_args()
    if unknown := set(options.targets) - set(names):
        parser.error(f"no target is named {', '.join(sorted(unknown))}; there are {', '.join(names)}")
    targets = [Target(name) for name in options.targets or names]
    if missing := [target.name for target in targets if not target.program.exists()]:
        sys.exit(f"not built: {', '.join(missing)} (./dev fuzz builds them)")
    if options.keep:
        for target in targets:
            target.corpora()
            target.keep()
        return 0
    seconds = options.seconds or max(1, round(60 * (options.minutes or 1)))
    waiting, running, well = targets[:], list[Target](), True
    try:
        while waiting or running:
            while waiting and len(running) < AT_ONCE:
                running.append(waiting.pop(0))
                running[-1].start(seconds)
            for target in running[:]:
                if target.process is not None and target.process.poll() is not None:
                    running.remove(target)
                    well &= target.report()
            time.sleep(0.1)
    except KeyboardInterrupt:
        well = False
    finally:
        for target in running:
            with contextlib.suppress(OSError):
                if target.process is not None:
                    target.process.kill()
    return 0 if well else 1


if __name__ == "__main__":
    sys.exit(main())
