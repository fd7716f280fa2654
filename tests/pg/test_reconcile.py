"""Two tables compared by a real server: what differs is found and named, what only moves is not."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import psycopg
import pytest

from consumer.composition.comparing import acts, comparison
from consumer.core.key_schemas import BoundKey, KeySchema
from consumer.core.reconcile import Key
from consumer.core.steering import Steer
from consumer.core.target import TableName
from consumer.core.wording import HIDDEN
from consumer.edges.postgres.describing import read_table
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.outlook import PostgresOutlook
from consumer.edges.postgres.reconcile import TableRules
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.ports.desk import Note
from consumer.ports.outlook import Sight
from consumer.ports.reconcile import Came, NotComparable
from consumer.recovery.reconciling import Limits
from consumer.settings.loading import Settings
from consumer.settings.reconcile import Reconcile
from consumer.telemetry import metrics
from consumer.telemetry.grouping import GroupSamples
from consumer.telemetry.labels import Bounded
from dlq.masking import Mask
from tests.pg.comparing import LIMITS, NOTE, Scene, opened, unasked
from tests.pg.conftest import Pools

KEYS = "id bigint PRIMARY KEY, word text, amount numeric(12,2)"
FILL = "INSERT INTO {{{}}} SELECT n, 'w' || n, n FROM generate_series(1, 1000) n"


@pytest.fixture
def scene(session: psycopg.Connection, server: str, pools: Pools, group: str, schema: str) -> Iterator[Scene]:
    """Two schemas."""
    with opened(session, server, pools(), group, schema) as made:
        yield made


@pytest.fixture
def filled(scene: Scene) -> Scene:
    """A thousand rows on both sides."""
    scene.make(KEYS, KEYS)
    scene.do(FILL.format("s"))
    scene.do(FILL.format("t"))
    return scene


def test_equal_tables_are_equal(filled: Scene) -> None:
    """All rows are read, range by range."""
    step = filled.compared()
    assert (step.verdict, step.rows, step.progress["ranges"], step.counts) == ("equal", 1000, 11, {})


DAMAGES: dict[str, tuple[str, dict[Key, tuple[str, tuple[str, ...]]]]] = {
    "a cell": ("UPDATE {t} SET word = 'x' WHERE id = 777", {("777",): ("different", ("word",))}),
    "two cells": ("UPDATE {t} SET word = NULL, amount = 0 WHERE id = 1", {("1",): ("different", ("word", "amount"))}),
    "a row less": ("DELETE FROM {t} WHERE id = 500", {("500",): ("missing", ())}),
    "a row more": ("INSERT INTO {t} VALUES (5000, 'w', 1)", {("5000",): ("extra", ())}),
    "the first and the last": (
        "DELETE FROM {t} WHERE id IN (1, 1000)",
        {("1",): ("missing", ()), ("1000",): ("missing", ())},
    ),
    "a row more in front": ("INSERT INTO {t} VALUES (-1, 'w', 1)", {("-1",): ("extra", ())}),
}


@pytest.mark.parametrize("name", DAMAGES)
def test_what_differs_is_found_and_named(filled: Scene, name: str) -> None:
    """By its key and its columns; nothing else is."""
    statement, expected = DAMAGES[name]
    filled.do(statement)
    assert filled.found(filled.compared()) == expected


def test_rows_of_several_tables_of_the_source_are_not_compared_with_one(
    filled: Scene, catalog: PostgresCatalog
) -> None:
    """Those of the others would count as more, and be deleted where the table is rebuilt."""
    for name in ("t", "other", "t"):
        names = {"db": "d", "schema": filled.theirs, "table": name}
        key = KeySchema(name="shop.Key", columns=frozenset({"id"}))
        catalog.remember_source(f"{filled.theirs}.t", 1, BoundKey(names=names, key=key))
    step = filled.compared()
    assert (step.verdict, f"{filled.theirs}.other" in step.progress["not_compared"]) == ("not compared", True)


@pytest.mark.parametrize("side", ["s", "t"])
def test_a_table_of_which_a_policy_may_hide_rows_is_not_compared(
    filled: Scene, session: psycopg.Connection, side: str
) -> None:
    """Hidden rows would count as missing or as more."""
    name = TableName(filled.theirs if side == "s" else filled.ours, "t")
    role = f"{filled.ours}_reads"
    filled.do(f"ALTER TABLE {{{side}}} ENABLE ROW LEVEL SECURITY")
    session.execute(f"CREATE ROLE {role}".encode())
    try:
        session.execute(f"SET ROLE {role}".encode())
        with pytest.raises(NotComparable, match="BYPASSRLS"):
            read_table(session, name, translated)
        session.execute("RESET ROLE")
        assert read_table(session, name, translated).columns
    finally:
        session.execute("RESET ROLE")
        session.execute(f"DROP ROLE {role}".encode())


def test_a_row_that_comes_meanwhile_is_no_difference(filled: Scene) -> None:
    """It is looked at when the target has passed the source's position."""
    filled.do("UPDATE {s} SET word = 'new' WHERE id = 7")
    filled.do("INSERT INTO {s} VALUES (2000, 'new', 1)")
    filled.do("DELETE FROM {s} WHERE id = 8")

    def applied() -> None:
        filled.do("UPDATE {t} SET word = 'new' WHERE id = 7")
        filled.do("INSERT INTO {t} VALUES (2000, 'new', 1) ON CONFLICT DO NOTHING")
        filled.do("DELETE FROM {t} WHERE id = 8")

    filled.connector.on_look = applied
    step = filled.compared()
    assert (step.verdict, filled.found(step)) == ("equal", {})


