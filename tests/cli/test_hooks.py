"""`noex-cluster run --on-up` and `--on-down`: what hooks know, in which order they run, and what they must not do."""

import json
import signal
import time
from pathlib import Path
from typing import Any

from support import LOCAL, node_id, once, wait_until


def lines_of(file: Path) -> list[str]:
    return file.read_text().splitlines() if file.exists() else []


def test_hooks_know_what_happened(start: Any, tmp_path: Path) -> None:
    told = tmp_path / "told"
    secret = tmp_path / "secret"
    secret.write_text("hidden")
    first = start(
        *("--name", "first", *LOCAL, "--secret-env", "MY_SECRET"),
        *("--on-up", f"env >> {told}.up; cat >> {told}.up; echo done >> {told}.up", "--on-down", f"env >> {told}.down"),
        MY_SECRET="hidden",
        NOEX_CLUSTER_SECRET="another",
        WATCHDOG_USEC="1",
        **{f"NOEX_{name}": "stale" for name in ("EVENT", "NODE_ID", "REASON", "EVIDENCE", "LOCAL_ID")},
    )
    first_id = node_id(first)
    second = start("--name", "second", *LOCAL, "--seed", first_id, "--secret-file", str(secret))
    second_id = node_id(second)
    wait_until(lambda: "done" in lines_of(told.with_suffix(".up")), "the hook")
    second.stop()
    wait_until(lambda: any("NOEX_EVIDENCE=" in line for line in lines_of(told.with_suffix(".down"))), "the hook")
    assert first.stop() == 0

    up, down = (
        dict(line.split("=", 1) for line in lines_of(told.with_suffix(f".{word}")) if "=" in line)
        for word in ("up", "down")
    )
    name, port = second_id.split("@")[0], second_id.rsplit(":", 1)[1]
    for word, known in (("up", up), ("down", down)):
        assert known["NOEX_EVENT"] == word
        assert (known["NOEX_NODE_ID"], known["NOEX_LOCAL_ID"]) == (second_id, first_id)
        assert (known["NOEX_NODE_NAME"], known["NOEX_NODE_HOST"], known["NOEX_NODE_PORT"]) == (name, "127.0.0.1", port)
        assert abs(int(known["NOEX_EVENT_AT"]) / 1000 - time.time()) < 60
        assert known["NOEX_CONTROL_SOCKET"].endswith("first.sock")
        assert "hidden" not in str(known)
        assert "stale" not in str(known), "as if it was started by a hook"
        assert not {"NOEX_CLUSTER_SECRET", "MY_SECRET", "WATCHDOG_USEC"} & set(known)
    assert "NOEX_REASON" not in up
    assert down["NOEX_REASON"] == "graceful_shutdown"
    assert "goodbye" in down["NOEX_EVIDENCE"]


def test_a_hook_is_never_in_the_way(start: Any, tmp_path: Path) -> None:
    """One that hangs: the node goes on; hooks of its node wait, those of another do not; in the end it is killed."""
    order = tmp_path / "order"
    gate = tmp_path / "gate"
    hook = (
        f'echo "$NOEX_EVENT $NOEX_NODE_NAME" >> {order}; '
        f"if [ $NOEX_EVENT$NOEX_NODE_NAME = upslow ]; then while [ ! -e {gate} ]; do sleep 0.02; done; fi"
    )
    first = start("--name", "first", *LOCAL, "--interval", "500", NOEX_ON_UP=hook, NOEX_ON_DOWN=hook)
    first_id = node_id(first)
    slow = start("--name", "slow", *LOCAL, "--seed", first_id)
    wait_until(lambda: lines_of(order) == ["up slow"], "the first hook")
    slow.stop()
    first.wait_line("down   slow@")
    quick = start("--name", "quick", *LOCAL, "--seed", first_id)
    node_id(quick)
    wait_until(lambda: lines_of(order) == ["up slow", "up quick"], "that of another node")
    assert once("status", "first").returncode == 0
    gate.touch()
    wait_until(lambda: lines_of(order) == ["up slow", "up quick", "down slow"], "the one that waited")
    assert first.stop() == 0


def test_hooks_that_fail_are_reported(start: Any, tmp_path: Path) -> None:
    first = start("--name", "first", *LOCAL, "--json", "--on-up", "echo out; exit 3", "--on-down", "kill -9 $$")
    first_id = json.loads(first.wait_line('"started"'))["id"]
    second = start("--name", "second", *LOCAL, "--seed", first_id)
    second_id = node_id(second)
    failed = json.loads(first.wait_line('"hook":"on-up"'))
    assert (failed["node"], failed["message"]) == (second_id, "ended with exit status 3")
    second.stop()
    assert "signal 9" in json.loads(first.wait_line('"hook":"on-down"'))["message"]
    assert "out" in first.err.read_text().splitlines(), "what a hook says is not mixed with what the node says"
    assert all(line.startswith("{") for line in first.out.read_text().splitlines())
    text = start("--name", "text", *LOCAL, "--seed", first_id, "--on-up", "exit 4")
    assert f"--on-up hook for {first_id} ended with exit status 4" in text.wait_line("warning", errors=True)


def test_a_hook_that_takes_too_long_is_ended_with_all_it_started(start: Any, tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    hook = f"sleep 1000 & echo $! $$ > {pids}; wait"
    first = start("--name", "first", *LOCAL, "--on-up", hook, "--hook-timeout", "0.3")
    second = start("--name", "second", *LOCAL, "--seed", node_id(first))
    node_id(second)
    assert "ran for too long" in first.wait_line("on-up", errors=True)
    processes = [Path("/proc") / pid for pid in pids.read_text().split()]
    assert len(processes) == 2
    wait_until(lambda: not any(running(process) for process in processes), "the end of both")
    assert first.stop() == 0


def running(process: Path) -> bool:
    try:
        return ") Z" not in (process / "stat").read_text()
    except OSError:
        return False


def test_at_the_end_hooks_have_a_moment_more(start: Any, tmp_path: Path) -> None:
    done = tmp_path / "done"
    first = start("--name", "first", *LOCAL, "--on-up", f"sleep 0.5; echo > {done}")
    second = start("--name", "second", *LOCAL, "--seed", node_id(first))
    first.wait_line("up ")
    assert first.stop() == 0
    assert done.exists()
    assert first.err.read_text() == ""
    # Who is in a hurry does not wait for them.
    third = start("--name", "third", *LOCAL, "--seed", node_id(second), "--on-up", "exec sleep 3")
    third.wait_line("up ")
    began = time.monotonic()
    third.process.send_signal(signal.SIGTERM)
    third.wait_line("status stopped")
    third.process.send_signal(signal.SIGTERM)
    assert third.process.wait(30) == 0
    assert time.monotonic() - began < 2.5
    assert "left to themselves" in third.err.read_text()
