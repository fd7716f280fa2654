"""`headrace dlq`: letters found, shown, changed, sent again and given up; its ends, and what it leaves behind."""

import csv
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from click.testing import Result
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.target import TableName
from dlq.letters import Letter
from tests.pg.words import CANARY, KEYS, VALUES, WORD, Bad, behind

_ROOT = Path(__file__).parents[2]
Command = Callable[..., Result]
REGISTRY = "http://127.0.0.1:1/words"
HOSTILE = "=1+1\x1b[2J\u202e[bold]<b>"


@pytest.fixture
def command(session: psycopg.Connection, server: str, group: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `headrace dlq` for the group; Kafka and registry are away, but the schemas were kept."""
    for name, value in {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA__TOPICS": '["t"]',
        "KAFKA__GROUP": group,
        "REGISTRY__URL": REGISTRY,
        "TARGET__DSN": server,
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    keep = "INSERT INTO headrace.schemas (registry, id, schema) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
    for number, text in ((1, KEYS), (2, VALUES)):
        session.execute(keep, (REGISTRY, number, text))
    return lambda *words: CliRunner().invoke(app, ["dlq", *map(str, words)])


def told(result: Result, code: int = 0) -> Any:
    """What a command wrote as JSON."""
    assert result.exit_code == code, result.stderr
    return json.loads(result.stdout)


def state(session: psycopg.Connection, letter: int) -> str:
    """The letter's."""
    row = session.execute("SELECT state FROM headrace.letters WHERE id = %s", (letter,)).fetchone()
    assert row is not None
    return str(row[0])


def decided(session: psycopg.Connection, group: str) -> list[tuple[Any, ...]]:
    """What was written down: action, reason and letters, in order."""
    query = "SELECT action, reason, letters FROM headrace.audit WHERE group_name = %s ORDER BY id"
    return session.execute(query, (group,)).fetchall()


def test_a_new_failure_is_found_understood_and_put_right(
    session: psycopg.Connection, command: Command, bad: Bad, group: str
) -> None:
    """From its group to the letter, its row, an edit and the replay; each step is kept with its reason."""
    letter = bad()
    (found,) = told(command("groups", "--output", "json"))
    assert (found["kind"], found["states"]) == ("record.check", {"dead": 1})
    (listed,) = told(command("ls", "--group", found["fingerprint"], "--state", "dead", "--output", "json"))
    assert listed["id"] == letter
    (whole,) = told(command("show", letter, "--payload", "--output", "json"))
    assert whole["letter"]["remedy"]
    assert whole["payload"]["value"]["values"]["after"] == {"id": 1, "word": CANARY}

    (row,) = told(command("edit", letter, "--output", "json"))
    assert row == {"id": 1, "word": CANARY}
    told(command("edit", letter, "--set", "word=good", "--reason", "ticket 1", "--output", "json"))
    (sent,) = told(command("replay", letter, "--reason", "ticket 1", "--yes", "--output", "json"))
    assert (sent["done"], state(session, letter)) == (True, "replaying")
    assert decided(session, group) == [
        ("view payload", "", [letter]),
        ("view payload", "", [letter]),
        ("edit letter", "ticket 1", [letter]),
        ("replay letters", "ticket 1", [letter]),
    ]


@pytest.mark.parametrize("change", [("--patch", json.dumps(WORD)), ("--set", "word=good"), ("--set", 'word:="good"')])
def test_a_dry_run_changes_nothing(
    session: psycopg.Connection, command: Command, bad: Bad, group: str, change: tuple[str, str]
) -> None:
    """And says what would be."""
    letter = bad()
    (edited,) = told(command("edit", letter, *change, "--dry-run", "--output", "json"))
    assert (edited["changed"], edited["dry_run"]) == (["word"], True)
    for action in ("replay", "discard"):
        (done,) = told(command(action, letter, "--dry-run", "--output", "json"))
        assert done == {"id": letter, "done": True, "state": "dead", "dry_run": True}
    assert state(session, letter) == "dead"
    assert session.execute("SELECT edit FROM headrace.letter_bytes WHERE letter_id = %s", (letter,)).fetchone() == (
        None,
    )
    # whoever tries an edit learns something of the row
    assert decided(session, group) == [("try edit", "a dry run", [letter])]


def test_what_waits_is_given_up_too(session: psycopg.Connection, command: Command, bad: Bad) -> None:
    """And counted beforehand."""
    letter = bad()
    result = command("discard", letter, "--reason", "known nonsense", "--yes")
    assert (result.exit_code, state(session, letter)) == (0, "discarded")
    assert "1 given up" in result.stdout


@contextmanager
def asked(*words: object) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """`headrace dlq` on a terminal, and where a person answers it."""
    command = [sys.executable, "-m", "consumer", "dlq", *map(str, words)]
    here, there = os.openpty()
    with subprocess.Popen(
        command, stdin=there, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, cwd=_ROOT
    ) as process:
        try:
            yield process, here
        finally:
            process.kill()
    os.close(there)
    os.close(here)


@pytest.mark.usefixtures("command")
@pytest.mark.parametrize(("later", "code", "then"), [(False, 0, "discarded"), (True, 4, "dead")])
def test_no_more_letters_are_given_up_than_somebody_agreed_to(
    session: psycopg.Connection, bad: Bad, later: bool, code: int, then: str
) -> None:
    """What comes behind a letter while the question stands would go with it."""
    letter = bad()
    with asked("discard", letter, "--reason", "ticket 1") as (process, answers):
        assert process.stderr is not None
        question = b""
        while (byte := process.stderr.read(1)) not in (b"", b"]"):
            question += byte
        if later:
            behind(session, letter)
        os.write(answers, b"y\n")
        said = process.stderr.read()
        assert (process.wait(60), question) == (code, b"Give up one letter? [y/N")
    assert (b"2 letters would be given up, not 1; look again" in said) == later
    assert state(session, letter) == then


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (("groups",), 3),
        (("ls",), 3),
        (("ls", "--after", "nonsense"), 2),
        (("ls", "--since", "yesterday"), 2),
        (("show", "7"), 3),
        (("edit", "7", "--set", "word=x", "--reason", "why"), 3),
        (("edit", "7", "--set", "word", "--reason", "why"), 2),
        (("edit", "7", "--set", "word:=x", "--reason", "why"), 2),
        (("edit", "7", "--patch", "{", "--reason", "why"), 2),
        (("edit", "7", "--patch", "{}", "--reason", "why"), 2),
        (("edit", "7", "--patch", "@/nowhere", "--reason", "why"), 2),
        (("replay", "7", "--reason", "why", "--yes"), 3),
        (("replay", "7", "--yes"), 2),
        (("replay", "7", "--reason", " ", "--yes"), 2),
        (("discard", "7", "--yes"), 2),
        (("export",), 3),
        (("export", "--output", "csv"), 3),
        (("export", "--payload"), 2),
    ],
)
def test_commands_end_with_what_was_found(command: Command, words: tuple[str, ...], code: int) -> None:
    """3 for nothing, 2 for what can't be meant."""
    assert command(*words).exit_code == code


