"""Empty places in which a package is used as a user would: nothing of the checkout is in reach."""

import os
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release"))
VENV = ROOT / ".venv" / "bin"


def run(
    *command: str | Path, cwd: Path, timeout: float = 120, accepted: tuple[int, ...] = (0,), **environment: str
) -> str:
    """The command's output; with its errors in the failure if it ends otherwise than accepted."""
    hidden = ("PYTHONPATH", "NODE_PATH", "PYTHONHOME", "LD_LIBRARY_PATH")
    env = {name: value for name, value in os.environ.items() if name not in hidden}
    env |= {"NOEX_ADVERTISE_HOST": "127.0.0.1", **environment}
    words = [str(part) for part in command]
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False)
    assert done.returncode in accepted, f"{words}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout
