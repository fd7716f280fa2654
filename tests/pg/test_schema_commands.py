"""Changes that wait for a person: planned, shown, agreed to, made, and remembered."""

import json
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from click.testing import Result
from typer.testing import CliRunner

from consumer.cli import app
from consumer.core.records import RecordRef
from consumer.core.target import TableName
from consumer.edges.postgres.desk import PostgresDesk
from consumer.edges.postgres.session import SessionSettings
from consumer.planning.planner import BadRecord
from consumer.ports.desk import Note
from dlq.actions import discard
from tests.pg.evolving_cases import BIG, WORD
from tests.pg.following import Fields, Follower, Scene, follow
from tests.pg.landing import ID

ROW = {"id": 1, "word": "w"}
Command = Callable[..., Result]


@pytest.fixture
def command(server: str, group: str, monkeypatch: pytest.MonkeyPatch) -> Command:
    """Runs `headrace schema` for the group."""
    for name, value in {
        "KAFKA__BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "KAFKA__TOPICS": '["t"]',
        "KAFKA__GROUP": group,
        "REGISTRY__URL": "http://127.0.0.1:1",
        "TARGET__DSN": server,
    }.items():
        monkeypatch.setenv(f"HEADRACE_{name}", value)
    return lambda *words: CliRunner().invoke(app, ["schema", *words])


@pytest.fixture
def desk(server: str, group: str) -> Iterator[PostgresDesk]:
    """What the commands ask."""
    with closing(PostgresDesk(SessionSettings(dsn=server, worker="desk"), group, discard)) as opened:
        yield opened


def stopped(scene: Scene, worker: Follower, fields: Fields = (ID, WORD)) -> str:
    """The partition stops in front of the record, as the apply thread would have it; returns why."""
    row = {"id": 1, "word": "w", "size": 1}
    with pytest.raises(BadRecord) as caught:
        worker.plan(scene.record(fields, {field["name"]: row[field["name"]] for field in fields}))
    assert caught.value.ref == RecordRef(scene.source.at, worker.next_offset)
    worker.sink.stop(scene.source.at, worker.taken.epoch, caught.value.failure)
    return caught.value.failure.kind


@pytest.mark.provokes("table.approval")
def test_a_planned_change_is_shown_agreed_to_and_made_with_the_next_rows(scene: Scene, command: Command) -> None:
    """The worker is asked to take the partition anew; who agreed and why is kept."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY)")
    one = scene.worker(follow())
    assert stopped(scene, one) == "table.approval"
    assert stopped(scene, one) == "table.approval"
    (shown,) = json.loads(command("plan", "--output", "json").stdout)
    assert shown["state"] == "planned"
    assert shown["statement"] == f'ALTER TABLE "{scene.table.schema}"."t" ADD COLUMN "word" text'
    assert "word: expected a column" in shown["reason"]
    assert one.sink.asked() == []

    refused = command("apply", str(scene.table), "--reason", "ticket 1")
    assert refused.exit_code == 4
    agreed = command("apply", str(scene.table), "--yes", "--reason", "ticket 1", "--output", "json")
    assert (agreed.exit_code, [each["id"] for each in json.loads(agreed.stdout)]) == (0, [shown["id"]])
    assert one.sink.asked() == [scene.source.at]
    assert json.loads(command("plan", "--output", "json").stdout)[0]["state"] == "approved"
    assert list(scene.columns()) == ["id"]

    one.take()
    one.apply(scene.record([ID, WORD], ROW))
    assert scene.rows() == [(1, "w")]
    assert command("plan").exit_code == 3
    (kept,) = json.loads(command("history", str(scene.table), "--output", "json").stdout)
    assert (kept["state"], kept["decided_why"], kept["applied_by"]) == ("applied", "ticket 1", "one")
    assert "@" in kept["decided_by"]


def test_people_see_a_line_for_each_statement(scene: Scene, command: Command) -> None:
    """With the reason and the remedy beside it."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, size int4)")
    stopped(scene, scene.worker(follow(widen="approve")), [ID, BIG, WORD])
    result = command("plan", str(scene.table))
    lines = result.stdout
    assert lines.count(str(scene.table)) == 2
    assert 'ADD COLUMN "word" text' in lines
    assert 'ALTER COLUMN "size" TYPE bigint' in lines
    assert "headrace schema apply" in result.stderr


def test_what_the_settings_refuse_is_shown_and_not_applied(scene: Scene, command: Command) -> None:
    """The exit code says that it is policy."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, size int4)")
    stopped(scene, scene.worker(follow(widen="refuse")), [ID, BIG])
    (shown,) = json.loads(command("plan", "--output", "json").stdout)
    assert shown["state"] == "refused"
    result = command("apply", str(shown["id"]), "--yes", "--reason", "ticket 1")
    assert result.exit_code == 4
    assert 'ALTER COLUMN "size" TYPE bigint' in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("plan",),
        ("history",),
        ("apply", "public.nothing", "--yes", "--reason", "ticket 1"),
        ("apply", "1", "--yes", "--reason", "ticket 1"),
    ],
)
def test_where_nothing_matches_the_exit_code_says_so(command: Command, words: tuple[str, ...]) -> None:
    """Of each command."""
    assert command(*words).exit_code == 3


@pytest.mark.parametrize("given", [(), ("--reason", " ")], ids=["none", "an empty one"])
def test_nothing_is_agreed_to_without_a_reason(command: Command, given: tuple[str, ...]) -> None:
    """As for everything that is changed."""
    assert command("apply", "public.nothing", "--yes", *given).exit_code == 2


def test_a_change_that_somebody_makes_by_hand_is_not_planned_any_more(scene: Scene, command: Command) -> None:
    """Nor is one in whose place another one is needed."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY, size int4)")
    one = scene.worker(follow(widen="approve"))
    stopped(scene, one, [ID, BIG, WORD])
    scene.sql("ALTER TABLE {t} ALTER size TYPE int8")
    stopped(scene, one, [ID, BIG, WORD])
    assert scene.history() == [("add", "planned"), ("widen", "superseded")]
    scene.sql("ALTER TABLE {t} ADD word text")
    one.apply(scene.record([ID, BIG, WORD], {"id": 1, "size": 1, "word": "w"}))
    assert [state for _, state in scene.history()] == ["superseded", "superseded"]
    assert command("plan").exit_code == 3


def test_what_is_not_planned_any_more_is_not_agreed_to(scene: Scene, desk: PostgresDesk) -> None:
    """Somebody else was faster, or the worker has planned anew."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY)")
    stopped(scene, scene.worker(follow()))
    (change,) = desk.schema_changes(None, waiting=True, most=10)
    note = Note("me@here", "")
    assert desk.approve([change.id], note).partitions == [scene.source.at]
    assert desk.approve([change.id, change.id + 1], note).changes == []


def test_only_what_waits_for_a_person_is_taken_anew(scene: Scene, desk: PostgresDesk) -> None:
    """A partition of the topic that is stopped for another reason stays so."""
    scene.sql("CREATE TABLE {t} (id int8 PRIMARY KEY)")
    one = scene.worker(follow())
    stopped(scene, one)
    scene.sql("UPDATE headrace.positions SET stopped = '{\"kind\": \"table.truncate\"}' WHERE topic LIKE 'followed-%'")
    (change,) = desk.schema_changes(str(scene.table), waiting=True, most=10)
    assert desk.approve([change.id], Note("me@here", "")).partitions == []
    assert desk.schema_changes(str(TableName("no", "where")), waiting=True, most=10) == []