def test_what_the_connector_has_got_and_not_sent_for_long_is_no_difference(filled: Scene) -> None:
    """Its slot confirms nothing meanwhile, as where Kafka Connect commits each minute and a broker has no leader."""
    filled.do("UPDATE {s} SET word = 'new' WHERE id = 7")
    filled.limits = replace(LIMITS, settle=Reconcile().settle, patience=Reconcile().patience)
    filled.connector.state = Came.RECEIVED
    asked = count()

    def sent_late() -> None:
        # the clock goes on by a tenth of a second at least each time it is asked
        if next(asked) == 400:
            filled.do("UPDATE {t} SET word = 'new' WHERE id = 7")

    filled.connector.on_look = sent_late
    step = filled.compared()
    assert (step.verdict, filled.found(step), next(asked) > 400) == ("equal", {}, True)


def test_a_connector_whose_slot_goes_on_is_waited_for_until_it_confirms_the_position(filled: Scene) -> None:
    """It has more to send than it sends at once; that it got the position says nothing then."""
    filled.do("UPDATE {s} SET word = 'new' WHERE id = 7")
    filled.limits = replace(LIMITS, settle=0.5, patience=60.0)
    asked = count()

    def sent_slowly() -> None:
        number = next(asked)
        filled.connector.state = Came.CONFIRMED if number >= 40 else Came.RECEIVED
        filled.connector.confirmed = f"0/{number // 2}"
        if number == 40:
            filled.do("UPDATE {t} SET word = 'new' WHERE id = 7")

    filled.connector.on_look = sent_slowly
    step = filled.compared()
    assert (step.verdict, filled.found(step)) == ("equal", {})


def test_a_source_that_comes_to_rest_stops_no_comparison(filled: Scene) -> None:
    """What it wrote last is confirmed a minute later, which is in front of the position; then nothing more is."""
    filled.do("UPDATE {t} SET word = 'x' WHERE id = 7")
    filled.limits = replace(LIMITS, settle=Reconcile().settle, patience=Reconcile().patience)
    filled.connector.state = Came.RECEIVED
    asked = count()

    def confirms() -> None:
        # the clock goes on by a fifth of a second a look
        filled.connector.confirmed = "0/1" if next(asked) < 350 else "0/2"

    filled.connector.on_look = confirms
    assert filled.found(filled.compared()) == {("7",): ("different", ("word",))}


def test_what_came_soon_waits_for_no_word_of_the_connector(filled: Scene) -> None:
    """Where all that differed is equal some seconds after the connector got it, nothing is left to be sure of."""
    filled.do("UPDATE {s} SET word = 'new' WHERE id = 7")
    filled.limits = replace(LIMITS, settle=Reconcile().settle, patience=Reconcile().patience)
    filled.connector.state = Came.RECEIVED
    asked = count()
    filled.connector.on_look = lambda: next(asked) or filled.do("UPDATE {t} SET word = 'new' WHERE id = 7")
    step = filled.compared()
    assert (step.verdict, next(asked) < 60) == ("equal", True)


