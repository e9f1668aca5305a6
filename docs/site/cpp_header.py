"""The reference of the C++ wrapper: what capi/include/noex_cluster.hpp declares, in Sphinx's C++ domain.

The header says of itself that what holds of threads, times and limits is said in noex_cluster.h. So each function here
names the functions of the C interface that it calls, which are read from its body; what has neither a comment nor such
a call is undocumented.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from c_header import indented, sentence, squeezed

HEADER = Path(__file__).resolve().parents[2] / "capi" / "include" / "noex_cluster.hpp"
# What is declared for the language's sake; what it does its name says.
FAMILIAR = (
    r"\bfriend bool operator|\busing (iterator_category|value_type|difference_type|pointer|reference|error_type)\b"
)
C_CALL = re.compile(
    r"\bnoex_(?:cluster|config|nodes?|stats|event|node_id|version|status|down|error|log)\w*(?=\()|&(noex_cluster_\w+)"
)


@dataclass
class Declaration:
    kind: str  # class, enum, function, member, enumerator, type
    name: str
    text: str
    comment: str
    calls: list[str] = field(default_factory=list)
    members: list["Declaration"] = field(default_factory=list)


def parse(text: str) -> tuple[str, list[tuple[str, list[Declaration]]]]:
    introduction = "\n".join(line.removeprefix("//").removeprefix(" ") for line in text.split("#ifndef")[0].split("\n"))
    body = text.split("inline namespace cpp_v1 {\n")[1].split("\n}  // namespace cpp_v1")[0]
    sections = []
    for title, part in re.findall(r"^// -{20,} (.+)\n((?:(?!// -{20,}).*\n?)*)", body, re.MULTILINE):
        sections.append((title, list(declarations(part, ""))))
    return introduction.strip(), sections


def closing(text: str, start: int) -> int:
    """The place behind the brace that closes the one at `start`."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|//[^\n]*|[{}]', text[start:]):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return start + match.end()
    raise ValueError(f"a brace is not closed: {text[start : start + 60]}")


def declarations(body: str, scope: str) -> Iterator[Declaration]:
    place = 0
    comment: list[str] = []
    public = True
    while place < len(body):
        line_end = body.find("\n", place)
        line_end = len(body) if line_end < 0 else line_end
        line = body[place:line_end].strip()
        if not line or re.match(r"// -{20,}", line):
            comment = []
        elif line.startswith("//"):
            comment.append(line[2:].strip())
        elif re.fullmatch(r"(public|private|protected):", line):
            public = line == "public:"
        else:
            code, behind, body_text, line_end = statement(body, place)
            if public and not re.search(FAMILIAR, code):
                found = declared(code, " ".join(comment) or behind, body_text, scope)
                if found is not None:
                    yield found
            comment = []
        place = line_end + 1


def statement(body: str, start: int) -> tuple[str, str, str, int]:
    """A declaration: its code, the comment behind it, what stands in its braces, and where its last line ends."""
    depth = 0
    for match in re.finditer(r'"(?:[^"\\]|\\.)*"|//[^\n]*|[(){};]', body[start:]):
        token, end = match[0], start + match.end()
        if token in "()":
            depth += 1 if token == "(" else -1
        if depth or token not in "{;":
            continue
        inside = ""
        code = body[start : start + match.start()]
        if token == "{":
            # `type name{};` and `: member_(value) {`, or a body
            after = closing(body, start + match.start())
            inside = body[start + match.end() : after - 1]
            end = after
            if body[end : end + 1] == ";":
                end += 1
        line_end = body.find("\n", end)
        line_end = len(body) if line_end < 0 else line_end
        behind = re.search(r"//\s*(.*)$", body[end:line_end])
        return code, behind[1] if behind and not behind[1].startswith("NOLINT") else "", inside, line_end
    raise ValueError(f"no declaration: {body[start : start + 60]}")


