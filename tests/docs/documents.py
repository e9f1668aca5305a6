"""What the tests of the documentation share: the pages, the site as it is built, and how a program of a page is run."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release"))
COMMAND = BUILD / "bin" / "noex-cluster"
DOCS_PYTHON = ROOT / ".cache" / "docs-venv" / "bin" / "python"
BUILDER = ROOT / "docs" / "site" / "build.py"
INCLUDE = ROOT / "capi" / "include"
sys.path[:0] = [str(ROOT / "docs" / "site"), str(ROOT / "demo"), str(ROOT / "tests" / "mesh")]

import pages  # noqa: E402  # the path above

# The pages that are Markdown, and which test runs the code of those that are not run here: all of it, as each says.
PAGES = [
    *sorted((ROOT / "docs").glob("*.md")),
    *(ROOT / name for name in ("README.md", "SECURITY.md", "CHANGELOG.md")),
    *(ROOT / folder / "README.md" for folder in ("python", "node", "examples")),
]
RUN_ELSEWHERE = {
    "README.md": ["mesh/test_documents.py"],
    "python/README.md": ["install/test_python_readme.py"],
    "node/README.md": ["install/test_node_readme.py"],
    "examples/README.md": ["guides/test_list.py"],
    "docs/migrating-from-noex.md": ["mesh/test_migration.py", "mesh/test_migration_programs.py"],
}
# Of whoever runs the tests: it must not configure what they start.
FOREIGN = ("CLUSTER_", "NODE_", "NOEX_", "PYTEST_", "PYTHON")


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def all_blocks() -> Iterator[tuple[Path, pages.Block]]:
    for page in PAGES:
        for block in pages.blocks(page.read_text()):
            yield page, block


def environment(**variables: str) -> dict[str, str]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    paths = {
        "PATH": f"{ROOT / '.venv' / 'bin'}:{BUILD / 'bin'}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT / "python" / "src"),
        "LD_LIBRARY_PATH": str(BUILD / "lib"),
    }
    return {**clean, **paths, "PYTHONUNBUFFERED": "1", "NOEX_ADVERTISE_HOST": "127.0.0.1", **variables}


def run(*command: str | Path, cwd: Path, fails: bool = False, **variables: str) -> str:
    """Its output; a failure that shows all of it if it does not end as it should."""
    words = [str(word) for word in command]
    env = environment(**variables)
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=90, check=False)
    assert (done.returncode != 0) == fails, f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def compiler(language: str) -> list[str]:
    """The compiler as strict as a user may have it."""
    warnings = ["-Wall", "-Wextra", "-Wpedantic", "-Wconversion", "-Werror", f"-I{INCLUDE}"]
    return ["cc", "-std=gnu11", *warnings] if language == "c" else ["c++", "-std=c++17", *warnings]


def libraries() -> list[str]:
    return [f"-L{BUILD / 'lib'}", "-lnoex_cluster", f"-Wl,-rpath,{BUILD / 'lib'}"]


def write_page(page: Path, folder: Path) -> None:
    """All programs and files of a page, under the names that stand above them, where a reader would have put them."""
    for block in pages.blocks(page.read_text()):
        if block.name:
            assert not (folder / block.name).exists(), f"{page.name} has two blocks {block.name}"
            (folder / block.name).write_text(block.text)
    if shutil.which("node"):  # as `npm install` would
        (folder / "node_modules").mkdir()
        (folder / "node_modules" / "noex-cluster").symlink_to(ROOT / "node")
