"""`noex-cluster status`, `members` and `metrics`: what they show of a running node, how they find it, and what they say
when it cannot be asked. Real nodes where it matters, and a false one for answers that no real one gives.
"""

import contextlib
import json
import os
import pwd
import re
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest
from support import COMMAND, DEADLINE, LOCAL, MEMBERS, RUNTIME, STATUS, Terminal, environment, member, node_id, once


def test_a_running_node_answers(start: Any, tmp_path: Path) -> None:
    first = start("--name", "first", *LOCAL, NOEX_CLUSTER_SECRET="s")
    first_id = node_id(first)
    second = start("--name", "second", *LOCAL, "--seed", first_id, NOEX_CLUSTER_SECRET="s")
    second_id = node_id(second)
    first.wait_line("up ")
    second.wait_line("up ")

    status = once("status", "second")
    assert (status.returncode, status.stderr) == (0, "")
    assert status.stdout.splitlines()[0].split() == [second_id, "running"]
    assert re.search(rf"seed +{re.escape(first_id)} +connected", status.stdout)
    assert "set: every message is signed" in status.stdout
    assert "1 known: 1 connected" in status.stdout

    document = json.loads(once("status", "second", "--json").stdout)
    assert (document["id"], document["pid"], document["authenticated"]) == (second_id, second.process.pid, True)

    members = once("members", "second@127.0.0.1:1")  # a name, or an id: the name is what counts
    assert members.returncode == 0
    head, own, other = members.stdout.splitlines()
    assert head.split()[:2] == ["MEMBER", "STATUS"]
    assert own.startswith(second_id)
    assert own.endswith("this node")
    assert re.search(rf"^{re.escape(first_id)} +connected .* ago .* ms .* to 127\.0\.0\.1:\d+$", other)
    document = json.loads(once("members", "second", "--json").stdout)
    assert [entry["id"] for entry in document["members"]] == [first_id]

    metrics = once("metrics", "second")
    assert metrics.stdout.endswith("# EOF\n")
    assert 'noex_cluster_members{state="connected"} 1' in metrics.stdout
    assert (
        metrics.stdout in json.loads(once("metrics", "second", "--json").stdout)["metrics"] or metrics.returncode == 0
    )

    several = once("status")
    assert several.returncode == 2
    assert "first" in several.stderr
    assert str(RUNTIME / "second.sock") in several.stderr

    assert second.stop() == 0
    assert not (RUNTIME / "second.sock").exists()
    only = once("status")
    assert (only.returncode, only.stdout.split()[0]) == (0, first_id)
    first.stop()
    gone = once("status")
    assert gone.returncode == 3
    assert "no node runs here" in gone.stderr


def test_where_a_node_listens(start: Any, tmp_path: Path) -> None:
    place = RUNTIME / "own.socket"
    node = start("--name", "placed", *LOCAL, "--control-socket", str(place), "--json")
    assert json.loads(node.wait_line('"started"'))["control_socket"] == str(place)
    assert place.stat().st_mode & 0o777 == 0o600
    assert RUNTIME.stat().st_mode & 0o077 == 0
    for way in (("--control-socket", str(place)), (str(place),)):
        assert once("status", *way).returncode == 0
    assert once("status", NOEX_CONTROL_SOCKET=str(place)).returncode == 0

    silent = start("--name", "silent", *LOCAL, "--no-control-socket", "--json")
    assert "control_socket" not in json.loads(silent.wait_line('"started"'))
    assert once("status", "silent").returncode == 3

    # Another of the same name gets a file of its own, beside the first.
    twins = [start("--name", "twin", *LOCAL, "--json") for _ in range(2)]
    paths = sorted(json.loads(twin.wait_line('"started"'))["control_socket"] for twin in twins)
    assert len(set(paths)) == 2
    assert str(RUNTIME / "twin.sock") in paths
    assert once("status", "twin").returncode == 2
    for path in paths:
        assert once("status", path).returncode == 0

    # What a killed node leaves does not stand in the way of the next.
    for twin in twins:
        twin.end()
    assert (RUNTIME / "twin.sock").exists()
    assert once("status", "twin").returncode == 3
    dead = once("status", str(RUNTIME / "twin.sock"))
    assert (dead.returncode, "is gone" in dead.stderr) == (3, True)
    again = start("--name", "twin", *LOCAL, "--json")
    assert json.loads(again.wait_line('"started"'))["control_socket"] == str(RUNTIME / "twin.sock")
    assert sorted(RUNTIME.glob("twin*")) == [RUNTIME / "twin.sock"]
    assert node.stop() == 0
    assert not place.exists()


