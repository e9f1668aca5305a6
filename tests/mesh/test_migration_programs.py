"""The programs and tables of docs/migrating-from-noex.md: what moves by its imports alone, and what start() refuses."""

import contextlib
import hashlib
import http.server
import json
import re
import signal
import socket
import subprocess
import threading
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import ROOT, Mesh, free_ports
from migration import COMMANDS, DOCUMENT, ENVIRONMENT, NODE, block, install, rows, run_node
from program import Program
from test_documents import is_shown, start
from test_reference_node import SECRET, Line, Peer

INTERVAL_MS = 500


@pytest.fixture
def project(tmp_path: Path) -> Path:
    return install(tmp_path)


@pytest.fixture
def mesh() -> Iterator[Mesh]:
    with Mesh(secret=SECRET, interval=INTERVAL_MS, threshold=4) as mesh:
        yield mesh


@pytest.fixture
def peer() -> Iterator[Peer]:
    peer = Peer("theirs")
    yield peer
    peer.close()


def test_every_block_and_command_is_one_that_is_run() -> None:
    assert re.findall(r"^```(\w+)$", DOCUMENT, re.MULTILINE) == ["ts", "diff", "json", "js"]
    assert len(COMMANDS) == 1


def test_the_tests_that_it_names_exist() -> None:
    named = re.findall(r"`(\w+)/([\w.]+): ([^`]+)`", DOCUMENT)
    assert len(named) > 15
    assert [names for names in named if not is_shown(*names)] == []


def compile_strictly(folder: Path, *files: Path, emit: bool) -> subprocess.CompletedProcess[str]:
    modules = ROOT / "node" / "node_modules"
    options = ["--strict", "--noUnusedLocals", "--target", "es2022", "--module", "nodenext", "--types", "node"]
    words = [NODE, modules / "typescript" / "bin" / "tsc", *options, "--typeRoots", modules / "@types", *files]
    return subprocess.run(
        [str(word) for word in (words if emit else [*words, "--noEmit"])],
        cwd=folder, capture_output=True, text=True, timeout=100,
    )  # fmt: skip


def moved_by_the_diff(text: str) -> str:
    """The text with what the document's diff does to it."""
    diff = block("diff").splitlines()
    old = "".join(f"{line[1:]}\n" for line in diff if line.startswith("-"))
    new = "".join(f"{line[1:]}\n" for line in diff if line.startswith("+"))
    assert len(diff) == 4
    assert text.count(old) == 1
    assert "noex" not in text.replace(old, "").lower()
    return text.replace(old, new)


def test_the_program_moves_by_its_imports_and_meets_what_has_not_moved(project: Path, mesh: Mesh) -> None:
    old, new = project / "old.mts", project / "new.mts"
    old.write_text(block("ts"))
    new.write_text(moved_by_the_diff(block("ts")))
    compiled = compile_strictly(project, old, new, emit=True)
    assert compiled.returncode == 0, compiled.stdout

    noex = mesh.spawn("reference", "noex", options=("--trace",)).wait_running()
    ports = free_ports(2)
    ids = [f"{name}@127.0.0.1:{port}" for name, port in zip(("old", "new"), ports, strict=True)]
    running: list[Program] = []
    with contextlib.ExitStack() as stack:
        for name, port, seed in (("old", ports[0], noex.id), ("new", ports[1], ids[0])):
            command = f"CLUSTER_SECRET='{SECRET}' {NODE} {project / name}.mjs {name} {port} {seed}"
            running.append(stack.enter_context(start(command, project)))
            running[-1].wait(rf"I am {name}@127\.0\.0\.1:{port}$")
        for program, other in ((running[0], ids[1]), (running[1], ids[0])):
            program.wait(rf"up {re.escape(other)} connected$")
            program.wait(rf"up {re.escape(noex.id)} connected$")
            assert program.lines.index("status starting") < program.lines.index("status running")
        for node_id in ids:
            noex.wait("up", node=node_id)
        assert running[1].end(signal.SIGTERM) == 0, running[1].lines
        assert running[1].lines[-1] == "status stopped"
        running[0].wait(rf"down {re.escape(ids[1])} graceful_shutdown$")
        noex.wait("down", node=ids[1], reason="graceful_shutdown")
    refused = run_node(project / "new.mjs", "1app")
    assert refused.returncode == 1
    assert refused.stderr.startswith("bad configuration: invalid nodeName '1app'")


