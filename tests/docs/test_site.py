"""The site: it builds without a warning, nothing public is missing in its reference or has no text, every link in it
leads somewhere, it needs no network, and it can be searched.
"""

import json
import re
import subprocess
import zlib
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from browser import look
from documents import BUILDER, COMMAND, DOCS_PYTHON, PAGES, ROOT, environment, name_of, run
from test_links import HOSTS


class Document(HTMLParser):
    """Ids, links and what a page loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: set[str] = set()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.tables = self.wrapped = 0
        self.viewport = ""
        self.title = ""
        self._in_title = False
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attributes}
        if "id" in given:
            self.ids.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in given:
            self.loads.append(given["src"])
        elif tag == "link" and given.get("rel") not in ("canonical", "prev", "next", "index", "search", "genindex"):
            self.loads.append(given.get("href", ""))
        elif tag == "meta" and given.get("name") == "viewport":
            self.viewport = given["content"]
        elif tag == "table":
            self.tables += 1
        elif tag == "title":
            self._in_title = True
        if "table-wrapper" in given.get("class", ""):
            self.wrapped += 1

    def handle_endtag(self, tag: str) -> None:
        self._in_title = self._in_title and tag != "title"

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self.title += data


@cache
def document(file: Path) -> Document:
    return Document(file.read_text())


def html_pages(site: Path) -> list[Path]:
    return sorted(site.rglob("*.html"))


@cache
def inventory(site: Path) -> dict[str, set[str]]:
    """What the reference has: names by kind, from objects.inv."""
    data = (site / "objects.inv").read_bytes()
    for _ in range(4):
        data = data.split(b"\n", 1)[1]
    found: dict[str, set[str]] = {}
    for line in zlib.decompress(data).decode().splitlines():
        match = re.match(r"(.+?) (\S+:\S+) ", line)
        assert match, line
        found.setdefault(match[2], set()).add(match[1])
    return found


def test_the_site_has_every_page(site: Path) -> None:
    names = {str(file.relative_to(site)) for file in html_pages(site)}
    wanted = {"index.html", "search.html", "genindex.html", "python.html", "node.html", "examples/index.html"}
    wanted |= {"security.html", "changelog.html"}
    wanted |= {f"{page.stem}.html" for page in PAGES if page.parent == ROOT / "docs"}
    wanted |= {f"reference/{name}.html" for name in ("c", "cpp", "command", "node", "node-testing")}
    wanted |= {f"reference/{name}.html" for name in ("python", "python-sync", "python-testing")}
    assert wanted <= names, wanted - names


def test_every_page_has_a_title_of_its_own(site: Path) -> None:
    titles: dict[str, Path] = {}
    for file in html_pages(site):
        if "source/" in str(file.relative_to(site)):
            continue  # examples have the same names in several languages
        title = document(file).title
        assert title not in titles, f"{file.name} and {titles[title].name} are both called {title!r}"
        titles[title] = file


def test_every_link_leads_somewhere(site: Path) -> None:
    wrong = []
    count = 0
    for file in html_pages(site):
        for link in document(file).links:
            parts = urlsplit(link)
            count += 1
            if parts.scheme:
                if parts.hostname not in HOSTS and "furo" not in link and "sphinx" not in link:
                    wrong.append(f"{file.name}: {link}")
                continue
            target = (file.parent / unquote(parts.path)).resolve() if parts.path else file
            if target.is_dir():
                target /= "index.html"
            if not target.exists():
                wrong.append(f"{file.name}: {link}: no such page")
            elif parts.fragment and target.suffix == ".html" and unquote(parts.fragment) not in document(target).ids:
                wrong.append(f"{file.name}: {link}: no such place")
    assert count > 3000
    assert not wrong, "\n".join(wrong[:40])


def test_it_needs_no_network(site: Path) -> None:
    """Nothing is loaded but what lies beside it."""
    for file in html_pages(site):
        for load in document(file).loads:
            parts = urlsplit(load)
            assert not parts.scheme or parts.scheme == "data", f"{file.name} loads {load}"
            assert not parts.netloc, f"{file.name} loads {load}"
            if not parts.scheme:
                assert (file.parent / unquote(parts.path)).resolve().exists(), f"{file.name} loads {load}"
    for style in site.rglob("*.css"):
        assert not re.search(r"url\(['\"]?https?:|@import ['\"]?https?:", style.read_text()), style


def test_it_is_laid_out_for_a_phone(site: Path) -> None:
    for file in html_pages(site):
        page = document(file)
        assert "width=device-width" in page.viewport, file.name
        assert page.wrapped >= page.tables or file.name in ("genindex.html", "py-modindex.html"), (
            f"{file.name}: a table that cannot scroll by itself"
        )


def test_it_can_be_searched(site: Path) -> None:
    """The index is a part of the site and has the words of its pages and the names of its reference."""
    index = (site / "searchindex.js").read_text()
    data = json.loads(index[index.index("{") : index.rindex("}") + 1])
    for word in ("gossip", "heartbeat", "secret", "incarn"):
        assert word in data["terms"], word
    names = {entry[-1] for entries in data["objects"].values() for entry in entries}
    assert {"noex_cluster_start", "ClusterNode", "noex_config"} <= names
    assert "searchtools.js" in (site / "search.html").read_text()


def test_the_reference_has_all_of_the_binary_interface(site: Path) -> None:
    """Functions, structs, fields and constants as a compiler sees them, from the description that libabigail made."""
    abi = (ROOT / "capi" / "noex_cluster.abi").read_text()
    functions = set(re.findall(r"<function-decl name='(noex_\w+)'", abi))
    enumerators = set(re.findall(r"<enumerator name='(NOEX_\w+)'", abi))
    header = (ROOT / "capi" / "include" / "noex_cluster.h").read_text()
    structs = {
        name: re.findall(r"<var-decl name='(\w+)'", body)
        for name, body in re.findall(r"<class-decl name='(noex_\w+)'[^>]*[^/]>(.*?)</class-decl>", abi, re.DOTALL)
        if f"typedef struct {name} {{" in header
    }
    assert len(functions) > 50
    assert len(structs) >= 6
    there = inventory(site)
    assert functions <= there["c:function"]
    assert enumerators <= there["c:enumerator"]
    assert {f"{name}.{one}" for name, members in structs.items() for one in members} <= there["c:member"]
    # What is newer than that description, and what no compiler puts into a binary.
    assert len(re.findall(r"^NOEX_API", header, re.MULTILINE)) == len(there["c:function"])
    constants = set(re.findall(r"^  (NOEX_\w+) = -?\d+", header, re.MULTILINE))
    constants |= {f"NOEX_{name}" for name in re.findall(r"^  XX\((\w+),", header, re.MULTILINE)}
    assert len(constants) > 40
    assert constants == there["c:enumerator"]
    macros = {name for name in re.findall(r"^#define (NOEX_\w+)", header, re.MULTILINE) if not name.endswith("_")}
    assert macros - {"NOEX_API", "NOEX_NODISCARD", "NOEX_CLUSTER_H"} == there["c:macro"]


def test_the_reference_has_all_of_cpp(site: Path) -> None:
    """Every function that a class has in the header, found in another way: the names before a parenthesis, at the
    indentation of a member."""
    text = (ROOT / "capi" / "include" / "noex_cluster.hpp").read_text()
    public = re.sub(r"^ private:.*?^\};", "};", text, flags=re.MULTILINE | re.DOTALL)
    there = {name.split("::", 1)[1] for name in inventory(site)["cpp:function"]}
    for _, name, body in re.findall(
        r"^(class|struct)(?: \[\[nodiscard\]\])? (\w+)[^{;]*\{(.*?)^\};", public, re.M | re.S
    ):
        assert name in {one.split("::")[-1] for one in inventory(site)["cpp:class"]}, name
        for method in re.findall(r"^  (?! )[\w:<>,&* ]*[ &*](\w+)\([^;]*\)[^;]*\{", body, re.MULTILINE):
            assert f"{name}::{method}" in there or method == "bool", f"{name}::{method}"
    assert {f"Cluster::{name}" for name in ("start", "stop", "nodes", "on_node_up", "next_event")} <= there


def test_the_reference_has_all_of_python(site: Path) -> None:
    import noex_cluster
    import noex_cluster.sync
    import noex_cluster.testing

    kinds = ("class", "function", "data", "exception", "method", "attribute", "property")
    there = set().union(*(inventory(site).get(f"py:{kind}", set()) for kind in kinds))
    for module in (noex_cluster, noex_cluster.sync, noex_cluster.testing):
        assert {f"{module.__name__}.{name}" for name in module.__all__} <= there
    for cls in (noex_cluster.ClusterNode, noex_cluster.sync.ClusterNode, noex_cluster.testing.Mesh):
        module = "noex_cluster.testing" if cls.__name__ == "Mesh" else cls.__module__.replace("._cluster", "")
        public = {f"{module}.{cls.__name__}.{name}" for name in dir(cls) if not name.startswith("_")}
        assert public <= there, public - there


def test_the_reference_has_all_of_node(site: Path) -> None:
    """What the modules export when they run, and what a node has."""
    program = """
      const main = require('noex-cluster'), testing = require('noex-cluster/testing');
      const methods = Object.getOwnPropertyNames(main.ClusterNode.prototype).filter(
        (name) => !name.startsWith('_') && !(name in require('node:events').prototype));
      console.log(JSON.stringify([Object.keys(main), Object.keys(testing), methods]));
    """
    exported, testing, methods = json.loads(run("node", "-e", program, cwd=ROOT))
    kinds = ("class", "function", "data", "method", "attribute")
    there = set().union(*(inventory(site).get(f"js:{kind}", set()) for kind in kinds))
    assert len(exported) > 8
    assert set(exported) | set(testing) <= there
    assert {f"ClusterNode.{name}" for name in methods} <= there


def test_the_reference_has_all_of_the_command(site: Path) -> None:
    """Every option that a verb takes, as its help names them, found in another way."""
    main = run(COMMAND, "--help", cwd=ROOT)
    verbs = re.findall(r"^  (\w+)  ", main.partition("Subcommands:")[2], re.MULTILINE)
    assert "run" in verbs
    there = inventory(site)["std:cmdoption"]
    for verb in verbs:
        options = re.findall(r"(?:^  |,)(--[a-z][\w-]*)", run(COMMAND, verb, "--help", cwd=ROOT), re.MULTILINE)
        assert {f"noex-cluster-{verb}.{option}" for option in options if option != "--help"} <= there, verb


def test_nothing_is_undocumented() -> None:
    """Functions, methods, classes, fields, options, constants and their values, in all languages."""
    command = [DOCS_PYTHON, BUILDER, "--undocumented"]
    done = subprocess.run(command, env=environment(), capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []


def test_what_has_no_text_is_found() -> None:
    """The check itself: with one comment taken away in each header and in the declarations, it says so."""
    paths = [str(BUILDER.parent), str(ROOT / "python" / "src")]
    program = (
        f"import sys; sys.path[:0] = {paths!r}"
        + """
