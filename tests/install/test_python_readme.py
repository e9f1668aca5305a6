"""The README of the Python package: every block of code and every command in it, run in a fresh venv, as it is printed
but for the ports. What a wheel holds, and that it is installed and built as the README says, is proved by
test_python_package.py; here the package is the tree's, put where an installation would put it.
"""

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import tomllib
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from node_place import document_blocks, document_commands
from places import ROOT, VENV, run

sys.path.insert(0, str(ROOT / "demo"))

from ports import free_ports  # the path above
from program import DEADLINE_S, Program

README = ROOT / "python" / "README.md"
TEXT = README.read_text()
BLOCKS = document_blocks(README)
COMMANDS = document_commands(README)
SOURCES = ROOT / "python" / "src" / "noex_cluster"
PROJECT = tomllib.loads((ROOT / "python" / "pyproject.toml").read_text())["project"]
TOOLS = ("gunicorn", "mypy", "pytest", "uvicorn")
# Of whoever runs the tests: it must not configure what they start.
FOREIGN = ("PYTHON", "CLUSTER_", "NODE_", "NOEX_", "GUNICORN", "UVICORN", "WEB_CONCURRENCY", "PYTEST_", "MYPY")
# A WSGI application for gunicorn.conf.py: the README leaves it to the reader.
WSGI = """
import json
from noex_cluster.sync import Cluster

def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps([Cluster.get_local_node_id(), *Cluster.get_node_ids()]).encode()]
"""


def environment(place: Path) -> dict[str, str]:
    """That of a shell in which the venv is activated, without anything of ours or of a proxy."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    clean = {name: value for name, value in clean.items() if not name.lower().endswith("_proxy")}
    path = f"{place / 'venv' / 'bin'}:{os.environ['PATH']}"
    return {**clean, "PATH": path, "PYTHONUNBUFFERED": "1", "NOEX_ADVERTISE_HOST": "127.0.0.1", "HOME": str(place)}


Start = Callable[[str], Program]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the README's programs, and a venv with the package and the tools that it names."""
    place = tmp_path_factory.mktemp("readme")
    run(sys.executable, "-m", "venv", "--without-pip", place / "venv", cwd=place)
    bin_ = place / "venv" / "bin"
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = Path(run(bin_ / "python", "-c", where, cwd=place).strip())
    parts = [file for pattern in ("*.py", "*.pyi", "py.typed", "_native*.so") for file in SOURCES.glob(pattern)]
    assert any(file.suffix == ".so" for file in parts), "the module is not built: `./dev build`"
    (packages / "noex_cluster").mkdir()
    for part in parts:
        shutil.copy(part, packages / "noex_cluster")
    # The tools are those of the tree's own venv; of that, its .pth files are not read, so the tree's package is not.
    tools = Path(run(VENV / "python", "-c", where, cwd=place).strip())
    (packages / "tools.pth").write_text(f"{tools}\n")
    for name in TOOLS:
        assert (tools / name).is_dir(), f"there is no {name}: `./dev test guides` sets it up"
        (bin_ / name).write_text(f'#!/bin/sh\nexec {bin_ / "python"} -m {name} "$@"\n')
        (bin_ / name).chmod(0o755)
    file = run(bin_ / "python", "-c", "import noex_cluster; print(noex_cluster.__file__)", cwd=place).strip()
    assert Path(file).is_relative_to(place)
    for name, text in BLOCKS.items():
        (place / name).write_text(text)
    (place / "wsgi.py").write_text(WSGI)
    return place


@pytest.fixture
def start(place: Path) -> Iterator[Start]:
    with contextlib.ExitStack() as stack:
        yield lambda command: stack.enter_context(Program(command, cwd=place, env=environment(place)))


@pytest.fixture
def peer(start: Start) -> tuple[Program, str]:
    """A member that is there already, and its id."""
    program = start(f"python app.py peer {free_ports(1)[0]}")
    return program, program.line(r"I am (\S+)")[1]


def shell(place: Path, command: str, variables: dict[str, str] | None = None, *, code: int = 0) -> str:
    """The output of a command that ends by itself; with its errors if it has to fail."""
    done = subprocess.run(
        ["sh", "-c", command],
        cwd=place,
        env={**environment(place), **(variables or {})},
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )
    both = f"{done.stdout}{done.stderr}"
    assert done.returncode == code, f"{command}: exit code {done.returncode}\n{both}"
    return both if code else done.stdout


def commands(beginning: str) -> list[str]:
    (found,) = [block for block in COMMANDS if block[0].startswith(beginning)]
    return found


