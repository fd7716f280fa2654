"""The runbooks: one page for each kind of failure, written by people, and no page without a kind."""

from collections.abc import Iterator
from pathlib import Path

from consumer.core.kinds import KINDS

# what a page has at least, in this order, below what happened
SECTIONS = ("## How it shows", "## Put it right", "## Check")


def runbook_complaints(root: Path) -> list[str]:
    """Every kind without its page, page without its kind, and page that lacks a part."""
    wanted = {root / kind.page: name for name, kind in KINDS.items()}
    there = set(next(iter(wanted)).parent.glob("*.md"))
    missing = [
        f"{path.relative_to(root)}: the kind {wanted[path]} has no page" for path in sorted(wanted.keys() - there)
    ]
    surplus = [f"{path.relative_to(root)}: there is no such kind" for path in sorted(there - wanted.keys())]
    return missing + surplus + [line for path in sorted(there & wanted.keys()) for line in _lacking(root, path)]


def _lacking(root: Path, path: Path) -> Iterator[str]:
    lines = path.read_text(encoding="utf-8").splitlines()
    if lines[:1] != [f"# `{path.stem}`"]:
        yield f"{path.relative_to(root)}: its title is not the kind"
    if tuple(line for line in lines if line.startswith("## ")) != SECTIONS:
        yield f"{path.relative_to(root)}: its sections are not {', '.join(SECTIONS)}"
