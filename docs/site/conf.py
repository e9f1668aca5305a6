"""Sphinx's configuration. The sources are those that build.py has put together; see there."""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.ext.napoleon import Config, GoogleDocstring

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "docs" / "site"), str(ROOT / "python" / "src")]

project = "noex-cluster"
author = "the noex-cluster contributors"
copyright = author  # Sphinx's word
version = ".".join(
    re.findall(
        r"^#define NOEX_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)",
        (ROOT / "capi" / "include" / "noex_cluster.h").read_text(),
        re.MULTILINE,
    )
)
release = version

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "typescript",
]
exclude_patterns: list[str] = []
nitpicky = True
highlight_language = "none"
default_role = "code"  # `this`, in docstrings
maximum_signature_line_length = 88
toc_object_entries_show_parents = "hide"
add_module_names = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
myst_links_external_new_tab = False
suppress_warnings = ["myst.xref_ambiguous"]

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True

html_theme = "furo"
html_title = f"noex-cluster {version}"
html_static_path = [str(ROOT / "docs" / "site" / "static")]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_permalinks_icon = "#"
html_theme_options = {"navigation_with_keys": True}
pygments_style = "friendly"
pygments_dark_style = "monokai"
copybutton_exclude = ".linenos, .gp, .go"

# Types of the languages' own libraries: their documentation is elsewhere, and nothing here needs the network.
FOREIGN = {
    "c": {"bool", "size_t", "int32_t", "uint32_t", "int64_t", "uint64_t", "noex_cluster_", "UINT64_MAX"},
    "cpp": {
        *("int32_t", "int64_t", "uint32_t", "uint64_t", "size_t", "T", "U", "Action"),
        *("std", "noex_error", "noex_event", "noex_node", "noex_nodes", "noex_status", "noex_stats", "noex_cluster"),
        *("noex_peer_stats", "noex_stats_snapshot", "noex_config", "noex_subscription"),
    },
    "py": {
        *("Any", "Awaitable", "Callable", "Coroutine", "Exception", "Generator", "Iterable", "Iterator", "Literal"),
        *("Mapping", "NamedTuple", "None", "OSError", "RuntimeError", "Self", "Sequence", "StrEnum", "TimeoutError"),
        *("TracebackType", "TypedDict", "Unpack", "ValueError", "TypeError", "object", "bool", "float", "int", "str"),
        *("tuple", "type", "BaseException", "AsyncIterator", "AbstractAsyncContextManager"),
    },
}
# Private names in signatures, and what a reader may call them.
INTERNAL = {"NodeBase", "_AsyncNode", "_SyncNode", "_Starting", "NodeType", "AnyLoopPump", "ThreadPump", "PumpType"}


def resolve(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, content: nodes.TextElement
) -> nodes.Node | None:
    """References that the domains do not find: names of the package under the module that defines them, or without any;
    and names of the languages' own libraries, which are no links."""
    domain, target = node.get("refdomain"), str(node.get("reftarget", ""))
    name = target.rpartition(".")[2]
    if domain == "py":
        found = python_object(env, target)
        if found is not None:
            return env.get_domain("py").resolve_xref(
                env, node.get("refdoc", ""), app.builder, node["reftype"], found, node, content
            )
        if name in FOREIGN["py"] or name in INTERNAL:
            return content
    if domain == "c" and target in FOREIGN["c"]:
        return content
    if domain == "cpp" and (target.split("::")[0] in FOREIGN["cpp"]):
        return c_object(app, env, node, target, content) or content
    return None


def python_object(env: BuildEnvironment, target: str) -> str | None:
    objects = env.get_domain("py").data["objects"]
    bare = re.sub(r"^noex_cluster(\.\w+)?\.(?=[A-Z_])|^_\w+\.", "", target)
    for module in ("noex_cluster", "noex_cluster.testing", "noex_cluster.sync"):
        if f"{module}.{bare}" in objects:
            return f"{module}.{bare}"
    return None


def c_object(
    app: Sphinx, env: BuildEnvironment, node: addnodes.pending_xref, target: str, content: nodes.TextElement
) -> nodes.Node | None:
    """C++ speaks of the types of the C interface."""
    return env.get_domain("c").resolve_xref(env, node["refdoc"], app.builder, "type", target, node, content)


def read_docstring(app: Sphinx, what: str, name: str, obj: object, options: Any, lines: list[str]) -> None:
    """`Raises:`, `Returns:` and `Attributes:` as lists. Not in the text behind an attribute: there napoleon would take
    what stands before the first colon for a type."""
    if what not in ("attribute", "data", "property"):
        lines[:] = GoogleDocstring(lines, Config(napoleon_use_ivar=True), app, what, name, obj, options).lines()


def public_names(
    app: Sphinx, what: str, name: str, obj: object, options: Any, signature: str | None, returns: str | None
):
    """Signatures name private classes where several public ones are meant, or none has a name."""
    shown = {
        r"~?(?:noex_cluster\._node\.)?NodeBase\[(?:~?typing\.)?Any\]": "~noex_cluster.ClusterNode",
        r"~?(?:noex_cluster\.testing\.)?_Starting": "Awaitable[Mesh] | AbstractAsyncContextManager[Mesh]",
    }
    texts = [signature, returns]
    for pattern, public in shown.items():
        texts = [text and re.sub(pattern, public, text) for text in texts]
    return tuple(texts)


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("autodoc-process-docstring", read_docstring)
    app.connect("autodoc-process-signature", public_names)
    app.connect("missing-reference", resolve)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
