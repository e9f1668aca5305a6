"""`noex-cluster watch`: the screen, at several sizes and through all that happens to a node and to a terminal; and the
lines where there is no terminal.
"""

import json
import os
import re
import signal
import subprocess
import termios
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import (
    COMMAND,
    DEADLINE,
    LOCAL,
    MEMBERS,
    STATUS,
    FakeNode,
    Terminal,
    environment,
    member,
    node_id,
    wait_until,
)

ENTER, LEAVE = "\033[?1049h", "\033[?1049l"


def pictures(terminal: Terminal, since: int = 0) -> list[str]:
    """The whole ones, as they were drawn."""
    return re.findall(r"\033\[\?2026h\033\[H(.*?)\033\[\?2026l", terminal.read()[since:], re.DOTALL)


def screen(terminal: Terminal, rows: int = 24, columns: int = 80) -> list[str]:
    """What the last picture shows: no more lines, and none of them wider, than the terminal has."""
    text = re.sub(r"\033\[[0-9;?]*[A-Za-z]", "", pictures(terminal)[-1])
    lines = text.replace("\r", "").split("\n")
    assert len(lines) <= rows, lines
    assert max(map(len, lines)) <= columns, lines
    return lines


def wait_screen(terminal: Terminal, part: str, rows: int = 24, columns: int = 80) -> list[str]:
    def shown() -> list[str]:
        seen = pictures(terminal)
        return (
            screen(terminal, rows, columns)
            if seen and re.search(part, "\n".join(screen(terminal, rows, columns)))
            else []
        )

    return list(wait_until(shown, f"a screen with {part}"))


@pytest.fixture
def watch() -> Iterator[Any]:
    terminals: list[Terminal] = []

    def begin(*arguments: str, **options: Any) -> Terminal:
        terminals.append(Terminal("watch", *arguments, **options))
        return terminals[-1]

    yield begin
    for terminal in terminals:
        terminal.end()


def assert_clean(terminal: Terminal) -> None:
    """The terminal is as it was: its own page, a cursor, lines that wrap, keys that are shown and gathered."""
    said = terminal.read()
    assert said.rstrip().endswith(LEAVE), said[-100:]
    assert said.count(ENTER) == said.count(LEAVE)
    assert said.rindex("\033[?25h") > said.rindex("\033[?25l")
    assert said.rindex("\033[?7h") > said.rindex("\033[?7l")
    assert termios.tcgetattr(terminal.primary) == terminal.modes


def test_a_cluster_live(start: Any, watch: Any) -> None:
    first = start("--name", "first", *LOCAL, "--seed", "nobody@127.0.0.1:1", NOEX_CLUSTER_SECRET="s")
    first_id = node_id(first)
    terminal = watch("first")
    lines = wait_screen(terminal, "connection_refused")
    assert lines[0].startswith("CLUSTER HEALTH MONITOR")
    assert any(first_id in line for line in lines)
    assert any("CRITICAL" in line and "0 %" in line and "0 / 1 nodes" in line for line in lines)
    second = start("--name", "second", *LOCAL, "--seed", first_id, NOEX_CLUSTER_SECRET="s")
    second_id = node_id(second)
    lines = wait_screen(terminal, r"\+ .*second@")
    assert any(re.search(rf"^\+ \d\d:\d\d:\d\d  {re.escape(second_id)}$", line) for line in lines)
    wait_screen(terminal, "1 / 2 nodes")
    second.process.kill()
    lines = wait_screen(terminal, "connection_closed")
    assert any(line.startswith("- ") and second_id in line for line in lines)
    wait_screen(terminal, "○ .*second@.*disconnected")

    # The node goes away, and comes back under the same name.
    first.stop()
    wait_screen(terminal, "the node is gone; waiting for it to come back")
    again = start("--name", "first", *LOCAL, NOEX_CLUSTER_SECRET="s")
    again_id = node_id(again)
    lines = wait_screen(terminal, re.escape(again_id))
    wait_screen(terminal, "q quits")
    terminal.send(b"q")
    assert terminal.process.wait(DEADLINE) == 0
    assert_clean(terminal)


