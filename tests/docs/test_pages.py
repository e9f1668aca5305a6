"""What the tests of the documentation rely on: how Markdown is read and made into pages; wrong shell is noticed."""

import pytest
from documents import ROOT
from pages import blocks, for_site
from shell import check_shell, simple_commands

PLACE = ROOT / "docs" / "page.md"


def made(text: str) -> str:
    return for_site(text, PLACE, "page.md", lambda file: f"there/{file.name}")


def test_blocks_have_their_language_name_and_mark() -> None:
    text = """# A page

`node.py`:

```python
import this
```

    ls

- an item

    that goes on

<!-- text -->

    a drawing

<!-- not run: it would take a day -->

```sh
sleep 86400
```
"""
    found = [(block.language, block.name, block.mark, block.text, block.line) for block in blocks(text)]
    assert found == [
        ("python", "node.py", "", "import this\n", 5),
        ("sh", "", "", "ls\n", 9),
        ("text", "", "text", "a drawing\n", 17),
        ("sh", "", "not run: it would take a day", "sleep 86400\n", 21),
    ]
    assert blocks(text)[3].reason == "it would take a day"


def test_languages_become_tabs() -> None:
    text = "<!-- tabs -->\n\n**Python**\n\nOne.\n\n**Node**\n\nTwo.\n\n<!-- /tabs -->\n\n**Node** stays.\n"
    lines = [line for line in made(text).split("\n") if line]
    assert lines == [
        *("::::{tab-set}", ":sync-group: language"),
        *(":::{tab-item} Python", ":sync: python", "One.", ":::"),
        *(":::{tab-item} Node", ":sync: node", "Two.", ":::"),
        *("::::", "**Node** stays."),
    ]


def test_links_lead_to_pages_and_anchors_stay() -> None:
    assert made("[a](b.md#c), ![d](e.svg), [f](https://g/h), [i](#j)") == (
        "[a](there/b.md#c), ![d](there/e.svg), [f](https://g/h), [i](#j)"
    )
    assert made("[`code`](b.md) and `[no](link.md)`") == "[`code`](there/b.md) and `[no](link.md)`"


def test_what_is_indented_becomes_a_block_and_lines_keep_their_numbers() -> None:
    text = "One.\n\n    ls\n    cd\n\nTwo.\n"
    assert made(text) == "One.\n```sh\nls\ncd\n```\nTwo.\n"
    assert made("<!-- text -->\n\n    drawn\n\nTwo.\n") == "\n```text\ndrawn\n```\nTwo.\n"


def test_a_reason_is_shown() -> None:
    text = made("<!-- not run: an excerpt of a file -->\n\n```yaml\na: 1\n```\n")
    assert "```{code-block} yaml\n:caption: Not run by a test: an excerpt of a file\n" in text


@pytest.mark.parametrize(
    "wrong",
    [
        "noex-cluster run --no-such-option",
        "noex-cluster no-such-verb",
        "NAME=1 noex-cluster --no-such-option",
        "./dev no-such-verb",
        "./dev bench --no-such-option",
        "no-such-program --help",
        "ls | no-such-program",
        "if true; then",
        'echo "unclosed',
    ],
)
def test_wrong_shell_is_noticed(wrong: str) -> None:
    with pytest.raises(AssertionError):
        check_shell(wrong)


def test_commands_are_found() -> None:
    script = "A=1 ./dev test \\\n  mesh # all\nls > file; cat file | grep -v x && sleep 1\n"
    assert simple_commands(script) == [
        ["./dev", "test", "mesh"],
        ["ls"],
        ["cat", "file"],
        ["grep", "-v", "x"],
        ["sleep", "1"],
    ]
    check_shell("sudo ls\nCLUSTER_SECRET=... noex-cluster run --name app1 --port auto\n")
