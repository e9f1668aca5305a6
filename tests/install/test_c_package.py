"""The C and C++ package: installed into an empty prefix, moved, and used from there by both build systems; its binary
interface is what capi/noex_cluster.abi says."""

import re
import shutil
from pathlib import Path

import pytest
from places import BUILD, ROOT, run

C_PROGRAM = r"""
#include <noex_cluster.h>
#include <stdio.h>
#include <string.h>

int main(void) {
  noex_config config;
  noex_cluster *cluster;
  char id[NOEX_NODE_ID_SIZE_MAX + 1];
  noex_config_init(&config, sizeof config);
  config.node_name = "installed";
  config.host = "127.0.0.1";
  config.port_auto = true;
  if (noex_cluster_create(&cluster) != NOEX_OK || noex_cluster_start(cluster, &config) != NOEX_OK ||
      noex_cluster_local_id(cluster, id, sizeof id) != NOEX_OK || noex_cluster_stop(cluster) != NOEX_OK) {
    fprintf(stderr, "%s\n", noex_last_error());
    return 1;
  }
  noex_cluster_free(cluster);
  if (strcmp(noex_version(), NOEX_VERSION_STRING) != 0) return 2;
  printf("%s %s\n", noex_version(), id);
  return 0;
}
"""

CXX_PROGRAM = r"""
#include <noex_cluster.hpp>

#include <iostream>

int main() {
  noex::Cluster cluster;
  noex::Config config;
  config.node_name = "installed";
  config.host = "127.0.0.1";
  config.port_auto = true;
  if (const auto started = cluster.start(config); !started) {
    std::cerr << started.error().message << "\n";
    return 1;
  }
  std::cout << noex::version() << " " << cluster.local_id().value() << "\n";
  return cluster.stop() ? 0 : 1;
}
"""

WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Wshadow", "-Werror")
# Each language: the source, its name, how CMake calls the language, and the ways to compile it.
LANGUAGES = {
    "c": (C_PROGRAM, "main.c", "C", [["cc", "-std=c11"]]),
    "c++": (CXX_PROGRAM, "main.cc", "CXX", [["c++", "-std=c++17"], ["c++", "-std=c++20"], ["c++", "-std=c++23"]]),
}


@pytest.fixture(scope="module")
def prefix(tmp_path_factory: pytest.TempPathFactory) -> Path:
    installed = tmp_path_factory.mktemp("prefix") / "first"
    run("cmake", "--install", BUILD, "--prefix", installed, cwd=ROOT)
    place = installed.with_name("moved")
    shutil.move(installed, place)  # as whoever unpacks an archive somewhere does
    return place


def library_folder(prefix: Path) -> Path:
    return next(prefix.rglob("libnoex_cluster.so")).parent


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_by_pkg_config(prefix: Path, language: str, tmp_path: Path) -> None:
    text, name, _, compilers = LANGUAGES[language]
    (tmp_path / name).write_text(text)
    libraries = library_folder(prefix)
    search = {"PKG_CONFIG_PATH": str(libraries / "pkgconfig")}
    flags = run("pkg-config", "--cflags", "--libs", "noex_cluster", cwd=tmp_path, **search).split()
    version = run("pkg-config", "--modversion", "noex_cluster", cwd=tmp_path, **search).strip()
    for compiler in compilers:
        run(*compiler, *WARNINGS, name, "-o", "main", *flags, cwd=tmp_path)
        output = run("./main", cwd=tmp_path, LD_LIBRARY_PATH=str(libraries))
        assert output.startswith(f"{version} installed@127.0.0.1:")


def test_by_cmake(prefix: Path, language: str, tmp_path: Path) -> None:
    text, name, cmake_language, _ = LANGUAGES[language]
    (tmp_path / name).write_text(text)
    (tmp_path / "CMakeLists.txt").write_text(
        f"cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES {cmake_language})\n"
        "find_package(noex_cluster 0.1 REQUIRED)\n"
        f"add_executable(main {name})\ntarget_link_libraries(main PRIVATE noex::noex_cluster)\n"
    )
    run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=tmp_path)
    run("cmake", "--build", "build", cwd=tmp_path)
    assert " installed@127.0.0.1:" in run("build/main", cwd=tmp_path)


