"""Source and target side by side: the source's table is copied beside the target's, and one query compares the two.

Text and binary form are compared, as PostgreSQL's own output and send functions give them. A column that was created
with another type than the source's is read as the source's type first. Nothing here imports the program.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from tests.fidelity.catalogue import Type
from tests.fidelity.modes import Mode
from tests.fidelity.source import KEEPING, Path, make_types, place, table, values

_SPELLING = """
SET TimeZone = 'UTC'; SET DateStyle = 'ISO'; SET IntervalStyle = 'postgres'; SET extra_float_digits = 1;
SET bytea_output = 'hex'; SET lc_monetary = 'C';
"""
# text and binary form of a text as a value of a type; the word, where it is none
_FORMS = """
CREATE SCHEMA fidelity;
CREATE FUNCTION fidelity.forms(shown text, kind text, own boolean) RETURNS text[] LANGUAGE plpgsql AS $$
DECLARE send text; found text[];
BEGIN
    SELECT typsend::regproc::text INTO send FROM pg_type WHERE oid = to_regtype(kind);
    EXECUTE format('SELECT ARRAY[(v)::text, CASE WHEN %L THEN encode(%s(v), ''hex'') END] FROM (SELECT %L::%s) x(v)',
        NOT own, send, shown, kind) INTO found;
    RETURN found;
EXCEPTION WHEN data_exception OR syntax_error_or_access_rule_violation OR integrity_constraint_violation
    OR internal_error THEN
    RETURN ARRAY['no such value', shown];
END $$;
CREATE FUNCTION fidelity.told(bytes bytea) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN convert_from(bytes, 'UTF8');
EXCEPTION WHEN data_exception THEN
    RETURN bytes::text;
END $$;
"""
# b: the row whose value a row had before its last change
_SIDE_BY_SIDE = """
SELECT coalesce(s.id, t.id), t.id IS NOT NULL, s.id IS NOT NULL,
    t.n = s.n AND (t.v, t.sent) IS NOT DISTINCT FROM (s.v, s.sent),
    s.rest_kind IS NOT NULL AND t.n = s.n AND (t.rest, t.rest_sent) IS NOT DISTINCT FROM (s.rest, s.rest_sent),
    b.id IS NOT NULL AND t.n = 0 AND ((t.v, t.sent) IS NOT DISTINCT FROM (b.v, b.sent)
        OR b.rest_kind IS NOT NULL AND (t.rest, t.rest_sent) IS NOT DISTINCT FROM (b.rest, b.rest_sent))
FROM {copy} s FULL JOIN (
    SELECT t.id, t.n, ({value})[1] AS v, ({value})[2] AS sent, r.rest[1] AS rest, r.rest[2] AS rest_sent
    FROM {table} t CROSS JOIN (SELECT rest_kind, rest_own FROM {copy} LIMIT 1) c
    CROSS JOIN LATERAL (SELECT CASE WHEN c.rest_kind IS NOT NULL
        THEN fidelity.forms(t.v::text, c.rest_kind, c.rest_own) END AS rest) r
) t USING (id) LEFT JOIN {copy} b ON b.id = {before}
ORDER BY 1
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One row of the comparison. `lost`: it is what is left of the value by a rule of the source's side, in text and
    binary form. `before`: it is, or what is left of it is, what the row had before its last change.
    """

    number: int
    path: Path
    there: bool
    wanted: bool
    same: bool
    lost: bool
    before: bool

    @property
    def equal(self) -> bool:
        """Both have it, and alike, or neither has it."""
        return self.there == self.wanted and (self.same or not self.wanted)

    @property
    def absent(self) -> bool:
        """Nothing was written for the row's last change."""
        return self.before if self.there else self.wanted


def open_session(dsn: str) -> psycopg.Connection:
    """A session that spells values as all others do."""
    connection = psycopg.connect(dsn, autocommit=True)
    connection.execute(_SPELLING.encode())
    return connection


def prepare(connection: psycopg.Connection, modes: Sequence[Mode]) -> None:
    """What a target database needs: types, schemas, the copies of the source's tables."""
    make_types(connection)
    connection.execute(_FORMS.encode())
    for mode in modes:
        connection.execute(sql.SQL("CREATE SCHEMA IF NOT EXISTS {}").format(sql.Identifier(mode.name)))


def copy(source: psycopg.Connection, target: psycopg.Connection, mode: Mode, kind: Type, left: str | None) -> None:
    """The source's table as text and binary form, and the same of what is left of its values as an expression over
    `v`, where a rule says that less is left.
    """
    columns = (
        "CREATE TABLE {} (id integer, n integer, v text, sent text, rest text, rest_sent text, rest_kind text, {})"
    )
    target.execute(sql.SQL(columns).format(_copied(mode, kind), sql.SQL("rest_own boolean")))
    read = sql.SQL(
        "COPY (SELECT id, n, v::text, {sent}, rest::text, {rest_sent}, {rest_kind}::text, {own} "
        "FROM (SELECT id, n, v, {rest} AS rest FROM (SELECT id, n, v, id % 10 AS way FROM {table}) y) x) TO STDOUT"
    )
    rest_kind, send = _type_left(source, kind, left) if left else (None, None)
    query = read.format(
        sent=_sent(source, mode, kind, "v"),
        rest=sql.SQL(left or "NULL::text"),
        rest_sent=sql.SQL("NULL" if send is None else f"encode({send}(rest), 'hex')"),
        rest_kind=sql.Literal(rest_kind),
        own=sql.Literal(send is None),
        table=table(mode, kind),
    )
    write = sql.SQL("COPY {} FROM STDIN").format(_copied(mode, kind))
    with source.cursor().copy(query) as reader, target.cursor().copy(write) as writer:
        for data in reader:
            writer.write(data)


