"""A page, followed from top to bottom: each command as it stands there, but for examples that have names here."""

import re
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import dataclass

from tests.docs.blocks import Block, blocks
from tests.docs.live.scene import Scene
from tests.docs.live.terminal import Said, Terminal
from tests.docs.ways import absent

# they go on until they are told to end
_HELD = {
    r"(\.venv/bin/)?headrace run$": "worker starts",
    # one that is still starting when it is told to end has not learnt yet how to
    r"headrace run --workers 4$": r"(?s)(worker starts.*){4}",
    r"headrace admin serve$": r"console: \S+",
}
# their settings are written into the file when one comes to them
SETTLED = ("docs/how-to/change-tables-while-it-runs.md",)
Words = Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class Given:
    """What has to be so before a command: `make` brings it about, and says what examples are called here.

    It is done once a page, or before each such command (`again`). `codes`: how the command may end, beside well.
    """

    command: str
    make: Callable[[Scene], Words] | None = None
    codes: frozenset[int] = frozenset()
    page: str = ""
    again: bool = False

    def fits(self, page: str, command: str) -> bool:
        """Whether it is of this command."""
        return page.startswith(self.page) and re.search(self.command, command, re.DOTALL) is not None


def follow(scene: Scene, page: str, givens: tuple[Given, ...]) -> list[str]:
    """What did not go as the page has it."""
    wrong: list[str] = []
    words: dict[str, str] = {}
    made: set[object] = set()
    with closing(scene.terminal()) as terminal:
        for block in blocks(page):
            if block.language == "toml" and page in SETTLED:
                scene.settings(block.text)
            for command in commands(block):
                if absent(page, command) or scene.looked(command):
                    continue
                scene.ensure()
                scene.rest()
                found = [each for each in givens if each.fits(page, command)]
                for each in found:
                    if each.make and (each.again or each.make not in made):
                        words |= each.make(scene)
                        made.add(each.make)
                said = given(terminal, placed(command, words), scene)
                allowed = {0}.union(*(each.codes for each in found))
                if said.code not in allowed:
                    wrong.append(f"{block}: `{said.command}` ended with {said.code}:\n{said.text[-2000:]}")
    return wrong


def commands(block: Block) -> tuple[str, ...]:
    """What is typed, or asked of a database."""
    return (block.text,) if block.language == "sql" else block.commands


def given(terminal: Terminal, command: str, scene: Scene) -> Said:
    """Have it run."""
    for form, until in _HELD.items():
        if re.match(form, command):
            return terminal.hold(command, until)
    if "\n" in command:
        file = scene.directory / "block.sql"
        file.write_text(command, encoding="utf-8")
        command = f"psql -X -v ON_ERROR_STOP=1 -f {file.name}"
    return terminal.run(command)


def placed(command: str, words: Words) -> str:
    """Examples by their names here, whole words alone; longer ones first."""
    for example in sorted(words, key=len, reverse=True):
        command = re.sub(rf"(?<![\w.-]){re.escape(example)}(?![\w-])", lambda _, e=example: words[e], command)
    return command
