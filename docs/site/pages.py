"""Markdown of this repository as pages of the site.

Every page stays readable where it lies: links lead from file to file, and what the site does with a block or a row of
languages is said in HTML comments that a reader does not see. Here they are understood, for the site and for the tests:

    <!-- tabs -->               what follows, up to <!-- /tabs -->, is one thing in several languages: each begins with
                                its name in bold on a line of its own, and becomes a tab
    <!-- text -->               the indented block below is no code: a drawing, a layout, a message of the wire
    <!-- not run: REASON -->    no test runs the block below; the reason is shown with it
    <!-- run by: SUITE/FILE -->  the block below is run by that test, not by tests/docs

A block without a mark is code, and a test runs it, compiles it, or checks it by its language. An indented one is shell.
"""

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
MARK = re.compile(r"^<!-- (?P<kind>text|not run: (?P<reason>.+)|run by: (?P<test>.+)) -->$")
LANGUAGES = {"Python": "python", "Node": "node", "C": "c", "C++": "cpp", "Command line": "shell"}
LANGUAGES |= {"CMake": "cmake", "pkg-config": "pkg-config"}
LINK = re.compile(r"(?P<before>!?\[(?:[^][]|\[[^]]*\])*\]\()(?P<target>[^()\s]+)(?P<after>(?:\s+\"[^\"]*\")?\))")


@dataclass
class Block:
    """A block of code: where it begins, its language, its lines, the file name above it and its mark, if it has any."""

    line: int
    language: str
    text: str
    name: str = ""
    mark: str = ""
    indented: bool = False

    @property
    def reason(self) -> str:
        match = MARK.match(f"<!-- {self.mark} -->")
        return (match["reason"] or "") if match else ""


def lines_of(text: str) -> Iterator[tuple[int, str, str]]:
    """Each line with its number from 0 and what it is: 'prose', 'fence', 'code' in a fence, or 'indented' code."""
    fence = ""
    indented = listed = False
    blank = True
    for number, line in enumerate(text.split("\n")):
        opened = re.match(r"^(`{3,}|~{3,})", line)
        if fence:
            if opened and opened[1].startswith(fence) and not line.strip("`~"):
                fence = ""
                yield number, line, "fence"
            else:
                yield number, line, "code"
            blank = False
            continue
        if opened:
            fence = opened[1]
            indented = listed = blank = False
            yield number, line, "fence"
            continue
        if not line.strip():
            blank = True
            yield number, line, "indented" if indented else "prose"
            continue
        if line.startswith("    ") and not listed and (indented or blank):
            indented = True
            yield number, line, "indented"
        else:
            if not line.startswith(" "):
                listed = bool(re.match(r"[-*+] |\d+[.)] ", line)) or (listed and not blank)
            indented = False
            yield number, line, "prose"
        blank = False


def blocks(text: str) -> list[Block]:
    """All blocks of code of a page."""
    found: list[Block] = []
    prose: list[str] = []  # the last lines before the block
    current: Block | None = None
    was = "prose"
    for number, line, kind in lines_of(text):
        begins = (kind == "fence" and was != "code" and current is None) or (kind == "indented" and current is None)
        if begins:
            language = line.strip("`~ ").split(" ")[0] if kind == "fence" else "sh"
            current = Block(number + 1, language, "", above(prose), mark(prose), kind == "indented")
            if kind == "indented":
                current.text = line.removeprefix("    ") + "\n"
            prose = []
        elif current is not None and kind == "fence":
            found.append(current)
            current = None
        elif current is not None and kind == "prose":  # the end of an indented block
            current.text = current.text.rstrip("\n") + "\n"
            found.append(current)
            current = None
            prose = [line]
        elif current is not None:
            current.text += (line.removeprefix("    ") if kind == "indented" else line) + "\n"
        else:
            prose.append(line)
        was = kind
    if current is not None:
        found.append(current)
    for block in found:
        if block.indented and block.mark == "text":
            block.language = "text"
    return found


def above(prose: list[str]) -> str:
    """The file name in the last line above a block, as in "`node.py`:"."""
    said = [line for line in prose if line.strip() and not MARK.match(line)][-1:]
    match = re.search(r"`([\w.-]+\.[A-Za-z]+)`:$", said[0]) if said else None
    return match[1] if match else ""


def mark(prose: list[str]) -> str:
    said = [line for line in prose if line.strip()][-1:]
    match = MARK.match(said[0]) if said else None
    return match["kind"] if match else ""