@pytest.mark.parametrize("action", ["replay", "discard"])
def test_what_is_not_agreed_to_is_not_done(
    session: psycopg.Connection, command: Command, bad: Bad, group: str, action: str
) -> None:
    """Nobody can answer here."""
    letter = bad()
    assert command(action, letter, "--reason", "why").exit_code == 4
    assert state(session, letter) == "dead"
    assert decided(session, group) == []


def test_letters_that_cannot_be_sent_are_left(session: psycopg.Connection, command: Command, bad: Bad) -> None:
    """5 where some can, 4 where none can; of an edit too."""
    one, two = bad(), bad(number=2)
    session.execute("UPDATE headrace.letters SET state = 'retrying' WHERE id = %s", (two,))
    result = command("replay", one, two, "--reason", "why", "--yes", "--output", "json")
    assert {row["id"]: row["done"] for row in told(result, 5)} == {one: True, two: False}
    assert command("replay", one, two, "--reason", "why", "--yes").exit_code == 4
    refused = command("edit", two, "--set", "word=x", "--reason", "why")
    assert (refused.exit_code, "is retrying" in refused.stderr) == (4, True)


def test_pages_follow_one_another(command: Command, bad: Bad) -> None:
    """Each names the next one."""
    letters = [bad(number=number) for number in range(5)]
    seen: list[int] = []
    more: list[str] = []
    while True:
        result = command("ls", "--limit", 2, *more, "--output", "ndjson")
        if result.exit_code == 3:
            break
        seen += [json.loads(line)["id"] for line in result.stdout.splitlines()]
        _, there, place = result.stderr.partition("--after '")
        if not there:
            break
        more = ["--after", place.split("'")[0]]
    assert seen == letters[::-1]


@pytest.mark.parametrize(
    ("since", "found"), [("--since", 1), ("--before", 0)], ids=lambda value: value if isinstance(value, str) else ""
)
def test_times_select(command: Command, bad: Bad, since: str, found: int) -> None:
    """By the calendar or ago."""
    bad()
    earlier = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    for text in ("1h", earlier):
        result = command("ls", since, text, "--output", "json")
        assert result.exit_code == (0 if found else 3)


def test_an_export_is_safe_for_spreadsheets(session: psycopg.Connection, command: Command, bad: Bad) -> None:
    """A cell that would be worked out is text."""
    letter = bad()
    session.execute("UPDATE headrace.letters SET reason = '=HYPERLINK(1)', remedy = '-1' WHERE id = %s", (letter,))
    result = command("export", "--output", "csv")
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert list(row) == list(Letter.__dataclass_fields__)
    assert (row["id"], row["reason"], row["remedy"], row["closed_at"]) == (str(letter), "'=HYPERLINK(1)", "'-1", "")
    assert CANARY not in result.stdout


