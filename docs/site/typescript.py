"""A Sphinx extension: declarations of TypeScript, shown as they are written, in the JavaScript domain.

The domain's own directives know names and arguments, not types. `{js:declaration}` takes the name by which others refer
to it, and the signature as it is to be shown; types in it that are documented become links.
"""

import re
from typing import Any, ClassVar

from docutils import nodes
from docutils.parsers.rst import directives
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.directives import ObjectDescription
from sphinx.util.nodes import make_id

TOKEN = re.compile(r"'[^']*'|\[Symbol\.\w+\]|[A-Za-z_$][\w$]*|\s+|=>|[\s\S]")
KEYWORDS = {"class", "extends", "false", "in", "interface", "is", "keyof", "null", "readonly", "true", "type", "typeof"}
KEYWORDS |= {"undefined", "void"}
BUILT_IN = {"any", "boolean", "never", "number", "string", "unknown"}


def last(name: str) -> str:
    """`start` of `ClusterNode.start`; `[Symbol.asyncDispose]` whole."""
    match = re.search(r"(\[[^]]*\]|[^.\[\]]+)$", name)
    return match[1] if match else name


class Declaration(ObjectDescription[str]):
    """``{js:declaration} ClusterNode.start`` with ``:signature:`` and ``:kind:``."""

    option_spec: ClassVar[dict[str, Any]] = {
        **ObjectDescription.option_spec,
        "kind": directives.unchanged_required,
        "signature": directives.unchanged_required,
        "types": directives.unchanged,
    }

    def handle_signature(self, sig: str, signode: addnodes.desc_signature) -> str:
        kind = self.options["kind"]
        types = set(self.options.get("types", "").split())
        if kind in ("class", "interface", "type"):
            signode += addnodes.desc_annotation("", "", addnodes.desc_sig_keyword("", kind), addnodes.desc_sig_space())
        own = last(sig)
        named = False
        for token in TOKEN.findall(self.options["signature"]):
            if not named and token == own:
                signode += addnodes.desc_name(token, token)
                named = True
            else:
                signode += self.token(token, types)
        signode["fullname"] = sig
        return sig

    def token(self, token: str, types: set[str]) -> nodes.Node:
        if token in types:
            target = addnodes.pending_xref(
                "", refdomain="js", reftype="class", reftarget=token, refspecific=False, refdoc=self.env.docname
            )
            target += addnodes.desc_sig_name(token, token)
            return target
        if token.isspace():
            return addnodes.desc_sig_space()
        if token.startswith("'"):
            return addnodes.desc_sig_literal_string(token, token)
        if token in KEYWORDS:
            return addnodes.desc_sig_keyword(token, token)
        if token in BUILT_IN:
            return addnodes.desc_sig_keyword_type(token, token)
        if re.match(r"[\w$]", token):
            return addnodes.desc_sig_name(token, token)
        return addnodes.desc_sig_punctuation(token, token)

    def add_target_and_index(self, name: str, sig: str, signode: addnodes.desc_signature) -> None:
        node_id = make_id(self.env, self.state.document, "", name)
        signode["ids"].append(node_id)
        self.state.document.note_explicit_target(signode)
        kinds = {"interface": "class", "type": "data", "constant": "data", "property": "attribute"}
        kind = self.options["kind"]
        self.env.get_domain("js").note_object(name, kinds.get(kind, kind), node_id, location=signode)
        self.indexnode["entries"].append(("single", f"{name} (Node)", node_id, "", None))

    def _object_hierarchy_parts(self, sig_node: addnodes.desc_signature) -> tuple[str, ...]:
        name = sig_node["fullname"]
        return tuple(part for part in (name.removesuffix(last(name)).strip("."), last(name)) if part)

    def _toc_entry_name(self, sig_node: addnodes.desc_signature) -> str:
        parts = sig_node.get("_toc_parts", ())
        return parts[-1] if parts else ""


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive_to_domain("js", "declaration", Declaration)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
