"""The reference of the Node package, as Markdown: made of what node_api.mjs reads from the declarations."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
Declaration = dict[str, Any]

# The sections of the two pages: title and the declarations that stand there, in order; a test finds what is missing.
SECTIONS = {
    "node/index.d.cts": {
        "The node": ["Cluster", "ClusterNode"],
        "Configuration": ["ClusterConfig", "CLUSTER_DEFAULTS"],
        "Members": ["NodeInfo", "NodeStatus", "ClusterStatus"],
        "Node ids": ["NodeId", "NodeIdComponents", "isNodeId"],
        "Events": [
            *("ClusterEvents", "NodeDownReason", "NodeUpHandler", "NodeDownHandler", "ClusterStatusHandler"),
            *("ClusterErrorHandler", "LogHandler", "LogRecord", "LogLevel"),
        ],
        "Statistics": ["ClusterStats", "PeerStats", "METRICS_CONTENT_TYPE"],
        "Errors": [
            *("ClusterNotStartedError", "InvalidClusterConfigError", "InvalidNodeIdError", "ClusterBindError"),
            *("ClusterError", "ClusterErrorKind"),
        ],
        "Version": ["version"],
    },
    "node/testing.d.cts": {
        "Meshes": ["startMesh", "Mesh", "MeshWorker"],
        "Options": ["MeshOptions", "MemberOptions", "WaitOptions"],
    },
}
INTRODUCTIONS = {
    "node/index.d.cts": "# Node: noex-cluster",
    "node/testing.d.cts": "# Node: noex-cluster/testing",
}
PAGES = {"node/index.d.cts": "reference/node.md", "node/testing.d.cts": "reference/node-testing.md"}


def read_declarations() -> list[dict[str, Any]]:
    """What each file declares; a type and a constant of one name are one thing."""
    done = subprocess.run(["node", HERE / "node_api.mjs"], capture_output=True, text=True, check=True)
    files: list[dict[str, Any]] = json.loads(done.stdout)
    for file in files:
        merged: dict[str, Declaration] = {}
        for one in file["declarations"]:
            before = merged.setdefault(one["name"], one)
            if before is not one:
                before["text"] += f"\n\n{one['text']}"
                before["members"] += one["members"]
        file["declarations"] = merged
    return files


def undocumented(files: list[dict[str, Any]]) -> list[str]:
    """What has no text, and what an own section has to be found for."""
    missing = []
    for file in files:
        listed = [name for names in SECTIONS[file["file"]].values() for name in names]
        for name, one in file["declarations"].items():
            if not one["exported"]:
                continue
            if name not in listed:
                missing.append(f"{file['file']}:{one['line']}: {name} stands in no section of node_api.py")
            values = (
                re.findall(r"'([^']+)'", one["signature"]) if one["kind"] == "type" and "|" in one["signature"] else []
            )
            missing += [
                f"{file['file']}:{one['line']}: {name} does not say what {value} is"
                for value in values
                if f"`{value}`" not in one["text"]
            ]
            for path, part in [(name, one), *((f"{name}.{member['name']}", member) for member in one["members"])]:
                if not part["text"]:
                    missing.append(f"{file['file']}:{part['line']}: {path} has no comment")
        missing += [f"node_api.py: {name} is not declared" for name in listed if name not in file["declarations"]]
    return missing


def render(files: list[dict[str, Any]]) -> dict[str, str]:
    """The pages: path -> Markdown."""
    known: dict[str, bool] = {}  # what links may lead to, and whether it is called
    for file in files:
        for name, one in file["declarations"].items():
            known[name] = one["kind"] == "function"
            for member in one["members"]:
                known[f"{name}.{member['name']}"] = member["kind"] == "method"
    types = [name for name in known if "." not in name]
    pages = {}
    for file in files:
        name = file["file"]
        parts = [INTRODUCTIONS[name], prose(file["comment"], known)]
        for title, names in SECTIONS[name].items():
            parts.append(f"## {title}")
            parts += [entry(file["declarations"][one], "", known, types, depth=0) for one in names]
        pages[PAGES[name]] = "\n\n".join(parts) + "\n"
    return pages


def entry(one: Declaration, parent: str, known: dict[str, bool], types: list[str], depth: int) -> str:
    name = f"{parent}.{one['name']}" if parent else one["name"]
    fence = ":" * (5 - depth)
    own = {name, parent}
    words = set(re.findall(r"\w+", one["signature"]))
    lines = [
        f"{fence}{{js:declaration}} {name}",
        f":kind: {one['kind']}",
        f":signature: {json.dumps(one['signature'])}",
        f":types: {' '.join(word for word in types if word not in own and word in words)}",
        "",
        prose(one, known),
    ]
    lines += [f"\n{entry(member, name, known, types, depth + 1)}" for member in one.get("members", [])]
    return "\n".join([*lines, fence])


def prose(one: Declaration, known: dict[str, bool]) -> str:
    parts = [one["text"]]
    for tag in one["tags"]:
        if tag["name"] == "throws":
            parts.append(f"**Throws** {tag['text']}")
        elif tag["name"] == "returns":
            parts.append(f"**Returns** {tag['text']}")
        elif tag["name"] == "example":
            parts.append(tag["text"])
        elif tag["name"] != "packageDocumentation":
            raise ValueError(f"@{tag['name']} is not known here")
    return linked("\n\n".join(part for part in parts if part), known)


def linked(text: str, known: dict[str, bool]) -> str:
    """`{@link X}` and `{@link X | words}` as roles."""

    def role(match: re.Match[str]) -> str:
        target, _, words = (part.strip() for part in match[1].partition("|"))
        kind = "meth" if known[target] else "attr"
        return f"{{js:{kind}}}`{words} <{target}>`" if words else f"{{js:{kind}}}`{target}`"

    return re.sub(r"\{@link ([^}]+)\}", role, text)