def test_a_folder_that_others_may_write_to_is_not_used(start: Any, tmp_path: Path) -> None:
    shared = RUNTIME / "shared"
    shared.mkdir(mode=0o777)
    shared.chmod(0o777)
    node = start("--name", "careful", *LOCAL, NOEX_RUNTIME_DIR=str(shared))
    node_id(node)
    assert "others may write to it" in node.wait_line("no control socket", errors=True)
    assert list(shared.iterdir()) == []
    with socket.socket(socket.AF_UNIX) as trap:  # and what lies in such a folder is asked nothing
        trap.bind(str(shared / "trap.sock"))
        trap.listen()
        assert once("status", NOEX_RUNTIME_DIR=str(shared)).returncode == 3
    too_long = RUNTIME / ("long" * 25)
    node = start("--name", "long", *LOCAL, NOEX_RUNTIME_DIR=str(too_long))
    node_id(node)
    assert "too long" in node.wait_line("no control socket", errors=True)
    (shared / "trap.sock").unlink()


def test_a_default_place_that_cannot_be_had_is_no_reason_not_to_run(start: Any) -> None:
    (RUNTIME / "blocked.sock").mkdir()
    node = start("--name", "blocked", *LOCAL, "--on-up", "env >&2")
    assert "blocked.sock" in node.wait_line("no control socket", errors=True)
    own = node_id(node)
    peer = start("--name", "peer", *LOCAL, "--seed", own)
    node_id(peer)
    node.wait_line("NOEX_NODE_ID=", errors=True)
    assert node.stop() == 0
    assert "NOEX_CONTROL_SOCKET" not in node.err.read_text()
    (RUNTIME / "blocked.sock").rmdir()


def test_a_path_that_is_taken_is_an_error(start: Any, fake: Any) -> None:
    taken = fake("taken")
    done = once("run", "--name", "late", *LOCAL, "--control-socket", str(taken.path))
    assert done.returncode == 1
    assert str(taken.path) in done.stderr
    assert once("status", "taken").returncode == 0, "the one that was there is not disturbed"
    done = once("run", "--name", "late", *LOCAL, "--control-socket", "x" * 200)
    assert done.returncode == 2
    assert "control_socket" in done.stderr


def test_the_table_says_it_all(fake: Any) -> None:
    fake()
    status = once("status")
    assert status.returncode == 0
    assert "\033" not in status.stdout
    for part in ("2h 1m 5s", "blue", "down after 15s", "3 known: 2 connected, 0 connecting, 1 disconnected"):
        assert part in status.stdout
    assert re.search(
        r"seeds +app2@10.0.0.2:4369  connected\n +app3@10.0.0.3:4369  waiting: connection refused\n", status.stdout
    )
    lines = once("members").stdout.splitlines()
    assert len(lines) == 4
    columns = [match.start() for match in re.finditer(r"\S+( \S+)*", lines[0])]
    for line in lines[1:]:  # aligned: each column begins where its head does
        assert all(line[column - 1] == " " for column in columns[1:])
    assert "2m 17s" in lines[2], "an uptime counts on since the beat that told it"
    assert "2s ago" in lines[2]
    assert "0.21 ms" in lines[2]
    assert lines[3].split()[:3] == ["app3@10.0.0.1:4369", "disconnected", "-"]


