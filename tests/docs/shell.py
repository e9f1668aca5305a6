"""Shell in the documentation: it is syntactically right, and the commands, verbs, options and variables of ours that it
names are there.
"""

import functools
import re
import shlex
import subprocess

from documents import COMMAND, ROOT

# What a reader has, or is told to install. A new name is a decision: it is a dependency of the documentation.
PROGRAMS = {
    "apt-get", "bash", "c++", "cat", "cc", "cd", "chmod", "cmake", "cp", "curl", "docker", "docker-compose", "echo",
    "exec", "export", "gunicorn", "install", "journalctl", "jq", "kill", "kubectl", "ls", "man", "mkdir", "mv",
    "mypy", "node", "npm", "npx", "openssl", "pip", "pkg-config", "prometheus", "promtool", "python", "python3", "rm",
    "sh", "sleep", "source", "sudo", "systemctl", "systemd-run", "tar", "test", "tmux", "touch", "true", "uvicorn",
}  # fmt: skip
PROGRAMS |= {"./dev", "noex-cluster", ".venv/bin/python", "build/release/bin/noex-cluster"}
KEYWORDS = {"if", "then", "else", "elif", "fi", "for", "in", "do", "done", "while", "until", "case", "esac"}
KEYWORDS |= {"{", "}", "!", "time"}
SEPARATORS = re.compile(r"^[;&|()]+$")


@functools.cache
def help_of(*verb: str) -> str:
    done = subprocess.run([COMMAND, *verb, "--help"], capture_output=True, text=True, timeout=20, check=False)
    assert done.returncode == 0, f"noex-cluster has no {' '.join(verb)}: {done.stderr}"
    return done.stdout


def check_shell(text: str) -> None:
    # "…" stands for what a reader fills in.
    done = subprocess.run(["bash", "-n"], input=text, text=True, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    for words in simple_commands(text):
        check_command(words)


def simple_commands(text: str) -> list[list[str]]:
    """The commands of a script, without assignments before them and redirections behind them."""
    found: list[list[str]] = []
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars=";&|()<>")
        lexer.whitespace_split = True
        words: list[str] = []
        skip = False
        for word in lexer:
            if SEPARATORS.match(word):
                found.append(words)
                words = []
            elif re.fullmatch(r"[<>]+&?", word):
                skip = True
            elif skip:
                skip = False
            elif not words and (re.match(r"[A-Za-z_]\w*=", word) or word in KEYWORDS):
                continue
            else:
                words.append(word)
        found.append(words)
    return [words for words in found if words]


def check_command(words: list[str]) -> None:
    while words[0] in ("sudo", "exec", "time") and len(words) > 1:
        words = words[1:]
    program = words[0]
    if program == "$":  # of a substitution: $(command)
        return
    local = re.fullmatch(r"\./[\w.-]+", program)  # what the block before has compiled
    assert program in PROGRAMS or local, f"{program!r} is no command that is known here: {' '.join(words)}"
    if program == "./dev":
        check_dev(words)
    elif program.endswith("noex-cluster") and len(words) > 1:
        check_ours(words)


def check_dev(words: list[str]) -> None:
    script = (ROOT / "dev").read_text()
    if len(words) > 1:
        assert f"verb_{words[1]}()" in script or words[1] == "setup", f"./dev has no {words[1]}"
    for option in (word.split("=")[0] for word in words[2:] if word.startswith("--")):
        programs = [ROOT / "tests" / "sim" / "sim.py", ROOT / "tests" / "fuzz" / "run.py", ROOT / "bench" / "run.py"]
        texts = [script, *(path.read_text() for path in programs)]
        assert any(option in text for text in texts), f"./dev {words[1]} has no {option}"


def check_ours(words: list[str]) -> None:
    options = [word.split("=")[0] for word in words[1:] if word.startswith("--")]
    verb = next((word for word in words[1:] if not word.startswith("-")), None)
    text = help_of()
    if verb:
        assert re.search(rf"^  {re.escape(verb)}  ", text, re.MULTILINE), f"noex-cluster has no verb {verb}"
        text = help_of(verb)
    for option in options:
        assert re.search(rf"{option}\b", text), f"noex-cluster {verb or ''} has no {option}"
