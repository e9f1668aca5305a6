"""examples/README.md lists every example, and no other; each is executed by a test."""

import re
from pathlib import Path

import pytest
from support import EXAMPLES, ROOT

README = (EXAMPLES / "README.md").read_text()
SUFFIXES = {".py", ".mjs", ".c", ".cc", ".cpp"}
PROGRAMS = sorted(str(file.relative_to(EXAMPLES)) for file in EXAMPLES.rglob("*") if file.suffix in SUFFIXES)


def linked() -> list[str]:
    return re.findall(r"\]\(([^)]+)\)", README)


def test_each_program_is_listed_once() -> None:
    assert sorted(place for place in linked() if Path(place).suffix in SUFFIXES) == PROGRAMS


def test_every_link_leads_somewhere() -> None:
    assert not [place for place in linked() if not (EXAMPLES / place).is_file()]


def test_a_link_says_what_it_leads_to() -> None:
    for text, place in re.findall(r"\[([^]]+)\]\(([^)]+)\)", README):
        assert Path(text).name == Path(place).name


def test_the_commands_name_programs() -> None:
    commands = re.findall(r"^    .*$", README, re.MULTILINE)
    named = {found for command in commands for found in re.findall(r"\b[\w-]+\.(?:py|mjs|c)\b", command)}
    named |= {f"{found}.py" for command in commands for found in re.findall(r"\b(\w+):app\b", command)}
    assert len(commands) > 10
    assert named < {Path(program).name for program in PROGRAMS}


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_says_how_to_start_it(program: str) -> None:
    head = (EXAMPLES / program).read_text()[:1200]
    name = Path(program).stem
    assert re.search(rf"^(//|#| \*)?\s+.*\b{name}\b", head, re.MULTILINE), f"{program} does not say how to start it"


@pytest.mark.parametrize("program", PROGRAMS)
def test_it_is_executed_by_a_test(program: str) -> None:
    name = Path(program).stem
    spellings = re.compile(rf"\b({name}|{name.replace('-', '_')})\b")
    here = Path(__file__)
    tests = [*(ROOT / "tests").rglob("test_*.py"), *(ROOT / "tests").rglob("*.test.mjs"), *(ROOT / "demo").glob("*.py")]
    assert any(spellings.search(file.read_text()) for file in tests if file != here)


@pytest.mark.parametrize("program", [program for program in PROGRAMS if program.endswith(".py")])
def test_it_is_one_file(program: str) -> None:
    """What is copied needs no other example."""
    text = (EXAMPLES / program).read_text()
    modules = {Path(other).stem for other in PROGRAMS}
    assert not modules & set(re.findall(r"^\s*(?:from|import) (\w+)", text, re.MULTILINE))
