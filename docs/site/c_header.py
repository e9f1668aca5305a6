"""The reference of the C interface: what capi/include/noex_cluster.h declares, with its comments, in Sphinx's C domain.

The header is written in one strict style, which tests/tidy keeps: a comment stands right before what it is about, or
behind it on its line. So it can be read without a compiler; that nothing is overlooked is checked against the
description of the binary interface, capi/noex_cluster.abi, which a compiler and libabigail have made.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

HEADER = Path(__file__).resolve().parents[2] / "capi" / "include" / "noex_cluster.h"
NOT_SHOWN = {"NOEX_API", "NOEX_NODISCARD", "NOEX_CLUSTER_H"}  # how the header is written, and not what it says

STRUCT_SIZE = "The size of the struct; see the conventions above."


@dataclass
class Declaration:
    """`kind` is macro, struct, enum, typedef, callback or function; `text` what is declared, on one line."""

    kind: str
    name: str
    text: str
    comment: str
    members: list["Declaration"] = field(default_factory=list)


@dataclass
class Section:
    title: str
    note: str = ""  # a comment that belongs to no declaration
    declarations: list[Declaration] = field(default_factory=list)


COMMENT = r"/\*(?:[^*]|\*(?!/))*\*/"
PIECE = re.compile(
    rf"^/\* -+ (?P<title>[^*]+?) \*/$"
    rf"|^(?P<comment>{COMMENT})"
    r"|^#define (?P<macro>NOEX_\w+)(?P<arguments>\([^)]*\))?(?P<value>(?:.*\\\n)*.*)$"
    r"|^typedef struct (?P<struct>\w+) \{\n(?P<fields>[\s\S]*?)^\} (?P=struct);"
    r"|^typedef struct (?P<opaque>\w+) (?P=opaque);"
    rf"|^typedef \w+ \(\*(?P<callback>\w+)\)\([^;]*;(?P<behind>[ ]*{COMMENT})?"
    r"|^typedef (?P<underlying>\w+) (?P<typedef>\w+);"
    r"|^enum \{(?P<enum>[\s\S]*?)\};"
    r"|^NOEX_API (?:NOEX_NODISCARD )?(?P<function>[^;]*);",
    re.MULTILINE,
)


def words(comment: str) -> str:
    """The text of a comment, its lines without the stars."""
    inside = comment.strip()[2:-2]
    return "\n".join(re.sub(r"^ \* ?", "", line).rstrip() for line in inside.split("\n")).strip()


def squeezed(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def parse(text: str) -> tuple[str, list[Section]]:
    """What the header says at its top, and its sections."""
    introduction = ""
    sections = [Section("")]
    comment = ""
    end = 0
    for match in PIECE.finditer(text):
        follows = sections[-1].declarations and text[end : match.start()].count("\n") == 1
        # A comment is about what follows it at once; a blank line lets it stand alone.
        if comment and text[end : match.start()].count("\n") > 1:
            if not introduction:
                introduction = comment
            else:
                sections[-1].note = comment
            comment = ""
        end = match.end()
        if match["title"]:
            sections.append(Section(match["title"]))
        elif match["comment"]:
            comment = words(match["comment"])
            if not introduction:
                introduction, comment = comment, ""
        else:
            made = declaration(match, comment)
            if made is not None:
                if made.kind == "macro" and not made.comment and follows:  # one comment for several constants
                    made.comment = sections[-1].declarations[-1].comment
                sections[-1].declarations.append(made)
            comment = ""
    return introduction, [section for section in sections if section.declarations]


def declaration(match: re.Match[str], comment: str) -> Declaration | None:
    if name := match["macro"]:
        if name in NOT_SHOWN or name.endswith("_"):
            return None
        value, behind = divided(match["value"])
        made = Declaration("macro", name, f"{name}{match['arguments'] or ''}", comment or behind)
        if name == "NOEX_STATUS_MAP":
            made.members = [
                Declaration("value", f"NOEX_{entry[1]}", f"NOEX_{entry[1]} = {entry[2]}", sentence(entry[3]))
                for entry in re.finditer(r'XX\((\w+), (-?\d+), "([^"]*)"\)', value)
            ]
        return made
    if name := match["struct"]:
        return Declaration("struct", name, name, comment, list(fields(match["fields"])))
    if name := match["opaque"]:
        return Declaration("struct", name, name, comment)
    if name := match["callback"]:
        text = squeezed(re.sub(COMMENT, "", match[0]).strip().removesuffix(";"))
        return Declaration("callback", name, text, comment or words(match["behind"] or "/**/"))
    if name := match["typedef"]:
        return Declaration("typedef", name, f"{match['underlying']} {name}", comment)
    if (body := match["enum"]) is not None:
        return Declaration("enum", "", "", comment, list(values(body)))
    text = squeezed(match["function"])
    found = re.search(r"(\w+)\(", text)
    assert found, text
    return Declaration("function", found[1], text, comment)


def divided(text: str) -> tuple[str, str]:
    """Code, and the comment behind it."""
    comments = re.findall(COMMENT, text)
    return re.sub(COMMENT, "", text).strip(), squeezed(" ".join(map(words, comments)))


def items(body: str, separator: str) -> Iterator[tuple[str, str]]:
    """The entries of a body, each with the comment behind it, which may go on in the next lines."""
    pattern = rf"(?P<code>[^{separator}/]+?)\s*(?:{separator}|(?=/\*)|$)[ ]*(?P<comment>{COMMENT})?"
    for match in re.finditer(pattern, body.strip()):
        if code := squeezed(match["code"]):
            yield code, squeezed(words(match["comment"] or "/**/"))


def fields(body: str) -> Iterator[Declaration]:
    for code, comment in items(body, ";"):
        found = re.search(r"(\w+)(\[[^]]*\])?$", code)
        assert found, code
        name = found[1]
        if name == "struct_size" and not comment:
            comment = STRUCT_SIZE
        yield Declaration("member", name, code, comment)


def values(body: str) -> Iterator[Declaration]:
    """Enumerators; what is expanded from NOEX_STATUS_MAP stands there."""
    body = re.sub(r"^(#.*|\s*NOEX_STATUS_MAP\(XX\))$", "", body, flags=re.MULTILINE)
    for code, comment in items(body, ","):
        yield Declaration("value", code.split(" ")[0], code, comment)


def sentence(text: str) -> str:
    return text[:1].upper() + text[1:] + ("" if text.endswith((".", "?", "!")) else ".")


def undocumented(sections: list[Section]) -> list[str]:
    missing = []
    for section in sections:
        for one in section.declarations:
            if not one.comment:
                missing.append(f"noex_cluster.h: {one.name or one.members[0].name} has no comment")
            for member in one.members:
                if not member.comment:
                    missing.append(f"noex_cluster.h: {one.name}{'.' if one.name else ''}{member.name} has no comment")
    return missing


# ---------------------------------------------------------------------------------------------------------------- page


class Prose:
    """Comments as reStructuredText: names of the header become links."""

    def __init__(self, sections: list[Section]) -> None:
        self.roles: dict[str, str] = {}
        for section in sections:
            for one in section.declarations:
                if one.name:
                    kinds = {"function": "func", "macro": "macro", "struct": "struct"}
                    self.roles[one.name] = kinds.get(one.kind, "type")
                for member in one.members:
                    if member.kind == "value":
                        self.roles[member.name] = "enumerator"

    def inline(self, text: str, own: str = "") -> str:
        def shown(match: re.Match[str]) -> str:
            quoted, name = match[1], match[2]
            if quoted is not None:
                return self.name(quoted, own) or f"``{squeezed(quoted)}``"
            if name is not None:
                return self.name(name, own) or f"``{name}``"
            return f"\\{match[0]}"

        return re.sub(r"`([^`]+)`|\b([A-Za-z]\w*_\w*(?:\*|\.\w+)?(?:\(\))?)|[*|\\@]|_(?!\w)", shown, text)

    def name(self, text: str, own: str) -> str:
        bare = text.removesuffix("()")
        if bare == own or bare not in self.roles:
            return ""
        return f":c:{self.roles[bare]}:`{bare}`"

    def blocks(self, text: str, own: str = "") -> str:
        """Paragraphs, lists and indented code."""
        parts = []
        for paragraph in re.split(r"\n{2,}", text):
            lines = paragraph.split("\n")
            if all(line.startswith("    ") for line in lines):
                parts.append("\n".join([".. code-block:: c", "", *lines]))
                continue
            intro = [line for line in lines if not line.startswith(" ")]
            if intro and lines[: len(intro)] == intro:
                parts.append(self.inline("\n".join(intro), own))
                lines = lines[len(intro) :]
            if lines:
                parts.append(self.inline("\n".join(line.removeprefix(" ") for line in lines), own))
        return "\n\n".join(parts)

    def comment(self, one: Declaration) -> str:
        """With what it says of threads and errors as fields of their own."""
        text = re.sub(r"^NOEX_STATUS_MAP\(XX\) ", "", one.comment)
        if one.kind == "function":
            text = sentence(re.sub(rf"^{one.name} ", "", text))
            text = re.sub(r"\s*(Thread|Threads|Errors|Thread, ownership, errors):\s", r"\n\n:\1: ", text)
            body, *rest = text.split("\n\n:")
            parts = [self.blocks(body, one.name)]
            found = []
            for part in rest:
                label, _, value = part.partition(": ")
                found.append(f":{label}: {self.inline(sentence(squeezed(value)), one.name)}")
            return "\n\n".join([*parts, "\n".join(found)])
        return self.blocks(sentence(text), one.name)


def indented(text: str, by: int = 3) -> str:
    return "\n".join(" " * by + line if line else "" for line in text.split("\n"))


def render(introduction: str, sections: list[Section]) -> str:
    prose = Prose(sections)
    title = "C: noex_cluster.h"
    first, _, rest = introduction.partition("\n\n")
    parts = [f"{title}\n{'=' * len(title)}", prose.blocks(sentence(first.split(": ", 1)[1])), prose.blocks(rest)]
    for section in sections:
        heading = sentence(section.title).removesuffix(".")
        parts.append(f"{heading}\n{'-' * len(heading)}")
        for one in grouped(section.declarations):
            parts.append(entry(one, prose))
        if section.note:
            parts.append(prose.blocks(section.note))
    return "\n\n".join(parts) + "\n"


def grouped(found: list[Declaration]) -> Iterator[Declaration]:
    """Constants that share a comment are one entry with several names."""
    kept: Declaration | None = None
    for one in found:
        if kept and kept.kind == one.kind == "macro" and kept.comment == one.comment:
            kept = Declaration("macro", kept.name, f"{kept.text}\n               {one.text}", kept.comment)
            continue
        if kept:
            yield kept
        kept = one
    if kept:
        yield kept


def entry(one: Declaration, prose: Prose) -> str:
    if one.kind == "enum":
        return "\n\n".join([prose.comment(one), *(object_of(value, "enumerator", prose) for value in one.members)])
    if one.kind == "macro" and one.members:
        return "\n\n".join(
            [object_of(one, "macro", prose), *(object_of(value, "enumerator", prose) for value in one.members)]
        )
    kind = {"callback": "type"}.get(one.kind, one.kind)
    kind = {"typedef": "type"}.get(kind, kind)
    return object_of(one, kind, prose)


def object_of(one: Declaration, kind: str, prose: Prose) -> str:
    text = one.text.removeprefix("typedef ")
    lines = [f".. c:{kind}:: {text}", "", indented(prose.comment(one))]
    if one.kind == "struct":
        lines += ["\n" + indented(object_of(member, "member", prose)) for member in one.members]
    return "\n".join(lines)
