"""A newcomer who follows nothing but the page comes from zero to a dead letter that is applied."""

import re
import sys
from contextlib import closing
from pathlib import Path

import psutil

from consumer.stack.waiting import wait_until
from tests.docs.blocks import ROOT, blocks
from tests.docs.live.browser import Browser
from tests.docs.live.following import placed
from tests.docs.live.scene import environment
from tests.docs.live.terminal import Said, Terminal
from tests.real.engine.worker import eventually

_PAGE = "docs/tutorial/fix-your-first-dead-letter.md"
_START, _LOOK, _SHOW, _END = (block.commands for block in blocks(_PAGE))


def test_a_newcomer_comes_from_zero_to_a_letter_that_is_applied(tmp_path: Path) -> None:
    """The demo, the five steps in the console, the same on the command line; nothing is left running."""
    assert _START == ("make demo",)
    recipe = re.search(r"^demo: setup .*\n\t\$\(BIN\)/(.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert recipe is not None
    (tmp_path / ".venv").symlink_to(sys.prefix)
    with (
        closing(Terminal(tmp_path, environment(TERM="xterm-256color"))) as demo,
        closing(Terminal(tmp_path, environment())) as other,
    ):
        demo.begin(f".venv/bin/{recipe[1]}")
        address = demo.shows(r"(http://127\.0\.0\.1:\d+)/guide", 300)[1]
        number = _five_steps(address)
        said = [_asked(other, placed(each, {"http://127.0.0.1:8470": address})) for each in _LOOK]
        assert [each.code for each in said] == [0, 0, 0, 0], said
        broken = _decoded(other)
        for command in (*_SHOW, *_END):
            said.append(_asked(other, placed(command, {"5": broken})))
            assert said[-1].code == 0, said[-1]
        assert "made to be broken" in said[-1].text
        assert "discarded" in said[-1].text
        assert "applied" in _asked(other, f"headrace dlq show {number}").text
        assert demo.interrupt(60).code == 0
    eventually(lambda: not _left(tmp_path), "nothing of the demo is left")


def _five_steps(address: str) -> str:
    """The way of the console; returns the letter's number."""
    with closing(Browser(address)) as page:
        eventually(lambda: "Find it" in page.open("/guide").text, "the letter waits", 180)
        page.follow("Find it")
        assert "record.check" in page.text
        page.follow("What it holds and would do")
        assert "19900000" in page.text
        assert "it would be refused" in page.text
        page.open("/guide").follow("Correct it")
        page.send("Keep the change", {"to:price": "19.90", "reason": "the point was lost"})
        number = re.search(r"Letter (\d+)", page.text)
        assert number is not None
        page.send("Send again", {"reason": "it is right now"})
        # the target is away now and then, and asked again
        eventually(lambda: "is fixed" in page.open(f"/guide/{number[1]}").text, "the letter is applied", 120)
        return number[1]


def _asked(terminal: Terminal, command: str) -> Said:
    """Again as long as the target is away, as the page says."""
    said: list[Said] = []

    def answered() -> bool:
        said.append(terminal.run(command))
        return "target.connection" not in said[-1].text

    assert wait_until(answered, 60, interval=1.0), said[-1]
    return said[-1]


def _decoded(terminal: Terminal) -> str:
    """The number of any letter of bytes that do not decode."""
    said = _asked(terminal, "headrace dlq ls --state dead --kind record.decode --output json")
    found = re.search(r'"id": (\d+)', said.text)
    assert found is not None, said
    return found[1]


def _left(directory: Path) -> list[int]:
    found = []
    for process in psutil.process_iter():
        try:
            inside = Path(process.cwd()).is_relative_to(directory)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if inside and process.name() != "bash":
            found.append(process.pid)
    return found