def test_another_major_version_is_not_found(prefix: Path, tmp_path: Path) -> None:
    (tmp_path / "CMakeLists.txt").write_text(
        "cmake_minimum_required(VERSION 3.25)\nproject(user LANGUAGES C)\nfind_package(noex_cluster 99 QUIET)\n"
        "if(noex_cluster_FOUND)\n  message(FATAL_ERROR found)\nendif()\n"
    )
    run("cmake", "-S", ".", "-B", "build", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={prefix}", cwd=tmp_path)


def test_the_library_has_a_soname(prefix: Path) -> None:
    library = library_folder(prefix) / "libnoex_cluster.so"
    assert library.is_symlink()
    soname = re.search(r"\(SONAME\).*\[(.*)\]", run("readelf", "-d", library, cwd=prefix))
    assert soname is not None
    assert re.fullmatch(r"libnoex_cluster\.so\.\d+", soname[1])
    assert (library.parent / soname[1]).resolve() == library.resolve()


def test_the_command_is_installed(prefix: Path) -> None:
    version = run(ROOT / "dev", "version", cwd=ROOT)
    assert run(prefix / "bin" / "noex-cluster", "--version", cwd=prefix) == f"noex-cluster {version}"


def test_what_is_installed(prefix: Path) -> None:
    files = {str(file.relative_to(prefix)) for file in prefix.rglob("*") if not file.is_dir()}
    assert {"include/noex_cluster.h", "include/noex_cluster.hpp", "bin/noex-cluster"} <= files
    assert not {name for name in files if "noex" not in name}
    licences = prefix / "share" / "licenses" / "noex_cluster"
    assert (licences / "LICENSE").read_text() == (ROOT / "LICENSE").read_text()
    text = (licences / "THIRD_PARTY_LICENSES").read_text()
    for part in ("libuv", "simdjson", "libsodium", "CLI11", "cpp-httplib", "nlohmann-json"):
        assert re.search(rf"^{part} \d+\.\d+", text, re.MULTILINE), part
    assert len(text) > 5000


# ---------------------------------------------------------------------------------------------------------------------
# the binary interface

BASELINE = ROOT / "capi" / "noex_cluster.abi"
CHANGED = 4  # a bit of abidiff's exit code


def abidiff(baseline: Path, accepted: tuple[int, ...]) -> str:
    library = (BUILD / "lib" / "libnoex_cluster.so").resolve()
    options = ["--drop-private-types", "--headers-dir2", ROOT / "capi" / "include"]
    return run("abidiff", *options, baseline, library, cwd=ROOT, accepted=accepted)


def test_the_binary_interface_is_the_baseline() -> None:
    """If it was changed on purpose, by adding, `./dev abi` writes the new baseline, for the same commit.

    That a field is appended is no change to it: `struct_size` tells, and tests/capi holds the layouts."""
    abidiff(BASELINE, (0,))


@pytest.mark.parametrize(
    ("said", "other"),
    [
        (r"<elf-symbol name='noex_cluster_stop'", "<elf-symbol name='noex_cluster_halt'"),
        (r"(<parameter type-id=)'\w+' (name='timeout_ms'/>)", r"\1'80f4b756' \2"),
        (r"(<var-decl name='incarnation' type-id=)'\w+'", r"\1'3ff5601b'"),
    ],
    ids=["a function that is gone", "a parameter of another type", "a field of another type"],
)
def test_a_change_of_it_would_be_noticed(said: str, other: str, tmp_path: Path) -> None:
    text = BASELINE.read_text()
    changed = re.sub(said, other, text, count=1)
    assert changed != text
    (tmp_path / "other.abi").write_text(changed)
    abidiff(tmp_path / "other.abi", (CHANGED, CHANGED | 8))