def test_a_row_that_never_rests_is_not_called_a_difference(filled: Scene) -> None:
    """Both sides write it between all looks."""

    def written() -> None:
        filled.do("UPDATE {s} SET amount = amount + 1 WHERE id = 7")
        filled.do("UPDATE {t} SET amount = amount + 2 WHERE id = 7")

    filled.do("UPDATE {t} SET amount = 0 WHERE id = 7")
    filled.connector.on_look = written
    step = filled.compared()
    assert (step.verdict, filled.found(step)) == ("not sure", {("7",): ("moving", ())})


def test_a_connector_that_does_not_come_stops_it_until_it_is_resumed(filled: Scene) -> None:
    """With a reason; then it goes on where it was."""
    filled.do("UPDATE {t} SET word = 'x' WHERE id = 777")
    filled.connector.state = Came.NOT_YET
    number = filled.start()
    stopped = filled.taken(number)
    assert (stopped.state, "source.slot" in stopped.why) == ("stopped", True)
    rows = stopped.steps[0].rows
    filled.connector.state = Came.RECEIVED
    desk = filled.desk()
    assert desk.decide(number, Steer.RESUME, NOTE)
    done = filled.taken(number)
    assert (done.state, done.differences, done.steps[0].rows) == ("done", 1, rows)
    assert [(key.key, key.columns) for key in desk.keys(number, NOTE)] == [(["777"], ["word"])]
    desk.close()


def test_any_process_goes_on_with_it(filled: Scene) -> None:
    """Each turn by another one that knows nothing."""
    filled.do("UPDATE {t} SET word = 'x' WHERE id = 777")
    number = filled.start()
    for _ in range(60):
        filled.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        filled.workflows().turn(number)
    assert filled.taken(number).differences == 1


def test_a_process_without_a_way_to_the_source_leaves_it_to_others(filled: Scene) -> None:
    """It neither stops it nor forgets how far it is."""
    sections = {
        "kafka": {"bootstrap_servers": "here:1", "group": filled.group, "topics": ["t"]},
        "registry": {"url": "http://here:2"},
        "target": {"dsn": filled.server},
    }
    settings = Settings.model_validate(sections)
    compared = comparison(lambda: settings, "a test", unasked)
    other = PostgresWorkflows(filled.pool, filled.group, acts(lambda: settings, compared, unasked))
    number, takes = filled.start(), filled.workflows()
    for _ in range(4):
        filled.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
        assert takes.turn(number) is not None
    filled.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
    assert other.turn() is None
    done = filled.taken(number, takes)
    assert (done.state, done.steps[0].verdict, done.steps[0].rows) == ("done", "equal", 1000)


def test_too_many_differences_stop_it(scene: Scene) -> None:
    """A table that is empty is no matter of rows."""
    scene.make(KEYS, KEYS)
    scene.do(FILL.format("s"))
    scene.limits = Limits(range_rows=100, rate=1e9, keys=150)
    stopped = scene.taken(scene.start())
    assert (stopped.state, "rebuild" in stopped.why) == ("stopped", True)


def test_ranges_that_take_too_long_are_halved(filled: Scene) -> None:
    """And the same is found."""
    filled.do("UPDATE {t} SET word = 'x' WHERE id = 777")
    filled.limits = Limits(range_rows=1000, rate=1e9, turn=-1.0)
    step = filled.compared()
    assert (filled.found(step), step.progress["size"]) == ({("777",): ("different", ("word",))}, 100)


def test_ranges_that_are_quick_again_grow_again(filled: Scene) -> None:
    """Up to what they are by the settings: what was slow for a moment costs the rest of a large table nothing."""
    filled.limits = Limits(range_rows=1000, rate=1e9)
    number = filled.start()
    takes = filled.workflows()
    takes.turn(number)
    small = """UPDATE headrace.workflow_steps SET progress = progress || '{"size": 100}' WHERE workflow_id = %s"""
    filled.session.execute(small, (number,))
    (step,) = filled.taken(number, takes).steps
    # 100, 200, 400 rows and what is left
    assert (step.rows, step.progress["ranges"], step.progress["size"]) == (1000, 4, 1000)


def test_a_key_that_is_suspected_late_is_looked_at_as_often_as_others(filled: Scene) -> None:
    """Beside one that has been looked at before and does not rest either."""
    filled.limits = replace(filled.limits, suspects=2)
    looks = count(1)

    def written() -> None:
        look = next(looks)
        # the second one is written by its first two looks, which are the second and the third of all
        for key in (1, *((777,) if look in (2, 3) else ())):
            filled.do(f"UPDATE {{s}} SET amount = amount + 1 WHERE id = {key}")
            filled.do(f"UPDATE {{t}} SET amount = amount + 2 WHERE id = {key}")

    filled.do("UPDATE {t} SET amount = -50 WHERE id IN (1, 2, 777)")
    filled.connector.on_look = written
    assert filled.found(filled.compared()) == {
        ("1",): ("moving", ()),
        ("2",): ("different", ("amount",)),
        ("777",): ("different", ("amount",)),
    }