def test_colour_is_for_terminals(fake: Any) -> None:
    fake()
    for verb in ("members", "status"):
        for variables, coloured in (({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)):
            terminal = Terminal(verb, **variables)
            try:
                assert terminal.process.wait(DEADLINE) == 0
                assert ("\033[" in terminal.wait_text("app3@")) == coloured
            finally:
                terminal.end()


def test_json_is_the_node_s_own_words(fake: Any) -> None:
    words = '{"id":"a@b:1","status":"running","future":{"x":[1.50,"\\u00e9"]}}'
    fake(answers={"status": words})
    assert once("status", "--json").stdout == words + "\n"
    assert once("status").stdout.startswith("a@b:1  running\n"), "what an older node leaves out is no failure"


def test_a_large_cluster(fake: Any) -> None:
    names = [f"node{number:04}" for number in range(4096)]
    ids = [f"{name}@10.0.0.1:4369" for name in names]
    document = {**MEMBERS, "members": [member(name, sees=ids[:500]) for name in names]}
    fake(answers={"members": json.dumps(document)})
    shown = once("members")
    assert shown.returncode == 0
    assert len(shown.stdout.splitlines()) == 4098


def test_nothing_that_a_socket_says_is_a_command_to_the_terminal(fake: Any) -> None:
    bad = "\033]0;title\007\033[2J\u009b31m\r"
    one = {**member(bad), "address": bad, "status": bad}
    fake(
        answers={
            "status": json.dumps(
                {
                    **STATUS,
                    **dict.fromkeys(("id", "status", "version", "cluster_name"), bad),
                    "seeds": [dict.fromkeys(("seed", "node", "state", "failure"), bad)],
                }
            ),
            "members": json.dumps({**MEMBERS, "local": one, "members": [one]}),
            "metrics": json.dumps({"metrics": f"# TYPE a gauge\n{bad}\na 1\n"}),
        }
    )
    for verb in ("status", "members", "metrics"):
        done = once(verb)
        assert (done.returncode, "?]0;title?" in done.stdout) == (0, True), done
        assert not re.search("[^\n\x20-\x7e\xa0-\U0010ffff]", done.stdout), verb


@pytest.mark.parametrize(
    ("answer", "part"),
    [
        ("nonsense", "no JSON object"),
        ("[1]", "no JSON object"),
        ('{"id":7,"status":"running"}', "type must be string"),
        ("{}", "'id' not found"),
        ('{"error":"go away\\u001b[2J"}', "go away?[2J"),
        ('{"id":"a","status":"b","uptime_ms":9223372036854775807}', "uptime_ms is no whole number"),
        ('{"id":"a","status":"b","uptime_ms":-9223372036854775808}', "uptime_ms is no whole number"),
        ('{"id":"a","status":"b","heartbeat_interval_ms":1e300}', "heartbeat_interval_ms is no whole number"),
        ("[" * 100_000, "no JSON object"),
        ("\udcff\udcfe", "no JSON object"),
    ],
)
def test_an_answer_that_is_not_understood_ends_with_5(fake: Any, answer: str, part: str) -> None:
    fake(answers={"status": answer})
    done = once("status")
    assert (done.returncode, done.stdout) == (5, "")
    assert part in done.stderr
    assert "\033" not in done.stderr


def test_who_does_not_answer_is_waited_for_no_longer_than_said(fake: Any) -> None:
    silent = fake(answers={"status": None})
    done = once("status", "--timeout", "0.2")
    assert done.returncode == 3
    assert "did not answer within 200ms" in done.stderr
    assert once("status", NOEX_TIMEOUT="0.1").returncode == 3
    assert once("status", "--timeout", "0").returncode == 2
    silent.close()

    # One that hangs up, and one whose line of waiting clients is full.
    with socket.socket(socket.AF_UNIX) as rude:
        path = RUNTIME / "rude.sock"
        rude.bind(str(path))
        rude.listen(0)
        waiting = []
        for _ in range(2):
            client = socket.socket(socket.AF_UNIX)
            client.setblocking(False)
            waiting.append(client)
            client.connect_ex(str(path))
        done = once("status", str(path), "--timeout", "0.2")
        assert done.returncode == 3
        assert "too many ask it at once" in done.stderr
        for client in waiting:
            client.close()
        process = subprocess.Popen(
            [COMMAND, "status", str(path)],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
            stdin=subprocess.DEVNULL,
        )
        rude.settimeout(0.05)
        while process.poll() is None:
            with contextlib.suppress(TimeoutError):
                rude.accept()[0].close()
        _, said = process.communicate(timeout=30)
        assert process.returncode == 3
        assert "went away without an answer" in said
        path.unlink()


def test_paths_where_nobody_can_be_asked(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for path, code, part in (
        (tmp_path / "missing", 3, "there is no control socket"),
        (file, 3, "is no socket"),
        (file / "below", 3, "there is no control socket"),
        (tmp_path / ("x" * 120), 2, "107 bytes"),
    ):
        done = once("status", "--control-socket", str(path))
        assert (done.returncode, part in done.stderr) == (code, True), done.stderr


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can be somebody else")
def test_who_is_not_the_owner_is_told(fake: Any) -> None:
    node = fake("private")
    nobody = pwd.getpwnam("nobody").pw_uid
    RUNTIME.chmod(0o755)
    try:
        done = subprocess.run(
            [COMMAND, "status", str(node.path)],
            env=environment(),
            capture_output=True,
            text=True,
            user=nobody,
            check=False,
            timeout=30,
        )
        assert done.returncode == 4
        assert "belongs to root" in done.stderr
        found = subprocess.run(
            [COMMAND, "status"], env=environment(), capture_output=True, text=True, user=nobody, check=False, timeout=30
        )
        assert found.returncode == 4
    finally:
        RUNTIME.chmod(0o700)


def test_closed_output_is_noticed(fake: Any) -> None:
    fake()
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [COMMAND, "members"],
            env=environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
            timeout=30,
        )
    assert done.returncode == 1
    assert "standard output" in done.stderr
