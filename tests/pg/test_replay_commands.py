"""`headrace replay`: jobs of letters made, looked at and decided about; its ends, and what it writes."""

import csv
import io
import json
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from consumer.cli import app
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene

Command = Callable[..., Result]
SAID = ("--reason", "ticket 1")


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Scene:
    """A group without letters."""
    return Scene(session, pools(), group)


@pytest.fixture
def command(server: str, group: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `headrace replay` for the group."""
    for name, value in {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA__TOPICS": '["t"]',
        "KAFKA__GROUP": group,
        "REGISTRY__URL": "http://127.0.0.1:1",
        "TARGET__DSN": server,
        "LETTERS__MAX_REPLAYS": "3",
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    return lambda *words: CliRunner().invoke(app, ["replay", *map(str, words)])


def told(result: Result, code: int = 0) -> Any:
    """What a command wrote as JSON."""
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def test_what_is_looked_at_is_done_if_it_is_as_many(scene: Scene, command: Command) -> None:
    """The dry run does nothing; the number that it told starts the job."""
    ids = scene.letters(3)
    scene.letters(state="superseded", first=50)
    (looked,) = told(command("start", "--dry-run", "--output", "json"))
    assert (looked["goes"], looked["counts"], looked["job"]) == (3, {"eligible": 3}, None)
    assert command("ls").exit_code == 3

    (started,) = told(command("start", *SAID, "--yes", "--expect", looked["goes"], "--canary", 0, "--output", "json"))
    (listed,) = told(command("ls", "--output", "json"))
    assert (listed["id"], listed["reason"], listed["counts"]) == (started["job"], "ticket 1", {"waiting": 3})
    scene.rest(ids)
    (now,) = told(command("status", started["job"], "--follow", "--output", "json"))
    assert (now["state"], now["counts"], now["left"]) == ("done", {"applied": 3}, 0)


@pytest.mark.parametrize(
    ("words", "code", "why"),
    [
        (("start",), 2, "for a reason"),
        (("start", *SAID, "--yes"), 2, "--expect"),
        (("start", *SAID, "--kind", "record.value", "--yes", "--expect", 1), 3, "no letter matches"),
        (("start", *SAID, "--yes", "--expect", 2), 4, "3 letters would go, not 2"),
        (("start", *SAID), 4, "say --yes --expect 3"),
        (("start", *SAID, "--since", "yesterday"), 2, "neither a time"),
        (("start", *SAID, "--state", "held", "--yes", "--expect", 0), 4, "none of these letters can go"),
        (("status", 999_999), 3, "no job 999999"),
        (("cancel", 999_999, *SAID), 3, "no job 999999"),
        (("pause", 999_999), 2, "--reason"),
        (("pause", 999_999, "--reason", " "), 2, "for a reason"),
        (("report", 999_999), 3, "no job 999999"),
    ],
)
def test_exit_codes(scene: Scene, command: Command, words: tuple[object, ...], code: int, why: str) -> None:
    """And the words on stderr that go with them."""
    scene.letters(3)
    scene.letters(state="held", first=50)
    result = command(*words)
    assert (result.exit_code, why in result.stderr) == (code, True), result.stderr
    assert command("ls").exit_code == 3


def test_a_person_decides_about_a_job(scene: Scene, command: Command) -> None:
    """What does not fit is refused; each decision has its reason."""
    ids = scene.letters(3)
    number = scene.start()
    assert told(command("pause", number, "--reason", "lunch", "--output", "json"))[0]["state"] == "paused"
    assert command("pause", number, "--reason", "lunch").exit_code == 4
    assert told(command("resume", number, "--reason", "eaten", "--output", "json"))[0]["state"] == "canary"
    cancelled = told(command("cancel", number, "--reason", "wrong", "--output", "json"))[0]
    assert (cancelled["state"], cancelled["counts"]) == ("cancelled", {"cancelled": len(ids)})
    assert command("status", number, "--follow").exit_code == 5
    assert [reason for _, reason in scene.audit()] == ["ticket 1", "lunch", "eaten", "wrong"]


def test_letters_are_given_up_in_bulk(scene: Scene, command: Command) -> None:
    """Whatever is open of what is selected."""
    scene.letters(2)
    scene.letters(state="retrying", first=50)
    scene.letters(topic="u", first=70)
    words = ("--discard", "--topic", "t", *SAID, "--yes", "--expect", 3, "--output", "json")
    (started,) = told(command("start", *words))
    scene.rested(started["job"])
    scene.step()
    assert scene.ends(started["job"]) == ["discarded"] * 3


def test_what_waits_for_letters_that_are_given_up_is_told_and_agreed_to(scene: Scene, command: Command) -> None:
    """In words and for programs, before and after."""
    scene.letters(2, row=7)
    scene.letters(3, row=7, first=50, state="held", kind="record.behind")
    words = ("--discard", "--kind", "record.check")
    assert "2 of 2 letters would be given up, and 3 that wait for them" in command("start", "--dry-run", *words).stdout
    (looked,) = told(command("start", "--dry-run", *words, "--output", "json"))
    assert (looked["goes"], looked["along"], looked["meant"]) == (5, 3, 2)
    refused = command("start", *words, *SAID, "--yes", "--expect", 2)
    assert (refused.exit_code, "5 letters would go, 3 of them because" in refused.stderr) == (4, True)

    (started,) = told(command("start", *words, *SAID, "--yes", "--expect", 5, "--output", "json"))
    number = started["job"]
    scene.rest([])
    assert "5 letters, 3 of them because they wait for others" in command("status", number).stdout
    lines = [json.loads(line) for line in command("report", number).stdout.splitlines()]
    assert [(line["state"], line["along"]) for line in lines] == [("discarded", at > 1) for at in range(5)]


def test_a_report_is_read_by_programs(scene: Scene, command: Command) -> None:
    """As lines of JSON or CSV, whole or by what became of the letters."""
    ids = scene.letters(3)
    number = scene.start()
    scene.step()
    for letter in ids:
        scene.comes_back(letter, fits=letter != ids[1])
    lines = [json.loads(line) for line in command("report", number).stdout.splitlines()]
    assert [(line["letter"], line["state"]) for line in lines] == list(
        zip(ids, ("applied", "dead", "applied"), strict=True)
    )
    rows = list(csv.DictReader(io.StringIO(command("report", number, "--state", "dead", "--output", "csv").stdout)))
    assert [(row["offset"], row["why"]) for row in rows] == [("1", "record.check: it does not fit")]
    assert command("report", number, "--state", "cancelled").exit_code == 3


def test_people_see_what_would_be_done_and_what_was(scene: Scene, command: Command) -> None:
    """In words, with the numbers; no text of theirs is markup."""
    ids = scene.letters(2)
    scene.letters(placed=False, kind="record.unplaced", first=50)
    looked = command("start", "--dry-run").stdout
    assert "2 of 3 letters would be sent again" in looked
    assert "ask the source" in looked
    number = told(command("start", "--reason", "[bold]x\x1b[2J", "--yes", "--expect", 2, "--output", "json"))[0]["job"]
    scene.rest(ids)
    for words in (("ls",), ("status", number)):
        shown = command(*words).stdout
        assert "2 applied" in shown
        assert "[bold]x\\x1b[2J" in shown