def test_every_block_and_every_command_is_run_here() -> None:
    assert len(re.findall(r"^```\w", TEXT, re.MULTILINE)) == len(BLOCKS)
    here = Path(__file__).read_text()
    assert len(BLOCKS) >= 14
    assert [name for name in BLOCKS if f'"{name}"' not in here and f"python {name}" not in here] == []
    beginnings = re.findall(r'[^_]commands\("([^"]+)"\)', here)
    assert [block[0] for block in COMMANDS if not any(block[0].startswith(words) for words in beginnings)] == []


def test_the_readme_leads_nowhere_else() -> None:
    """It is shown where the repository's files and folders are not."""
    assert re.findall(r"\]\(|https?://(?!127\.0\.0\.1)", TEXT) == []
    folders = re.findall(r"`((?:docs|examples)/\w+)`", TEXT)
    assert "examples/python" in folders
    assert [folder for folder in folders if not (ROOT / folder).exists()] == []


def test_what_it_says_of_its_installation() -> None:
    assert commands("pip install") == [f"pip install {PROJECT['name']}"]
    assert "dependencies" not in PROJECT, "the package needs no other"
    assert PROJECT["requires-python"] == ">=3.11"
    assert "CPython 3.11 or later" in TEXT
    dev = (ROOT / "dev").read_text()
    (glibc,) = set(re.findall(r"manylinux_2_(\d+)", dev))
    assert f"glibc 2.{glibc} or later" in TEXT

    name = PROJECT["name"]
    debian, pip = commands("apt-get install")
    assert pip == f"pip install --no-binary {name} {name}"
    asked = debian.split()[2:]
    assert "libsodium-dev" in asked
    assert [package for package in asked if not re.search(rf"\becho\b.* {re.escape(package)}(?!\S)", dev)] == []
    cmake = re.search(r"^cmake_minimum_required\(VERSION ([\d.]+)\)", (ROOT / "CMakeLists.txt").read_text(), re.M)
    assert cmake
    assert f"CMake {cmake[1]} or later" in TEXT
    assert "CXX_STANDARD 20" in (ROOT / "cmake" / "compiler.cmake").read_text()
    assert "a compiler of C++20" in TEXT


def test_a_first_cluster(start: Start) -> None:
    lines = commands("python app.py")
    assert len(lines) == 3
    ports = dict(zip(("4369", "4370", "4371"), map(str, free_ports(3)), strict=True))
    nodes: list[Program] = []
    ids: list[str] = []
    for line in lines:
        nodes.append(start(re.sub("|".join(ports), lambda port: ports[port[0]], line)))
        ids.append(nodes[-1].line(r"I am (\S+@127\.0\.0\.1:\d+)")[1])
        nodes[-1].line(r"listening on .* without a secret: .*")
    for node, own in zip(nodes, ids, strict=True):
        for other in ids:
            if other != own:
                node.line(f"up {re.escape(other)}")
    assert nodes[2].end(signal.SIGINT) == 0  # Ctrl-C
    assert "Traceback" not in "\n".join(nodes[2].lines)
    nodes[1].process.kill()
    nodes[0].line(f"down {re.escape(ids[2])} graceful_shutdown")
    nodes[0].line(f"down {re.escape(ids[1])} connection_closed")


def test_the_options_are_those_that_there_are(place: Path) -> None:
    beginning = TEXT.index("| option | default |")
    table = dict(
        re.findall(r"^\| `(\w+)` \| `?([^|`]+?)`? \|", TEXT[beginning : TEXT.index("\n\n", beginning)], re.MULTILINE)
    )
    program = (
        "import dataclasses, json, noex_cluster\n"
        "config = noex_cluster.ClusterConfig('app1')\n"
        "fields = {one.name: getattr(config, one.name) for one in dataclasses.fields(config)}\n"
        "print(json.dumps([fields, sorted(noex_cluster.ClusterOptions.__annotations__)]))"
    )
    defaults, options = json.loads(run(place / "venv/bin/python", "-c", program, cwd=place))
    assert sorted(table) == sorted(defaults) == options
    assert table.pop("node_name") == "required"
    # What the table writes in words; its other defaults stand there as they are.
    words: dict[str, tuple[str, object]] = {
        "seeds": ("none", []),
        "cluster_secret": ("none", None),
        "cluster_name": ("empty", ""),
    }
    words["advertise_host"] = ("found", None)
    words["control_socket"] = ("none", None)
    words["forget_after_ms"] = ("one day", 24 * 3600 * 1000)
    for option, value in table.items():
        assert (value, defaults[option]) == words.get(option, (str(defaults[option]), defaults[option])), option


def test_the_environment_as_configuration(place: Path) -> None:
    (port,) = free_ports(1)
    given = {"NODE_NAME": "named", "CLUSTER_PORT": str(port), "CLUSTER_SEEDS": "", "CLUSTER_SECRET": "of the test"}
    assert shell(place, "python environment.py", given) == f"named@127.0.0.1:{port}\n"
    empty = shell(place, "python environment.py", {**given, "CLUSTER_SECRET": ""}, code=1)
    assert "InvalidClusterConfigError" in empty


