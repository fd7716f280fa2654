"""Columns that are there and have another type than the source's: beside each value stands what PostgreSQL's own cast
makes of the source's. Text and binary form are compared. Nothing here imports the program.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from consumer.stack.options import Endpoints
from tests.fidelity.catalogue import Type, named
from tests.fidelity.compare import Row, open_session, prepare, row_before
from tests.fidelity.modes import Mode
from tests.fidelity.rules import EXISTING, left_of, refusal
from tests.fidelity.source import key, place, table
from tests.fidelity.verdict import Cell, Outcome, label_of, letters, settled, stopped
from tests.real.engine.feed import fresh_name
from tests.real.engine.witness import create_database

INTO: Mapping[str, tuple[str, ...]] = {
    "int2": ("integer", "bigint", "numeric", "text", "double precision"),
    "int4": ("bigint", "numeric(12,2)", "text", "double precision"),
    "int8": ("numeric", "text", "numeric(20,1)"),
    "bool": ("text", "integer"),
    "float4": ("double precision", "text"),
    "float8": ("text",),
    "numeric_12_2": ("numeric(20,4)", "numeric", "text"),
    "numeric_5_0": ("integer", "numeric(9,3)", "bigint"),
    "numeric": ("text",),
    "varchar_5": ("text", "varchar(20)", "char(9)"),
    "varchar": ("text",),
    "text": ("varchar",),
    "uuid": ("text", "varchar(36)"),
    "json": ("jsonb", "text"),
    "jsonb": ("json", "text"),
    "enum": ("text",),
    "cidr": ("inet", "text"),
    "macaddr": ("text", "macaddr8"),
    "date": ("timestamp", "text", "timestamptz"),
    "time_3": ("time", "interval", "text"),
    "timestamp_0": ("timestamp", "timestamptz"),
    "timestamp_3": ("timestamp", "timestamptz", "text"),
    "timestamp": ("timestamptz", "text"),
    "timestamptz_3": ("timestamptz",),
    "domain_int": ("bigint", "text"),
    "domain_varchar": ("text",),
    "domain_numeric": ("numeric",),
    "money": ("numeric",),
    "numrange": ("text",),
    "int2_a": ("bigint[]", "text[]"),
    "int8_a": ("numeric[]",),
    "varchar_a": ("text[]",),
    "numeric_12_2_a": ("numeric[]",),
}
"""Types that values of the source's may be kept in without loss, by the source's type."""

SUFFIX = "_others"
IMPOSSIBLE = "PostgreSQL's own cast refuses the value"
TIME_OF_DAY = "an `interval` does not read the ISO text of a time of day"
NO_SUCH_VALUE = "no such value"
_CAST = """
CREATE FUNCTION pg_temp.forms(v anyelement, kind text) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE send text; found text[];
BEGIN
    SELECT typsend::regproc::text INTO send FROM pg_type WHERE oid = to_regtype(kind);
    -- of a double its text has all digits, the cast to numeric fifteen
    EXECUTE format('SELECT ARRAY[c::text, encode(%s(c), ''hex'')] FROM (SELECT CAST(%s AS %s)) x(c)', send,
        CASE WHEN pg_typeof(v) = 'float8'::regtype AND kind LIKE 'numeric%' THEN '$1::text' ELSE '$1' END, kind)
        INTO found USING v;
    RETURN found;
EXCEPTION WHEN data_exception THEN
    RETURN ARRAY['no such value', NULL];
END $$
"""


@dataclass(frozen=True, slots=True)
class Column:
    """A type of the source's, and that of the column that takes it."""

    kind: Type
    into: str


@dataclass(frozen=True, slots=True)
class Found:
    """A cell, the column's type, and whether the cast itself has no such value."""

    cell: Cell
    into: str
    impossible: bool

    @property
    def mode(self) -> str:
        """The mode, as its rules call it."""
        return self.cell.mode.removesuffix(SUFFIX)

    @property
    def where(self) -> str:
        """As rules speak of it."""
        return f"{self.mode} {self.cell.type} {EXISTING} {self.cell.path} {label_of(self.cell)}"

    @property
    def why(self) -> str | None:
        """Why it is not equal, where that is known."""
        if self.cell.outcome is Outcome.LOST:
            loss = left_of(self.mode, self.cell.type, EXISTING)
            return loss.why if loss else None
        if self.cell.outcome is not Outcome.REFUSED:
            return None
        if self.impossible:
            return IMPOSSIBLE
        if (self.mode, self.into, self.cell.kind) == ("text", "interval", "record.value"):
            return TIME_OF_DAY
        rule = refusal(self.where, self.cell.kind)
        return rule.why if rule else None