def test_tables_that_take_turns_in_one_process_share_its_sessions(filled: Scene) -> None:
    """None closes what another one needs."""
    filled.do(f"CREATE TABLE {filled.theirs}.u (LIKE {filled.theirs}.t INCLUDING ALL)")
    filled.do(f"CREATE TABLE {filled.ours}.u (LIKE {filled.ours}.t INCLUDING ALL)")
    filled.know({name: name for name in ("id", "word", "amount")}, "u")
    takes = filled.workflows()
    numbers = [filled.start(), filled.start(f"{filled.ours}.u")]
    for turn in range(40):
        filled.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = ANY (%s)", (numbers,))
        takes.turn(numbers[turn % 2])
    assert [filled.taken(number).state for number in numbers] == ["done", "done"]


NOT_COMPARED = {
    "without a key": ("id bigint, word text", "id bigint, word text", TableRules(), "no primary key"),
    "by its mode": (KEYS, KEYS, TableRules(not_rows="its mode is history"), "history"),
    "by a key in an order of its own": (
        "id inet PRIMARY KEY", "id inet PRIMARY KEY", TableRules(), "not sorted alike for sure"
    ),
}  # fmt: skip


TWICE = {
    "no index": ("", "(1, 'a'), (1, 'a')"),
    "one over more than the key": ("CREATE UNIQUE INDEX ON {t} (id, word)", "(1, 'a'), (1, 'b')"),
    "one of some rows": ("CREATE UNIQUE INDEX ON {t} (id) WHERE id < 0", "(1, 'a'), (1, 'a')"),
    "one over what is made of it": ("CREATE UNIQUE INDEX ON {t} ((id % 1), word)", "(1, 'a'), (1, 'b')"),
    "one in which nulls differ": ("CREATE UNIQUE INDEX ON {t} (id)", "(1, 'a'), (NULL, 'a'), (NULL, 'a')"),
}


@pytest.mark.parametrize("name", TWICE)
def test_a_table_that_may_have_a_row_twice_is_not_called_equal(scene: Scene, name: str) -> None:
    """No key says how often it is there."""
    index, rows = TWICE[name]
    scene.make("id bigint PRIMARY KEY, word text", "id bigint, word text")
    if index:
        scene.do(index)
    scene.do("INSERT INTO {s} VALUES (1, 'a')")
    scene.do(f"INSERT INTO {{t}} VALUES {rows}")
    step = scene.compared()
    assert (step.verdict, "unique index" in step.progress["not_compared"]) == ("not compared", True)


@pytest.mark.parametrize("index", ["(x) INCLUDE (word)", "(y, x)"])
def test_a_unique_index_over_the_key_or_a_part_of_it_will_do(scene: Scene, index: str) -> None:
    """In any order."""
    theirs, ours = "a int, b int, word text, PRIMARY KEY (a, b)", "x int NOT NULL, y int NOT NULL, word text"
    scene.make(theirs, ours, {"a": "x", "b": "y", "word": "word"})
    scene.do(f"CREATE UNIQUE INDEX ON {{t}} {index}")
    for table in ("{s}", "{t}"):
        scene.do(f"INSERT INTO {table} VALUES (1, 1, 'w')")
    assert scene.compared().verdict == "equal"


@pytest.mark.parametrize("name", NOT_COMPARED)
def test_what_can_not_be_compared_says_so(scene: Scene, name: str) -> None:
    """And is not called equal."""
    source, target, rules, why = NOT_COMPARED[name]
    scene.make(source, target)
    scene.rules = rules
    step = scene.compared()
    assert (step.verdict, why in step.progress["not_compared"]) == ("not compared", True)


def test_settings_are_honoured(scene: Scene) -> None:
    """Renamed, left out, masked; rows that are marked as deleted are not there."""
    scene.make(
        "id int PRIMARY KEY, word text, secret text, gone text",
        "no int PRIMARY KEY, said text, secret text, deleted timestamptz",
        {"id": "no", "word": "said", "secret": "secret"},
    )
    scene.rules = TableRules(hidden={"secret": "masked in the target"}, deleted="deleted")
    scene.do("INSERT INTO {s} VALUES (1, 'a', 'real', 'x'), (2, 'b', 'real', 'x')")
    scene.do("INSERT INTO {t} VALUES (1, 'a', '***', NULL), (2, 'c', '***', NULL), (3, 'c', '***', now())")
    step = scene.compared()
    assert scene.found(step) == {("2",): ("different", ("word",))}
    assert step.progress["left_out"] == {"secret": "masked in the target", "gone": "the target does not get it"}


