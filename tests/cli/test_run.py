"""`noex-cluster run`: its options and where else they come from, its two outputs, its signals and its exit codes."""

import json
import os
import re
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
from support import COMMAND, DEADLINE, LOCAL, ROOT, environment, once


def test_help_and_version() -> None:
    version = once("--version")
    header = (ROOT / "capi" / "include" / "noex_cluster.h").read_text()
    numbers = re.findall(r"^#define NOEX_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)$", header, re.MULTILINE)
    assert len(numbers) == 3
    assert (version.returncode, version.stdout) == (0, f"noex-cluster {'.'.join(numbers)}\n")
    for arguments in (("--help",), ("run", "--help")):
        helped = once(*arguments)
        assert helped.returncode == 0
        assert "run" in helped.stdout
    text = once("run", "--help").stdout
    for option in ("--name", "--seed", "--advertise-host", "--secret-file", "--heartbeat-interval-ms", "--json"):
        assert option in text
    assert "Env:NOEX_SEEDS" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "subcommand"),
        (("walk",), "subcommand"),
        (("run",), "--name"),
        (("run", "--name", "a", "--bogus"), "--bogus"),
        (("run", "--name", "a b"), "invalid node_name 'a b'"),
        (("run", "--name", "a", "--port", "0"), "invalid port '0'"),
        (("run", "--name", "a", "--port", "many"), "invalid port 'many'"),
        (("run", "--name", "a", "--port", "99999999999999999999"), "invalid port"),
        (("run", "--name", "a", "--heartbeat-interval-ms", "99"), "heartbeat_interval_ms"),
        (("run", "--name", "a", "--interval", "soon"), "soon"),
        (("run", "--name", "a", "--seed", "192.168.1.10:4369"), "192.168.1.10:4369"),
        (("run", "--name", "a", "--log-level", "loud"), "loud"),
        (("run", "--name", "a", "--secret", "hunter2"), "--secret-file"),
        (("run", "--name", "a", "--secret-env", "NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE"),
        (("run", "--name", "a", "--secret-file", "/nonexistent/secret"), "/nonexistent/secret"),
    ],
)
def test_wrong_usage_is_said_and_ends_with_2(arguments: tuple[str, ...], message: str) -> None:
    done = once(*arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert "hunter2" not in done.stderr + done.stdout


def test_an_empty_secret_does_not_switch_authentication_off(tmp_path: Path) -> None:
    done = once("run", "--name", "a", *LOCAL, NOEX_CLUSTER_SECRET="")
    assert done.returncode == 2
    assert "NOEX_CLUSTER_SECRET" in done.stderr
    empty = tmp_path / "secret"
    empty.write_text("\n")
    done = once("run", "--name", "a", *LOCAL, "--secret-file", str(empty))
    assert done.returncode == 2
    assert "is empty" in done.stderr


def test_a_taken_port_ends_with_1() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = once("run", "--name", "a", "--host", "127.0.0.1", "--port", str(port))
        assert done.returncode == 1
        assert f"127.0.0.1:{port}" in done.stderr
        assert "epmd" in done.stderr
        assert done.stdout.splitlines() == ["status starting", "status stopped"]

        done = once("run", "--name", "a", "--host", "127.0.0.1", "--port", str(port), "--json")
        assert done.returncode == 1
        failed = json.loads(done.stdout.splitlines()[-1])
        assert failed["event"] == "failed"
        assert (failed["error"], failed["code"]) == ("NOEX_EBIND", "EADDRINUSE")
        assert (failed["address"], failed["port"]) == ("127.0.0.1", port)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_stops_it_politely(start: Any, number: int) -> None:
    first = start("--name", "first", *LOCAL)
    seed = first.wait_line("status running as ").rsplit(" ", 1)[-1]
    second = start("--name", "second", *LOCAL, "--seed", seed)
    second_id = second.wait_line("status running as ").rsplit(" ", 1)[-1]
    assert first.wait_line("up ").split() == ["up", second_id]
    assert second.wait_line("up ").split() == ["up", seed]
    assert second.stop(number) == 0
    assert first.wait_line("down ").split()[:3] == ["down", second_id, "graceful_shutdown"]
    assert second.wait_line("status stopped")
    assert second.err.read_text() == ""
    assert "\033" not in first.out.read_text()
    assert first.stop() == 0


def test_json_says_it_all_on_standard_output(start: Any) -> None:
    first = start("--name", "first", *LOCAL, "--json", "--log-level", "info")
    started = json.loads(first.wait_line('"started"'))
    second = start("--name", "second", *LOCAL, "--json", "--seed", started["id"])
    second_id = json.loads(second.wait_line('"started"'))["id"]
    first.wait_line('"event":"up"')
    second.process.kill()
    first.wait_line('"event":"down"')
    assert first.stop() == 0
    events = first.events()
    assert all(isinstance(event["at"], int) and event["at"] > 1_600_000_000_000 for event in events)
    statuses = [event["status"] for event in events if event["event"] == "status"]
    assert statuses == ["starting", "running", "stopping", "stopped"]
    running = next(event for event in events if event.get("status") == "running")
    assert running["node"] == started["id"]
    told = [event for event in events if event["event"] in ("up", "down")]
    assert [(event["event"], event["node"]) for event in told] == [("up", second_id), ("down", second_id)]
    assert told[1]["reason"] == "connection_closed"
    assert told[1]["evidence"]
    assert any(event["event"] == "log" and event["level"] == "info" for event in events)
    assert first.err.read_text() == ""


def test_options_come_from_the_environment(start: Any) -> None:
    seed = start("--name", "seed", *LOCAL, NOEX_CLUSTER_SECRET="s")
    seed_id = seed.wait_line("status running as ").rsplit(" ", 1)[-1]
    node = start(
        NOEX_NAME="from-environment",
        NOEX_HOST="127.0.0.1",
        NOEX_PORT="auto",
        NOEX_SEEDS=f"nobody@127.0.0.1:1,{seed_id}",
        NOEX_CLUSTER_SECRET="s",
        NOEX_JSON="true",
        NOEX_HEARTBEAT_INTERVAL_MS="500",
    )
    assert json.loads(node.wait_line('"started"'))["id"].startswith("from-environment@")
    assert json.loads(node.wait_line('"up"'))["node"] == seed_id
    assert json.loads(node.wait_line('"down"'))["node"] == "nobody@127.0.0.1:1"
    assert node.stop() == 0
    assert once("run", *LOCAL, NOEX_NAME="a", NOEX_HEARTBEAT_INTERVAL_MS="1").returncode == 2


def test_the_command_line_wins_over_the_environment(start: Any) -> None:
    node = start("--name", "argument", *LOCAL, NOEX_NAME="environment", NOEX_PORT="1")
    assert "argument@127.0.0.1:" in node.wait_line("status running")


def test_the_secret_comes_from_a_file_or_a_variable(start: Any, tmp_path: Path) -> None:
    file = tmp_path / "secret"
    file.write_text("the secret\n")  # as an editor leaves it
    seed = start("--name", "seed", *LOCAL, "--secret-file", str(file))
    seed_id = seed.wait_line("status running as ").rsplit(" ", 1)[-1]
    friend = start("--name", "friend", *LOCAL, "--seed", seed_id, "--secret-env", "MY_SECRET", MY_SECRET="the secret")
    assert friend.wait_line("up ").split() == ["up", seed_id]
    stranger = start("--name", "stranger", *LOCAL, "--seed", seed_id, NOEX_CLUSTER_SECRET="guessed")
    assert "secret" in stranger.wait_line("secret", errors=True)
    assert "secret" in seed.wait_line("secret", errors=True)
    lines = seed.err.read_text().splitlines()
    assert len(lines) == len(set(lines)), "the same is said twice"
    assert "the secret" not in seed.err.read_text() + stranger.err.read_text()
    assert "up " not in stranger.out.read_text()


def test_commands_on_standard_input(start: Any) -> None:
    node = start("--name", "node", *LOCAL, "--json", "--control-stdin", stdin=subprocess.PIPE)
    node_id = json.loads(node.wait_line('"started"'))["id"]
    peer = start("--name", "peer", *LOCAL, "--seed", node_id)
    peer_id = peer.wait_line("status running as ").rsplit(" ", 1)[-1]
    node.wait_line('"event":"up"')
    pipe = node.process.stdin
    pipe.write("view\nnonsense\n  view \n")
    pipe.flush()
    node.wait_line('"unknown_command"')
    pipe.write("stop\n")
    pipe.flush()
    assert node.process.wait(DEADLINE) == 0
    views = [event for event in node.events() if event["event"] == "view"]
    assert len(views) == 2
    assert (views[0]["self"], views[0]["status"]) == (node_id, "running")
    assert [(entry["id"], entry["status"]) for entry in views[0]["nodes"]] == [(peer_id, "connected")]
    peer.wait_line("graceful_shutdown")


def test_the_end_of_a_controlling_input_is_a_stop(start: Any) -> None:
    node = start("--name", "node", *LOCAL, "--control-stdin", stdin=subprocess.PIPE)
    node.wait_line("status running")
    node.process.stdin.close()
    assert node.process.wait(DEADLINE) == 0
    assert node.wait_line("status stopped")


def test_without_control_standard_input_is_left_alone(start: Any) -> None:
    node = start("--name", "node", *LOCAL, stdin=subprocess.DEVNULL)  # at its end from the beginning
    seed = node.wait_line("status running as ").rsplit(" ", 1)[-1]
    peer = start("--name", "peer", *LOCAL, "--seed", seed)
    peer.wait_line("up ")
    assert node.process.poll() is None


def test_a_reader_that_goes_away_is_a_stop_with_a_goodbye(start: Any, tmp_path: Path) -> None:
    watcher = start("--name", "watcher", *LOCAL)
    seed = watcher.wait_line("status running as ").rsplit(" ", 1)[-1]
    process = subprocess.Popen(
        [COMMAND, "run", "--name", "talker", *LOCAL, "--seed", seed],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment(),
    )
    try:
        watcher.wait_line("talker@")
        process.stdout.close()
        newcomer = start("--name", "newcomer", *LOCAL, "--seed", seed)  # something to write about
        newcomer.wait_line("status running")
        assert process.wait(DEADLINE) == 1
        assert "talker@" in watcher.wait_line("graceful_shutdown")
    finally:
        if process.poll() is None:
            process.kill()
        process.wait(10)
        process.stderr.close()


def test_a_second_signal_does_not_wait(start: Any) -> None:
    node = start("--name", "node", *LOCAL)
    node.wait_line("status running")
    node.process.send_signal(signal.SIGSTOP)  # both signals are there when it looks
    node.process.send_signal(signal.SIGTERM)
    node.process.send_signal(signal.SIGINT)
    node.process.send_signal(signal.SIGCONT)
    assert node.process.wait(DEADLINE) == 1


def test_colour_is_for_terminals(start: Any) -> None:
    def lines(**variables: str) -> str:
        primary, secondary = os.openpty()
        process = subprocess.Popen(
            [COMMAND, "run", "--name", "node", *LOCAL],
            stdin=subprocess.DEVNULL,
            stdout=secondary,
            stderr=subprocess.DEVNULL,
            env=environment(TERM="xterm", **variables),
        )
        os.close(secondary)
        said = b""
        deadline = time.monotonic() + DEADLINE
        try:
            while b"running" not in said and time.monotonic() < deadline:
                said += os.read(primary, 4096)
        finally:
            process.terminate()
            process.wait(DEADLINE)
            os.close(primary)
        return said.decode()

    assert "\033[" in lines()
    assert "\033[" not in lines(NO_COLOR="1")
