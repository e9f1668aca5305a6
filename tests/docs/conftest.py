"""The site, built once for the tests of a file."""

import subprocess
from pathlib import Path

import pytest
from documents import BUILDER, DOCS_PYTHON, environment


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of it, from nothing. A warning of Sphinx is an error."""
    assert DOCS_PYTHON.exists(), "there is no .cache/docs-venv: `./dev test docs` sets it up"
    folder = tmp_path_factory.mktemp("site")
    command = [DOCS_PYTHON, BUILDER, "--source", folder / "source", "--output", folder / "html"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    return folder / "html"