import c_header, cpp_header, node_api
header = c_header.HEADER.read_text().replace("/* the node said goodbye */", "", 1)
print(c_header.undocumented(c_header.parse(header)[1]))
wrapper = cpp_header.HEADER.read_text().replace("  // Needs an error.\\n", "", 1)
print(cpp_header.undocumented(cpp_header.parse(wrapper)[1]))
files = node_api.read_declarations()
files[0]["declarations"]["ClusterStats"]["members"][0]["text"] = ""
files[0]["declarations"]["NodeStatus"]["text"] = "State of a node."
print(node_api.undocumented(files))
"""
    )
    done = subprocess.run([DOCS_PYTHON, "-c", program], env=environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    c, cpp, node = done.stdout.splitlines()
    assert "NOEX_DOWN_GRACEFUL_SHUTDOWN has no comment" in c
    assert "Result::error has no comment" in cpp
    assert "ClusterStats.framesReceived has no comment" in node
    assert "NodeStatus does not say what connected is" in node


def test_pages_are_named_as_they_are() -> None:
    """Each Markdown file of docs/ is a page, and so is each README of a package."""
    assert len({name_of(page) for page in PAGES}) == len(PAGES)


# ------------------------------------------------------------------------------------------------------ in a browser


@pytest.fixture(scope="module")
def seen(site: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What browser.js has seen of the site, in a headless Chromium."""
    return look(site, tmp_path_factory.mktemp("profile"))


def test_no_page_is_wider_than_a_phone(seen: dict[str, Any]) -> None:
    assert seen["tooWide"] == []


def test_a_language_that_is_chosen_once_is_chosen_everywhere(seen: dict[str, Any]) -> None:
    assert set(seen["tabs"]["before"]) == {"Python"}
    assert len(seen["tabs"]["after"]) >= 3
    assert set(seen["tabs"]["after"]) == {"Node"}
    assert "Node" in seen["tabs"]["there"], "on the next page it is another"


def test_the_search_finds_pages_and_functions(seen: dict[str, Any]) -> None:
    assert {"Concepts", "Configuration"} <= set(seen["search"]["heartbeat"])
    assert any("noex_cluster_stop" in text for text in seen["search"]["noex_cluster_stop"])


def test_it_can_be_read_by_light_and_in_the_dark(seen: dict[str, Any]) -> None:
    for theme, colors in seen["brightness"].items():
        for page, text in (("page", "text"), ("code", "codeText")):
            assert abs(colors[page] - colors[text]) > 100, f"{theme}: {colors}"
    assert seen["brightness"]["light"]["page"] > 200
    assert seen["brightness"]["dark"]["page"] < 60
