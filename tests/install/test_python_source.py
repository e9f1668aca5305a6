"""The source distribution, built where nothing else is; and a checkout where nothing was set up."""

import re
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from places import ROOT, VENV, run
from python_places import CACHE, SLOW, check_works, make_venv, make_wheel, names_in, version

pytestmark = pytest.mark.timeout(1200)


@pytest.fixture(scope="module")
def source_distribution(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("sdist")
    command = [VENV / "python", "-m", "build", "--sdist", "--no-isolation", "--outdir", place, ROOT / "python"]
    # Its own folder for what CMake configures: the tree's may be in use beside it.
    run(*command, f"-Cbuild-dir={place / 'build'}", cwd=place, timeout=SLOW, **CACHE)
    (archive,) = place.glob("*.tar.gz")
    return archive


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


def test_the_source_distribution_builds_on_its_own(source_distribution: Path, tmp_path: Path) -> None:
    built = make_wheel(source_distribution, tmp_path / "wheels", tmp_path)
    package = {name.partition("/")[2] for name in names_in(built) if name.startswith("noex_cluster/")}
    sources = ROOT / "python" / "src" / "noex_cluster"
    interface = {file.name for pattern in ("*.py", "*.pyi", "py.typed") for file in sources.glob(pattern)}
    assert {name for name in package if not name.endswith(".so")} == interface
    assert sum(name.endswith(".so") for name in package) == 1
    info = f"noex_cluster-{version()}.dist-info"
    expected = {f"{info}/{name}" for name in ("METADATA", "WHEEL", "RECORD", "licenses/LICENSE")}
    expected.add(f"{info}/licenses/THIRD_PARTY_LICENSES")
    assert {name for name in names_in(built) if not name.startswith("noex_cluster/")} == expected
    assert built.name.startswith(f"noex_cluster-{version()}-cp3")
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
    done = subprocess.run(
        list(map(str, command)), cwd=tmp_path, capture_output=True, text=True, timeout=SLOW, check=False
    )
    assert done.returncode != 0
    assert "NOEX_LIBUV_SOURCE=/path" in done.stdout + done.stderr
