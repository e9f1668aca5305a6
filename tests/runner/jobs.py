"""Runs jobs: one process each, in its own process group, several side by side, each with a log and a time limit."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from runner import cases
from runner.cases import Case

ROOT = Path(__file__).resolve().parents[2]
LOGS = ROOT / "build" / "logs"
COST_MAX = 4  # what may run at once: four jobs that mostly wait, or two that compute


@dataclass
class Job:
    suite: str
    name: str
    command: Sequence[str | Path]
    framework: str = "program"  # "gtest", "pytest", "node"; a "program" is one test: its exit code
    cost: int = 1  # 1: mostly waits for events; 2: keeps a core busy
    time_limit: int = 300
    env: dict[str, str] = field(default_factory=dict)
    cwd: Path = ROOT
    may_be_empty: bool = False  # one shard of several may be left without a test
    shows_output: bool = False  # what it printed are figures for whoever reads the run

    @property
    def title(self) -> str:
        return f"{self.suite}/{self.name}"


@dataclass
class Result:
    job: Job
    cases: list[Case]
    seconds: float
    log: Path

    @property
    def failed(self) -> bool:
        return any(not case.passed for case in self.cases)


# The long form (./dev soak) does the same more often: every job may take as much longer.
PATIENCE = 10 if os.environ.get("NOEX_SOAK") == "1" else 1


class Running:
    """A job under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        folder = LOGS / job.suite
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / f"{job.name}.log"
        self.report = folder / f"{job.name}.report"
        self.report.unlink(missing_ok=True)
        command = [str(part) for part in job.command]
        if job.framework == "gtest":
            command += [f"--gtest_output=json:{self.report}", "--gtest_color=no"]
        elif job.framework == "pytest":
            command += [f"--junitxml={self.report}", "-o", "junit_family=xunit2"]
        elif job.framework == "node":
            reporters = [
                f"--test-reporter={ROOT / 'tests/runner/reporter.mjs'}",
                f"--test-reporter-destination={self.report}",
                "--test-reporter=spec",
                "--test-reporter-destination=stdout",
            ]
            command[1:1] = reporters
        self.started = time.monotonic()
        self.timed_out = False
        with self.log.open("wb") as output:
            output.write(f"$ {' '.join(command)}\n".encode())
            output.flush()
            self.process = subprocess.Popen(
                command,
                cwd=job.cwd,
                env={**os.environ, **job.env},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def poll(self) -> Result | None:
        status = self.process.poll()
        if status is None:
            if time.monotonic() - self.started < self.job.time_limit * PATIENCE:
                return None
            self.timed_out = True
            status = -signal.SIGKILL
        self.kill()  # also what it left behind in its process group
        return self.result(status)

    def kill(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def result(self, status: int) -> Result:
        seconds = time.monotonic() - self.started
        if self.job.framework == "program":
            found = [Case(self.job.name, status == 0, seconds, message=describe(status))]
        else:
            found = self.read_report()
            if not found and not self.job.may_be_empty:
                found = [Case(f"{self.job.name}: ran no test", False, seconds, message=describe(status))]
            elif status != 0 and not any(not case.passed for case in found):
                found.append(Case(f"{self.job.name}: ended badly", False, seconds, message=describe(status)))
        if self.timed_out:
            found.append(Case(f"{self.job.name}: not done after {self.job.time_limit * PATIENCE} s", False, seconds))
        return Result(self.job, found, seconds, self.log)

    def read_report(self) -> list[Case]:
        try:
            if self.job.framework == "gtest":
                return cases.from_gtest(self.report, self.log)
            if self.job.framework == "pytest":
                return cases.from_junit(self.report)
            return cases.from_node(self.report)
        except (ValueError, KeyError, SyntaxError) as error:  # a report cut short by a crash
            return [Case(f"{self.job.name}: unreadable report", False, message=repr(error))]


def describe(status: int) -> str:
    if status >= 0:
        return f"exit code {status}"
    return f"ended by {signal.Signals(-status).name}"


class Scheduler:
    """Runs jobs side by side, the longest of the last run first."""

    def __init__(self, jobs: list[Job], colour: bool) -> None:
        self.memory = LOGS / "durations.json"
        try:
            self.durations: dict[str, float] = json.loads(self.memory.read_text())
        except (OSError, ValueError):
            self.durations = {}
        self.waiting = sorted(jobs, key=self.expected, reverse=True)
        self.running: list[Running] = []
        self.results: list[Result] = []
        self.colour = colour
        self.said_at = time.monotonic()

    def expected(self, job: Job) -> float:
        """Seconds: of the last run; where there was none, who is given more time probably needs more."""
        return self.durations.get(job.title, job.time_limit / 5)

    def run(self) -> list[Result]:
        try:
            while self.waiting or self.running:
                self.start_what_fits()
                self.collect()
                self.tell_who_is_slow()
                time.sleep(0.02)
        finally:
            for run in self.running:
                run.kill()
        LOGS.mkdir(parents=True, exist_ok=True)
        self.memory.write_text(json.dumps(self.durations, indent=1, sort_keys=True))
        return self.results

    def start_what_fits(self) -> None:
        for job in list(self.waiting):
            free = COST_MAX - sum(run.job.cost for run in self.running)
            if free <= 0:
                return
            if job.cost <= free:
                self.waiting.remove(job)
                self.running.append(Running(job))

    def collect(self) -> None:
        for run in list(self.running):
            result = run.poll()
            if result is not None:
                self.running.remove(run)
                self.results.append(result)
                self.durations[run.job.title] = round(result.seconds, 1)
                self.say(result)

    def say(self, result: Result) -> None:
        self.said_at = time.monotonic()
        bad = sum(not case.passed for case in result.cases)
        good = sum(case.passed and not case.skipped for case in result.cases)
        skipped = sum(case.passed and case.skipped for case in result.cases)
        mark = self.paint("✗", 31) if bad else self.paint("✓", 32) if good or not skipped else self.paint("-", 33)
        counts = f"{good} passed" + (f", {bad} failed" if bad else "") + (f", {skipped} skipped" if skipped else "")
        left = len(self.waiting) + len(self.running)
        print(f"{mark} {result.job.title:<44} {counts:<24} {result.seconds:6.1f} s   {left} to go", flush=True)
        if result.job.shows_output and not bad:
            for line in result.log.read_text(errors="replace").splitlines()[1:]:
                print(f"    {line}", flush=True)
        if bad:
            for case in result.cases:
                if not case.passed:
                    print(f"    {self.paint(case.name, 31)}: {case.message.strip()[:3000]}")
            print(f"  the end of {result.log.relative_to(ROOT)}:")
            for line in result.log.read_text(errors="replace").splitlines()[-30:]:
                print(f"    | {line}")
            sys.stdout.flush()

    def tell_who_is_slow(self) -> None:
        if time.monotonic() - self.said_at > 30:
            self.said_at = time.monotonic()
            names = ", ".join(f"{run.job.title} ({time.monotonic() - run.started:.0f} s)" for run in self.running)
            print(f"· still running: {names}", flush=True)

    def paint(self, text: str, code: int) -> str:
        return f"\x1b[{code}m{text}\x1b[0m" if self.colour else text
