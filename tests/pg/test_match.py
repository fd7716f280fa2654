"""Tables without a key whose rows are matched as a whole: as many equal rows are left as the source has."""

import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import Mode, OnTruncate
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine

STRING = ["null", "string"]
FIELDS = [{"name": "word", "type": STRING}, {"name": "n", "type": ["null", "int"]}]
SIZES = [1, 2, 3, 5, 7, 20, 100]
Engines = Callable[..., Engine]


@pytest.fixture
def engines(session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str) -> Engines:
    """Makes an engine of a table of these columns, or of one that is made."""
    name = TableName(schema, "t")

    def made(columns: str = "", fields: Any = FIELDS, **options: Any) -> Engine:
        if columns:
            session.execute(f"CREATE TABLE {name} ({columns})".encode())
        chosen = {"modes": {str(name): Mode.MATCH}, "truncates": {str(name): OnTruncate.APPLY}}
        return Engine(sink, pools(), group, name, fields, (), **chosen, **options)

    return made


def left(session: psycopg.Connection, engine: Engine) -> Counter[tuple[Any, ...]]:
    """How often each row is there."""
    return Counter(session.execute(f"SELECT * FROM {engine.table}".encode()).fetchall())


class Story:
    """A source of few values, so that many rows are equal."""

    def __init__(self, engine: Engine, seed: int) -> None:
        self._engine = engine
        self._chance = random.Random(seed)
        self.rows: list[tuple[str | None, int | None]] = []

    def tell(self, steps: int = 60) -> None:
        """Inserts, updates, also to the same, deletes and a truncate."""
        for step in range(steps):
            old = self._chance.choice(self.rows) if self.rows else None
            what = self._chance.choice("cccuuud") if old else "c"
            if what != "c":
                assert old is not None
                self.rows.remove(old)
            new = (self._chance.choice([None, "a", "b"]), self._chance.choice([None, 1]))
            if what != "d":
                self.rows.append(new)
            self._engine.images(what, *(self._row(row) for row in (old if what != "c" else None, new)))
            if step == steps // 2:
                self._engine.truncate()
                self.rows.clear()

    def _row(self, row: tuple[str | None, int | None] | None) -> Mapping[str, Any] | None:
        return None if row is None else dict(zip(("word", "n"), row, strict=True))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_as_many_equal_rows_are_left_as_the_source_has(
    session: psycopg.Connection, engines: Engines, size: int, seed: int
) -> None:
    """Nulls are values too; the order of changes within a batch makes no difference."""
    engine = engines()
    story = Story(engine, seed)
    story.tell()
    engine.run(size)

    assert left(session, engine) == Counter(story.rows)
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_what_is_unique_in_the_target_may_change_hands(
    session: psycopg.Connection, engines: Engines, size: int, seed: int
) -> None:
    """Rows are changed beside their unique column, exchange it, go and come back."""
    engine = engines("word text UNIQUE, n int")
    chance = random.Random(seed)
    there: dict[str, int] = {}
    for _ in range(60):
        word = chance.choice("abc")
        old = {"word": word, "n": there.pop(word)} if word in there else None
        new = {"word": chance.choice([each for each in "abc" if each not in there]), "n": chance.randrange(2)}
        engine.images(what := chance.choice("uud") if old else "c", old, None if what == "d" else new)
        if what != "d":
            there[new["word"]] = new["n"]
    engine.run(size)

    assert left(session, engine) == Counter(there.items())
    assert (engine.stopped, engine.letters(session)) == ({}, [])


