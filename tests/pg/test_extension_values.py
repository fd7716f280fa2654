"""Types of extensions that the wheel's server lacks, on a server of the system that has them; skipped without one."""

from collections.abc import Iterator

import psycopg
import pytest

from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.conftest import Sinks
from tests.pg.landing import Landing
from tests.pg.system import system_server
from tests.pg.test_shape_values import EWKB_POINT, WKB_POINT
from tests.pg.values import Value, check, check_created, params
from tests.unit.semantic import GEOGRAPHY, HSTORE, JSON, LTREE, POINT, SHAPE, XML, array, filled, propagated

HARD_MAP = {"a": "1", "b": None, 'c"\\=>,': 'x"\\', "": "", "é": "null"}
HARD_HSTORE = r'"a"=>"1","b"=>NULL,"c\"\\=>,"=>"x\"\\",""=>"","é"=>"null"'

HSTORES = [
    Value(HSTORE, HARD_MAP, "hstore", HARD_HSTORE),
    Value(HSTORE, {}, "hstore", ""),
    Value(JSON, '{"a":"1","b":null,"c\\"":"\\\\"}', "hstore", r'a=>1,b=>NULL,"c\""=>"\\"'),
    Value(propagated(HSTORE, "HSTORE"), {"a": "1"}, "hstore", "a=>1", "hstore"),
    Value(propagated(JSON, "HSTORE"), "{}", "hstore", "", "hstore"),
    Value(array(HSTORE), [{"a": "1"}, None], "hstore[]", '{"\\"a\\"=>\\"1\\"",NULL}'),
]
TREES = [
    Value(LTREE, "Top.Science", "ltree", "Top.Science", "ltree"),
    Value(LTREE, "", "ltree", "", "ltree"),
    Value(array("string"), ["Top.A", "B"], "ltree[]", "{Top.A,B}"),
    Value(array(LTREE), ["Top.A"], "ltree[]", "{Top.A}", "ltree[]"),
]
OTHERS = [
    Value("string", "MiXed", "citext", "MiXed"),
    Value(propagated("string", "CITEXT"), "MiXed", "citext", "MiXed", "citext"),
    Value(array("string"), ["MiXed"], "citext[]", "{MiXed}"),
    Value(XML, "<a>é</a>", "xml", "<a>é</a>", "xml"),
    Value(XML, "text only", "xml", "text only", "xml"),
]
SHAPES = [
    Value(SHAPE, filled(SHAPE, wkb=EWKB_POINT, srid=4326), "geometry", "SRID=4326;POINT(1 2)", "geometry"),
    Value(SHAPE, filled(SHAPE, wkb=WKB_POINT, srid=3187), "geometry(Point,3187)", "SRID=3187;POINT(1 2)"),
    Value(SHAPE, filled(SHAPE, wkb=WKB_POINT), "geometry", "POINT(1 2)", "geometry"),
    Value(SHAPE, filled(SHAPE, wkb=WKB_POINT, srid=0), "geometry", "POINT(1 2)", "geometry"),
    Value(GEOGRAPHY, filled(GEOGRAPHY, wkb=EWKB_POINT, srid=4326), "geography", "SRID=4326;POINT(1 2)", "geography"),
    Value(POINT, filled(POINT, x=1.0, y=2.0, wkb=WKB_POINT, srid=4326), "geometry", "SRID=4326;POINT(1 2)"),
    Value(POINT, filled(POINT, x=1.0, y=2.0), "geometry", "POINT(1 2)"),
    Value(array(SHAPE), [filled(SHAPE, wkb=WKB_POINT), None], "geometry[]", "{POINT(1 2):NULL}"),
]
EXTENSIONS = {"hstore": HSTORES, "ltree": TREES, "citext": OTHERS, "postgis": SHAPES}
CASES = [
    pytest.param(extension, *param.values, id=param.id)
    for extension, values in EXTENSIONS.items()
    for param in params(values)
]
CREATED = [case for case in CASES if case.values[1].created]


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The connection string of the system's own server, whose control schema is there."""
    with system_server() as dsn:
        yield dsn


def extended(session: psycopg.Connection, extension: str) -> None:
    """The extension is there, or the test is skipped."""
    if not session.execute("SELECT 1 FROM pg_available_extensions WHERE name = %s", (extension,)).fetchone():
        pytest.skip(f"the server has no {extension}")
    session.execute(f"CREATE EXTENSION IF NOT EXISTS {extension} SCHEMA public")


@pytest.mark.parametrize(("extension", "value"), CASES)
def test_a_value_arrives(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, extension: str, value: Value
) -> None:
    """Into a column that is there."""
    extended(session, extension)
    check(session, sink, table, value)


def test_keys_are_compared_by_their_type_wherever_it_is(
    session: psycopg.Connection, sinks: Sinks, table: TableName
) -> None:
    """In a schema, too, that is not on the role's search path."""
    extended(session, "citext")
    session.execute(f"CREATE TABLE {table.schema}.t (id public.citext PRIMARY KEY, n int4)")
    session.execute("CREATE SCHEMA elsewhere; ALTER EXTENSION citext SET SCHEMA elsewhere")
    try:
        landing = Landing(sinks(), table, [{"name": "id", "type": "string"}, {"name": "n", "type": "int"}])
        landing.apply(("c", {"id": "Word", "n": 1}))
        landing.apply(("d", {"id": "WORD", "n": 1}))
        assert session.execute(f"SELECT id FROM {table.schema}.t").fetchall() == []
    finally:
        session.execute("ALTER EXTENSION citext SET SCHEMA public; DROP SCHEMA elsewhere")


@pytest.mark.parametrize(("extension", "value"), CREATED)
def test_a_value_arrives_in_a_created_column(
    session: psycopg.Connection, sink: PostgresSink, table: TableName, extension: str, value: Value
) -> None:
    """Into a column of a type that is chosen for it."""
    extended(session, extension)
    check_created(session, sink, table, value)
