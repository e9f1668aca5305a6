"""Every block of code in the documentation is run, compiled, or checked by its language; and one that is not says so,
and why, in a comment above it (docs/site/pages.py has the marks).

The programs of docs/*.md are run here, or by the test that plays their page. The READMEs of the packages have tests of
their own, which run all of theirs: here they are only compiled.
"""

import configparser
import json
import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from documents import (
    BUILD,
    DOCS_PYTHON,
    PAGES,
    ROOT,
    RUN_ELSEWHERE,
    all_blocks,
    compiler,
    libraries,
    name_of,
    run,
    write_page,
)
from pages import MARK, Block
from shell import check_shell

TEXT = {"text", "diff", "promql", "http"}  # no code, or none of ours
CHECKED = {"python", "js", "ts", "c", "cpp", "cmake", "json", "yaml", "toml", "ini", "sh", "bash", "dockerfile"}
# Pages whose shell is run, too, in a folder with the page's programs.
SHELL_RUN = {"docs/securing.md", "docs/c-and-cpp.md"}
PLAYED = {"docs/getting-started.md": "test_getting_started.py"}  # pages that a test here plays from top to bottom

BLOCKS = list(all_blocks())
IDS = [f"{name_of(page)}:{block.line}" for page, block in BLOCKS]


def is_run_elsewhere(page: Path) -> bool:
    return name_of(page) in RUN_ELSEWHERE


def test_there_are_blocks() -> None:
    assert len(BLOCKS) > 60
    assert len({page for page, _ in BLOCKS}) > 10


@pytest.mark.parametrize(("page", "block"), BLOCKS, ids=IDS)
def test_the_block_is_checked_by_its_language(page: Path, block: Block, tmp_path: Path) -> None:
    """What can be said of a block without running it."""
    assert block.language in TEXT | CHECKED, (
        f"{name_of(page)}:{block.line}: a block in {block.language or 'no language'}, which nothing here can check; "
        f"drawings and output are ```text"
    )
    if block.mark.startswith("not run"):
        return  # an excerpt need not even compile
    match block.language:
        case "python":
            compile(block.text, f"{name_of(page)}:{block.line}", "exec")
        case "js":
            module = block.name.endswith((".cjs", ".js"))
            file = tmp_path / ("block.cjs" if module else "block.mjs")
            file.write_text(block.text)
            run("node", "--check", file, cwd=tmp_path)
        case "c" | "cpp":
            file = tmp_path / f"block.{'c' if block.language == 'c' else 'cc'}"
            file.write_text(block.text)
            run(*compiler(block.language), "-fsyntax-only", file, cwd=tmp_path)
        case "json":
            for text in block.text.splitlines() if block.text.count("\n{") else [block.text]:
                json.loads(text)
        case "yaml":
            program = "import sys, yaml; assert [one for one in yaml.safe_load_all(sys.stdin) if one is not None]"
            done = subprocess.run(
                [DOCS_PYTHON, "-c", program], input=block.text, text=True, capture_output=True, check=False
            )
            assert done.returncode == 0, done.stderr
        case "toml":
            tomllib.loads(block.text)
        case "ini":
            configparser.ConfigParser(strict=False, interpolation=None).read_string(block.text)
        case "sh" | "bash":
            check_shell(block.text)


def runnable(page: Path, block: Block) -> bool:
    return (
        name_of(page).startswith("docs/")
        and not is_run_elsewhere(page)
        and name_of(page) not in PLAYED
        and not block.mark
        and block.language in {"python", "js", "c", "cpp"}
    )


@pytest.mark.parametrize(
    "page", [page for page in PAGES if any(runnable(p, b) for p, b in BLOCKS if p == page)], ids=name_of
)
def test_the_programs_of_the_page_run(page: Path, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Each ends by itself, with exit code 0; the other blocks of the page that have a name lie beside it."""
    write_page(page, tmp_path)
    for block in (b for p, b in BLOCKS if p == page and b.language == "sh" and name_of(p) in SHELL_RUN):
        script = block.text
        if archive := re.search(r"/opt/noex_cluster-[\d.]+", script):
            script = script.replace(archive[0], str(request.getfixturevalue("installed")))
        run("sh", "-e", "-c", script, cwd=tmp_path)
    for number, (_, block) in enumerate((p, b) for p, b in BLOCKS if p == page and runnable(p, b)):
        name = block.name or f"block{number}.{ {'python': 'py', 'js': 'mjs', 'c': 'c', 'cpp': 'cc'}[block.language] }"
        (tmp_path / name).write_text(block.text)
        # The port of the documentation may be taken here.
        port = {"CLUSTER_PORT": "0" if block.language == "c" else free_port()}
        if block.language == "python" and "def test_" in block.text:
            run(
                "python",
                "-m",
                "pytest",
                "-q",
                "-c",
                ROOT / "tests" / "pytest.ini",
                "--rootdir",
                tmp_path,
                name,
                cwd=tmp_path,
            )
        elif block.language == "js" and "node:test" in block.text:
            run("node", "--test", name, cwd=tmp_path)
        elif block.language in ("python", "js"):
            run("python" if block.language == "python" else "node", name, cwd=tmp_path, **port)
        else:
            program = tmp_path / f"program{number}"
            run(*compiler(block.language), tmp_path / name, "-o", program, *libraries(), cwd=tmp_path)
            run(program, cwd=tmp_path, **{"CLUSTER_PORT": free_port()})


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The library as the archive has it."""
    prefix = tmp_path_factory.mktemp("opt") / "noex_cluster"
    run("cmake", "--install", BUILD, "--prefix", prefix, cwd=ROOT)
    return prefix


def free_port() -> str:
    from ports import free_ports

    return str(free_ports(1)[0])


def test_every_mark_is_one_that_is_known() -> None:
    """A misspelt mark would be a comment that nobody sees."""
    for page in PAGES:
        for number, line in enumerate(page.read_text().splitlines(), 1):
            if line.startswith("<!--"):
                known = MARK.match(line) or re.match(r"<!-- (/?tabs|mutants: (begin|end)) -->", line)
                assert known, f"{name_of(page)}:{number}: {line}"


def test_what_is_not_run_says_why() -> None:
    excerpts = [(page, block) for page, block in BLOCKS if block.mark.startswith("not run")]
    for page, block in excerpts:
        assert len(block.reason.split()) >= 3, f"{name_of(page)}:{block.line}: {block.reason!r} is no reason"
    # A rule with many exceptions is none: whoever adds one says so here.
    assert len(excerpts) <= 12, [f"{name_of(page)}:{block.line}: {block.reason}" for page, block in excerpts]


def test_what_is_run_elsewhere_is_run_there() -> None:
    for page, block in (one for one in BLOCKS if one[1].mark.startswith("run by")):
        match = MARK.match(f"<!-- {block.mark} -->")
        assert match
        test = ROOT / "tests" / match["test"]
        assert test.is_file(), f"{name_of(page)}:{block.line}: there is no tests/{match['test']}"
        assert page.name in test.read_text(), f"tests/{match['test']} does not mention {page.name}"


@pytest.mark.parametrize("page", RUN_ELSEWHERE)
def test_the_pages_that_are_run_elsewhere_are_named_there(page: str) -> None:
    tests = [ROOT / "tests" / name for name in RUN_ELSEWHERE[page]]
    assert all(test.is_file() for test in tests)
    text = "".join(test.read_text() for test in tests)
    folder, _, name = page.rpartition("/")
    assert name in text or f'"{folder}"' in text or "DOCUMENT" in text
    assert re.search(r"def test_\w*(block|program|command|list|listed|README|readme)\w*", text)
