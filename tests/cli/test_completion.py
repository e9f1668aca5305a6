"""`noex-cluster completion`: what bash, zsh and fish offer, asked in these shells themselves."""

import os
import pty
import re
import select
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import COMMAND, DEADLINE, environment, once
from test_manual import options, verbs

FOLDER = COMMAND.parent


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("completions")
    found = {}
    for shell in ("bash", "zsh", "fish"):
        done = once("completion", shell)
        assert (done.returncode, done.stderr) == (0, "")
        found[shell] = folder / shell
        found[shell].write_text(done.stdout)
    return found


def needs(shell: str) -> None:
    if shutil.which(shell) is None:
        pytest.skip(f"there is no {shell} here")


def in_shell(shell: str, script: Path, line: str, cwd: Path | None = None) -> set[str]:
    """What the shell offers for the last word of `line`."""
    path = f"{FOLDER}:{os.environ['PATH']}"
    if shell == "fish":
        command = ["fish", "--no-config", "-c", f"source {script}; complete -C '{line}'"]
    else:
        words = line.replace("=", " = ").split(" ")
        quoted = " ".join(f"'{word}'" for word in ["noex-cluster", *words[1:]])
        command = [
            *("bash", "--norc", "-c"),
            f"source {script}; COMP_WORDS=({quoted}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1)); "
            "_noex_cluster; ((!${#COMPREPLY[@]})) || printf '%s\\n' \"${COMPREPLY[@]}\"",
        ]
    done = subprocess.run(
        command, env=environment(PATH=path), capture_output=True, text=True, check=True, timeout=DEADLINE, cwd=cwd
    )
    assert done.stderr == ""
    return {offer.split("\t")[0] for offer in done.stdout.splitlines()}


@pytest.mark.parametrize("shell", ["bash", "fish"])
def test_what_is_offered(shell: str, scripts: dict[str, Path], fake: Any, tmp_path: Path) -> None:
    needs(shell)
    script = scripts[shell]

    def offers(line: str) -> set[str]:
        return in_shell(shell, script, line, tmp_path)

    assert set(verbs()) <= offers("noex-cluster ")
    assert offers("noex-cluster keyg") == {"keygen"}
    assert "--version" in offers("noex-cluster --")
    for verb in verbs():
        assert offers(f"noex-cluster {verb} --") == {name for name in options(verb) if name.startswith("--")}, verb
    assert offers("noex-cluster run --log-level ") == {"debug", "info", "warning", "error"}
    assert offers("noex-cluster run --name x --log-level d") == {"debug"}
    equals = offers("noex-cluster run --log-level=d")
    assert equals in ({"debug"}, {"--log-level=debug"})
    assert offers("noex-cluster run --name ") == set(), "what cannot be known is not guessed"
    assert {"bash", "zsh", "fish"} <= offers("noex-cluster completion ")
    (tmp_path / "the secret").write_text("")
    assert {name.replace("\\", "") for name in offers("noex-cluster check --secret-file the")} == {"the secret"}
    fake("running1")
    assert "running1" in offers("noex-cluster status runn")


class Zsh:
    """An interactive zsh with the completion, to press Tab in."""

    def __init__(self, load: str) -> None:
        self.process, self.terminal = pty.fork()
        if self.process == 0:
            path = f"{FOLDER}:{os.environ['PATH']}"
            os.execvpe("zsh", ["zsh", "-f", "-i"], environment(TERM="dumb", PATH=path, HOME="/nonexistent"))
        self.said = ""
        self.type(f"autoload -Uz compinit; {load}; PS1='> '; echo rea''dy\n", r"\nready")

    def type(self, keys: str, expected: str) -> None:
        """Waits until what has been said since matches."""
        began = len(self.said)
        os.write(self.terminal, keys.encode())
        deadline = time.monotonic() + DEADLINE
        while not re.search(expected, self.said[began:].replace("\r", "")):
            assert time.monotonic() < deadline, f"no {expected!r} in {self.said[began:]!r}"
            if select.select([self.terminal], [], [], 0.1)[0]:
                self.said += os.read(self.terminal, 4096).decode("utf-8", "replace")

    def end(self) -> None:
        os.kill(self.process, signal.SIGKILL)
        os.waitpid(self.process, 0)
        os.close(self.terminal)


@pytest.fixture(params=["sourced", "installed"])
def zsh(request: pytest.FixtureRequest, scripts: dict[str, Path], tmp_path: Path) -> Iterator[Zsh]:
    needs("zsh")
    if request.param == "sourced":
        shell = Zsh(f"compinit -u -D; source {scripts['zsh']}")
    else:
        shutil.copy(scripts["zsh"], tmp_path / "_noex-cluster")
        shell = Zsh(f"fpath=({tmp_path} $fpath); compinit -u -D")
    yield shell
    shell.end()


def test_what_zsh_offers(zsh: Zsh, fake: Any) -> None:
    zsh.type("noex-cluster keyg\t", r"noex-cluster keygen ")
    zsh.type("\x15noex-cluster run --log-l\t", r"--log-level=")
    zsh.type("deb\t", r"debug ")
    zsh.type("\x15noex-cluster run --secret-\t\t", r"(?s)--secret-env +-- Environment.*--secret-file +-- File")
    zsh.type("\x15noex-cluster \t\t", r"(?s)check +-- Tell whether.*watch +-- Show")
    fake("running1")
    zsh.type("\x15noex-cluster members runn\t", r"members running1 ")
    zsh.type("\x15noex-cluster completion fi\t", r"completion fish ")


def test_other_shells_are_refused() -> None:
    done = once("completion", "tcsh")
    assert done.returncode == 2
    assert "bash" in done.stderr
    assert once("completion").returncode == 2
