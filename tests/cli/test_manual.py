"""The manual page, the help and the program say the same, and each says all of it."""

import re
import shutil
import signal
import subprocess
from typing import Any

import pytest
from support import LOCAL, ROOT, node_id, once

PAGE = (ROOT / "cli" / "noex-cluster.1").read_text()
SHARED = {
    "status": "status, members, metrics",
    "members": "status, members, metrics",
    "metrics": "status, members, metrics",
}
HELP = {"--help", "-h"}


def verbs() -> list[str]:
    text = once("--help").stdout
    return re.findall(r"^  (\w+)  +\S", text[text.index("Subcommands:") :], re.MULTILINE)


def options(verb: str) -> dict[str, str | None]:
    """The long names of a verb's options, and the environment's variable of each."""
    text = once(verb, "--help").stdout
    found: dict[str, str | None] = {}
    for line in re.findall(r"^  (-.*)$", text, re.MULTILINE):
        variable = re.search(r"\(Env:(\w+)\)", line)
        for name in re.findall(r"(?<![\w-])--?[a-z][\w-]*", line.split(" Excludes:")[0]):
            found[name] = variable[1] if variable else None
    return found


def section(title: str) -> str:
    found = re.search(rf"^\.S[hs] {re.escape(title)}\n(.*?)(?=^\.S[hs] |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"the manual page has no section {title}"
    return found[1]


def documented(text: str) -> set[str]:
    """The options that items of the page's lists are about."""
    items = "\n".join(re.findall(r"^\.It (.*)$", text, re.MULTILINE))
    return {f"--{name}" for name in re.findall(r"Fl -([a-z][\w-]*)", items)}


def test_every_verb_and_option_is_documented() -> None:
    assert {"run", "status", "members", "metrics", "watch", "check", "keygen", "completion"} <= set(verbs())
    synopsis = section("SYNOPSIS")
    for verb in verbs():
        assert re.search(rf"\.Cm (.*\| )?{verb}\b", synopsis), f"{verb} is not in the synopsis"
        text = section(f"noex-cluster {SHARED.get(verb, verb)}")
        known = {name for name in options(verb) if name not in HELP}
        assert documented(text) == known, verb


def test_every_variable_is_documented() -> None:
    known = {variable for verb in verbs() for variable in options(verb).values() if variable}
    told = set(re.findall(r"\bNOEX_[A-Z_]+\b", section("ENVIRONMENT")))
    assert known <= told
    assert told - known == {"NOEX_CLUSTER_SECRET", "NOEX_RUNTIME_DIR"}
    assert not [name for name, variable in options("run").items() if variable is None and name not in HELP]


def test_exit_codes_are_documented_alike() -> None:
    page = {int(number) for number in re.findall(r"^\.It (\d+)$", section("EXIT STATUS"), re.MULTILINE)}
    helped = {int(number) for number in re.findall(r"\b(\d) [a-z]", once("--help").stdout.split("Exit codes:")[1])}
    source = {int(number) for number in re.findall(r"= (\d);", (ROOT / "cli" / "exit_codes.h").read_text())}
    assert page == helped == source == {0, 1, 2, 3, 4, 5}


def test_what_a_hook_knows_is_documented() -> None:
    source = (ROOT / "cli" / "hooks.cc").read_text() + (ROOT / "cli" / "run.cc").read_text()
    known = set(re.findall(r"\"(NOEX_[A-Z_]+)=", source))
    assert set(re.findall(r"NOEX_[A-Z_]+", section("HOOKS"))) == known
    assert known <= set(re.findall(r"NOEX_[A-Z_]+", once("run", "--help").stdout))


def test_the_page_is_clean() -> None:
    if shutil.which("mandoc") is None:
        pytest.skip("there is no mandoc here")
    done = subprocess.run(
        ["mandoc", "-Tlint", ROOT / "cli" / "noex-cluster.1"], capture_output=True, text=True, check=False
    )
    # Which other pages a machine has is not this one's matter.
    assert [line for line in done.stdout.splitlines() if "referenced manual not found" not in line] == []
    text = subprocess.run(
        ["mandoc", "-Tutf8", ROOT / "cli" / "noex-cluster.1"], capture_output=True, text=True, check=True
    )
    assert max(len(re.sub(".\b", "", line)) for line in text.stdout.splitlines()) <= 100


# Each option of `run`, a value for it, and what must be seen of it if it came from the environment.
@pytest.mark.parametrize(
    ("variable", "value", "message"),
    [
        ("NOEX_NAME", "1x", "invalid node_name '1x'"),
        ("NOEX_HOST", "no host", "'no host'"),
        ("NOEX_ADVERTISE_HOST", "no host", "'no host'"),
        ("NOEX_PORT", "0", "invalid port"),
        ("NOEX_SEEDS", "a@b:1,10.0.0.1:1", "10.0.0.1:1"),
        ("NOEX_SECRET_FILE", "/nonexistent/secret", "/nonexistent/secret"),
        ("NOEX_SECRET_ENV", "NOT_SET_ANYWHERE", "NOT_SET_ANYWHERE"),
        ("NOEX_CLUSTER_NAME", "x" * 300, "cluster_name"),
        ("NOEX_HEARTBEAT_INTERVAL_MS", "99", "heartbeat_interval_ms"),
        ("NOEX_HEARTBEAT_MISS_THRESHOLD", "0", "heartbeat_miss_threshold"),
        ("NOEX_RECONNECT_BASE_DELAY_MS", "0", "reconnect_base_delay_ms"),
        ("NOEX_RECONNECT_MAX_DELAY_MS", "1", "reconnect_max_delay_ms"),
        ("NOEX_FORGET_AFTER_MS", "0", "forget_after_ms"),
        ("NOEX_LOG_LEVEL", "loud", "loud"),
        ("NOEX_HOOK_TIMEOUT", "-1", "--hook-timeout"),
        ("NOEX_HTTP", "nowhere", "nowhere"),
        ("NOEX_CONTROL_SOCKET", "x" * 200, "control_socket"),
        ("NOEX_NO_CONTROL_SOCKET", "perhaps", "perhaps"),
        ("NOEX_JSON", "perhaps", "perhaps"),
        ("NOEX_CONTROL_STDIN", "perhaps", "perhaps"),
    ],
)
def test_each_variable_is_read(variable: str, value: str, message: str) -> None:
    done = once("run", **{"NOEX_NAME": "a", "NOEX_HOST": "127.0.0.1", "NOEX_PORT": "auto", variable: value})
    assert done.returncode == 2, done.stderr
    assert message in done.stderr + done.stdout


def test_the_list_above_is_complete() -> None:
    marks = test_each_variable_is_read.pytestmark  # type: ignore[attr-defined]
    tested = {case[0] for case in marks[0].args[1]}
    hooks = {"NOEX_ON_UP", "NOEX_ON_DOWN"}  # test_hooks.py
    assert tested | hooks == {variable for variable in options("run").values() if variable}


def test_switches_come_from_the_environment(start: Any) -> None:
    node = start("--name", "quiet", *LOCAL, NOEX_NO_CONTROL_SOCKET="true")
    node_id(node)
    assert once("status", "quiet").returncode == 3
    node.process.send_signal(signal.SIGTERM)
    assert node.process.wait(30) == 0
