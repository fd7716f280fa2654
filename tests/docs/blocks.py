"""The fenced blocks of the pages that people read, and the commands in them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (
    "README.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    *sorted(str(each.relative_to(ROOT)) for each in (ROOT / "docs").rglob("*.md")),
)
_FENCED = re.compile(r"^( *)```(\w*)\n(.*?)^ *```$", re.DOTALL | re.MULTILINE)
_COMMAND = re.compile(r"^\$ (.+)$", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Block:
    """`line`: of the page, where it begins."""

    page: str
    line: int
    language: str
    text: str

    @property
    def commands(self) -> tuple[str, ...]:
        """What is typed at a shell, in order; what stands below a command is what it says."""
        if self.language == "sh":
            return tuple(self.text.splitlines())
        if self.language != "console":
            return ()
        return tuple(each.strip() for each in _COMMAND.findall(self.text.replace("\\\n", " ")))

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks(page: str) -> Iterator[Block]:
    """Of a page, in order."""
    text = (ROOT / page).read_text(encoding="utf-8")
    for match in _FENCED.finditer(text):
        indent, language, inside = match.groups()
        lines = [line.removeprefix(indent) for line in inside.splitlines(keepends=True)]
        yield Block(page=page, line=text.count("\n", 0, match.start()) + 1, language=language, text="".join(lines))


def all_blocks() -> list[Block]:
    """Of all pages."""
    return [each for page in PAGES for each in blocks(page)]
