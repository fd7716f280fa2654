"""What can be checked in pages that people write: links, commands, files named, and that each page can be found."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

from typer._click.exceptions import ClickException

from tools.pages.cli import NAME, children, command_line
from tools.pages.markdown import GENERATED

START = "README.md"
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)|(?:src|srcset|href)=\"([^\"]+)\"")
_CONSOLE = re.compile(r"^```console\n(.*?)^```", re.DOTALL | re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_FILE = re.compile(r"`((?:consumer|dlq|docs|helm|schemas|tests|tools)/[\w./-]+\.\w+)`")
_TARGET = re.compile(r"^([a-z-]+):", re.MULTILINE)
_OUTSIDE = ("http://", "https://", "mailto:")


def complaints(root: Path) -> list[str]:
    """Everything that is wrong, one line each."""
    pages = sorted([*root.glob("*.md"), *root.glob("docs/**/*.md"), *root.glob("schemas/**/*.md")])
    found = []
    for path in pages:
        text = path.read_text(encoding="utf-8")
        problems = [*_links(path, text), *_files(root, text), *command_complaints(root, text)]
        found += [f"{path.relative_to(root)}: {problem}" for problem in problems]
    return found + _unreachable(root, pages)


def targets(path: Path, text: str) -> Iterator[tuple[Path, str]]:
    """Each link to something of this repository: the file and the anchor."""
    for match in _LINK.finditer(_FENCED.sub("", text)):
        target = match[1] or match[2]
        if not target.startswith(_OUTSIDE):
            file, _, anchor = target.partition("#")
            yield (path.parent / file).resolve() if file else path, anchor


def _links(path: Path, text: str) -> Iterator[str]:
    for file, anchor in targets(path, text):
        if not file.exists():
            yield f"a link leads to {file.name}, which does not exist"
        elif anchor and anchor not in _anchors(file.read_text(encoding="utf-8")):
            yield f"{file.name} has no heading for the anchor #{anchor}"


def _anchors(text: str) -> set[str]:
    return {_anchor(heading) for heading in _HEADING.findall(_FENCED.sub("", text))}


def _anchor(heading: str) -> str:
    """A heading's anchor as GitHub makes it."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _files(root: Path, text: str) -> Iterator[str]:
    if GENERATED in text:
        return
    for name in _FILE.findall(_FENCED.sub("", text)):
        if not (root / name).exists():
            yield f"the file {name} does not exist"


def command_complaints(root: Path, text: str) -> Iterator[str]:
    """What is not known of the commands of console blocks: targets of make, our own commands, their options."""
    targets = set(_TARGET.findall((root / "Makefile").read_text(encoding="utf-8")))
    for words in _typed(text):
        if words[0] == "make":
            yield from (f"`make {word}` is no target" for word in words[1:] if word not in targets)
        elif words[0] == NAME:
            yield from _unknown_words(words)


def _typed(text: str) -> Iterator[list[str]]:
    """The command lines of console blocks, a list of words for each command of a pipeline."""
    for block in _CONSOLE.findall(text):
        for line in re.findall(r"^\$ (.+)$", block.replace("\\\n", " "), re.MULTILINE):
            for piece in re.split(r"\||&&?|;|\$\(|`", line):
                # where its output goes is the shell's matter
                words = _words(re.sub(r"\s\d?[<>].*", "", piece))
                while words and re.match(r"[A-Z_]+=", words[0]):
                    words.pop(0)
                if words:
                    yield [words[0].rpartition("/")[2], *words[1:]]


def _words(piece: str) -> list[str]:
    try:
        return shlex.split(piece.strip().strip("\"'()"))
    except ValueError:
        return []


def _unknown_words(words: list[str]) -> Iterator[str]:
    command, rest = command_line(), words[1:]
    while (below := children(command)) and rest and not rest[0].startswith("-"):
        child = below.get(rest[0])
        if child is None:
            yield f"`{' '.join(words)}`: there is no command {rest[0]!r}"
            return
        command, rest = child, rest[1:]
    if "--help" in rest:
        return
    try:
        # parsed as it would be, and not run
        command.make_context(command.name, list(rest))
    except ClickException as error:
        yield f"`{' '.join(words)}`: {error.format_message()}"


def _unreachable(root: Path, pages: list[Path]) -> list[str]:
    seen: set[Path] = set()
    waiting = [root / START]
    while waiting:
        path = waiting.pop()
        if path in seen or path.suffix != ".md" or not path.exists():
            continue
        seen.add(path)
        waiting += [file for file, _ in targets(path, path.read_text(encoding="utf-8"))]
    return [f"{path.relative_to(root)}: no link leads here from {START}" for path in pages if path not in seen]
