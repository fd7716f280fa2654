"""Each block of the pages has a way to be run, and each way has blocks."""

from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, Block, all_blocks
from tests.docs.ways import ABSENT, FOLLOWED, GENERATED, SHOWN, absent, unknown


def test_every_block_is_run_or_says_why_not() -> None:
    """A new one of another kind is named here."""
    assert [what for block in all_blocks() for what in unknown(block)] == []


def test_what_is_said_to_be_run_elsewhere_is_there() -> None:
    """Files of tests, pages, and commands that begin so."""
    pages = {block.page for block in all_blocks()}
    assert {*FOLLOWED, *GENERATED, *SHOWN} <= pages
    assert all((ROOT / test.split()[0]).exists() for test in (*FOLLOWED.values(), *GENERATED.values()))
    typed = [(block.page, command) for block in all_blocks() for command in block.commands]
    idle = [
        (page, begin)
        for page, begin in ABSENT
        if not any(page in ("", where) and command.startswith(begin) for where, command in typed)
    ]
    assert idle == []


@pytest.mark.parametrize(
    ("language", "text", "known"),
    [
        ("console", "$ headrace lag\n", True),
        ("console", "$ rm -rf /\n", False),
        ("console", "headrace lag\n", False),
        ("console", "$ docker ps\n", False),
        ("sql", "SELECT 1;\n", True),
        ("ruby", "puts 1\n", False),
        ("", "anything\n", False),
    ],
)
def test_a_block_of_no_kind_is_named(language: str, text: str, known: bool) -> None:
    """So nobody adds one that nothing runs."""
    block = Block(page="docs/how-to/new.md", line=1, language=language, text=text)
    assert (unknown(block) == []) == known


def test_every_fence_is_found() -> None:
    """None is open, and none is passed over for its form."""
    for block in all_blocks():
        assert "```" not in block.text, block
    for page in sorted({block.page for block in all_blocks()}):
        text = Path(ROOT / page).read_text(encoding="utf-8")
        assert 2 * sum(1 for block in all_blocks() if block.page == page) == text.count("```"), page


def test_reasons_name_what_holds_the_command() -> None:
    """By page, or for all pages."""
    found = absent("docs/how-to/deploy-with-compose.md", "docker compose exec target psql -U postgres shop")
    assert found is not None
    assert found.held
    assert absent("docs/how-to/deploy-with-compose.md", "headrace lag") is None