def uses(names: list[str]) -> str:
    """Code that needs each of these names, values or types."""
    return "".join(
        f"export const a{name}: {name} | undefined = undefined;\n" if name == "NodeInfo" else f"void {name};\n"
        for name in names
    )


def test_the_imports_of_the_table(project: Path) -> None:
    table = rows("old import")
    assert len(table) == 4
    files: list[Path] = []
    for index, row in enumerate(table):
        for side, cell in zip(("old", "new"), row, strict=True):
            if not cell.startswith("`"):
                assert cell == "none: stays with noex"
                continue
            code = cell.split("`")[1]
            names = re.findall(r"\w+", code.partition("{")[2].partition("}")[0].replace("type ", ""))
            if code.startswith("const"):
                script = project / f"{side}{index}.cjs"
                script.write_text(f"{code};\nconsole.log(Cluster.getStatus());\n")
                assert run_node(script).stdout == "stopped\n"
                continue
            files.append(project / f"{side}{index}.mts")
            files[-1].write_text(f"{code};\n{uses(names)}")
    assert [file.name for file in files] == ["old0.mts", "new0.mts", "old1.mts", "new1.mts", "old3.mts"]
    compiled = compile_strictly(project, *files, emit=False)
    complaints = re.findall(r"^(\w+\.mts)\(.*error TS\d+: (.*)$", compiled.stdout, re.MULTILINE)
    assert [file for file, _ in complaints] == ["old3.mts"], compiled.stdout  # what has no new import
    assert "no exported member 'RemoteCall'" in complaints[0][1]


class Registry(http.server.BaseHTTPRequestHandler):
    """What npm asks of a registry, for the one package that this one has."""

    tarball: bytes
    described: dict[str, Any]

    def do_GET(self) -> None:
        if self.path == "/noex-cluster":
            body = json.dumps(self.described).encode()
        elif self.path == "/package.tgz":
            body = self.tarball
        else:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextlib.contextmanager
