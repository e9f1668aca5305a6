"""The demo succeeds, in time; and it fails, and says what was not seen, when something was not."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from harness import ROOT

COMMAND = [sys.executable, str(ROOT / "demo" / "demo.py")]


def run(**environment: str) -> tuple[int, str, float]:
    began = time.monotonic()
    done = subprocess.run(COMMAND, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60)
    return done.returncode, done.stdout + done.stderr, time.monotonic() - began


def test_everything_is_seen_within_thirty_seconds() -> None:
    code, output, seconds = run()
    assert code == 0, output
    assert seconds < 32
    assert "Everything was seen." in output
    assert "\x1b" not in output  # colours are for terminals
    for reason in ("connection_closed", "graceful_shutdown", "heartbeat_timeout"):
        assert reason in output
    assert output.count("never a member") == 2


def test_a_process_that_does_not_play_its_part_is_named() -> None:
    code, output, _ = run(NOEX_NODE="/bin/false")
    assert code == 1
    assert "Not seen: js-worker (node) did not say that it is running" in output
    assert "ended with code 1" in output


def test_what_is_not_built_is_named(tmp_path: Path) -> None:
    code, output, _ = run(NOEX_BUILD_DIR=str(tmp_path))
    assert code == 1
    assert "./dev build" in output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_no_process_stays_behind(number: signal.Signals) -> None:
    demo = subprocess.Popen(COMMAND, stdout=subprocess.PIPE, text=True)
    assert demo.stdout
    pids: list[int] = []
    for line in demo.stdout:
        pids += [int(pid) for pid in re.findall(r"pid (\d+)", line)]
        if "SIGSTOP" in line:  # one of them is about to be frozen, the worst moment
            break
    assert len(pids) == 5
    demo.send_signal(number)
    assert demo.wait(20) == {signal.SIGINT: 130, signal.SIGTERM: 143}[number]
    demo.stdout.close()
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []
