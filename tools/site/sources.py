"""Which files the site has: pages that people read, and whatever they lead to inside the repository."""

from collections.abc import Iterator
from pathlib import Path

from tools.pages.prose import START, targets

# a folder's name, and how the site names what it holds
SECTIONS = {
    "docs/tutorial": "Learn",
    "docs/how-to": "Do",
    "docs/reference": "Look up",
    "docs/why": "Understand",
    "docs/runbooks": "Put right",
}
INDEX = "docs/README.md"
Entry = dict[str, str | list["Entry"]]


def sources(root: Path) -> set[Path]:
    """Files, relative to the root, from which the site is made: what can be reached from the README by links."""
    found: set[Path] = set()
    waiting = [root / START, *sorted(root.glob("docs/**/*.md"))]
    while waiting:
        path = waiting.pop()
        name = path.relative_to(root)
        if name in found or not path.is_file():
            continue
        found.add(name)
        if path.suffix == ".md":
            waiting += [file for file, _ in targets(path, path.read_text(encoding="utf-8"))]
    return found


def navigation(root: Path) -> list[Entry]:
    """The site's contents: sections by what a reader needs, in the order in which the page of all pages names them."""
    order = _order(root)
    pages = sorted(name for name in sources(root) if name.suffix == ".md")
    pages.sort(key=lambda name: order.get(name, len(order)))
    entries: list[Entry] = [{"Headrace": START}, {"All pages": INDEX}]
    for section, title in SECTIONS.items():
        own = [name for name in pages if _section(name) == section]
        entries.append({title: [{_title(root, name): str(name)} for name in own]})
    rest = [name for name in pages if _section(name) is None and str(name) not in (START, INDEX)]
    return [*entries, {"More": [{_title(root, name): str(name)} for name in rest]}]


def _order(root: Path) -> dict[Path, int]:
    index = root / INDEX
    named: Iterator[Path] = (file for file, _ in targets(index, index.read_text(encoding="utf-8")))
    return {file.relative_to(root): place for place, file in reversed(list(enumerate(named)))}


def _section(name: Path) -> str | None:
    """A page beside a folder of its name is that section's first."""
    for section in SECTIONS:
        if name.is_relative_to(section) or name.with_suffix("") == Path(section):
            return section
    return None


def _title(root: Path, name: Path) -> str:
    first = (root / name).read_text(encoding="utf-8").partition("\n")[0]
    return first.removeprefix("#").strip().replace("`", "")
