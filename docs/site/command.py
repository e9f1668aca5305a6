"""The reference of the command, made of what `noex-cluster --help` and `noex-cluster VERB --help` say."""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ.get("NOEX_BUILD_DIR", ROOT / "build" / "release")) / "bin" / "noex-cluster"
# What is literal in running text: options, variables, paths, ids, commands, objects.
LITERAL = re.compile(
    r"(\{\"[^\n]*?\}(?=[.\s]|$)|(?<![\w-])--?[a-z][\w-]*|\bNOEX_\w+|(?<![\w<])[$/]?\w[\w.$-]*/[\w/.$-]+|\b\w+@[\w.:]+"
    r"|\bnoex-cluster \w+)"
)


@dataclass
class Option:
    name: str
    variable: str
    note: str  # REQUIRED, Excludes: ...
    text: str


@dataclass
class Help:
    verb: str
    text: str = ""
    usage: str = ""
    positionals: list[Option] = field(default_factory=list)
    options: list[Option] = field(default_factory=list)
    verbs: list[str] = field(default_factory=list)
    footer: str = ""


def read() -> list[Help]:
    """Of the command itself, and of each of its verbs."""
    main = parse("", ask())
    return [main, *(parse(verb, ask(verb)) for verb in main.verbs)]


def ask(*verb: str) -> str:
    return subprocess.run([PROGRAM, *verb, "--help"], capture_output=True, text=True, check=True, timeout=20).stdout


def parse(verb: str, text: str) -> Help:
    found = Help(verb)
    part = ""
    footer: list[str] = []
    current: Option | None = None
    for line in text.splitlines():
        heading = re.fullmatch(r"(Options|Positionals|Subcommands):", line)
        if heading:
            part, current = heading[1], None
        elif line.startswith("Usage: "):
            found.usage = line.removeprefix("Usage: ")
        elif not part and not found.usage:
            found.text = f"{found.text} {line}".strip()
        elif part and line.startswith("   ") and current is not None:  # its text goes on
            current.text = f"{current.text} {line.strip()}".strip()
        elif part and line.startswith("  "):
            columns = re.split(r" {2,}", line.strip(), maxsplit=1)
            current = option(columns[0], columns[1] if len(columns) > 1 else "")
            if part == "Subcommands":
                found.verbs.append(current.name)
            else:
                (found.options if part == "Options" else found.positionals).append(current)
        elif line.strip() or footer:
            part, current = (part, current) if not line.strip() else ("", None)
            footer.append(line)
    found.footer = "\n".join(footer).strip()
    return found


def option(head: str, text: str) -> Option:
    variable = re.search(r" \(Env:(\w+)\)", head)
    head = re.sub(r" \(Env:\w+\)", "", head)
    note = re.search(r" (REQUIRED|Excludes: .*|Needs: .*)$", head)
    head = re.sub(r" (REQUIRED|Excludes: .*|Needs: .*)$", "", head)
    return Option(re.sub(r":\{[^}]*\}", "", head), variable[1] if variable else "", note[1] if note else "", text)


def undocumented(helps: list[Help]) -> list[str]:
    missing = [f"noex-cluster {one.verb} has no text" for one in helps if not one.text]
    for one in helps:
        for each in [*one.options, *one.positionals]:
            if not each.text:
                missing.append(f"noex-cluster {one.verb}: {each.name} has no text")
    return missing


def render(helps: list[Help]) -> str:
    title = "Command line: noex-cluster"
    main, *verbs = helps
    parts = [f"{title}\n{'=' * len(title)}", f"{prose(main.text)}.", footer(main)]
    for one in verbs:
        parts.append(f"{one.verb}\n{'-' * len(one.verb)}")
        parts += [
            f"{prose(one.text)}.",
            f".. code-block:: none\n\n   {one.usage}",
            f".. program:: noex-cluster {one.verb}",
        ]
        for each in one.positionals:
            parts.append(f"``{each.name.split(' ')[-1]}``\n   {prose(each.text)}.")
        parts += [described(each) for each in one.options if not each.name.startswith("-h,")]
        parts.append(footer(one, but=main.footer))
    return "\n\n".join(part for part in parts if part) + "\n"


def described(each: Option) -> str:
    notes = [f"{prose(each.text)}."]
    if each.note:
        notes.append("Required." if each.note == "REQUIRED" else f"{prose(each.note)}.")
    if each.variable:
        notes.append(f"Environment: ``{each.variable}``.")
    names = ", ".join(re.split(r", ?", each.name))
    return f".. option:: {with_value(names)}\n\n   {' '.join(notes)}"


def with_value(names: str) -> str:
    """`-i, --interval MS`: Sphinx wants the value behind each name."""
    spelled, _, value = names.partition(" ") if ", " not in names else names.rpartition(", ")
    if ", " not in names:
        return names
    last, _, value = value.partition(" ")
    return ", ".join(f"{name} {value}".strip() for name in [*spelled.split(", "), last])


def prose(text: str) -> str:
    escaped = re.sub(r"([*`|\\]|_(?!\w))", r"\\\1", text.rstrip("."))
    return LITERAL.sub(r"``\1``", escaped)


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def footer(one: Help, but: str = "") -> str:
    """Its paragraphs, but for those of the whole command; an example is a block of code, exit codes are a list."""
    parts = []
    known = {squeezed(paragraph) for paragraph in re.split(r"\n\s*\n", but)}
    for paragraph in re.split(r"\n\s*\n", one.footer):
        text = squeezed(paragraph)
        if not text or text in known:
            continue
        if codes := re.match(r"Exit codes: (.*)$", text):
            entries = re.split(r"; (?=\d )", codes[1].rstrip("."))
            parts.append("Exit codes:")
            parts.append("\n".join(f"- ``{entry[0]}``: {prose(entry[2:])}" for entry in entries))
            continue
        match = re.match(r"(Example|Examples): (.*)$", text)
        if match:
            parts.append(f".. code-block:: sh\n\n   {match[2]}")
        else:
            parts.append(f"{prose(text)}.")
    return "\n\n".join(parts)