# ------------------------------------------------------------------------------------------------------------ anchors


def slug(heading: str) -> str:
    """The anchor that a heading has on code hosts and on the site."""
    text = re.sub(r"\[([^]]*)\]\([^)]*\)", r"\1", heading)
    text = re.sub(r"[`*]", "", text).strip().lower()
    return re.sub(r"[^\w\- ]", "", text).replace(" ", "-")


def anchors(text: str) -> list[str]:
    found: list[str] = []
    for _, line, kind in lines_of(text):
        if kind == "prose" and (match := re.match(r"#{1,6} (.+)$", line)):
            base = slug(match[1])
            count = sum(1 for one in found if one == base or re.fullmatch(rf"{re.escape(base)}-\d+", one))
            found.append(base if count == 0 else f"{base}-{count}")
    return found


def links(text: str) -> list[tuple[int, str]]:
    """The targets of all links, with their lines. Not those in code."""
    return [
        (number + 1, match["target"])
        for number, line, kind in lines_of(text)
        if kind == "prose"
        for match in LINK.finditer(re.sub(r"`[^`]*`", lambda code: "`" + "x" * (len(code[0]) - 2) + "`", line))
    ]


# ------------------------------------------------------------------------------------------------------- for the site


def for_site(text: str, place: Path, page: str, target_of: Callable[[Path], str]) -> str:
    """A page as Sphinx and MyST read it. `place` is the file, `page` the path of the page on the site; `target_of` says
    where a file of the repository is to be found there."""

    def link(match: re.Match[str]) -> str:
        target, _, anchor = match["target"].partition("#")
        if "://" in target or target.startswith("mailto:") or not target:
            return match[0]
        there = target_of((place.parent / target).resolve())
        relative = posixpath.relpath(there, posixpath.dirname(page) or ".")
        return f"{match['before']}{relative}{'#' + anchor if anchor else ''}{match['after']}"

    out: list[str] = []
    indented = ""
    last_mark = ""
    tabs = tab = False
    for _, line, kind in lines_of(text):
        if kind == "indented":
            if not indented:  # the blank line above becomes the fence, so that line numbers stay
                indented = "text" if last_mark == "text" else "sh"
                reason = last_mark.removeprefix("not run: ") if last_mark.startswith("not run") else ""
                opening = [f"```{indented}"] if not reason else captioned(indented, reason)
                out[-1:] = opening if out and not out[-1].strip() else [*out[-1:], *opening]
                last_mark = ""
            out.append(line.removeprefix("    "))
            continue
        if indented:
            close(out)
            indented = ""
        if kind == "fence" and last_mark.startswith("not run: "):
            out += captioned(line.strip("`~ "), last_mark.removeprefix("not run: "))
            last_mark = ""
            continue
        if kind != "prose":
            out.append(line)
            last_mark = ""
            continue
        if match := MARK.match(line):
            last_mark = match["kind"]
            out.append("")
        elif line == "<!-- tabs -->":
            out += ["::::{tab-set}", ":sync-group: language"]
            tabs, tab = True, False
        elif line == "<!-- /tabs -->":
            out += [*([":::"] if tab else []), "::::"]
            tabs = tab = False
        elif tabs and (match := re.fullmatch(r"\*\*(.+)\*\*", line)):
            out += [*([":::"] if tab else []), f":::{{tab-item}} {match[1]}", f":sync: {LANGUAGES[match[1]]}", ""]
            tab = True
        else:
            out.append(replaced(line, link))
    if indented:
        close(out)
    return "\n".join(out)


def captioned(language: str, reason: str) -> list[str]:
    return [f"```{{code-block}} {language}", f":caption: Not run by a test: {reason}", ""]


def close(out: list[str]) -> None:
    """Ends the block, in place of the blank lines that followed it."""
    blank = 0
    while out and not out[-1].strip():
        out.pop()
        blank += 1
    out += ["```", *([""] * (blank - 1))]


def replaced(line: str, link: Callable[[re.Match[str]], str]) -> str:
    """The line with its links changed; code in it stays as it is."""
    parts = re.split(r"(`[^`]*`)", line)
    if "](" not in line:
        return line
    # A link's text may hold code: so code is hidden, not cut out.
    hidden = "".join(f"\0{number}\0" if number % 2 else part for number, part in enumerate(parts))
    changed = LINK.sub(link, hidden)
    return re.sub("\0(\\d+)\0", lambda match: parts[int(match[1])], changed)
