"""What the tidy tests look at: the tracked files, the public header, the built libraries."""

import os
import re
import subprocess
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release"))
HEADER = ROOT / "capi" / "include" / "noex_cluster.h"
MADE = {"build", ".deps", ".venv", ".cache", ".git", "node_modules", "prebuilds", "__pycache__", "dist"}
MADE |= {".mypy_cache", ".ruff_cache", ".pytest_cache", ".hypothesis"}
MADE_FILES = {"THIRD_PARTY_LICENSES"}


@cache
def tracked_files() -> list[Path]:
    """The files under version control; in an exported tree without git, all that set-up and build did not make."""
    listing = (
        subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
        if has_git()
        else None
    )
    if listing is not None and listing.returncode == 0:
        found = [ROOT / name for name in listing.stdout.split("\0") if name]
        return [file for file in found if file.is_file()]
    files = []
    for folder, folders, names in os.walk(ROOT):
        folders[:] = [name for name in folders if name not in MADE]
        files += [Path(folder) / name for name in names if name not in MADE_FILES and not name.startswith("_native.")]
    return files


def has_git() -> bool:
    return (ROOT / ".git").exists() and any((Path(place) / "git").exists() for place in os.get_exec_path())


def sources(folder: str, *suffixes: str) -> list[Path]:
    return sorted(file for suffix in suffixes for file in (ROOT / folder).rglob(f"*{suffix}"))


def without_comments(text: str) -> str:
    return re.sub(r"/\*.*?\*/|//[^\n]*", lambda match: re.sub(r"[^\n]", " ", match.group()), text, flags=re.DOTALL)


@cache
def declared_functions() -> list[str]:
    """The functions that the public header declares, in its order."""
    return re.findall(r"^NOEX_API\b[^;{]*?\b(noex_\w+)\s*\(", without_comments(HEADER.read_text()), re.MULTILINE)
