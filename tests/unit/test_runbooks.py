"""A runbook for each kind of failure and each alert, held by the documentation's check."""

from pathlib import Path

import pytest

from consumer.alerts.rules import ALERTS
from consumer.core.kinds import KINDS
from tools.pages.prose import complaints
from tools.pages.runbooks import ALERT_SECTIONS, GROUP, SECTIONS, alert_runbook, runbook_complaints

ROOT = Path(__file__).parents[2]


def written(root: Path) -> None:
    """A page for each kind and each alert."""
    for name, kind in KINDS.items():
        path = root / kind.page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("\n\n".join([f"# `{name}`", *SECTIONS]))
    for alert in ALERTS:
        (root / alert.page).write_text("\n\n".join([f"# `{alert.name}`", *ALERT_SECTIONS]))


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


def test_an_alert_without_a_page_and_a_page_of_no_alert_are_named(tmp_path: Path) -> None:
    """As those of kinds are."""
    written(tmp_path)
    first, second = ALERTS[:2]
    (tmp_path / first.page).rename(tmp_path / "docs/runbooks/HeadraceOdd.md")
    (tmp_path / second.page).write_text("\n\n".join([f"# `{second.name}`", *SECTIONS]))
    said = runbook_complaints(tmp_path)
    assert sorted(line.split(": ")[0] for line in said) == sorted(
        [first.page, "docs/runbooks/HeadraceOdd.md", second.page]
    )


@pytest.mark.parametrize(
    ("topic", "right"),
    [
        (f"{GROUP}.dlq", True),
        (f"{GROUP}.retry.4", True),
        (f"{GROUP}.retry.5", False),
        (f"{GROUP}.dlt", False),
        (f"{GROUP}.dead", False),
    ],
)
def test_topics_are_those_that_the_program_makes(tmp_path: Path, topic: str, right: bool) -> None:
    """By the default patterns and delays."""
    written(tmp_path)
    with (tmp_path / ALERTS[0].page).open("a") as page:
        page.write(f"\n\nLook at `{topic}`.\n")
    assert (runbook_complaints(tmp_path) == []) == right


def test_a_page_says_for_the_data_what_its_alert_says(tmp_path: Path) -> None:
    """Whatever stood there before; what people wrote around it stays."""
    written(tmp_path)
    alert = ALERTS[0]
    path = tmp_path / alert.page
    path.write_text(path.read_text().replace("## Effect on the data", "## Effect on the data\n\nNone.\n\nNone."))
    made = alert_runbook(tmp_path, alert)
    assert "None." not in made
    assert " ".join(alert.meaning.split()) in " ".join(made.split())
    path.write_text(made)
    assert alert_runbook(tmp_path, alert) == made
    assert runbook_complaints(tmp_path) == []


@pytest.mark.parametrize(
    ("command", "wrong"),
    [
        ("headrace dlq ls --state dead", ""),
        ("headrace dlq ls --state dying", "dying"),
        ("headrace dlq show", "ID"),
        ("headrace breakers reset broker --reason x", "broker"),
        ("headrace lag --since 2h", "--since"),
        ("headrace lag > file 2>&1", ""),
        ("headrace lags", "lags"),
    ],
)
def test_a_command_of_a_page_is_parsed_whole(tmp_path: Path, command: str, wrong: str) -> None:
    """Names, options, values and what is missing; it is not run."""
    (tmp_path / "Makefile").write_text("")
    (tmp_path / "README.md").write_text(f"```console\n$ {command}\n```\n")
    said = complaints(tmp_path)
    assert len(said) == bool(wrong)
    assert all(wrong in line for line in said)


def test_the_pages_of_this_repository_are_whole() -> None:
    """Each kind and alert has its page, and each command in them parses."""
    assert runbook_complaints(ROOT) == []
    assert [line for line in complaints(ROOT) if "runbooks" in line] == []
