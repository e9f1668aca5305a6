"""The package noex-cluster, installed from its tarball, with the tools that people build and test with: TypeScript,
esbuild, Jest.
"""

import json
import shutil
from pathlib import Path

import pytest
from node_place import CHECKS, ROOT, add_node_types, add_tools, install, node, run, this_node

SAMPLES = ROOT / "tests" / "types" / "node"
COMPILERS = {"5.9": "typescript", "7": "typescript-7"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = install(tmp_path_factory.mktemp("tools"), "--ignore-scripts")
    add_tools(place, "esbuild", "jest")
    add_node_types(place, 20)
    return place


def compile_types(place: Path, version: str, *options: str) -> None:
    compiler = CHECKS / COMPILERS[version] / "bin" / "tsc"
    said = run(this_node(), compiler, "--version", cwd=place).stdout
    assert said.startswith(f"Version {version}."), said
    run(this_node(), compiler, *options, cwd=place)


@pytest.fixture(scope="module")
def samples(place: Path) -> Path:
    """The project's own samples of use, as strict as a user may be, where the installed package is found."""
    folder = place / "samples"
    shutil.copytree(SAMPLES, folder)
    for config in folder.glob("tsconfig.*.json"):
        config.write_text(config.read_text().replace("../../../node/node_modules/@types", "../node_modules/@types"))
    strict = (folder / "tsconfig.node16.json").read_text()
    assert all(f'"{option}": true' in strict for option in ("strict", "exactOptionalPropertyTypes"))
    assert '"skipLibCheck": false' in strict
    return folder


@pytest.mark.parametrize("project", ["node16", "nodenext", "bundler"])
@pytest.mark.parametrize("version", COMPILERS)
def test_types(place: Path, samples: Path, version: str, project: str) -> None:
    compile_types(place, version, "-p", str(samples / f"tsconfig.{project}.json"))


@pytest.mark.parametrize("version", [18, 26])
def test_types_beside_those_of_another_node(place: Path, samples: Path, version: int) -> None:
    """What must be accepted; the newest types of Node accept any name of an event, too."""
    accepted = ["documented.mts", "commonjs.cts", "one_brand.mts", "testing.mts"]
    config = samples / f"tsconfig.node{version}.json"
    config.write_text(json.dumps({"extends": "./tsconfig.node16.json", "include": accepted}))
    add_node_types(place, version)
    try:
        compile_types(place, "7", "-p", str(config))
    finally:
        add_node_types(place, 20)


def test_types_of_the_older_resolution(place: Path) -> None:
    """What `"module": "commonjs"` means in TypeScript 5.9, and in most projects that are not new."""
    folder = place / "older"
    folder.mkdir()
    (folder / "app.ts").write_text(
        "import { Cluster, ClusterNode, type NodeId } from 'noex-cluster';\n"
        "import { Cluster as Same } from 'noex-cluster/distribution';\n"
        "import { startMesh, type Mesh } from 'noex-cluster/testing';\n"
        "export const same: boolean = Cluster === Same;\n"
        "export async function ids(): Promise<readonly NodeId[]> {\n"
        "  const mesh: Mesh = await startMesh(2);\n"
        "  const [one]: ClusterNode[] = [...mesh];\n"
        "  const found = one === undefined ? [] : one.getNodeIds();\n"
        "  await mesh.stop();\n"
        "  return found;\n"
        "}\n"
        "ids().then((found) => console.log(same, found.length));\n"
    )
    options = [
        "--module",
        "commonjs",
        "--moduleResolution",
        "node10",
        "--ignoreDeprecations",
        "5.0",
        "--target",
        "es2022",
    ]
    strict = ["--strict", "--exactOptionalPropertyTypes", "--skipLibCheck", "false", "--types", "node"]
    compile_types(place, "5.9", *options, *strict, "--outDir", "older", "older/app.ts")
    assert run(this_node(), "older/app.js", cwd=place).stdout.split() == ["true", "1"]


APPLICATION = """
import { Cluster, ClusterNotStartedError } from 'noex-cluster';
import { startMesh } from 'noex-cluster/testing';

async function main() {
  const mesh = await startMesh(2);
  await Cluster.start({ nodeName: 'app', host: '127.0.0.1', port: 'auto', seeds: mesh.ids });
  await mesh.waitUntilUp(Cluster);
  console.log(Cluster.getConnectedNodeCount());
  await Promise.all([Cluster.stop(), mesh.stop()]);
  try {
    Cluster.getNodes();
  } catch (error) {
    console.log(error instanceof ClusterNotStartedError);
  }
}
main();
"""


@pytest.mark.parametrize("module_format", ["esm", "cjs"])
def test_esbuild_with_the_package_outside(place: Path, module_format: str) -> None:
    """Of TypeScript, and minified."""
    folder = place / f"bundle-{module_format}"
    folder.mkdir()
    (folder / "app.ts").write_text(APPLICATION)
    out = folder / ("app.mjs" if module_format == "esm" else "app.cjs")
    options = ["--bundle", "--platform=node", "--minify", f"--format={module_format}", "--external:noex-cluster"]
    done = run("node_modules/.bin/esbuild", folder / "app.ts", *options, f"--outfile={out}", cwd=place)
    assert "warning" not in done.stderr, done.stderr
    assert run(this_node(), out, cwd=place).stdout.split() == ["2", "true"]


def test_esbuild_with_the_native_module_beside_the_bundle(place: Path, tmp_path: Path) -> None:
    """All code in one file, in a place without node_modules; and the same bundle on the oldest and the newest Node."""
    source = place / "inside.ts"
    source.write_text(APPLICATION)
    options = ["--bundle", "--platform=node", "--minify"]
    done = run("node_modules/.bin/esbuild", source, *options, f"--outfile={tmp_path / 'app.cjs'}", cwd=place)
    assert "warning" not in done.stderr, done.stderr
    lost = run(this_node(), "app.cjs", cwd=tmp_path, fails=True)
    assert (
        f"Looked for: {tmp_path.parent}/prebuilds/linux-x64/noex_cluster.node, {tmp_path}/noex_cluster.node"
        in lost.stderr
    )
    shutil.copy(place / "node_modules/noex-cluster/prebuilds/linux-x64/noex_cluster.node", tmp_path)
    for version in (18, 24):
        assert run(node(version), "app.cjs", cwd=tmp_path).stdout.split() == ["2", "true"]


JEST_TEST = """
const { Cluster, ClusterNode, ClusterNotStartedError, InvalidClusterConfigError, NodeId } = require('noex-cluster');
const { startMesh } = require('noex-cluster/testing');

let mesh;
beforeAll(async () => {
  mesh = await startMesh(3);
});
afterAll(() => Promise.all([Cluster.stop(), mesh.stop()]));

test('three connected nodes', () => {
  for (const node of mesh) {
    expect(node).toBeInstanceOf(ClusterNode);
    expect(node.getConnectedNodes()).toHaveLength(2);
    expect(node.getNodeIds()).toStrictEqual(mesh.ids.filter((id) => id !== node.getLocalNodeId()).sort());
  }
});

test('errors are those that the test file knows', async () => {
  expect(() => Cluster.getNodes()).toThrow(ClusterNotStartedError);
  expect(() => NodeId.parse('x')).toThrow('Invalid node id');
  await expect(Cluster.start({ nodeName: 'a b' })).rejects.toThrow(InvalidClusterConfigError);
  await expect(Cluster.start({})).rejects.toBeInstanceOf(Error);
});

test('the application joins, under a fake clock too', async () => {
  jest.useFakeTimers();
  await Cluster.start({ nodeName: 'app', host: '127.0.0.1', port: 'auto', seeds: mesh.ids });
  await mesh.waitUntilUp(Cluster);
  expect(Cluster.getConnectedNodeCount()).toBe(3);
  await expect(mesh.waitUntilDown(Cluster, { timeoutMs: 50 })).rejects.toThrow('still sees');
  jest.useRealTimers();
});

test('a crash', async () => {
  const down = jest.fn();
  mesh.nodes[0].onNodeDown(down);
  const worker = await mesh.addWorker();
  await mesh.waitUntilDown(await worker.kill());
  expect(down.mock.calls).toEqual([[worker.id, 'connection_closed']]);
});
"""


LEFT_RUNNING = """const { startMesh } = require('noex-cluster/testing');

test('leaves it', async () => {
  await startMesh(2);
});
"""


def jest(place: Path, name: str, tests: dict[str, str], *options: str) -> str:
    """What Jest says of test files in a project of their own. It must end by itself."""
    folder = place / name
    folder.mkdir()
    (folder / "package.json").write_text('{ "name": "tested", "private": true, "jest": { "testEnvironment": "node" } }')
    for file, text in tests.items():
        (folder / f"{file}.test.js").write_text(text)
    said = run("../node_modules/.bin/jest", "--ci", *options, cwd=folder, timeout=60).stderr
    for trouble in ("did not exit", "failed to exit gracefully", "force exited"):
        assert trouble not in said, said
    return said


@pytest.mark.parametrize("how", [["--runInBand", "--detectOpenHandles"], ["--maxWorkers=2"]], ids=["band", "workers"])
def test_jest(place: Path, how: list[str]) -> None:
    """Two files: each has the package anew, in one process or in two. Nothing is left open."""
    said = jest(place, f"jest-{len(how)}", {"first": JEST_TEST, "second": JEST_TEST}, *how)
    assert "Tests:       8 passed, 8 total" in said, said
    assert "open handle" not in said, said


def test_jest_names_the_mesh_that_was_left_running(place: Path) -> None:
    said = jest(place, "jest-left", {"left": LEFT_RUNNING}, "--detectOpenHandles", "--forceExit")
    assert "open handle" in said, said
    assert "left.test.js:4:9" in said, said
