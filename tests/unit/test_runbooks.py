"""A runbook for each kind of failure, held by the documentation's check."""

from pathlib import Path

from consumer.core.kinds import KINDS
from tools.pages.runbooks import SECTIONS, runbook_complaints


def written(root: Path) -> None:
    """A page for each kind."""
    for name, kind in KINDS.items():
        path = root / kind.page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join([f"# `{name}`", *SECTIONS]))


def test_kinds_and_pages_are_one_to_one(tmp_path: Path) -> None:
    """What is missing, what is too much and what lacks a part are named."""
    written(tmp_path)
    assert runbook_complaints(tmp_path) == []
    first, second, third = list(KINDS.values())[:3]
    (tmp_path / first.page).rename(tmp_path / "docs/runbooks/record.odd.md")
    (tmp_path / second.page).write_text(f"# `{second.name}`")
    (tmp_path / third.page).write_text("\n\n".join(["# Another", *SECTIONS]))

    said = runbook_complaints(tmp_path)
    assert [line.split(": ")[0] for line in said] == [
        first.page, "docs/runbooks/record.odd.md", *sorted([second.page, third.page])
    ]  # fmt: skip
