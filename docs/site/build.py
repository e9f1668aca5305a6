"""Builds the site: build/docs, from the Markdown of the repository and from the sources of its interfaces.

What Sphinx reads is first put together in build/docs-source, where it can be looked at: the pages of navigation.toml
with their links led to each other, the references made of the headers, the package and the declarations, and a page for
each source file that some page links to. Everything that Sphinx has to complain of is an error.

Run by `./dev docs` and by tests/docs, with the Python of .cache/docs-venv.
"""

import argparse
import json
import posixpath
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(HERE), str(ROOT / "python" / "src")]

import c_header  # noqa: E402  # the path above
import command  # noqa: E402
import cpp_header  # noqa: E402
import node_api  # noqa: E402
import pages  # noqa: E402
import python_api  # noqa: E402

NAVIGATION = tomllib.loads((HERE / "navigation.toml").read_text())
LEXERS = {
    ".mjs": "js",
    ".cjs": "js",
    ".py": "python",
    ".c": "c",
    ".cc": "cpp",
    ".h": "c",
    ".hpp": "cpp",
    ".json": "json",
}
LEXERS |= {
    ".Dockerfile": "docker",
    ".css": "css",
    ".html": "html",
    ".js": "js",
    ".toml": "toml",
    ".yaml": "yaml",
    ".yml": "yaml",
    ".sh": "bash",
    ".service": "ini",
    ".ts": "ts",
    ".mts": "ts",
}
IMAGES = {".svg", ".png"}


def page_of(file: str) -> str:
    """The path on the site of a Markdown file of the repository."""
    name = file.removeprefix("docs/")
    if name.endswith("/README.md"):
        folder = name.removesuffix("/README.md")
        return f"{folder}/index.md" if folder == "examples" else f"{folder}.md"
    return name.lower() if "/" not in name else name


def listed_pages() -> list[dict[str, str]]:
    """The pages of the navigation that are there, each with its path on the site."""
    found = []
    for section in NAVIGATION["section"]:
        for entry in section["pages"]:
            if "file" in entry and not (ROOT / entry["file"]).exists():
                raise SystemExit(f"navigation.toml: there is no {entry['file']}")
            found.append({**entry, "section": section["title"], "page": entry.get("page") or page_of(entry["file"])})
    listed = {entry.get("file") for entry in found} | {"docs/index.md"}
    lost = [str(file.relative_to(ROOT)) for file in sorted((ROOT / "docs").glob("*.md"))]
    if lost := [file for file in lost if file not in listed]:
        raise SystemExit(f"navigation.toml: in no section: {', '.join(lost)}")
    return found