@pytest.mark.parametrize("size", [1, 50])
def test_what_finds_no_row_is_a_letter(session: psycopg.Connection, engines: Engines, size: int) -> None:
    """Its new row is not written either; its neighbours are applied."""
    engine = engines()
    engine.images("c", None, {"word": "a", "n": 1})
    engine.images("u", {"word": "b", "n": 1}, {"word": "c", "n": 1})
    engine.images("d", {"word": "b", "n": 2}, None)
    engine.images("u", {"word": "a", "n": 1}, {"word": "d", "n": 1})
    engine.run(size)

    assert left(session, engine) == Counter([("d", 1)])
    assert [(offset, kind) for _, offset, _, kind in engine.letters(session)] == [
        (1, "record.missing_base"),
        (2, "record.missing_base"),
    ]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_a_row_that_comes_behind_does_not_stand_for_the_one_that_was_to_go(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """Where both sides have parted before, a batch says so whatever is in it: a delete, or an update to the same."""
    engine = engines("word text UNIQUE, n int")
    same = {"word": "b", "n": 2}
    engine.images("d", {"word": "a", "n": 1}, None)
    engine.images("c", None, {"word": "a", "n": 1})
    engine.images("u", same, same)
    engine.images("c", None, same)
    engine.images("u", same, same)
    engine.images("d", same, None)
    engine.run(size)

    assert left(session, engine) == Counter([("a", 1)])
    assert [(offset, kind) for _, offset, _, kind in engine.letters(session)] == [
        (0, "record.missing_base"),
        (2, "record.missing_base"),
    ]


def test_an_image_before_that_is_missing_names_no_row(session: psycopg.Connection, engines: Engines) -> None:
    """As where the source does not say all columns."""
    engine = engines()
    engine.images("c", None, {"word": "a", "n": 1})
    engine.images("u", None, {"word": "b", "n": 1})
    engine.run()

    assert left(session, engine) == Counter([("a", 1)])
    assert [kind for *_, kind in engine.letters(session)] == ["record.image"]


@pytest.mark.parametrize("size", [1, 50])
def test_what_did_not_change_is_taken_from_the_image_before(
    session: psycopg.Connection, engines: Engines, size: int
) -> None:
    """The whole row stands there."""
    engine = engines()
    engine.images("c", None, {"word": "large", "n": 1})
    engine.images("u", {"word": "large", "n": 1}, {"word": UNAVAILABLE, "n": 2})
    engine.run(size)

    assert left(session, engine) == Counter([("large", 2)])


TYPES = {
    "json": '{"b":1,  "a":2}', "jsonb": '{"b":1,"a":[]}', "point": "(1,2)", "box": "(3,4),(1,2)",
    "circle": "<(0,0),1>", "text[]": "{a,NULL}", "char(5)": "ab", "varchar(9)": "ab", "numeric(9,2)": "1.5",
    "float8": "0.30000000000000004", "real": "0.1", "money": "1.50", "bit(3)": "101", "varbit": "1",
    "interval": "1 mon", "timestamptz": "infinity", "uuid": "00000000-0000-0000-0000-000000000001", "inet": "::1/64",
    "int4range": "[1,5)", "tsvector": "'a':1",
}  # fmt: skip


@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize("kind", TYPES)
def test_rows_of_any_type_are_found(session: psycopg.Connection, engines: Engines, kind: str, size: int) -> None:
    """Also where equality of the type means something else, or there is none."""
    engine = engines(f"a {kind}, n int", [{"name": "a", "type": STRING}, FIELDS[1]])
    row = {"a": TYPES[kind], "n": 1}
    for _ in range(3):
        engine.images("c", None, row)
    engine.images("d", row, None)
    engine.images("u", row, {**row, "n": 2})
    engine.images("c", None, {"a": None, "n": 3})
    engine.images("d", {"a": None, "n": 3}, None)
    engine.run(size)

    found = session.execute(f"SELECT n FROM {engine.table} ORDER BY n".encode()).fetchall()
    assert found == [(1,), (2,)]
    assert engine.letters(session) == []


def test_boxes_of_one_area_are_not_one_row(session: psycopg.Connection, engines: Engines) -> None:
    """For the type they would be equal."""
    engine = engines("a box", [{"name": "a", "type": STRING}])
    for box in ("(1,1),(0,0)", "(3,3),(2,2)"):
        engine.images("c", None, {"a": box})
    engine.images("d", {"a": "(3,3),(2,2)"}, None)
    engine.run()

    assert session.execute(f"SELECT a::text FROM {engine.table}".encode()).fetchall() == [("(1,1),(0,0)",)]


@pytest.mark.parametrize("first", ["24:00:00", "1 day"])
def test_of_rows_that_are_equal_the_one_that_is_written_alike_goes(
    session: psycopg.Connection, engines: Engines, first: str
) -> None:
    """Equal intervals, as equal numbers with other digits, are two rows at the source."""
    engine = engines("span interval", [{"name": "span", "type": ["null", "string"], "default": None}])
    for text in (first, "1 day" if first == "24:00:00" else "24:00:00"):
        engine.images("c", None, {"span": text})
    engine.run()
    engine.images("d", {"span": "24:00:00"}, None)
    engine.run()

    assert session.execute(f"SELECT span::text FROM {engine.table}".encode()).fetchall() == [("1 day",)]


def test_several_partitions_have_no_order(engines: Engines) -> None:
    """Changes of equal rows would be in any of them."""
    engine = engines(partitions=2)
    engine.images("c", None, {"word": "a", "n": 1})
    engine.run()

    assert [why.kind for why in engine.stopped.values()] == ["table.identity"]


READ = "SELECT coalesce(seq_tup_read, 0) FROM pg_stat_all_tables WHERE relid = %s::text::regclass"


@pytest.mark.parametrize(("index", "read"), [("(word)", False), ("(n)", True)], ids=["without nulls", "with nulls"])
def test_an_index_over_a_column_without_nulls_spares_reading_the_table(
    session: psycopg.Connection, engines: Engines, index: str, read: bool
) -> None:
    """Equal rows are in it too, and nulls in the other columns are told from values."""
    engine = engines("word text NOT NULL, n int")
    rows = "SELECT (g / 2)::text, nullif(g % 4, 0) FROM generate_series(0, 39999) AS g"
    session.execute(f"INSERT INTO {engine.table} {rows}".encode())
    session.execute(f"CREATE INDEX ON {engine.table} {index}".encode())
    session.execute(f"VACUUM ANALYZE {engine.table}".encode())
    engine.change("c", {"word": "9", "n": 2})
    engine.run()
    there = left(session, engine)
    session.execute("SELECT pg_stat_force_next_flush()")
    before = session.execute(READ, (str(engine.table),)).fetchone()
    for word in ("0", "2", "4"):
        engine.images("u", {"word": word, "n": None}, {"word": word, "n": 7})
    engine.images("d", {"word": "9", "n": 2}, None)
    engine.run()
    engine._sink._session().execute("SELECT pg_stat_force_next_flush()")
    after = session.execute(READ, (str(engine.table),)).fetchone()

    gone = Counter({("0", None): 1, ("2", None): 1, ("4", None): 1, ("9", 2): 1})
    assert (engine.stopped, engine.letters(session)) == ({}, [])
    assert (after != before) == read
    assert left(session, engine) == there - gone + Counter({("0", 7): 1, ("2", 7): 1, ("4", 7): 1})
