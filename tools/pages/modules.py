"""The modules page: each module of the program and its one idea, as its docstring begins."""

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.pages.markdown import code, page, table

_INTRO = """\
Which module has which idea, as each says itself. How they work together, and which may know which, says
[the design](../design.md)."""


def modules_page(root: Path) -> str:
    """The page of the programs in these folders."""
    folders = [folder for top in ("consumer", "dlq") for folder in _packages(root / top)]
    return page("Modules", _INTRO, *(_section(folder.relative_to(root), folder) for folder in folders))


def _packages(folder: Path) -> Iterator[Path]:
    yield folder
    for inner in sorted(folder.iterdir()):
        if (inner / "__init__.py").exists():
            yield from _packages(inner)


def _section(name: Path, folder: Path) -> str:
    rows = [(code(path.name), _idea(path)) for path in sorted(folder.glob("*.py")) if path.name != "__init__.py"]
    said = _idea(folder / "__init__.py")
    return "\n\n".join([f"## {name}", *([said] if said else []), *([table(("module", "idea"), rows)] if rows else [])])


def _idea(path: Path) -> str:
    """The first paragraph of what a module says of itself; nothing where it says nothing."""
    said = ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or ""
    return " ".join(said.partition("\n\n")[0].split())