def registry(tarball: Path) -> Iterator[str]:
    package = json.loads((ROOT / "node" / "package.json").read_text())
    version = package["version"]
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Registry)
    url = f"http://127.0.0.1:{server.server_address[1]}"
    Registry.tarball = tarball.read_bytes()
    integrity = f"sha512-{b64encode(hashlib.sha512(Registry.tarball).digest()).decode()}"
    package["dist"] = {"tarball": f"{url}/package.tgz", "integrity": integrity}
    Registry.described = {"name": "noex-cluster", "dist-tags": {"latest": version}, "versions": {version: package}}
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield url
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_an_alias_gives_the_old_name_to_the_new_package(tmp_path: Path) -> None:
    place = tmp_path / "project"
    place.mkdir()
    environment = {name: value for name, value in ENVIRONMENT.items() if not name.lower().endswith("proxy")}
    environment = {name: value for name, value in environment.items() if not name.lower().startswith("npm_")}
    environment |= {f"npm_config_{kind}config": str(tmp_path / f"no-{kind}-npmrc") for kind in ("user", "global")}
    environment |= {"npm_config_cache": str(tmp_path / "cache"), "npm_config_update_notifier": "false"}

    def npm(*words: str, cwd: Path) -> None:
        done = subprocess.run(["npm", *words], cwd=cwd, env=environment, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr

    npm("pack", "--pack-destination", str(tmp_path), cwd=ROOT / "node")
    [tarball] = tmp_path.glob("*.tgz")
    (place / "package.json").write_text(block("json"))
    with registry(tarball) as url:
        npm("install", "--registry", url, "--no-audit", "--no-fund", cwd=place)
    installed = json.loads((place / "node_modules" / "@hamicek" / "noex" / "package.json").read_text())
    assert installed["name"] == "noex-cluster"
    (place / "app.mjs").write_text(
        "import { Cluster } from '@hamicek/noex/distribution';\n"
        "await Cluster.start({ nodeName: 'app', host: '127.0.0.1', port: 'auto' });\n"
        "console.log(Cluster.getLocalNodeId());\nawait Cluster.stop();\n"
    )
    done = run_node(place / "app.mjs")
    assert re.fullmatch(r"app@127\.0\.0\.1:\d+\n", done.stdout), done.stdout + done.stderr


def test_what_start_refuses(project: Path) -> None:
    table = [[cell.strip("`") for cell in row] for row in rows("`Cluster.start(...)`")]
    assert len(table) > 10
    (project / "refused.mjs").write_text(
        "import { Cluster, InvalidClusterConfigError } from 'noex-cluster';\n"
        "const said = [];\n"
        "for (const text of JSON.parse(process.argv[2])) {\n"
        "  const error = await Cluster.start(Function(`return ${text}`)()).catch((error) => error);\n"
        "  said.push([text, error instanceof InvalidClusterConfigError ? error.reason : String(error)]);\n"
        "}\n"
        "console.log(JSON.stringify(said));\n"
        "await Cluster.stop();\n"
    )
    done = run_node(project / "refused.mjs", json.dumps([config for config, _ in table]))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == table


def test_what_is_absent_what_is_empty_and_how_ids_are_spelt(project: Path) -> None:
    assert "`NodeId.parse('a@::1:5000')` is `a@[::1]:5000`" in DOCUMENT
    (project / "app.mjs").write_text(
        "import { Cluster, NodeId } from 'noex-cluster';\n"
        "console.log(NodeId.parse('a@::1:5000'), NodeId.isValid('app@host:4369abc'));\n"
        "Cluster.onLog((record) => console.log(record.level, record.message));\n"
        "const config = { nodeName: 'app', host: '127.0.0.1', port: 'auto' };\n"
        "Object.assign(config, { clusterSecret: undefined, seeds: ''.split(',') });\n"
        "await Cluster.start(config);\n"
        "console.log(Cluster.getNodes().length);\n"
        "const again = await Cluster.start(config).catch((error) => error.message);\n"
        "await Promise.all([Cluster.stop(), Cluster.stop()]);\n"
        "const starting = Cluster.start(config).catch((error) => error.message);\n"
        "await Cluster.stop();\n"
        "console.log(again, await starting, Cluster.getStatus());\n"
    )
    done = run_node(project / "app.mjs")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "a@[::1]:5000 false"
    assert sum(line.startswith("warning seeds: an empty entry is ignored") for line in lines) == 2  # of two starts
    assert "0" in lines
    assert lines[-1] == "Cluster is already running the start was ended by a stop stopped"


def test_when_a_heartbeat_came_is_told_by_the_clock_of_this_machine(project: Path, peer: Peer) -> None:
    (port,) = free_ports(1)
    (project / "app.mjs").write_text(
        "import { Cluster } from 'noex-cluster';\n"
        "Cluster.onNodeUp((node) => console.log(Date.now() - node.lastHeartbeatAt < 60_000, node.uptimeMs));\n"
        f"await Cluster.start({{ nodeName: 'ours', host: '127.0.0.1', port: {port}, clusterSecret: '{SECRET}' }});\n"
        "console.log('ready');\n"
    )
    with start(f"{NODE} {project / 'app.mjs'}", project) as program:
        program.wait("^ready$")
        line = Line(socket.create_connection(("127.0.0.1", port), 10))
        peer.lines.append(line)
        info = {"id": peer.id, "host": "127.0.0.1", "port": 1, "status": "connected", "processCount": 0}
        info |= {"lastHeartbeatAt": 1000, "uptimeMs": 7}
        line.say(peer.id, {"type": "heartbeat", "nodeInfo": info, "knownNodes": []})
        program.wait(r"^true \d+$")