def compare(target: psycopg.Connection, mode: Mode, kind: Type) -> list[Row]:
    """Every row that source or target has; none of the target's where its table does not exist."""
    created = column_type(target, mode, kind)
    shown, own = _shown(created, kind), sql.Literal(kind.own)
    value = sql.SQL("fidelity.forms({}, {}, {})").format(shown, sql.Literal(kind.kind), own)
    # where the column has the source's own type, it is asked itself
    if created == _declared(target, kind):
        value = sql.SQL("ARRAY[t.v::text, {}]").format(_sent(target, mode, kind, "t.v"))
    query = sql.SQL(_SIDE_BY_SIDE)
    if created is None:
        query = sql.SQL("SELECT id, false, true, false, false, false FROM {copy} ORDER BY 1")
    query = query.format(
        copy=_copied(mode, kind), value=value, table=table(mode, kind), before=row_before(kind, "t.id")
    )
    return [_row(*each) for each in target.execute(query)]


def row_before(kind: Type, row: str) -> sql.Composed:
    """The row, read by the snapshot, that has what a row had before its last change; null where it was not there."""
    number = f"{row} / 10 + ({row} % 10 = {Path.CHANGED.value})::integer"
    kept = ", ".join(str(path.value) for path in KEEPING)
    return sql.SQL("CASE WHEN {row} % 10 IN ({kept}) THEN ({number}) % {count} * 10 END").format(
        row=sql.SQL(row), kept=sql.SQL(kept), number=sql.SQL(number), count=sql.Literal(len(values(kind)))
    )


def column_type(target: psycopg.Connection, mode: Mode, kind: Type) -> str | None:
    """The type of a table's column, None without such a table or column."""
    query = (
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = to_regclass(%s) AND attname = 'v' AND NOT attisdropped"
    )
    row = target.execute(query, [table(mode, kind).as_string(target)]).fetchone()
    return None if row is None else str(row[0])


def _row(row: int, there: bool, wanted: bool, same: bool | None, rest: bool | None, before: bool | None) -> Row:
    number, path = place(row)
    lost = there and wanted and bool(rest)
    return Row(
        number=number, path=path, there=there, wanted=wanted, same=bool(same), lost=lost, before=there and bool(before)
    )


def _type_left(source: psycopg.Connection, kind: Type, left: str) -> tuple[str, str | None]:
    """The type of what is left of a value, and the function of its binary form, unless that is a database's own."""
    query = sql.SQL(
        "SELECT format_type(t.oid, NULL), CASE WHEN t.oid < 16384 THEN t.typsend::regproc::text END "
        "FROM pg_type t WHERE t.oid = (SELECT pg_typeof({left}) FROM (SELECT NULL::{kind} AS v, 0 AS way) x)"
    )
    row = source.execute(query.format(left=sql.SQL(left), kind=sql.SQL(kind.kind))).fetchone()
    assert row is not None
    return str(row[0]), row[1]


def _shown(created: str | None, kind: Type) -> sql.Composable:
    """The column as a text of the source's type. Types that Debezium does not know come as the bytes of their text."""
    if created == "bytea" and kind.kind != "bytea":
        return sql.SQL("fidelity.told(t.v)")
    if created == "jsonb" and kind.kind == "public.hstore":
        pairs = "SELECT coalesce(hstore(array_agg(key), array_agg(value)), '')::text FROM jsonb_each_text(t.v)"
        return sql.SQL("CASE WHEN t.v IS NOT NULL THEN ({}) END").format(sql.SQL(pairs))
    if created == "jsonb[]" and kind.kind == "public.hstore[]":
        pairs = "SELECT hstore(array_agg(key), array_agg(value)) FROM jsonb_each_text(e)"
        every = "SELECT coalesce(array_agg(({}) ORDER BY n), '{{}}')::text FROM unnest(t.v) WITH ORDINALITY x(e, n)"
        return sql.SQL("CASE WHEN t.v IS NOT NULL THEN ({}) END").format(sql.SQL(every.format(pairs)))
    if created == "boolean" and kind.kind == "bit(1)":
        return sql.SQL("t.v::integer::text")
    return sql.SQL("t.v::text")


def _declared(connection: psycopg.Connection, kind: Type) -> str:
    """A type's name as PostgreSQL spells it, with its modifier."""
    query = sql.SQL("CREATE TEMPORARY TABLE declared (v {})").format(sql.SQL(kind.kind))
    connection.execute(query)
    row = connection.execute(
        "SELECT format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = 'declared'::regclass AND attname = 'v'"
    ).fetchone()
    connection.execute("DROP TABLE declared")
    assert row is not None
    return str(row[0])


def _sent(connection: psycopg.Connection, mode: Mode, kind: Type, column: str) -> sql.Composable:
    if kind.own:
        return sql.SQL("NULL::text")
    row = connection.execute(
        "SELECT t.typsend::regproc::text FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid "
        "WHERE a.attrelid = %s::text::regclass AND a.attname = 'v'",
        [table(mode, kind).as_string(connection)],
    ).fetchone()
    assert row is not None
    return sql.SQL("encode({}({}), 'hex')").format(sql.SQL(row[0]), sql.SQL(column))


def _copied(mode: Mode, kind: Type) -> sql.Identifier:
    return sql.Identifier("fidelity", f"{mode.name}.{kind.name}")
