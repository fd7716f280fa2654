"""One PostgreSQL server for all tests here; each test has a schema and a consumer group of its own."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql

from consumer.core.evolution import Follow
from consumer.core.target import TableName
from consumer.edges.breaker import CircuitBreaker
from consumer.edges.postgres.imports import PostgresImports
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.migrate import migrate
from consumer.edges.postgres.pool import PoolLimits, TargetPool
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.stack.options import TARGET, StackOptions
from consumer.stack.progress import Terminal
from consumer.stack.stack import Stack
from tests.pg.following import EVERYTHING, Follower, Scene, Source
from tests.pg.importing import Reading
from tests.pg.landing import Landing
from tests.pg.later import later
from tests.pg.lettered import States, letters
from tests.pg.searching import FIELDS
from tests.pg.statements import recording
from tests.pg.words import Bad, letters_of

NUMBERS = count(1)
Sinks = Callable[..., PostgresSink]
Catalogs = Callable[[], PostgresCatalog]
Pools = Callable[..., TargetPool]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Known when pytest is told to run this directory."""
    parser.addoption("--later", action="store_true", help="run on a control schema to which a later version has added")
    parser.addoption("--record-statements", type=Path, help="add the statements that the program sends to a file")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config) -> Iterator[str]:
    """The connection string of a server whose control schema is there."""
    options = StackOptions(target_settings={"fsync": "off"})
    place = tmp_path_factory.mktemp("target")
    with Stack.open(place, {TARGET}, options, Terminal(quiet_steps=True)) as stack:
        dsn = stack.endpoints.target_dsn
        with connect(SessionSettings(dsn=dsn, worker="migrate")) as connection:
            migrate(connection, later() if pytestconfig.getoption("--later", False) else None)
        with recording(pytestconfig.getoption("--record-statements", None), dsn):
            yield dsn


@pytest.fixture(scope="session")
def bystander() -> Iterator[Callable[[str], psycopg.Connection]]:
    """Gives a session as a new one is: to make one takes the server as long as many a test takes it."""
    kept: dict[str, psycopg.Connection] = {}

    def fresh(dsn: str) -> psycopg.Connection:
        with suppress(psycopg.Error):
            if dsn in kept:
                kept[dsn].execute("DISCARD ALL")
                return kept[dsn]
        kept[dsn] = psycopg.connect(dsn, autocommit=True, prepare_threshold=None, application_name="bystander")
        return kept[dsn]

    yield fresh
    for one in kept.values():
        one.close()


@pytest.fixture
def session(server: str, bystander: Callable[[str], psycopg.Connection]) -> psycopg.Connection:
    """A session of a bystander, in UTC, which compiles no questions."""
    connection = bystander(server)
    connection.execute("SET TimeZone = 'UTC'; SET jit = off")
    return connection


@pytest.fixture
def schema(session: psycopg.Connection) -> str:
    """A new schema."""
    name = f"s{next(NUMBERS)}"
    session.execute(sql.SQL("CREATE SCHEMA {}").format(sql.Identifier(name)))
    return name


@pytest.fixture
def group() -> str:
    """A group that never ran."""
    return f"group-{next(NUMBERS)}"


@pytest.fixture
def sinks(server: str, group: str) -> Iterator[Sinks]:
    """Opens sinks of the group by worker name; all are closed afterwards."""
    opened: list[PostgresSink] = []

    def make(worker: str = "one", deadline: float = 30.0) -> PostgresSink:
        sink = PostgresSink(SessionSettings(dsn=server, worker=worker, batch_deadline=deadline), group)
        sink.open()
        opened.append(sink)
        return sink

    yield make
    for sink in opened:
        sink.close()


@pytest.fixture
def pools(server: str) -> Iterator[Pools]:
    """Makes pools of a worker; all are closed afterwards."""
    made: list[TargetPool] = []

    def make(size: int = 4, breaker: CircuitBreaker | None = None, **settings: Any) -> TargetPool:
        wanted = SessionSettings(**{"dsn": server, "worker": "one", **settings})
        made.append(TargetPool(wanted, breaker or CircuitBreaker("target"), PoolLimits(size=size)))
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.fixture
def catalogs(pools: Pools, group: str) -> Catalogs:
    """Makes catalogs of the group."""
    return lambda: PostgresCatalog(pools(), group)


@pytest.fixture
def catalog(catalogs: Catalogs) -> PostgresCatalog:
    """One of them."""
    return catalogs()


@pytest.fixture
def sink(sinks: Sinks) -> PostgresSink:
    """One open sink."""
    return sinks()


@pytest.fixture
def table(session: psycopg.Connection, schema: str) -> TableName:
    """Where the table of a test will be; its types exist."""
    # in one journey, for each of more than a thousand tests
    session.execute(
        "; ".join(
            [
                f"CREATE TYPE {schema}.mood AS ENUM ('a', 'b', 'it''s')",
                f"CREATE DOMAIN {schema}.short AS varchar(3)",
                f"CREATE DOMAIN {schema}.positive AS int4 CHECK (value > 0)",
                f"CREATE DOMAIN {schema}.shorter AS {schema}.short CHECK (value <> '')",
                f"CREATE DOMAIN {schema}.words AS text[]",
                f"CREATE DOMAIN {schema}.price AS numeric(6,2)",
                f"CREATE DOMAIN {schema}.costs AS {schema}.price CHECK (value >= 0)",
                f"CREATE TYPE {schema}.pair AS (a text, b int4)",
                f"CREATE TYPE {schema}.narrow AS (a varchar(3), b {schema}.price)",
                f"SET search_path TO {schema}, public",
            ]
        ).encode()
    )
    return TableName(schema, "t")


@pytest.fixture
def scene(session: psycopg.Connection, schema: str, sinks: Sinks, pools: Pools, group: str) -> Scene:
    """A table's name, its topic and its workers, which follow in everything if not told otherwise."""
    source = Source(TableName(schema, "t"))

    def worker(how: Follow | None = None, name: str = "one", deadline: float = 30.0) -> Follower:
        how = how or Follow(answers=EVERYTHING)
        return Follower(sinks(name, deadline=deadline), pools(worker=name), group, source, how)

    return Scene(session, source.table, source, worker)


@pytest.fixture
def make(session: psycopg.Connection, sink: PostgresSink, schema: str) -> Callable[..., Landing]:
    """Makes table t and a topic of it."""

    def with_table(setup: str, fields: Sequence[Mapping[str, Any]] = FIELDS, identity: str = "id") -> Landing:
        session.execute(setup.replace("{s}", schema).encode())
        return Landing(sink, TableName(schema, "t"), fields, (identity,))

    return with_table


@pytest.fixture
def word_table(session: psycopg.Connection, schema: str) -> TableName:
    """A table of a column beside its key."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word text)")
    return TableName(schema, "t")


@pytest.fixture
def bad(session: psycopg.Connection, sink: PostgresSink, word_table: TableName, group: str) -> Bad:
    """Makes dead letters of its topic."""
    return letters_of(session, sink, word_table, group)


@pytest.fixture
def states(session: psycopg.Connection, group: str) -> States:
    """Offset and first character of each letter's state."""
    return lambda: "".join(f"{offset}{state[0]}" for offset, state, _ in letters(session, group))


@pytest.fixture
def reading(session: psycopg.Connection, pools: Pools, group: str) -> Reading:
    """Of dead letters, of which nothing was read yet; up to a kilobyte is kept with a letter."""
    return Reading(session, PostgresImports(pools(), group, 1024), group)
