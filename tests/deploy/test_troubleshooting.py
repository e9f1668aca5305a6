"""docs/troubleshooting.md: every message that it quotes is brought about, and is what the processes really say."""

import re
import subprocess
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from containers import COMMAND, ROOT
from network import why_not
from noex_cluster.testing import start_mesh_sync
from scenes import NEED_NETWORK, SCENES, Stage, settle

DOCUMENT = (ROOT / "docs" / "troubleshooting.md").read_text()
GUIDES = [DOCUMENT, (ROOT / "docs" / "deploying.md").read_text()]
PLACEHOLDERS = {
    "id": r"[A-Za-z][\w-]*@[^\s':]+:\d+",
    "address": r"[\d.]+:\d+",
    "ip": r"[\da-f.:]+",
    "n": r"\d+",
    "seed": r"[^\s']+",
    "path": r"[^\s']+",
    "python": r"[^)]+",
}
AT_ONCE = 6
DEADLINE_S = 40.0

NETWORK_MISSING = why_not()


def quoted() -> dict[str, list[str]]:
    """Section -> the messages that it quotes."""
    found: dict[str, list[str]] = {}
    for part in re.split(r"^### ", DOCUMENT, flags=re.MULTILINE)[1:]:
        title, _, body = part.partition("\n")
        blocks = re.findall(r"^```text\n(.*?)^```$", re.split(r"^## ", body, flags=re.MULTILINE)[0], re.M | re.S)
        if blocks:
            found[title] = [line for block in blocks for line in block.splitlines()]
    return found


QUOTED = quoted()


def pattern(message: str) -> re.Pattern[str]:
    parts = re.split(r"<(\w+)>", message)
    return re.compile("".join(PLACEHOLDERS[part] if index % 2 else re.escape(part) for index, part in enumerate(parts)))


def missing(section: str, output: str) -> list[str]:
    return [message for message in QUOTED[section] if not pattern(message).search(output)]


def test_every_message_has_its_scene() -> None:
    assert set(SCENES) == set(QUOTED)
    assert all(QUOTED.values())
    assert sum(map(len, QUOTED.values())) >= 35


@pytest.fixture(scope="module")
def played(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, Future[str]]]:
    """The scenes mostly wait: several at once."""

    def play(section: str, folder: Path) -> str:
        stage = Stage(folder)
        try:
            SCENES[section](stage)
            return settle(stage, lambda output: not missing(section, output), DEADLINE_S)
        finally:
            stage.close()

    tests = [item for item in request.session.items if getattr(item, "module", None) is request.module]
    wanted = [item.callspec.params["section"] for item in tests if hasattr(item, "callspec")]
    wanted = [section for section in QUOTED if section in wanted and not (NETWORK_MISSING and section in NEED_NETWORK)]
    with ThreadPoolExecutor(AT_ONCE) as pool:
        yield {section: pool.submit(play, section, tmp_path_factory.mktemp("scene")) for section in wanted}


@pytest.mark.parametrize("section", QUOTED)
def test_it_says_so(section: str, played: dict[str, Future[str]]) -> None:
    if section not in played:
        pytest.skip(NETWORK_MISSING)
    output = played[section].result()
    assert not missing(section, output), output


def test_the_metrics_that_are_named_exist() -> None:
    with start_mesh_sync(2) as mesh:
        text = mesh[0].get_metrics()
    there = set(re.findall(r"^(noex_cluster_\w+)", text, re.MULTILINE))
    there |= {name.removesuffix("_bucket") for name in there}
    for guide in GUIDES:
        for name, kind in re.findall(r"\b(noex_cluster_(?!\d)\w+)(\{\w+=\"\w+\"\})?", guide):
            assert name in there, f"{name} is none of {sorted(there)}"
            assert not kind or f"{name}{kind}" in text


def test_the_verbs_and_options_that_are_named_exist() -> None:
    for guide in GUIDES:
        for verb in set(re.findall(r"`noex-cluster (\w+)", guide)):
            done = subprocess.run([COMMAND, verb, "--help"], capture_output=True, text=True, check=False)
            assert done.returncode == 0, f"noex-cluster {verb}"
        for verb, option in re.findall(r"`(?:noex-cluster )?(run|status|members|check) (?:\S+ )*?(--[\w-]+)", guide):
            done = subprocess.run([COMMAND, verb, "--help"], capture_output=True, text=True, check=True)
            assert re.search(rf"(?<![\w-]){option}(?![\w-])", done.stdout), f"{verb} {option}"


def test_the_table_leads_to_each_message() -> None:
    rows = re.findall(r"^\| (.*?) \| .* \| \[.*\]\(#(.*)\) \|$", DOCUMENT.split("## The table")[1], re.MULTILINE)
    assert len(rows) >= 28
    for symptom, anchor in rows:
        section = next((title for title in QUOTED if slug(title) == anchor), None)
        for beginning in re.findall(r"`([^`]*)`", symptom):
            assert section, f"{symptom} leads to a section that quotes nothing"
            assert any(beginning in message for message in QUOTED[section]), f"{beginning} is not in {section}"
    unlisted = {slug(title) for title in QUOTED} - {anchor for _, anchor in rows}
    assert unlisted <= {"a-name-is-unknown-or-nobody-answers-for-names", "nothing-comes-back"}, unlisted


def slug(heading: str) -> str:
    """The anchor of a heading."""
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_links_lead_somewhere() -> None:
    for name in ("troubleshooting.md", "deploying.md"):
        text = (ROOT / "docs" / name).read_text()
        for place, anchor in re.findall(r"\]\(([^)#:]*)(?:#([^)]+))?\)", text):
            target = ROOT / "docs" / (place or name)
            assert target.exists(), f"{name}: {place}"
            if anchor:
                headings = re.findall(r"^#+ (.*)$", target.read_text(), re.MULTILINE)
                assert anchor in {slug(heading) for heading in headings}, f"{name}: {place}#{anchor}"