def declared(code: str, comment: str, inside: str, scope: str) -> Declaration | None:
    text = squeezed(re.sub(r"//[^\n]*", "", code))
    text = text.replace("[[nodiscard]] ", "")
    if found := re.fullmatch(r"enum class (\w+) : int32_t", text):
        made = Declaration("enum", found[1], f"class {found[1]} : int32_t", comment)
        for value, constant in re.findall(r"(\w+) = ([\w]+)", inside):
            made.members.append(Declaration("enumerator", value, value, "", [constant]))
        return made
    if found := re.fullmatch(r"(template <[^>]*> )?(class|struct) (\w+)(<\w*>)?( : public [\w:]+)?", text):
        prefix = found[1] or ""
        name = found[3] + (found[4] or "")
        made = Declaration("class", name, f"{prefix}{name}{found[5] or ''}", comment)
        made.kind = found[2]
        members = inside if found[2] == "struct" else inside.split("public:", 1)[1] if "public:" in inside else ""
        made.members = list(declarations(members, name))
        return made
    if found := re.match(r"using (\w+) = (.*)", text):
        return Declaration("type", found[1], f"{found[1]} = {found[2]}", comment)
    if "(" in text:
        head = constructor_head(text)
        head = (
            re.sub(r"\b(inline|explicit|static) ", "", head)
            if "operator bool" in head
            else re.sub(r"\binline ", "", head)
        )
        name = re.search(r"(operator[^(]*(?:\(\))?|\w+)\s*\(", head)
        assert name, head
        calls = list(dict.fromkeys(re.sub(r"^&", "", match[0]) for match in C_CALL.finditer(inside + text)))
        calls = [call for call in calls if not call.endswith("_init")]
        return Declaration("function", name[1].strip(), head, comment, calls)
    found = re.search(r"(\w+)(?: = .*)?$", text)
    assert found, text
    return Declaration("member", found[1], re.sub(r" = .*", "", text) if "=" not in comment else text, comment)


def constructor_head(text: str) -> str:
    """Without the list of initializers."""
    depth = 0
    for place, letter in enumerate(text):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if depth == 0 and text[place : place + 3] == " : ":
            return text[:place]
    return text.removesuffix(" = default")


def undocumented(sections: list[tuple[str, list[Declaration]]]) -> list[str]:
    missing = []

    def look(found: list[Declaration], path: str) -> None:
        overloaded = ""
        for one in found:
            # One comment for all overloads that follow each other.
            if not one.comment and not one.calls and one.name != overloaded:
                missing.append(f"noex_cluster.hpp: {path}{one.name} has no comment")
            overloaded = one.name
            look(one.members, f"{path}{one.name}::")

    for _, found in sections:
        look(found, "")
    return missing


def render(introduction: str, sections: list[tuple[str, list[Declaration]]], c_names: dict[str, str]) -> str:
    title = "C++: noex_cluster.hpp"
    parts = [f"{title}\n{'=' * len(title)}"]
    for paragraph in introduction.split("\n\n"):
        lines = paragraph.split("\n")
        if all(line.startswith("    ") for line in lines):
            parts.append("\n".join([".. code-block:: cpp", "", *lines]))
        else:
            parts.append(prose(sentence(paragraph.removeprefix("noex_cluster.hpp: ")), c_names))
    parts.append(".. cpp:namespace:: noex")
    for name, found in sections:
        heading = sentence(name).removesuffix(".")
        parts.append(f"{heading}\n{'-' * len(heading)}")
        parts += [entry(one, c_names) for one in found]
    return "\n\n".join(parts) + "\n"


def prose(text: str, c_names: dict[str, str]) -> str:
    def shown(match: re.Match[str]) -> str:
        if match[1] is not None:
            return f"``{match[1]}``"
        if match[2] is not None:
            name = match[2]
            return f":c:{c_names[name]}:`{name}`" if name in c_names else f"``{match[2]}``"
        return f"\\{match[0]}"

    return re.sub(r"`([^`]+)`|\b([A-Za-z]\w*(?:_|::)\w*(?:\*|\.\w+)?(?:\(\))?)|[*|\\@]|_(?!\w)", shown, text)


def entry(one: Declaration, c_names: dict[str, str]) -> str:
    kind = one.kind
    lines = [f".. cpp:{'enum' if kind == 'enum' else kind}:: {one.text}"]
    if kind == "enum":
        lines = [f".. cpp:enum-class:: {one.text.removeprefix('class ')}"]
    text = prose(sentence(one.comment), c_names) if one.comment else ""
    links = ", ".join(f":c:{c_names[call]}:`{call}`" for call in one.calls if call in c_names)
    if links and kind == "enumerator":
        text = f"{links}."
    elif links:
        text = f"{text} (C: {links}.)" if text else f"As {links}."
    lines += ["", indented(text)]
    for member in one.members:
        lines.append("\n" + indented(entry(member, c_names)))
    return "\n".join(lines)
