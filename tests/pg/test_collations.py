"""Keys that the table's own equality makes one are one row to letters, too; on a server that has such collations."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.searching import FIELDS, Make, landed, said, search
from tests.pg.system import system_server

CODE = {"name": "code", "type": "string"}
COLUMNS = [CODE, {"name": "doc", "type": ["null", "string"]}, {"name": "n", "type": "int"}]
COLLATION = (
    "CREATE COLLATION {s}.anyhow (provider = icu, locale = 'und-u-ks-level2', deterministic = false); "
    "CREATE EXTENSION IF NOT EXISTS citext SCHEMA public; "
)
# by kind of column: two spellings of one key
ALIKE = {
    "text COLLATE {s}.anyhow": ("a", "A"),
    "varchar(9) COLLATE {s}.anyhow": ("a", "A"),
    "public.citext": ("a", "A"),
    "char(3)": ("a", "a "),
    "numeric": ("1.5", "1.50"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The connection string of the system's own server, whose control schema is there."""
    with system_server() as dsn:
        yield dsn


@pytest.fixture
def engines(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str
) -> Callable[..., Engine]:
    """Makes an engine of a table whose key's column is of some kind."""

    def made(kind: str, **options: object) -> Engine:
        text = COLLATION + f"CREATE TABLE {{s}}.t (code {kind} PRIMARY KEY, doc text, n int CHECK (n <> 666))"
        session.execute(text.replace("{s}", schema).encode())
        return Engine(sink, pools(), group, TableName(schema, "t"), COLUMNS, ("code",), **options)

    return made


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("size", [1, 50])
def test_a_change_without_all_columns_waits_for_a_letter_of_the_same_row(
    session: psycopg.Connection, engines: Callable[..., Engine], kind: str, size: int
) -> None:
    """However its key is written; in another batch, and in the same one."""
    engine, (one, two) = engines(kind), ALIKE[kind]
    engine.change("c", {"code": one, "doc": "old", "n": 1})
    engine.run()
    engine.change("u", {"code": one, "doc": "new", "n": 666})
    engine.change("u", {"code": two, "doc": UNAVAILABLE, "n": 3})
    engine.run(size)

    assert [state for _, _, state, _ in engine.letters(session)] == ["dead", "held"]
    assert [row[1:] for row in engine.rows(session)] == [("old", 1)]


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize("size", [1, 50])
def test_a_later_change_makes_a_letter_of_the_same_row_superfluous(
    session: psycopg.Connection, engines: Callable[..., Engine], kind: str, size: int
) -> None:
    """Else it would be applied over that when it is sent again."""
    engine, (one, two) = engines(kind), ALIKE[kind]
    engine.change("c", {"code": one, "doc": "old", "n": 1})
    engine.run()
    engine.damaged({"code": one, "doc": "new", "n": 2})
    engine.change("u", {"code": two, "doc": "newest", "n": 3})
    engine.run(size)

    assert [state for _, _, state, _ in engine.letters(session)] == ["superseded"]
    assert [row[1:] for row in engine.rows(session)] == [("newest", 3)]


@pytest.mark.parametrize("kind", [kind for kind in ALIKE if kind != "char(3)"])
def test_a_late_delete_of_the_old_spelling_leaves_the_row(
    session: psycopg.Connection, engines: Callable[..., Engine], kind: str
) -> None:
    """Where only that of its key has changed; by the new one it is deleted."""
    engine, (one, two) = engines(kind, partitions=2), ALIKE[kind]
    old, new = ({"code": code, "doc": "d", "n": 1} for code in (one, two))
    engine.change("c", old)
    engine.run()
    engine.move(old, new, partitions=(0, 1), tombstone=False)
    engine.run(1, [1, 0])
    assert [str(row[0]) for row in engine.rows(session)] == [two]

    engine.change("d", new, partition=1)
    engine.run()
    assert engine.rows(session) == []