def test_what_the_last_comparison_of_a_table_found_is_told(filled: Scene) -> None:
    """By verdict, and when it was."""
    filled.compared()
    filled.do("DELETE FROM {t} WHERE id < 4")
    filled.compared()
    stored = PostgresOutlook(filled.pool, filled.group).stored()
    sight = Sight(at=datetime.now(UTC), partitions=[], heartbeat=None, stored=stored)
    samples = GroupSamples(
        group=filled.group,
        topics=Bounded(9),
        tables=Bounded(9),
        partitions=9,
        kafka_names=False,
        reads=lambda _: True,
    )
    told = {sample.labels: sample.value for sample in samples.of(sight) if sample.metric is metrics.COMPARED_KEYS}
    assert told == {
        (filled.table, verdict): rows
        for verdict, rows in (("missing", 3.0), ("extra", 0), ("different", 0), ("moving", 0))
    }


def test_what_is_left_of_a_comparison_holds_no_value_but_keys(filled: Scene) -> None:
    """Neither in its progress nor with its keys."""
    filled.do("UPDATE {t} SET word = 'never-told-1' WHERE id = 777")
    filled.do("UPDATE {s} SET word = 'never-told-2' WHERE id = 777")
    filled.compared()
    for table in ("workflows", "workflow_steps", "differing_keys", "audit"):
        query = f"SELECT count(*) FROM headrace.{table} x WHERE x::text LIKE '%never-told%'"
        assert filled.session.execute(query.encode()).fetchone() == (0,)


def test_people_are_told_of_no_keys_but_where_they_ask_for_them(filled: Scene) -> None:
    """A step's progress has where it is, which is a key, and rows that it looks at again."""
    filled.do("UPDATE {t} SET word = 'other' WHERE id = 777")
    step = filled.compared()
    more = '{"after": ["canary"], "round": {"keys": ["canary"]}, "watched": [[["canary"], 1]]}'
    with closing(filled.desk()) as desk:
        (found,) = desk.workflows(1)
        update = "UPDATE headrace.workflow_steps SET progress = progress || %s::jsonb WHERE workflow_id = %s"
        filled.session.execute(update, (more, found.id))
        whole = desk.workflow(found.id)
        assert whole is not None
        assert "canary" not in str([whole, *desk.workflows(1)])
        assert (whole.steps[0].progress["watched"], whole.steps[0].rows) == (1, step.rows)
        (key,) = desk.keys(found.id, Note("me", "look"))
        assert key.key == ["777"]
    hides = Mask(["*.ID"]).hides
    settings = SessionSettings(dsn=filled.server, worker="desk")
    with closing(PostgresRecoveries(settings, filled.group, hides)) as desk:
        assert [key.key for key in desk.keys(found.id, Note("me", "look"))] == [[HIDDEN]]


def test_columns_that_an_index_only_includes_are_no_part_of_the_key(scene: Scene) -> None:
    """A changed one is a cell that differs, and no row that is missing here and extra there."""
    scene.make("id bigint, word text, PRIMARY KEY (id) INCLUDE (word)", "id bigint PRIMARY KEY, word text")
    scene.do("INSERT INTO {s} VALUES (1, 'a'), (2, 'b')")
    scene.do("INSERT INTO {t} VALUES (1, 'a'), (2, 'other')")
    assert scene.found(scene.compared()) == {("2",): ("different", ("word",))}


@pytest.mark.parametrize("left", ["", "WHERE id > 900", "WHERE id <= 5", "WHERE id NOT BETWEEN 200 AND 800"])
def test_a_target_with_many_more_rows_is_read_in_ranges_too(filled: Scene, left: str) -> None:
    """Wherever the source lacks them: at its end, in its middle, or all."""
    filled.do(f"DELETE FROM {{s}} {left}")
    step = filled.compared()
    gone = f"SELECT count(*) FROM {filled.table} {left}"
    assert filled.session.execute(gone.encode()).fetchone() == (step.counts["extra"],)
    assert step.progress["ranges"] >= 5
