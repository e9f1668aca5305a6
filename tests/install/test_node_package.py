"""The tarball of the package noex-cluster: what is in it, and that it works where it is installed, on every version of
Node, in worker threads, and says what is missing where it cannot work.
"""

import json
import re
import shutil
import tarfile
from pathlib import Path

import pytest
from node_place import ROOT, VERSIONS, install, node, run, this_node

MODULE = "prebuilds/linux-x64/noex_cluster.node"

# One process shows all of it: both module systems, each name of the package, a mesh of three, a worker that crashes.
PROGRAM = """
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import * as all from 'noex-cluster';
import { Cluster, ClusterNode, version } from 'noex-cluster';
import * as distribution from 'noex-cluster/distribution';
import * as testing from 'noex-cluster/testing';

const require = createRequire(import.meta.url);
const required = [require('noex-cluster'), require('noex-cluster/distribution'), distribution];
for (const [name, value] of Object.entries(all)) for (const other of required) assert.equal(other[name], value, name);
assert.equal(require('noex-cluster/testing').startMesh, testing.startMesh);
assert.equal(require('noex-cluster/package.json').version, version);
assert.throws(() => require('noex-cluster/lib/native.cjs'), { code: 'ERR_PACKAGE_PATH_NOT_EXPORTED' });
assert.throws(() => Cluster.getNodes(), all.ClusterNotStartedError);
await assert.rejects(Cluster.start({ nodeName: 'a b' }), all.InvalidClusterConfigError);

const mesh = await testing.startMesh(3, { clusterSecret: 'of the test' });
for (const node of mesh) assert.equal(node.getConnectedNodeCount(), 2);
await mesh.waitUntilDown(await (await mesh.addWorker()).kill());
await mesh.stop();

await Cluster.start({ nodeName: 'main', host: '127.0.0.1', port: 'auto' });
const ups = [];
Cluster.onNodeUp((node) => ups.push(node.id));
const worker = new Worker(new URL('./worker.cjs', import.meta.url), { workerData: Cluster.getLocalNodeId() });
const [said] = await once(worker, 'message');
assert.deepEqual(said, { status: 'stopped', sees: [Cluster.getLocalNodeId()], id: ups[0] });
await once(worker, 'exit');
await Cluster.stop();
console.log(process.version, version, require.resolve('noex-cluster'));
"""

WORKER = """
const { parentPort, workerData } = require('node:worker_threads');
const { Cluster } = require('noex-cluster');

const status = Cluster.getStatus(); // of its own, whatever the main thread's is
Cluster.start({ nodeName: 'worker', host: '127.0.0.1', port: 'auto', seeds: [workerData] }).then(async () => {
  const sees = Cluster.getConnectedNodes().map((each) => each.id);
  parentPort.postMessage({ status, sees, id: Cluster.getLocalNodeId() });
  await Cluster.stop();
});
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the package is installed, without scripts, network, cache or compiler."""
    return install(tmp_path_factory.mktemp("node"), "--ignore-scripts")


@pytest.fixture(scope="module")
def package(place: Path) -> tarfile.TarFile:
    (file,) = place.parent.glob("*.tgz")
    return tarfile.open(file)


def read(package: tarfile.TarFile, name: str) -> str:
    member = package.extractfile(f"package/{name}")
    assert member
    return member.read().decode()


def test_what_is_in_the_tarball(package: tarfile.TarFile) -> None:
    names = {name.removeprefix("package/") for name in package.getnames()}
    assert [name for name in names if name.endswith(".node")] == [MODULE]
    entries = {f"{entry}.{kind}" for entry in ("index", "testing") for kind in ("cjs", "mjs", "d.cts", "d.mts")}
    words = {"package.json", "README.md", "LICENSE", "THIRD_PARTY_LICENSES"}
    assert words | entries <= names
    rest = names - words - entries - {MODULE}
    assert rest
    assert all(re.fullmatch(r"lib/[\w-]+\.cjs", name) for name in rest), rest


def test_the_module_carries_no_debug_information(package: tarfile.TarFile) -> None:
    """With it the package is ten times as large. Backtraces are read with the build's own file."""
    member = package.extractfile(f"package/{MODULE}")
    assert member
    module = member.read()
    assert module.startswith(b"\x7fELF")
    assert b".debug_info" not in module
    assert len(module) < 4_000_000


def test_nothing_runs_at_installation(package: tarfile.TarFile) -> None:
    described = json.loads(read(package, "package.json"))
    assert "scripts" not in described
    assert "gypfile" not in described  # npm runs node-gyp where there is a binding.gyp, without any script
    assert not {"dependencies", "optionalDependencies", "bundleDependencies"} & set(described)
    assert described["peerDependenciesMeta"] == {name: {"optional": True} for name in described["peerDependencies"]}


def test_the_systems_that_it_is_for(package: tarfile.TarFile) -> None:
    described = json.loads(read(package, "package.json"))
    assert (described["os"], described["cpu"], described["libc"]) == (["linux"], ["x64"], ["glibc"])
    assert described["engines"] == {"node": ">=18"}