def test_an_export_has_what_letters_hold_only_if_it_is_asked_for(
    session: psycopg.Connection, command: Command, bad: Bad, group: str
) -> None:
    """And then it is kept who did, and why."""
    letters = [bad(number=number) for number in range(3)]
    plain = command("export")
    assert [json.loads(line)["id"] for line in plain.stdout.splitlines()] == letters
    assert CANARY not in plain.stdout
    assert decided(session, group) == []
    held = command("export", "--payload", "--reason", "ticket 2")
    words = [json.loads(line)["payload"]["value"]["values"]["after"]["word"] for line in held.stdout.splitlines()]
    assert words == [CANARY] * 3
    assert decided(session, group) == [("export payloads", "ticket 2", None)]
    table = command("export", "--payload", "--reason", "ticket 2", "--output", "csv")
    assert CANARY in next(csv.DictReader(io.StringIO(table.stdout)))["payload"]


def test_masked_columns_are_shown_nowhere(
    command: Command, bad: Bad, word_table: TableName, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By no command, in no form."""
    monkeypatch.setenv("HEADRACE_ADMIN__MASK", json.dumps([f"{word_table}.word"]))
    letter = bad()
    for words in (
        ("show", letter, "--payload"),
        ("show", letter, "--payload", "--output", "json"),
        ("edit", letter),
        ("edit", letter, "--output", "json"),
        ("export", "--payload", "--reason", "why"),
        ("export", "--payload", "--reason", "why", "--output", "csv"),
    ):
        result = command(*words)
        assert result.exit_code == 0
        assert "(masked)" in result.stdout
        assert CANARY not in result.stdout
        assert CANARY.encode().hex() not in result.stdout


def test_hostile_values_can_only_be_read(command: Command, bad: Bad) -> None:
    """What would move, colour or turn round what a terminal shows is spelled, and no style is made of it."""
    letter = bad(word=HOSTILE)
    for words in (("show", letter, "--payload"), ("edit", letter)):
        shown = command(*words).stdout
        assert "\x1b" not in shown
        assert "\u202e" not in shown
        assert "[bold]<b>" in shown
        assert "u202e" in shown


def test_tables_name_what_matters(command: Command, bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    """In a wide terminal and in a narrow one, none of whose lines is longer."""
    letter = bad()
    for width in (80, 130):
        monkeypatch.setenv("COLUMNS", str(width))
        for words, said in (
            (("groups",), ("1 dead", "record.check", "landing", "v1-")),
            (("ls",), (str(letter), "dead", "record.check", "landing")),
            (("show", letter), ("dead", "record.check", "to do", "history", "kcat -C")),
        ):
            lines = command(*words).stdout.splitlines()
            assert all(len(line) <= width for line in lines if "kcat" not in line)
            assert all(any(part in line for line in lines) for part in said)
        # what is of less weight stands below what is of more
        assert ("what to do" in command("groups").stdout) == (width == 130)


def test_the_same_record_is_named_for_kcat(command: Command, bad: Bad, monkeypatch: pytest.MonkeyPatch) -> None:
    """In one line, whatever the width."""
    monkeypatch.setenv("COLUMNS", "40")
    (line,) = [line for line in command("show", bad()).stdout.splitlines() if line.startswith("kcat ")]
    assert " -b 127.0.0.1:1 -t landing -p " in line
    assert " -c 1 " in line


def test_differences_of_schemas_are_in_words(
    session: psycopg.Connection, command: Command, bad: Bad, group: str, word_table: TableName
) -> None:
    """Against the table as it is now, and the newest schema that its source was seen to have."""
    letter = bad()
    (plain,) = told(command("show", letter, "--output", "json"))
    assert plain["schema"] == []
    session.execute(f"ALTER TABLE {word_table} RENAME word TO term")
    newer = VALUES.replace('"word"', '"term"')
    session.execute("INSERT INTO headrace.schemas (registry, id, schema) VALUES (%s, 3, %s)", (REGISTRY, newer))
    session.execute("INSERT INTO headrace.source_columns VALUES (%s, %s, 'term', 'term', 3)", (group, str(word_table)))
    try:
        (differing,) = told(command("show", letter, "--output", "json"))
    finally:
        session.execute("DELETE FROM headrace.schemas WHERE registry = %s AND id = 3", (REGISTRY,))
    assert differing["schema"] == [
        "after.term is not in it; schema 3 has it (text, may be null)",
        "after.word is in it (text, may be null); schema 3 does not have it",
        f"after.word has no column 'word' in {word_table}",
        f"{word_table} has a column 'term' (text) that is not in it",
    ]
