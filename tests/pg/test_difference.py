"""What a letter would make of its row: what a batch would do, looked at and taken back."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from consumer.core.checks import Rules
from consumer.core.letters import Record
from consumer.core.markers import UNAVAILABLE
from consumer.core.records import RecordRef
from consumer.core.wording import HIDDEN
from consumer.edges.postgres.lookup import LookingCatalog, PostgresCatalog
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from dlq.difference import Cell, Difference, Weigher, difference
from dlq.masking import Mask
from tests.pg.conftest import Pools
from tests.pg.landing import rows
from tests.pg.pipeline import Change, Pipeline
from tests.unit.semantic import array

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
]
Weigh = Callable[..., Difference]
OLD = {"id": 1, "word": "old", "n": 1}


@pytest.fixture
def line(session: psycopg.Connection, sink: PostgresSink, catalog: PostgresCatalog, schema: str) -> Pipeline:
    """A pipeline with a row in its table, which takes no negative numbers, and one in a table that has a trigger."""
    sink.seed({})
    columns = "id bigint PRIMARY KEY, word text, n int CHECK (n >= 0), made text DEFAULT 'here'"
    session.execute(f"CREATE TABLE {schema}.orders ({columns})")
    made = Pipeline(sink, catalog, schema, FIELDS, checks={f"{schema}.orders": {"word": Rules(max_length=5)}})
    made.apply(("c", OLD))
    return made


def weighed(server: str, group: str, line: Pipeline, change: Change, *masked: str) -> Difference:
    """What one change would do."""
    key, value = line.record(*change)
    record = Record(ref=RecordRef(line.at, 7), key=key, value=value)
    weigher = Weigher(line.planner, line.binder, line.known)
    with connect(SessionSettings(dsn=server, worker="weigh")) as connection:
        return difference(connection, group, record, weigher, Mask([f"{line.table}.{name}" for name in masked]))


@pytest.fixture
def weigh(server: str, group: str, line: Pipeline) -> Weigh:
    """Weighs one change, with masked columns if there are any."""
    return lambda op, row, *masked: weighed(server, group, line, (op, row), *masked)


def cells(found: Difference) -> list[tuple[str, str | None, str | None]]:
    """The columns that differ."""
    return [(cell.column, cell.now, cell.then) for cell in found.cells if cell.changed]


@pytest.mark.parametrize(
    ("change", "effect", "changed"),
    [
        (("u", {**OLD, "word": "new"}), "update", [("word", "old", "new")]),
        (("u", {**OLD, "word": None, "n": 2}), "update", [("word", "old", None), ("n", "1", "2")]),
        (("u", {**OLD, "word": UNAVAILABLE, "n": 2}), "update", [("n", "1", "2")]),
        (("u", OLD), "nothing", []),
        (
            ("c", {"id": 2, "word": "w", "n": None}),
            "insert",
            [("id", None, "2"), ("word", None, "w"), ("made", None, "here")],
        ),
        (("d", OLD), "delete", [("id", "1", None), ("word", "old", None), ("n", "1", None), ("made", "here", None)]),
        (("d", {**OLD, "id": 9}), "nothing", []),
        (("t", OLD), "nothing", []),
    ],
)
def test_it_is_what_a_batch_would_do(
    session: psycopg.Connection, line: Pipeline, weigh: Weigh, change: Change, effect: str, changed: Any
) -> None:
    """And nothing of it stays."""
    found = weigh(*change)
    assert (found.effect, found.refused, cells(found)) == (effect, None, changed)
    assert rows(session, line.table) == [(1, "old", 1, "here")]


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({**OLD, "n": -1}, "record.check"),
        ({**OLD, "word": "too long"}, "record.checks"),
        ({"id": 5, "word": UNAVAILABLE, "n": 1}, "record.missing_base"),
    ],
)
def test_what_would_be_refused_says_why(
    session: psycopg.Connection, line: Pipeline, weigh: Weigh, row: dict[str, Any], kind: str
) -> None:
    """As the letter would then."""
    found = weigh("u", row)
    assert found.effect is None
    assert found.refused is not None
    assert (found.refused.kind, found.cells) == (kind, ())
    assert rows(session, line.table) == [(1, "old", 1, "here")]


@pytest.fixture
def wider(session: psycopg.Connection, sink: PostgresSink, catalog: PostgresCatalog, schema: str) -> Pipeline:
    """A pipeline with a row that has a value of a type without a placeholder."""
    sink.seed({})
    session.execute(f"CREATE TABLE {schema}.orders (id bigint PRIMARY KEY, word text, n int, v float8[])")
    made = Pipeline(sink, catalog, schema, [*FIELDS, {"name": "v", "type": ["null", array("double")]}])
    made.apply(("c", {**OLD, "v": [1.5]}))
    return made


@pytest.mark.parametrize(("number", "kind"), [(1, "record.nulled"), (5, "record.missing_base")])
def test_a_null_that_may_stand_for_a_value_is_refused_as_it_would_be(
    server: str, group: str, wider: Pipeline, number: int, kind: str
) -> None:
    """By the row: one has a value there, one is not there."""
    found = weighed(server, group, wider, ("u", {**OLD, "id": number, "v": None}))
    assert (found.effect, found.refused and found.refused.kind) == (None, kind)


def test_what_a_trigger_makes_of_it_is_seen(session: psycopg.Connection, line: Pipeline, weigh: Weigh) -> None:
    """It is the row that would be there."""
    schema = line.table.schema
    session.execute(
        f"CREATE FUNCTION {schema}.up() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN NEW.word := upper(NEW.word); RETURN NEW; END $$;"
        f"CREATE TRIGGER up BEFORE UPDATE ON {schema}.orders FOR EACH ROW EXECUTE FUNCTION {schema}.up()"
    )
    assert cells(weigh("u", {**OLD, "word": "new"})) == [("word", "old", "NEW")]


def test_masked_columns_only_say_that_they_differ(weigh: Weigh) -> None:
    """Not from what to what."""
    found = weigh("u", {**OLD, "word": "new"}, "word", "made")
    by_name = {cell.column: cell for cell in found.cells}
    assert by_name["word"] == Cell(column="word", now=HIDDEN, then=HIDDEN, changed=True)
    assert by_name["made"] == Cell(column="made", now=HIDDEN, then=HIDDEN, changed=False)
    assert by_name["n"] == Cell(column="n", now="1", then="1", changed=False)


def test_a_table_that_is_gone_is_said(session: psycopg.Connection, line: Pipeline, weigh: Weigh) -> None:
    """Whatever the settings would do about it, nothing is made here."""
    session.execute(f"ALTER TABLE {line.table.schema}.orders DROP COLUMN word")
    found = weigh("u", {**OLD, "word": "new"})
    assert found.effect is None
    assert found.refused is not None or found.why
    assert rows(session, line.table) == [(1, 1, "here")]


def test_a_long_value_is_cut_and_still_compared(weigh: Weigh, session: psycopg.Connection, line: Pipeline) -> None:
    """To its last character."""
    schema = line.table.schema
    session.execute(f"UPDATE {schema}.orders SET made = repeat('x', 10000)")
    for ending, changed in (("''", False), ("'y'", True)):
        session.execute(
            f"CREATE OR REPLACE FUNCTION {schema}.more() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN NEW.made := NEW.made || {ending}; RETURN NEW; END $$;"
            f"CREATE OR REPLACE TRIGGER more BEFORE UPDATE ON {schema}.orders "
            f"FOR EACH ROW EXECUTE FUNCTION {schema}.more()"
        )
        found = {cell.column: cell for cell in weigh("u", {**OLD, "n": 5}).cells}
        assert len(found["made"].now or "") == 4096
        assert found["made"].changed is changed


def test_a_session_compares_many(session: psycopg.Connection, group: str, line: Pipeline) -> None:
    """One after the other."""
    weigher = Weigher(line.planner, line.binder, line.known)
    for n in (2, 3):
        key, value = line.record("u", {**OLD, "n": n})
        record = Record(ref=RecordRef(line.at, 7), key=key, value=value)
        assert cells(difference(session, group, record, weigher, Mask())) == [("n", "1", str(n))]


def test_who_only_looks_leaves_nothing(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str
) -> None:
    """Neither a claim nor a schema, nor a change that waits for a person."""
    sink.seed({})
    session.execute(f"CREATE TABLE {schema}.orders (id bigint PRIMARY KEY)")
    line = Pipeline(sink, LookingCatalog(pools(), group), schema, FIELDS)
    key, value = line.record("c", OLD)
    record = Record(ref=RecordRef(line.at, 7), key=key, value=value)
    found = difference(session, group, record, Weigher(line.planner, line.binder, line.known), Mask())
    assert (found.effect, bool(found.why or found.refused)) == (None, True)
    for table in ("target_tables", "topic_sources", "schema_changes", "source_columns"):
        query = f"SELECT count(*) FROM headrace.{table} WHERE group_name = %s"
        assert session.execute(query.encode(), (group,)).fetchone() == (0,)
    kept = "SELECT count(*) FROM headrace.schemas WHERE registry = %s"
    assert session.execute(kept, (line.at.topic,)).fetchone() == (0,)
