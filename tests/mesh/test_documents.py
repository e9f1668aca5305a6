"""What the documents say is so: the programs of the README run as printed, its commands work, its table is complete,
the limits are those of the code, and links lead somewhere.
"""

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness import BUILD, ROOT, free_ports
from program import Program

README = (ROOT / "README.md").read_text()
ENVIRONMENT = {
    **os.environ,
    "NOEX_ADVERTISE_HOST": "127.0.0.1",
    "PYTHONUNBUFFERED": "1",
}


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def program(name: str) -> str:
    """The block that stands under its file name."""
    found = re.search(
        rf"^`{re.escape(name)}`:\n\n```\w+\n(.*?)^```$",
        README,
        re.MULTILINE | re.DOTALL,
    )
    assert found, f"the README has no {name}"
    return found[1]


def commands(beginning: str) -> list[str]:
    """The lines of the indented block whose first line begins so."""
    found = re.search(rf"^    {re.escape(beginning)}.*\n(?:    .*\n)*", README, re.MULTILINE)
    assert found, f"the README has no command {beginning}"
    return [line.strip() for line in found[0].splitlines()]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder inside the tree, where Node finds `noex-cluster` by name as it does for a user of the checkout."""
    (ROOT / "build").mkdir(exist_ok=True)
    place = Path(tempfile.mkdtemp(prefix="readme-", dir=ROOT / "build"))
    yield place
    shutil.rmtree(place)


def start(command: str, cwd: Path = ROOT) -> Program:
    return Program(command, cwd=cwd, env=ENVIRONMENT)


def test_the_first_cluster_runs_as_printed(folder: Path) -> None:
    for name in ("node.py", "node.mjs", "node.c"):
        (folder / name).write_text(program(name))
    (port,) = free_ports(1)
    running: list[Program] = []
    with contextlib.ExitStack() as stack:
        for index, line in enumerate(commands(".venv/bin/python node.py"), 1):
            line = re.sub(r"(?<![\w./-])(node\.(?:py|mjs|c))\b", rf"{folder}/\1", line)
            line = line.replace("-o app ", f"-o {folder}/app ").replace("./app ", f"{folder}/app ")
            line = line.replace("build/release", str(BUILD)).replace(f"$PWD/{BUILD}", str(BUILD))
            line = line.replace("4369", str(port))
            if index == 1:  # the programs have the default port in them; it may be taken here
                for name in ("node.py", "node.mjs"):
                    (folder / name).write_text(program(name).replace("4369", str(port)))
            compiled, _, line = line.rpartition("&& ")
            if compiled:
                subprocess.run(compiled.removesuffix("&& "), shell=True, cwd=ROOT, check=True)
            running.append(stack.enter_context(start(line)))
            if index > 1:
                running[0].wait(rf"\bup +app{index}@127\.0\.0\.1:\d+")
            else:
                running[0].wait(rf"I am app1@127\.0\.0\.1:{port}")
        assert len(running) == 4
        for index, node in enumerate(running, 1):
            for other in range(1, 5):
                if other != index:
                    node.wait(rf"\bup +app{other}@127\.0\.0\.1:\d+")
        for index in (3, 2, 1):  # the C, the Node and the Python program end at Enter
            node = running[index - 1]
            node.tell("\n")
            assert node.end() == 0, node.lines
            running[3].wait(rf"\bdown +app{index}@127\.0\.0\.1:\d+ +graceful_shutdown")
        assert running[3].end(signal.SIGTERM) == 0


def test_the_c_program_compiles_as_c11_with_warnings_and_as_cpp(folder: Path) -> None:
    (folder / "node.c").write_text(program("node.c"))
    for compiler in (
        ["cc", "-std=c11", "-Wpedantic"],
        ["c++", "-x", "c++", "-std=c++20"],
    ):
        flags = [
            "-Wall",
            "-Wextra",
            "-Werror",
            "-fsyntax-only",
            f"-I{ROOT / 'capi' / 'include'}",
        ]
        subprocess.run([*compiler, *flags, str(folder / "node.c")], check=True)


def test_the_cpp_program_runs_as_printed(folder: Path) -> None:
    (folder / "node.cc").write_text(program("node.cc"))
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"]
    libraries = [
        f"-I{ROOT / 'capi' / 'include'}",
        f"-L{BUILD / 'lib'}",
        "-lnoex_cluster",
        f"-Wl,-rpath,{BUILD / 'lib'}",
    ]
    compiler = ["c++", "-std=c++17", *warnings, str(folder / "node.cc"), "-o", str(folder / "app"), *libraries]
    subprocess.run(compiler, check=True)
    (port,) = free_ports(1)
    with (
        start(f"{BUILD}/bin/noex-cluster run --name seed --host 127.0.0.1 --port {port}") as seed,
        start(f"{folder}/app seed@127.0.0.1:{port}") as node,
    ):
        node.wait(rf"^up seed@127\.0\.0\.1:{port}$")
        seed.wait(r"\bup +app5@127\.0\.0\.1:\d+")
        node.tell("\n")
        assert node.end() == 0, node.lines
        seed.wait(r"\bdown +app5@127\.0\.0\.1:\d+ +graceful_shutdown")


def test_the_samples_for_tests_pass(folder: Path) -> None:
    samples = [block for block in blocks("python") if "async def test_" in block]
    assert len(samples) == 1
    (folder / "test_sample.py").write_text(samples[0])
    pytest_ini = ["-c", str(ROOT / "tests" / "pytest.ini"), "--rootdir", str(folder)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *pytest_ini, str(folder / "test_sample.py")],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "1 passed" in done.stdout

    samples = [block for block in blocks("js") if "node:test" in block]
    assert len(samples) == 1
    (folder / "sample.test.mjs").write_text(samples[0])
    done = subprocess.run(
        [os.environ.get("NOEX_NODE", "node"), "--test", "--test-reporter=tap", str(folder / "sample.test.mjs")],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^# pass 1$", done.stdout, re.MULTILINE), done.stdout


def test_every_block_is_one_that_is_run() -> None:
    assert len(re.findall(r"^```\w+$", README, re.MULTILINE)) == 6


def test_the_table_has_every_option_with_its_default() -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| ([^|]+?) \|", README, re.MULTILINE))
    declared = re.search(
        r"^export interface ClusterConfig \{(.*?)^\}",
        (ROOT / "node" / "index.d.cts").read_text(),
        re.M | re.S,
    )
    assert declared
    options = re.findall(r"^  readonly (\w+)\??:", declared[1], re.MULTILINE)
    assert len(options) == 13
    assert {option for option in table if option in options} == set(options)
    header = (ROOT / "core" / "model" / "config.h").read_text()
    for option, constant in {
        "port": "kDefaultPort",
        "heartbeatIntervalMs": "kDefaultHeartbeatIntervalMs",
        "heartbeatMissThreshold": "kDefaultHeartbeatMissThreshold",
        "reconnectBaseDelayMs": "kDefaultReconnectBaseDelayMs",
        "reconnectMaxDelayMs": "kDefaultReconnectMaxDelayMs",
    }.items():
        value = re.search(rf"{constant} = (\d+);", header)
        assert value, constant
        assert table[option] == value[1]


LIMITS = {  # row of docs/limits.md -> its value there -> file and constant in the code
    "one dial, until TCP is up": (
        "5 s",
        "membership/membership.h",
        "dial_timeout = Duration::seconds(5)",
    ),
    "until a new connection said": (
        "max(10 s,",
        "membership/membership.h",
        "identification_min = Duration::seconds(10)",
    ),
    "`start()`, until every seed's": (
        "2 s",
        "membership/membership.h",
        "join_max = Duration::seconds(2)",
    ),
    "silence of a seed": (
        "250 ms",
        "membership/membership.h",
        "join_silence_max = Duration::milliseconds(250)",
    ),
    "an old connection after": (
        "60 s",
        "membership/membership.h",
        "stale_connection_max = Duration::seconds(60)",
    ),
    "a gossiped id that answered": (
        "10 min",
        "membership/membership.h",
        "impostor_memory = Duration::seconds(600)",
    ),
    "a gossiped id that nobody": (
        "60 s",
        "membership/membership.h",
        "unvouched_max = Duration::seconds(60)",
    ),
    "frame, from a peer that has not": (
        "64 KiB (256 KiB",
        "session/session.cc",
        "kUnidentifiedFrameMax = 256 * 1024",
    ),
    "frame, from an identified peer": (
        "1 MiB",
        "session/session.cc",
        "kIdentifiedFrameMax = 1024 * 1024",
    ),
    "length prefix": (
        "16 MiB",
        "wire/frame_reader.h",
        "kFrameBodySizeMax = 16 * 1024 * 1024",
    ),
    "send queue of one peer": (
        "1 MiB",
        "transport/uv_transport.h",
        "send_queue_max = size_t{1} << 20",
    ),
    "connections that have not said": (
        "256",
        "membership/membership.h",
        "unidentified_max = 256",
    ),
    "dials in progress": ("64", "membership/membership.h", "dials_max = 64"),
    "connections of one reference": (
        "4",
        "membership/membership.h",
        "reference_connections_max = 4",
    ),
    "known nodes": ("4,096", "membership/membership.h", "nodes_max = 4096"),
    "unreachable ids learnt": (
        "128",
        "membership/membership.h",
        "unreachable_per_teacher_max = 128",
    ),
    "ids in one gossip list": (
        "48 KiB",
        "membership/membership.h",
        "gossip_bytes_max = 48 * 1024",
    ),
    "ids in a steady heartbeat": (
        "8",
        "membership/membership.h",
        "gossip_per_beat = 8",
    ),
    "undelivered node events": (
        "1,024",
        "cluster/event_queue.h",
        "coalesce_above = 1024",
    ),
    "log records waiting; errors waiting": (
        "256 each",
        "cluster/event_queue.h",
        "logs_max = 256",
    ),
    "error events": (
        "10 a second",
        "membership/membership.h",
        "errors_per_second_max = 10",
    ),
    "nesting of JSON": ("20,000", "wire/json_check.h", "kJsonDepthMax = 20'000"),
    "hooks of `run` at once": ("4; 1,024", "../cli/hooks.cc", "kRunningMax = 4"),
    "a hook; all of them": ("60 s (`--hook-timeout`); 5 s", "../cli/run.cc", "kLastHooksWait{5}"),
    "names looked up at once": ("4", "transport/resolver.cc", "kThreadsMax = 4"),
}


@pytest.mark.parametrize("row", LIMITS)
def test_the_limits_are_those_of_the_code(row: str) -> None:
    value, file, constant = LIMITS[row]
    assert re.search(
        rf"^\| {re.escape(row)}[^|]*\| {re.escape(value)}",
        (ROOT / "docs" / "limits.md").read_text(),
        re.M,
    )
    assert constant in (ROOT / "core" / file).read_text()


def documents() -> list[Path]:
    return [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("document", documents(), ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    prose = re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.MULTILINE | re.DOTALL)
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", prose)
    missing = [link for link in links if "://" not in link and not (document.parent / link).exists()]
    assert missing == []


def test_the_verbs_that_documents_name_exist() -> None:
    script = (ROOT / "dev").read_text()
    named = {verb for path in documents() for verb in re.findall(r"\./dev ([a-z]+)", path.read_text())}
    assert {"demo", "test", "build"} <= named
    assert [verb for verb in named if f"verb_{verb}()" not in script and verb != "setup"] == []


def is_shown(suite: str, file: str, name: str) -> bool:
    """Whether a test of this name is in that file: a GoogleTest `Suite.Name`, or a function, a scene or a title."""
    sources = [
        path for path in (ROOT / "tests" / suite).rglob(f"{file}.*") if path.suffix in {".cc", ".c", ".py", ".mjs"}
    ]
    group, _, test = name.rpartition(".")
    pattern = rf"TEST(_F|_P)?\({group}, {test}\)" if group else rf"(\bdef |void |\btest\('|\b){re.escape(name)}\b"
    return any(re.search(pattern, path.read_text()) for path in sources)


def test_the_tests_that_the_failure_model_names_exist() -> None:
    named = re.findall(
        r"`(\w+)/([\w.]+)(?:: ([^`]+))?`",
        (ROOT / "docs" / "failure-model.md").read_text(),
    )
    assert len(named) > 60
    missing = [f"{suite}/{file}: {name}" for suite, file, name in named if not is_shown(suite, file, name or "main")]
    assert [text for text in missing if "fuzz/" not in text] == []
    assert (ROOT / "tests" / "fuzz" / "driver.cc").exists()
