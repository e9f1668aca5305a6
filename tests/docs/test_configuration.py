"""docs/configuration.md has every option, in every spelling, with its default and its bounds: those of the sources."""

import dataclasses
import re
import subprocess

import pytest
from documents import COMMAND, ROOT

TEXT = (ROOT / "docs" / "configuration.md").read_text()


def table(heading: str) -> dict[str, list[str]]:
    """The rows of the table that begins with this heading, by their first cell."""
    beginning = TEXT.index(f"| {heading}")
    rows = TEXT[beginning : TEXT.index("\n\n", beginning)].splitlines()[2:]
    cells = [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]
    return {row[0].strip("`"): row[1:] for row in cells}


OPTIONS = table("option | default")
LANGUAGES = table("JavaScript | Python, C")
ENVIRONMENT = table("JavaScript | `noex-cluster run`")


def declared_options() -> list[str]:
    declarations = (ROOT / "node" / "index.d.cts").read_text()
    body = re.search(r"^export interface ClusterConfig \{(.*?)^\}", declarations, re.M | re.S)
    assert body
    return re.findall(r"^  readonly (\w+)\??:", body[1], re.MULTILINE)


def struct_fields(file: str, struct: str) -> list[str]:
    text = re.sub(r"/\*.*?\*/|//[^\n]*", "", (ROOT / "capi" / "include" / file).read_text(), flags=re.DOTALL)
    body = re.search(rf"struct {struct} \{{(.*?)^  (?:template|Result)|struct {struct} \{{(.*?)^\}}", text, re.M | re.S)
    assert body
    return re.findall(r"(\w+)(?: = \w+)?;", body[1] or body[2])


def snake(name: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name)


def words(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def test_every_table_has_every_option() -> None:
    declared = declared_options()
    assert len(declared) >= 13
    for rows in (OPTIONS, LANGUAGES, ENVIRONMENT):
        assert sorted(rows) == sorted(declared)


def test_the_defaults() -> None:
    from noex_cluster import ClusterConfig

    config = ClusterConfig("app1")
    in_words = {"required": ("node_name", "app1"), "empty": ("cluster_name", "")}
    for option, (default, *_) in OPTIONS.items():
        value = getattr(config, snake(option))
        if default in in_words:
            assert (snake(option), value) == in_words[default]
        elif default in ("none", "found"):
            assert value in (None, ()), option
        else:
            assert words(default) == [str(value)], option


@pytest.mark.parametrize("option", [name for name, row in OPTIONS.items() if re.search(r"\d+ to \d+", row[1])])
def test_the_bounds(option: str) -> None:
    """They are the first and the last that are taken."""
    from noex_cluster import ClusterConfig, InvalidClusterConfigError

    found = re.match(r"(\d+) to (\d+)", OPTIONS[option][1])
    assert found
    low, high = int(found[1]), int(found[2])

    def check(value: int) -> None:
        others = {"reconnect_base_delay_ms": 1} if option == "reconnectMaxDelayMs" else {}
        if option == "reconnectBaseDelayMs":
            others = {"reconnect_max_delay_ms": 2147483647}
        ClusterConfig("app1", **others, **{snake(option): value}).validate()

    for value in (low, high):
        check(value)
    for value in (low - 1, high + 1):
        with pytest.raises(InvalidClusterConfigError):
            check(value)


@pytest.mark.parametrize(
    ("option", "size", "letter"), [("nodeName", 64, "a"), ("clusterName", 255, "x"), ("controlSocket", 107, "p")]
)
def test_the_sizes(option: str, size: int, letter: str) -> None:
    from noex_cluster import ClusterConfig, InvalidClusterConfigError

    assert str(size) in OPTIONS[option][1]
    base = {} if option == "nodeName" else {"node_name": "app1"}
    ClusterConfig(**base, **{snake(option): letter * size}).validate()
    with pytest.raises(InvalidClusterConfigError):
        ClusterConfig(**base, **{snake(option): letter * (size + 1)}).validate()


def test_the_spellings_in_python_and_c() -> None:
    from noex_cluster import ClusterConfig

    python = [field.name for field in dataclasses.fields(ClusterConfig)]
    assert [words(row[0])[0] for row in LANGUAGES.values()] == [snake(option) for option in LANGUAGES]
    assert sorted(words(row[0])[0] for row in LANGUAGES.values()) == sorted(python)
    c = struct_fields("noex_cluster.h", "noex_config")
    listed = {name for row in LANGUAGES.values() for name in words(row[0])}
    assert listed | {"struct_size", "key_style"} == set(c)
    assert "`key_style`" in TEXT


def test_the_spellings_in_cpp() -> None:
    listed = {name for row in LANGUAGES.values() for name in words(row[1])}
    assert listed == set(struct_fields("noex_cluster.hpp", "Config"))


@pytest.mark.parametrize("option", ENVIRONMENT)
def test_the_spellings_of_the_command(option: str) -> None:
    text = subprocess.run([COMMAND, "run", "--help"], capture_output=True, text=True, check=True).stdout
    flags, variables = map(words, ENVIRONMENT[option])
    assert flags
    assert variables
    for flag in flags:
        assert re.search(rf"^ +{flag}\b", text, re.MULTILINE), f"noex-cluster run has no {flag}"
    for variable in variables:
        assert variable in text, f"noex-cluster run does not read {variable}"


def test_the_library_reads_one_variable() -> None:
    sources = [file for folder in ("core", "capi") for file in (ROOT / folder).rglob("*.cc")]
    read = {name for file in sources for name in re.findall(r"getenv\(([^)]*)\)", file.read_text())}
    assert read, "getenv is called somewhere"
    named = {name for file in sources for name in re.findall(r'"(NOEX_[A-Z_]+)"', file.read_text())}
    named = {name for name in named if not name.startswith(("NOEX_E", "NOEX_OK"))}
    assert named == {"NOEX_ADVERTISE_HOST"}