def test_every_file_that_the_package_names_is_there(package: tarfile.TarFile) -> None:
    described = json.loads(read(package, "package.json"))

    def files(value: object) -> list[str]:
        if isinstance(value, dict):
            return [file for inner in value.values() for file in files(inner)]
        return [file for inner in value for file in files(inner)] if isinstance(value, list) else [str(value)]

    named = [described["main"], described["types"], *files(described["exports"]), *files(described["typesVersions"])]
    assert len(named) > 12
    assert [file for file in named if f"package/{file.removeprefix('./')}" not in package.getnames()] == []
    # What TypeScript's older resolution finds is what the exports say.
    for entry, (types,) in described["typesVersions"]["*"].items():
        assert described["exports"][f"./{entry}"]["require"]["types"] == types


def test_the_licences_of_what_is_inside(package: tarfile.TarFile) -> None:
    licences = read(package, "THIRD_PARTY_LICENSES")
    for name in ("libuv", "libsodium", "simdjson", "node-addon-api"):
        assert name in licences, name
    assert read(package, "LICENSE") == (ROOT / "LICENSE").read_text()


@pytest.mark.parametrize("version", VERSIONS)
def test_it_works_on_node(place: Path, version: int) -> None:
    (place / "program.mjs").write_text(PROGRAM)
    (place / "worker.cjs").write_text(WORKER)
    done = run(node(version), "program.mjs", cwd=place, timeout=30)
    assert done.stderr == ""  # no warning, experimental or deprecated
    said = done.stdout.split()
    assert said[0].startswith(f"v{version}.")
    assert said[2] == str(place.resolve() / "node_modules" / "noex-cluster" / "index.cjs")


def test_npm_with_scripts_allowed_runs_none(tmp_path: Path) -> None:
    """As most people install it."""
    place = install(tmp_path)
    module = place / "node_modules" / "noex-cluster"
    assert (module / MODULE).read_bytes() == (ROOT / "node" / MODULE).read_bytes()
    assert "noex-cluster" in run(this_node(), "-p", "require('noex-cluster/package.json').name", cwd=place).stdout


# ------------------------------------------------------------------------------------------------- where it cannot work

REPORT = """
const report = process.report.getReport();
process.report.getReport = () => ({ ...report, header: { ...report.header, glibcVersionRuntime: undefined } });
"""
CATCH = "try { require('noex-cluster') } catch (error) { console.log(`${error.code}\\n${error.message}`) }"


@pytest.fixture
def broken(place: Path, tmp_path: Path) -> Path:
    """An installation whose native module a test may change."""
    shutil.copytree(place / "node_modules", tmp_path / "node_modules")
    return tmp_path


def failure(place: Path, before: str = "") -> list[str]:
    (place / "program.cjs").write_text(before + CATCH)
    lines = run(this_node(), "program.cjs", cwd=place).stdout.splitlines()
    assert lines[0] == "ERR_NOEX_NO_NATIVE_MODULE", lines
    file = place.resolve() / "node_modules" / "noex-cluster" / MODULE
    assert lines[2].startswith(f"Looked for: {file}, ")
    assert "cmake --build build/release --target noex_cluster_node" in lines[4]
    return lines[1:]


def test_on_musl_it_says_what_was_looked_for_and_how_to_build(broken: Path) -> None:
    """On Alpine the loader misses a library that the module needs, as this one does here. What the C library is, Node
    says itself: with musl there is no version of glibc in its report."""
    file = broken / "node_modules" / "noex-cluster" / MODULE
    needed, absent = b"libstdc++.so.6", b"libabsent.so.6"
    text = file.read_bytes()
    assert needed in text
    file.write_bytes(text.replace(needed, absent))
    lines = failure(broken, REPORT)
    assert lines[0].startswith(
        "noex-cluster has no native module for this system (linux-x64, musl): it cannot be loaded ("
    )
    assert absent.decode() in lines[0]  # the loader's own words
    assert lines[2] == "There is one for: linux-x64 (glibc)"
    assert "Alpine" in lines[3]
    assert "node:22-slim" in lines[3]


def test_with_glibc_it_says_which(broken: Path) -> None:
    file = broken / "node_modules" / "noex-cluster" / MODULE
    file.write_bytes(b"not a library")
    lines = failure(broken)
    runtime = run(this_node(), "-p", "process.report.getReport().header.glibcVersionRuntime", cwd=broken).stdout.strip()
    assert f"(linux-x64, glibc {runtime}): it cannot be loaded (" in lines[0]
    assert "glibc 2.34 or later" in lines[3]
    assert "Alpine" not in lines[3]


def test_without_a_module_for_this_system(broken: Path) -> None:
    shutil.rmtree(broken / "node_modules" / "noex-cluster" / "prebuilds")
    lines = failure(broken)
    assert lines[0].endswith(": the file is not there.")
    assert lines[2] == "There is one for: no system at all"


def test_on_another_system(broken: Path) -> None:
    prebuilds = broken / "node_modules" / "noex-cluster" / "prebuilds"
    other = "Object.defineProperty(process, 'arch', { value: 'arm64' });"
    (broken / "program.cjs").write_text(other + CATCH)
    lines = run(this_node(), "program.cjs", cwd=broken).stdout.splitlines()
    assert lines[1].startswith("noex-cluster has no native module for this system (linux-arm64, glibc ")
    assert f"Looked for: {prebuilds.resolve()}/linux-arm64/noex_cluster.node, " in lines[2]
    assert lines[3] == "There is one for: linux-x64 (glibc)"