@pytest.mark.parametrize("kind", [kind for kind in ALIKE if kind not in ("char(3)", "numeric")])
@pytest.mark.parametrize("size", [1, 50])
def test_where_a_trigger_has_the_spelling_that_it_wants_a_delete_meets_the_row(
    session: psycopg.Connection, engines: Callable[..., Engine], kind: str, size: int
) -> None:
    """Whatever the source calls it."""
    engine = engines(kind)
    session.execute(
        f"CREATE FUNCTION {engine.table}_lower() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$BEGIN NEW.code := lower(NEW.code); RETURN NEW; END$$; CREATE TRIGGER lower BEFORE INSERT OR UPDATE "
        f"ON {engine.table} FOR EACH ROW EXECUTE FUNCTION {engine.table}_lower()".encode()
    )
    for op, n in (("c", 1), ("u", 2)):
        engine.change(op, {"code": "Ab", "doc": "d", "n": n})
    engine.run(size)
    assert engine.rows(session) == [("ab", "d", 2)]

    engine.change("d", {"code": "Ab", "doc": "d", "n": 2})
    engine.run(size)
    assert (engine.rows(session), engine.letters(session)) == ([], [])


@pytest.mark.parametrize("kind", ALIKE)
def test_so_it_is_for_a_record_that_does_not_decode(
    session: psycopg.Connection, engines: Callable[..., Engine], kind: str
) -> None:
    """Its key says the row, in its own way."""
    engine, (one, two) = engines(kind), ALIKE[kind]
    engine.change("c", {"code": one, "doc": "old", "n": 1})
    engine.run()
    engine.damaged({"code": two, "doc": "new", "n": 2})
    engine.change("u", {"code": one, "doc": UNAVAILABLE, "n": 3})
    engine.run()

    assert [state for _, _, state, _ in engine.letters(session)] == ["dead", "held"]


@pytest.mark.parametrize("kind", ALIKE)
@pytest.mark.parametrize(
    ("order", "states", "found"), [((0, 1), ["dead"], ("old", 3)), ((1, 0), ["held", "dead"], ("old", 1))]
)
def test_what_comes_first_of_two_partitions_does_not_wait_for_the_other(
    session: psycopg.Connection,
    engines: Callable[..., Engine],
    kind: str,
    order: tuple[int, int],
    states: list[str],
    found: tuple[str, int],
) -> None:
    """Keys that are written in two ways stand in two partitions; one batch has both."""
    engine, (one, two) = engines(kind, partitions=2), ALIKE[kind]
    engine.change("c", {"code": one, "doc": "old", "n": 1})
    engine.run()
    engine.change("u", {"code": one, "doc": UNAVAILABLE, "n": 3})
    engine.damaged({"code": two, "doc": "new", "n": 2}, partition=1)
    engine.run(order=order)

    assert [state for _, _, state, _ in engine.letters(session)] == states
    assert [row[1:] for row in engine.rows(session)] == [found]
    assert engine.stopped == {}


def test_another_collation_is_another_row_to_open_letters(
    session: psycopg.Connection, engines: Callable[..., Engine], schema: str
) -> None:
    """So nothing of the table is applied as long as one is open that was made of the one before."""
    engine = engines("text COLLATE {s}.anyhow")
    engine.change("c", {"code": "a", "doc": "new", "n": 666})
    engine.run()
    session.execute(f"ALTER TABLE {schema}.t ALTER code TYPE text".encode())
    engine.start()
    engine.change("c", {"code": "b", "doc": "b", "n": 2})
    engine.run()

    assert [why.kind for why in engine.stopped.values()] == ["table.letters"]


def test_a_column_compares_keys_by_its_own_collation(server: str, session: psycopg.Connection, make: Make) -> None:
    """Staged text has the database's."""
    landing = make(
        COLLATION + "CREATE TABLE {s}.t (code text COLLATE {s}.anyhow PRIMARY KEY, n int4)", [CODE, FIELDS[2]], "code"
    )
    found = search(server, landing.plan(*(("c", {"code": code, "n": 1}) for code in ("A", "B", "a"))))

    assert said(found) == dict.fromkeys((0, 2), ("record.key_merged", "21000"))
    assert landed(session, landing) == [("B", 1)]