class Site:
    """The sources of the site: path -> text, and images to be copied."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.images: dict[str, Path] = {}
        self.listed = listed_pages()
        self.places = {(ROOT / entry["file"]).resolve(): entry["page"] for entry in self.listed if "file" in entry}
        self.places[ROOT / "docs" / "index.md"] = "index.md"
        self.places |= {ROOT / file: page for file, page in NAVIGATION["made"].items()}

    def target_of(self, file: Path) -> str:
        if file in self.places:
            return self.places[file]
        if (file / "README.md") in self.places:
            return self.places[file / "README.md"]
        name = str(file.relative_to(ROOT))
        if not file.exists():
            raise SystemExit(f"a link leads to {name}, which is not there")
        if file.suffix in IMAGES:
            self.images[f"images/{file.name}"] = file
            return f"images/{file.name}"
        if file.is_dir():
            return self.folder(file, name)
        page = f"source/{name}.md"
        text = file.read_text()
        fence = "`" * (3 + max((len(run) for run in re.findall(r"`{3,}", text)), default=0))
        self.texts[page] = (
            f"---\norphan: true\n---\n\n# {file.name}\n\n`{name}` in the repository.\n\n"
            f"{fence}{LEXERS.get(file.suffix, 'none')}\n{text.rstrip()}\n{fence}\n"
        )
        return page

    def folder(self, folder: Path, name: str) -> str:
        """A page that lists what lies there."""
        page = f"source/{name}/index.md"
        if page not in self.texts:
            self.texts[page] = ""
            lines = []
            for file in sorted(
                file for file in folder.rglob("*") if file.is_file() and "node_modules" not in file.parts
            ):
                path = posixpath.relpath(self.target_of(file.resolve()), f"source/{name}")
                lines.append(f"- [{file.relative_to(folder)}]({path})")
            self.texts[page] = "\n".join(
                [
                    "---",
                    "orphan: true",
                    "---",
                    "",
                    f"# {folder.name}",
                    "",
                    f"`{name}/` in the repository.",
                    "",
                    *lines,
                    "",
                ]
            )
        return page

    def assemble(self) -> None:
        for entry in self.listed:
            if "file" in entry:
                file = ROOT / entry["file"]
                text = pages.for_site(file.read_text(), file, entry["page"], self.target_of)
                if entry.get("heading"):
                    text = re.sub(r"^# .+$", f"# {entry['title']}", text, count=1, flags=re.MULTILINE)
                self.texts[entry["page"]] = text
        index = ROOT / "docs" / "index.md"
        self.texts["index.md"] = pages.for_site(index.read_text(), index, "index.md", self.target_of) + self.contents()
        self.texts |= references()

    def contents(self) -> str:
        parts = []
        for section in NAVIGATION["section"]:
            entries = [entry for entry in self.listed if entry["section"] == section["title"]]
            lines = [
                f"{entry['title']} <{path}>" if "title" in entry else path
                for entry in entries
                for path in [posixpath.splitext(entry["page"])[0]]
            ]
            parts.append(
                "\n".join(["", "```{toctree}", ":hidden:", f":caption: {section['title']}", "", *lines, "```"])
            )
        return "\n".join(parts) + "\n"

    def write(self, folder: Path) -> None:
        """Only what has changed, so that Sphinx reads only that again."""
        folder.mkdir(parents=True, exist_ok=True)
        for file in [file for file in folder.rglob("*") if file.is_file()]:
            if str(file.relative_to(folder)) not in self.texts | self.images:
                file.unlink()
        for name, text in self.texts.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_text() != text:
                file.write_text(text)
        for name, image in self.images.items():
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            if not file.exists() or file.read_bytes() != image.read_bytes():
                shutil.copyfile(image, file)


def references() -> dict[str, str]:
    introduction, sections = c_header.parse(c_header.HEADER.read_text())
    roles = c_header.Prose(sections).roles
    return {
        "reference/c.rst": c_header.render(introduction, sections),
        "reference/cpp.rst": cpp_header.render(*cpp_header.parse(cpp_header.HEADER.read_text()), roles),
        "reference/command.rst": command.render(command.read()),
        **node_api.render(node_api.read_declarations()),
        **python_api.render(),
    }


def undocumented() -> list[str]:
    """What is public, in all languages, and has no text."""
    return [
        *c_header.undocumented(c_header.parse(c_header.HEADER.read_text())[1]),
        *cpp_header.undocumented(cpp_header.parse(cpp_header.HEADER.read_text())[1]),
        *command.undocumented(command.read()),
        *node_api.undocumented(node_api.read_declarations()),
        *python_api.undocumented(),
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--source", type=Path, default=ROOT / "build" / "docs-source")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "docs")
    parser.add_argument("--undocumented", action="store_true", help="say what has no text, as JSON, and build nothing")
    options = parser.parse_args()
    if options.undocumented:
        print(json.dumps(undocumented()))
        return 0
    site = Site()
    site.assemble()
    site.write(options.source)
    # All of it each time: what is taken over from the last build may show the navigation of then.
    sphinx = [sys.executable, "-m", "sphinx", "--fail-on-warning", "--keep-going", "--fresh-env", "--write-all", "-q"]
    sphinx += ["-b", "html", "-c", HERE]
    done = subprocess.run([*sphinx, "-d", options.output.with_suffix(".doctrees"), options.source, options.output])
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