def rounds(mode: Mode) -> list[list[Column]]:
    """What can be in one database: there is one table for each topic."""
    here = {kind.name for kind in mode.types} & INTO.keys()
    # what comes as a text is in a text column as it came, and no cast says how that is
    spelled = ("text",) if mode.name.removesuffix(SUFFIX) == "text" else ()
    columns = [(kind, [into for into in INTO[kind.name] if into not in spelled]) for kind in named(sorted(here))]
    most = max(len(into) for _, into in columns)
    return [[Column(kind, into[turn]) for kind, into in columns if turn < len(into)] for turn in range(most)]


def database(at: Endpoints, mode: Mode, columns: Sequence[Column]) -> str:
    """A new target database with the tables that are to be written, and beside each what the casts say."""
    dsn = create_database(at.target_dsn, fresh_name("fidelity_others"))
    with open_session(at.source_dsn) as origin, open_session(dsn) as session:
        prepare(session, [mode])
        origin.execute(_CAST.encode())
        for column in columns:
            shape = sql.SQL("CREATE TABLE {} (id integer PRIMARY KEY, v {}, n integer NOT NULL)")
            session.execute(shape.format(table(mode, column.kind), sql.SQL(column.into)))
            _copy(origin, session, mode, column)
    return dsn


def cells(dsn: str, mode: Mode, columns: Sequence[Column]) -> Iterator[Found]:
    """What became of every value."""
    with open_session(dsn) as session:
        for column in columns:
            yield from _cells(session, mode, column)


def _copy(origin: psycopg.Connection, session: psycopg.Connection, mode: Mode, column: Column) -> None:
    """The source's values as the cast makes them, and what the cast makes of what is left of them in the events."""
    session.execute(
        sql.SQL("CREATE TABLE {} (id integer, n integer, v text, sent text, rest text, rest_sent text)").format(
            _copied(mode, column.kind)
        )
    )
    loss = left_of(mode.name.removesuffix(SUFFIX), column.kind.name, EXISTING)
    read = sql.SQL(
        "COPY (SELECT id, n, c[1], c[2], r[1], r[2] FROM (SELECT id, n, pg_temp.forms(v, {into}) AS c, "
        "pg_temp.forms({left}, {into}) AS r FROM (SELECT id, n, v, id % 10 AS way FROM {table}) y) x) TO STDOUT"
    ).format(into=sql.Literal(column.into), left=sql.SQL(loss.left if loss else "v"), table=table(mode, column.kind))
    write = sql.SQL("COPY {} FROM STDIN").format(_copied(mode, column.kind))
    with origin.cursor().copy(read) as reader, session.cursor().copy(write) as writer:
        for data in reader:
            writer.write(data)


def _cells(session: psycopg.Connection, mode: Mode, column: Column) -> Iterator[Found]:
    kind, topic = column.kind, mode.topic(column.kind)
    refused, stop = letters(session, topic), stopped(session, topic)
    row = session.execute(
        "SELECT typsend::regproc::text FROM pg_type WHERE oid = to_regtype(%s)", [column.into]
    ).fetchone()
    assert row is not None
    query = sql.SQL(
        "SELECT coalesce(s.id, t.id), t.id IS NOT NULL, s.id IS NOT NULL, s.v = {none}, "
        "t.n = s.n AND t.v::text IS NOT DISTINCT FROM s.v AND {sent} IS NOT DISTINCT FROM s.sent, "
        "t.n = s.n AND t.v::text IS NOT DISTINCT FROM s.rest AND {sent} IS NOT DISTINCT FROM s.rest_sent, "
        "b.id IS NOT NULL AND t.n = 0 AND (t.v::text, {sent}) IN ((b.v, b.sent), (b.rest, b.rest_sent)) "
        "FROM {copy} s FULL JOIN {table} t USING (id) LEFT JOIN {copy} b ON b.id = {before} ORDER BY 1"
    ).format(
        before=row_before(kind, "t.id"),
        none=sql.Literal(NO_SUCH_VALUE),
        sent=sql.SQL("encode({}(t.v), 'hex')").format(sql.SQL(row[0])),
        copy=_copied(mode, kind),
        table=table(mode, kind),
    )
    for number, there, wanted, impossible, same, lost, before in session.execute(query).fetchall():
        which, path = place(number)
        why = stop or refused.get(key(which, path), "")
        row = Row(
            number=which,
            path=path,
            there=there,
            wanted=wanted,
            same=bool(same),
            lost=bool(there and wanted and lost and left_of(mode.name.removesuffix(SUFFIX), kind.name, EXISTING)),
            before=bool(there and before),
        )
        outcome = settled(row, why) or Outcome.WRONG
        cell = Cell(
            mode=mode.name,
            type=kind.name,
            number=which,
            path=path.name.lower(),
            outcome=outcome,
            kind=why if outcome is Outcome.REFUSED else "",
        )
        yield Found(cell, column.into, bool(impossible))


def _copied(mode: Mode, kind: Type) -> sql.Identifier:
    return sql.Identifier("fidelity", f"{mode.name}.{kind.name}")