@pytest.mark.parametrize(
    ("rows", "columns", "nodes"),
    [(24, 80, 3), (24, 80, 300), (15, 40, 30), (50, 200, 30), (6, 20, 5), (2, 10, 5), (1, 1, 5)],
)
def test_it_fits_every_terminal(watch: Any, fake: Any, rows: int, columns: int, nodes: int) -> None:
    members = [
        member(f"node{number:03}", "disconnected" if number == nodes - 1 else "connected") for number in range(nodes)
    ]
    events = [
        {"event": "up", "at": 1_700_000_000_000 + number, "node": f"node{number:03}@10.0.0.1:4369"}
        for number in range(40)
    ]
    fake(
        answers={
            "members": json.dumps({**MEMBERS, "members": members}),
            "events": "".join(json.dumps(event) + "\n" for event in events),
        }
    )
    terminal = watch(rows=rows, columns=columns)
    lines = wait_screen(terminal, "CLUSTER HEALTH|^C|…", rows, columns)
    wait_until(lambda: len(pictures(terminal)) > 2, "a second picture")
    lines = screen(terminal, rows, columns)
    assert len(lines) == rows
    if rows < 15:
        return
    assert lines[-1].startswith("q quits")
    shown = [line for line in lines if re.match(r"[●○] ", line)]
    assert shown[0].startswith(f"○ node{nodes - 1:03}@"), "what is not well comes first"
    hidden = [re.search(r"… and (\d+) more", line) for line in lines]
    more = sum(int(found[1]) for found in hidden if found)
    assert len(shown) + more == nodes
    assert (more == 0) == (nodes <= (30 if rows == 50 else 3))
    newest = next(line for line in lines if line.startswith("+ "))
    assert "node039@" in newest
    assert any(f"Nodes ({nodes})" in line for line in lines)
    assert any("STATUS" in line for line in lines)
    assert any("PROCESSES" in line for line in lines) == (columns == 200)


def test_it_follows_the_terminal_s_size(watch: Any, fake: Any) -> None:
    fake()
    terminal = watch(rows=24, columns=80)
    wait_screen(terminal, "LAST BEAT")
    for rows, columns in ((12, 40), (40, 120), (24, 80)):
        seen = len(terminal.read())
        terminal.resize(rows, columns)
        terminal.process.send_signal(signal.SIGWINCH)  # as the kernel does for the group in the foreground
        wait_until(lambda seen=seen: pictures(terminal, seen), "another picture")
        assert len(screen(terminal, rows, columns)) == rows
    terminal.process.terminate()
    assert terminal.process.wait(DEADLINE) == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT])
def test_a_signal_leaves_the_terminal_clean(watch: Any, fake: Any, number: int) -> None:
    fake()
    terminal = watch()
    wait_screen(terminal, "HEALTH")
    assert termios.tcgetattr(terminal.primary) != terminal.modes
    terminal.process.send_signal(number)
    assert terminal.process.wait(DEADLINE) == 0
    assert_clean(terminal)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS])
def test_a_crash_leaves_the_terminal_clean(watch: Any, fake: Any, number: int) -> None:
    fake()
    terminal = watch()
    wait_screen(terminal, "HEALTH")
    terminal.process.send_signal(number)
    assert terminal.process.wait(DEADLINE) == -number, "and it is still the crash that it was"
    assert_clean(terminal)


def test_stopped_and_continued(watch: Any, fake: Any) -> None:
    fake()
    terminal = watch()
    wait_screen(terminal, "HEALTH")
    terminal.process.send_signal(signal.SIGTSTP)
    stat = Path(f"/proc/{terminal.process.pid}/stat")
    wait_until(lambda: stat.read_text().rsplit(") ", 1)[1].startswith("T"), "the stop")
    assert_clean(terminal)
    seen = len(terminal.read())
    terminal.process.send_signal(signal.SIGCONT)
    wait_until(lambda: ENTER in terminal.read()[seen:], "the screen again")
    wait_until(lambda: "HEALTH" in terminal.read()[seen:], "a picture")
    terminal.send(b"q")
    assert terminal.process.wait(DEADLINE) == 0
    assert_clean(terminal)


def test_what_a_node_says_cannot_command_the_terminal(watch: Any, fake: Any) -> None:
    evil = "\033]0;owned\007\033[2J\u009b2J"
    bad = {**MEMBERS, "members": [member("app2", id=f"{evil}@10.0.0.1:1", status=evil)]}
    event = {"event": "down", "at": 1, "node": evil, "reason": evil, "evidence": evil}
    fake(
        answers={
            "members": json.dumps(bad),
            "status": json.dumps({**STATUS, "version": evil, "cluster_name": evil}),
            "events": json.dumps(event) + "\n",
        }
    )
    terminal = watch()
    wait_screen(terminal, "owned")
    said = terminal.read().removeprefix(ENTER + "\033[2J")
    assert "\033]" not in said
    assert "\007" not in said
    assert "\033[2J" not in said
    assert "\u009b" not in said


def test_without_colour(watch: Any, fake: Any) -> None:
    fake()
    plain = watch(NO_COLOR="1")
    wait_screen(plain, "HEALTH")
    assert "\033[3" not in plain.read()
    coloured = watch()
    wait_screen(coloured, "HEALTH")
    assert "\033[32m" in coloured.read()