def test_events_and_queries(place: Path, peer: tuple[Program, str]) -> None:
    program, peer_id = peer
    said = shell(place, f"python events.py {peer_id}")
    assert "starting\nrunning\n" in said
    assert f"hello {peer_id}\n" in said
    assert re.search(rf"^{re.escape(peer_id)} connected \d+ \d+$", said, re.MULTILINE)
    assert re.search(r"^1 connected, [1-9]\d* frames sent$", said, re.MULTILINE)
    assert said.endswith("stopping\nstopped\n")
    program.line(r"down app1@\S+ graceful_shutdown")


def test_a_handler_that_is_told_of_a_down(start: Start, peer: tuple[Program, str], place: Path) -> None:
    """events.py itself ends before its peer does: the same program, with all the time in the world."""
    program, peer_id = peer
    (place / "events_on.py").write_text(BLOCKS["events.py"].replace("asyncio.sleep(1)", "asyncio.sleep(1000)"))
    events = start(f"python events_on.py {peer_id}")
    events.line(f"hello {re.escape(peer_id)}")
    program.process.kill()
    events.line(f"down {re.escape(peer_id)} connection_closed")


def test_events_as_an_iteration(start: Start, peer: tuple[Program, str]) -> None:
    program, peer_id = peer
    watch = start(f"python watch.py {peer_id}")
    watch.line(f"up {re.escape(peer_id)}")
    assert program.end(signal.SIGINT) == 0
    watch.line(rf"down {re.escape(peer_id)} graceful_shutdown .+")
    assert watch.end() == 0
    said = [line for line in watch.lines if not line.startswith("listening on")]  # the warning
    assert said[:3] == ["starting", "running", f"up {peer_id}"]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_health_and_shutdown(start: Start, peer: tuple[Program, str], number: signal.Signals) -> None:
    program, peer_id = peer
    service = start(f"python service.py {peer_id}")
    url = service.line(r"(http://\S+)")[1]
    with urllib.request.urlopen(url, timeout=DEADLINE_S) as answer:
        health = json.load(answer)
    assert (health["status"], health["connected"]) == ("running", [peer_id])
    with urllib.request.urlopen(f"{url}/metrics", timeout=DEADLINE_S) as answer:
        assert answer.headers["content-type"].startswith("application/openmetrics-text")
        assert 'noex_cluster_members{state="connected"} 1\n' in answer.read().decode()
    assert service.end(number) == 0
    program.line(rf"down {re.escape(health['id'])} graceful_shutdown")
    with pytest.raises(urllib.error.URLError):
        urllib.request.urlopen(url, timeout=DEADLINE_S)


def test_health_of_a_node_that_does_not_run(place: Path) -> None:
    service = BLOCKS["service.py"].replace("asyncio.run(main(*sys.argv[1:]))", "print(health())")
    (place / "stopped.py").write_text(service)
    assert "'stopped'" in shell(place, "python stopped.py")
    assert "'id'" not in shell(place, "python stopped.py")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, -signal.SIGINT)])
def test_without_an_event_loop(start: Start, peer: tuple[Program, str], number: signal.Signals, code: int) -> None:
    program, peer_id = peer
    blocking = start(f"python blocking.py {peer_id}")
    own = blocking.line(r"I am (\S+)")[1]
    blocking.line(f"up {re.escape(peer_id)}")
    assert blocking.end(number) == code
    program.line(f"down {re.escape(own)} graceful_shutdown")


def test_types(place: Path) -> None:
    """The command as it is printed; and then, as strictly, all other programs of the README."""
    (command,) = commands("mypy")
    assert shell(place, command).startswith("Success: no issues found in 1 source file")
    assert shell(place, "python typed.py") == "192.168.1.10 None 0\n"
    others = [name for name in BLOCKS if name != "gunicorn.conf.py"]  # which is no name of a module
    (place / "gunicorn_conf.py").write_text(BLOCKS["gunicorn.conf.py"])
    checked = shell(place, f"mypy --strict {' '.join(others)} gunicorn_conf.py")
    assert f"no issues found in {len(BLOCKS)} source files" in checked
    wrong = BLOCKS["typed.py"].replace('"app1", port="auto"', '"app1", prot="auto"')
    assert wrong != BLOCKS["typed.py"]
    (place / "wrong.py").write_text(wrong)
    assert 'Unexpected keyword argument "prot"' in shell(place, "mypy --strict wrong.py", code=1)


