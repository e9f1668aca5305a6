"""What is under version control: our own work only, with nothing of the machine that it was made on."""

import json
import re
import tomllib

from repository import HEADER, ROOT, tracked_files

BINARY = {".png", ".ico", ".bin"}
# Written in pieces, so that this file does not find itself.
PLACES = [
    r"registry\." + "npm",
    "npmjs" + r"\.(org|com)/",
    "deb" + r"\.debian\.org",
    "pypi" + r"\.org",
    "python" + "hosted",
    "/wo" + "rk/",
    "/ro" + "ot/",
]
PARTS = ("MAJOR", "MINOR", "PATCH")
THIRD_PARTY_NAMES = (
    r"(^|/)(uv\.h|uv-.*\.[ch]|simdjson\.(h|cpp)|sodium\.h|napi\.h|node_api\.h|pybind11\.h|gtest\.h|nlohmann.*)$"
    r"|(^|/)(third_party|vendor|node_modules)/"
)


def texts() -> dict[str, str]:
    found = {}
    for file in tracked_files():
        name = str(file.relative_to(ROOT))
        if file.suffix in BINARY or "/corpus/" in name:
            continue
        found[name] = file.read_text(errors="replace")
    assert "LICENSE" in found
    return found


def test_no_registry_and_no_path_of_a_machine() -> None:
    wrong = [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts().items()
        for number, line in enumerate(text.splitlines(), 1)
        if any(re.search(place, line) for place in PLACES)
    ]
    assert not wrong, "\n".join(wrong)


def test_nothing_of_a_third_party() -> None:
    names = [str(file.relative_to(ROOT)) for file in tracked_files()]
    assert not [name for name in names if re.search(THIRD_PARTY_NAMES, name)]
    copyright_line = re.compile(r"copyright\s+(\(c\)|©|\d{4})", re.IGNORECASE)
    foreign = [
        name
        for name, text in texts().items()
        if any(copyright_line.search(line) and "noex-cluster contributors" not in line for line in text.splitlines())
    ]
    assert not foreign


def test_nothing_that_a_build_makes() -> None:
    made = r"\.(o|a|so|so\.\d.*|node|pyc|whl|tgz)$|(^|/)(build|__pycache__|\.venv|\.deps)/"
    assert not [str(file) for file in tracked_files() if re.search(made, str(file.relative_to(ROOT)))]


def test_no_lock_file_carries_a_download_address() -> None:
    locks = [file for file in tracked_files() if file.name == "package-lock.json"]
    assert len(locks) >= 3
    assert not [str(lock) for lock in locks if '"resolved"' in lock.read_text()]


def test_one_version_everywhere() -> None:
    """The header states it. All builds read it there; npm alone wants it spelt out (`./dev version` writes both)."""
    parts = [re.search(rf"^#define NOEX_VERSION_{part} (\d+)$", HEADER.read_text(), re.M) for part in PARTS]
    version = ".".join(part[1] for part in parts if part)
    for file in ("package.json", "package-lock.json"):
        assert json.loads((ROOT / "node" / file).read_text())["version"] == version
    assert "version" in tomllib.loads((ROOT / "python" / "pyproject.toml").read_text())["project"]["dynamic"]
    assert "VERSION ${version}" in (ROOT / "CMakeLists.txt").read_text()


def test_each_package_carries_the_licence() -> None:
    licence = (ROOT / "LICENSE").read_text()
    for package in ("node", "python"):  # copies: npm packs no symbolic link
        assert (ROOT / package / "LICENSE").read_text() == licence


def test_files_end_with_a_newline_and_have_no_trailing_space() -> None:
    wrong = []
    for name, text in texts().items():
        if name.endswith((".json", ".txt")) and "tests/" in name:
            continue  # data, byte for byte
        if text and not text.endswith("\n"):
            wrong.append(f"{name}: no final newline")
        wrong += [
            f"{name}:{number}: trailing space"
            for number, line in enumerate(text.splitlines(), 1)
            if line != line.rstrip()
        ]
    assert not wrong, "\n".join(wrong[:50])


def test_scripts_are_executable() -> None:
    for name in ("dev", ".ci/run"):
        assert (ROOT / name).stat().st_mode & 0o111, f"{name} has no run bit"
