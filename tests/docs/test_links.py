"""Links of all Markdown files under version control: files are there, anchors are those of headings there, and what
leads outside is well-formed and leads to a host that somebody has chosen. Nothing is fetched.
"""

import shutil
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from documents import PAGES, ROOT, name_of
from pages import ROOT as PAGES_ROOT
from pages import anchors, links, slug

HOSTS = {"127.0.0.1", "openmetrics.io"}  # every page outside that is linked is named here


def markdown_files() -> list[Path]:
    """Those under version control; where there is no git, those of the site."""
    if shutil.which("git") is None:
        return PAGES
    listing = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=False)
    return sorted({*(ROOT / name for name in listing.stdout.split()), *PAGES})


@pytest.mark.parametrize("page", markdown_files(), ids=name_of)
def test_links_lead_somewhere(page: Path) -> None:
    wrong = []
    for line, target in links(page.read_text()):
        parts = urlsplit(target)
        if parts.scheme or parts.netloc:
            if parts.scheme not in ("http", "https") or parts.hostname not in HOSTS:
                wrong.append(f"{name_of(page)}:{line}: {target}: this host is not among those that are linked")
            continue
        file = (page.parent / parts.path).resolve() if parts.path else page
        if not file.exists():
            wrong.append(f"{name_of(page)}:{line}: {target}: there is no such file")
        elif not file.is_relative_to(ROOT):
            wrong.append(f"{name_of(page)}:{line}: {target}: leads out of the tree")
        elif parts.fragment and parts.fragment not in anchors(file.read_text()):
            wrong.append(f"{name_of(page)}:{line}: {target}: there is no such heading")
    assert not wrong, "\n".join(wrong)


def test_there_are_links_and_anchors() -> None:
    """The two functions find something: a test of links that reads none would always pass."""
    assert PAGES_ROOT == ROOT
    found = [(page, target) for page in PAGES for _, target in links(page.read_text())]
    assert len(found) > 80
    assert [target for _, target in found if "#" in target]
    assert slug("`start()` and stop: [a link](x.md), an **end**") == "start-and-stop-a-link-an-end"
    assert anchors("# One\n\n```sh\n# no heading\n```\n\n## One\n") == ["one", "one-1"]
    assert links('[a](b.md) `[c](d.md)` ![e](f.svg "g")\n\n    [h](i.md)\n') == [(1, "b.md"), (1, "f.svg")]