def test_a_node_that_falls_silent_is_said_to(watch: Any, fake: Any) -> None:
    node: FakeNode = fake()
    terminal = watch("--timeout", "0.3")
    wait_screen(terminal, "q quits")
    node.answers["members"] = None
    wait_screen(terminal, "the node has not answered for")
    node.answers["members"] = "nonsense"
    node.close()
    wait_screen(terminal, "the node is gone")
    again: FakeNode = fake(answers={"members": "nonsense"})
    wait_screen(terminal, "is not understood")
    again.answers["members"] = json.dumps(MEMBERS)
    wait_screen(terminal, "q quits")


class Lines:
    """The command where there is no terminal."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [COMMAND, "watch", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(TZ="UTC"),
        )
        assert self.process.stdout
        os.set_blocking(self.process.stdout.fileno(), False)
        self.text = ""

    def lines(self) -> list[str]:
        if self.process.stdout and not self.process.stdout.closed:
            self.text += (self.process.stdout.read() or b"").decode()
        return self.text.splitlines()

    def wait(self, part: str) -> str:
        return str(wait_until(lambda: next((line for line in self.lines() if re.search(part, line)), ""), part))

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        code = self.process.wait(DEADLINE)
        self.lines()  # the last
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
        return code


@pytest.fixture
def lines() -> Iterator[Any]:
    begun: list[Lines] = []

    def begin(*arguments: str) -> Lines:
        begun.append(Lines(*arguments))
        return begun[-1]

    yield begin
    for one in begun:
        if one.process.poll() is None:
            one.process.kill()
        one.end()


def test_lines_where_there_is_no_terminal(fake: Any, lines: Any) -> None:
    recent = {"event": "up", "at": 1_700_000_000_000, "node": "app2@10.0.0.1:4369"}
    node: FakeNode = fake(answers={"events": json.dumps(recent) + "\n"})
    watching = lines()
    assert watching.wait("up ") == "2023-11-14 22:13:20  up      app2@10.0.0.1:4369"
    assert re.search(r"health  degraded, 50 % available, 1 of 2 nodes connected$", watching.wait("health"))
    wait_until(lambda: node.listeners, "its question for events")
    node.tell(
        event="down", at=1_700_000_001_000, node="app2@10.0.0.1:4369", reason="heartbeat_timeout", evidence="silence"
    )
    assert watching.wait("down ").endswith("down    app2@10.0.0.1:4369  heartbeat_timeout  (silence)")
    node.tell(event="error", at=1_700_000_001_000, kind="protocol", message="bad\033[2J frame", node="", address="")
    assert watching.wait("error ").endswith("error   bad?[2J frame")
    node.tell(event="of a later version", at=1)
    node.answers["members"] = json.dumps({**MEMBERS, "members": [member("app2", "disconnected")]})
    watching.wait("health  critical, 0 % available, 0 of 1 nodes connected")
    node.close()
    assert "the node is gone" in watching.wait("watch ")
    again: FakeNode = fake(answers={"events": json.dumps(recent) + "\n"})
    watching.wait("the node answers again")
    wait_until(lambda: "members" in again.asked, "its question")
    assert watching.end() == 0
    assert sum(line.endswith("up      app2@10.0.0.1:4369") for line in watching.lines()) == 1, "told twice"
    assert "\033" not in watching.text


def test_it_does_not_ask_too_often(fake: Any, lines: Any) -> None:
    node: FakeNode = fake()
    watching = lines()
    watching.wait("health")
    wait_until(lambda: node.listeners, "its question for events")
    began = time.monotonic()
    for number in range(500):
        node.tell(event="up", at=1_700_000_000_000 + number, node=f"node{number}@10.0.0.1:4369")
    watching.wait("node499@")
    watching.end()
    allowed = 3 + (time.monotonic() - began) / 0.1
    assert node.asked.count("members") <= allowed


def test_a_reader_that_goes_away_ends_it(fake: Any, lines: Any) -> None:
    node: FakeNode = fake()
    watching = lines()
    watching.wait("health")
    node.close()  # nothing more will be said
    watching.wait("the node is gone")
    assert watching.process.stdout
    watching.process.stdout.close()
    assert watching.process.wait(DEADLINE) == 1


def test_there_must_be_a_node_to_begin_with() -> None:
    done = subprocess.run(
        [COMMAND, "watch"], env=environment(), capture_output=True, text=True, check=False, timeout=30
    )
    assert done.returncode == 3
    assert "no node runs here" in done.stderr
