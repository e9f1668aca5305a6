"""Runs the tests: `./dev test` calls this. The last line is `N passed, N failed`, the exit code the result."""

import argparse
import os
import sys
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from runner import suites
from runner.jobs import LOGS, ROOT, Job, Result, Scheduler


def select(jobs: list[Job], names: list[str]) -> list[Job]:
    """The jobs whose suite, or whose suite/job, starts with one of the names."""
    return [job for job in jobs if any(job.suite == name or job.title.startswith(name.rstrip("/")) for name in names)]


def stages_for(options: argparse.Namespace) -> list[list[Job]]:
    if options.all:
        stages = suites.everything(options.fuzz_seconds)
    else:
        stages = [suites.correctness((ROOT / options.build).resolve())]
    if options.names:
        stages[-1] += [
            job
            for suite in dict.fromkeys(name.split("/")[0] for name in options.names)
            for job in suites.extra(suite, options.fuzz_seconds)
            if not options.all
        ]
        known = sorted({job.suite for stage in stages for job in stage})
        stages = [select(stage, options.names) for stage in stages]
        if not any(stages):
            sys.exit(f"no test is named {' or '.join(options.names)}; the suites are: {', '.join(known)}")
    return stages


def print_slowest(results: list[Result]) -> None:
    timed = [(case.seconds, f"{result.job.title}: {case.name}") for result in results for case in result.cases]
    print("\nThe slowest:")
    for seconds, name in sorted(timed, reverse=True)[:10]:
        print(f"  {seconds:7.1f} s  {name}")


def print_skipped(results: list[Result]) -> None:
    """What was not run, and why: one line for each reason of a suite."""
    reasons = Counter(
        (result.job.suite, case.message.strip() or "no reason given")
        for result in results
        for case in result.cases
        if case.passed and case.skipped
    )
    if reasons:
        print("\nSkipped:")
    for (suite, reason), count in sorted(reasons.items()):
        print(f"  {suite}: {count} test{'s' if count > 1 else ''}: {reason}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="suites (unit, python, ...) or suite/file")
    parser.add_argument(
        "--all", action="store_true", help="also sanitizers, fuzzers, net, the bindings against the .so, install"
    )
    parser.add_argument("--build", default="build/release", help="the build folder whose programs are run")
    parser.add_argument("--fuzz-seconds", type=int, default=20)
    options = parser.parse_args()

    suites.environment()
    started = time.monotonic()
    results: list[Result] = []
    for stage in stages_for(options):
        results += Scheduler(stage, colour=sys.stdout.isatty() and "NO_COLOR" not in os.environ).run()

    # A suite that is shared out to several processes must have run something in one of them.
    failed_suites = {
        job_suite
        for job_suite in {r.job.suite for r in results}
        if not any(r.cases for r in results if r.job.suite == job_suite)
    }
    cases = [case for result in results for case in result.cases]
    failed = [(result, case) for result in results for case in result.cases if not case.passed]
    passed = sum(case.passed and not case.skipped for case in cases)
    skipped = sum(case.skipped for case in cases)

    print_slowest(results)
    print_skipped(results)
    if failed or failed_suites:
        print("\nFailed:")
        for result, case in failed:
            print(f"  {result.job.title}: {case.name}   ({result.log.relative_to(ROOT)})")
        for suite in sorted(failed_suites):
            print(f"  {suite}: ran no test")
    print(
        f"\n{time.monotonic() - started:.0f} s; logs in {LOGS.relative_to(ROOT)}"
        + (f"; {skipped} skipped" if skipped else "")
    )
    count = len(failed) + len(failed_suites)
    print(f"{passed} passed, {count} failed", flush=True)
    return 1 if count or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