def test_the_exceptions_are_those_that_there_are(place: Path) -> None:
    table = dict(re.findall(r"^\| `(\w+)` \| `(\w+)` \|", TEXT, re.MULTILINE))
    program = (
        "import inspect, json, noex_cluster\n"
        "found = [one for one in vars(noex_cluster).values() if inspect.isclass(one) and issubclass(one, Exception)]\n"
        "print(json.dumps({one.__name__: [base.__name__ for base in one.__bases__] for one in found}))"
    )
    bases = json.loads(run(place / "venv/bin/python", "-c", program, cwd=place))
    assert set(table) == set(bases)
    for name, base in table.items():
        assert base in bases[name], name
        assert name == "ClusterError" or "ClusterError" in bases[name]


def test_errors(place: Path, start: Start) -> None:
    (port,) = free_ports(1)
    start(f"python app.py first {port}").line("I am .+")
    assert f"cannot listen on port {port}: EADDRINUSE\n" in shell(place, f"python errors.py second {port}", code=1)
    wrong = shell(place, f"python errors.py 2nd {port}", code=1)
    assert "wrong option: " in wrong
    assert "2nd" in wrong
    assert "Traceback" not in wrong
    shell(place, f"python errors.py third {free_ports(1)[0]}")


def test_several_nodes(place: Path) -> None:
    assert shell(place, "python several.py") == "True\n"


@pytest.mark.parametrize("server", ["uvicorn web.py", "gunicorn gunicorn.conf.py", "gunicorn --preload"])
def test_workers_are_members(start: Start, server: str) -> None:
    """Four of them, each a member; all leave politely when their server ends."""
    assert {"web.py", "gunicorn.conf.py"} <= set(BLOCKS)
    port, web_port = free_ports(2)
    seed = start(f"python app.py app1 {port}")
    seed_id = seed.line(r"I am (\S+)")[1]
    if server.startswith("uvicorn"):
        (command,) = commands("CLUSTER_SEEDS=app1@localhost:4369 uvicorn")
        command += f" --port {web_port}"
    else:
        (command,) = commands("CLUSTER_SEEDS=app1@localhost:4369 gunicorn")
        command += f" --bind 127.0.0.1:{web_port}" + (" --preload" if "--preload" in server else "")
    program = start(command.replace("4369", str(port)))
    workers = {up[1] for up in seed.find(r"^up (web-\S+)$", 4)}
    assert len(workers) == 4
    deadline = time.monotonic() + DEADLINE_S
    answer: list[str] = []
    while set(answer) != {seed_id, *workers}:
        assert time.monotonic() < deadline, f"{answer}\n" + "\n".join(program.lines)
        url = f"http://127.0.0.1:{web_port}/nodes"
        with contextlib.suppress(OSError), urllib.request.urlopen(url, timeout=DEADLINE_S) as response:
            answer = json.load(response)
    assert answer[0] in workers, "a worker answers"
    assert program.end(signal.SIGTERM) in (0, -signal.SIGTERM), program.lines
    assert {down[1] for down in seed.find(r"^down (\S+) graceful_shutdown$", 4)} == workers


def test_a_node_does_not_follow_into_a_child(place: Path) -> None:
    program = """
import os
from noex_cluster import ClusterError
from noex_cluster.sync import Cluster
Cluster.start(node_name="parent", host="127.0.0.1", port="auto")
if os.fork() == 0:
    try:
        Cluster.get_nodes()
    except ClusterError as error:
        os._exit(3 if "belongs to the parent process" in str(error) else 4)
    os._exit(5)
print(os.waitstatus_to_exitcode(os.wait()[1]), Cluster.get_status())
Cluster.stop()
"""
    assert run(place / "venv/bin/python", "-c", program, cwd=place).strip() == "3 running"


def test_the_samples_for_tests(place: Path) -> None:
    assert {"conftest.py", "test_cluster.py", "test_unittest.py"} <= set(BLOCKS)
    pytest_, unittest_ = commands("python -m pytest")
    assert " 3 passed" in shell(place, f"{pytest_} -p no:cacheprovider")
    said = shell(place, f"{unittest_} 2>&1")
    assert "Ran 1 test " in said
    assert said.endswith("OK\n")


def test_where_it_cannot_be_loaded(place: Path, tmp_path: Path) -> None:
    ignored = shutil.ignore_patterns("_native*.so", "__pycache__")
    shutil.copytree(SOURCES, tmp_path / "noex_cluster", ignore=ignored)
    command = [place / "venv/bin/python", "-c", "import noex_cluster"]
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    (said,) = re.findall(r"^ImportError: (.*)", done.stderr, re.MULTILINE)
    for part in ("CPython 3.11 or later", "glibc", f"cpython {sys.version_info.major}.{sys.version_info.minor}"):
        assert part in said
    assert "'./dev build'" in said
