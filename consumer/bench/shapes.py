"""The tables of the benchmark: their columns, and the SQL that makes a row's values from its id and its event's number.

Values are functions of `id` and `event` alone, so the same rows can be made again on another server.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One column beside `id` and `event`; `value` is SQL over the variables `k` (id) and `e` (event)."""

    name: str
    type: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """The columns of a table. Every table also has `id bigint PRIMARY KEY` and `event bigint NOT NULL`."""

    columns: tuple[Column, ...]

    @property
    def definition(self) -> str:
        """The column list of CREATE TABLE."""
        rest = ", ".join(f"{column.name} {column.type}" for column in self.columns)
        return f"id bigint PRIMARY KEY, event bigint NOT NULL, {rest}"

    @property
    def names(self) -> str:
        """The names of all columns."""
        return ", ".join(("id", "event", *(column.name for column in self.columns)))

    @property
    def values(self) -> str:
        """The values of all columns, in the order of `names`."""
        return ", ".join(("k", "e", *(column.value for column in self.columns)))

    @property
    def settings(self) -> str:
        """The SET list of an update by event number `e`."""
        rest = (f"{column.name} = {column.value}" for column in self.columns)
        return ", ".join(("event = e", *rest))


def _column(name: str, kind: str, value: str) -> Column:
    return Column(name=name, type=kind, value=value)


_INSTANT = "timestamp '2026-01-01' + (k * 7 + e) * interval '1.000001 second'"

NARROW = Shape(
    columns=(
        _column("customer", "bigint", "k * 31 + e"),
        _column("status", "text", "(array['new', 'paid', 'packed', 'shipped', 'returned'])[1 + (k + e) % 5]"),
        _column("amount", "numeric(12,2)", "((k * 37 + e) % 10000000) / 100.0"),
        _column("quantity", "integer", "((k + e) % 1000)::integer"),
        _column("express", "boolean", "(k + e) % 3 = 0"),
        _column("note", "text", "CASE WHEN (k + e) % 4 > 0 THEN md5((k + e)::text) END"),
        _column("placed", "timestamptz", f"({_INSTANT}) AT TIME ZONE 'UTC'"),
        _column("changed", "timestamp", _INSTANT),
    )
)

WIDE = Shape(
    columns=(
        _column("small", "smallint", "((k + e) % 30000)::smallint"),
        _column("count_a", "integer", "((k * 3 + e) % 2000000000)::integer"),
        _column("count_b", "integer", "((k * 5 + e) % 2000000000)::integer"),
        _column("count_c", "integer", "CASE WHEN (k + e) % 10 > 0 THEN ((k * 7 + e) % 1000)::integer END"),
        _column("big_a", "bigint", "k * 1000003 + e"),
        _column("big_b", "bigint", "-k * 31 - e"),
        _column("price", "numeric(12,2)", "((k * 37 + e) % 10000000) / 100.0"),
        _column("weight", "numeric(20,6)", "((k * 41 + e) % 1000000000) / 1000.0"),
        _column("ratio", "real", "((k + e) % 1000 / 8.0)::real"),
        _column("score", "double precision", "(k + e)::double precision / 7"),
        _column("active", "boolean", "(k + e) % 2 = 0"),
        _column("flagged", "boolean", "CASE WHEN (k + e) % 5 > 0 THEN (k + e) % 3 = 0 END"),
        _column("title", "text", "md5((k * 2 + e)::text)"),
        _column("body", "text", "repeat(md5((k * 3 + e)::text), 1 + ((k + e) % 4)::integer)"),
        _column("remark", "text", "CASE WHEN (k + e) % 4 = 0 THEN 'remark ' || (k + e) END"),
        _column("unicode", "text", "'Größe Ж 水 ' || (k + e)"),
        _column("label", "varchar(40)", "'label-' || (k + e)"),
        _column("code", "char(8)", "to_char((k + e) % 100000000, 'FM00000000')"),
        _column("day", "date", "date '2000-01-01' + ((k + e) % 20000)::integer"),
        _column("moment", "time", "time '00:00' + ((k * 13 + e) % 86400) * interval '1 second'"),
        _column("seen", "timestamp", _INSTANT),
        _column("changed", "timestamp", f"{_INSTANT} + interval '1 day'"),
        _column("placed", "timestamptz", f"({_INSTANT}) AT TIME ZONE 'UTC'"),
        _column("due", "timestamptz", f"CASE WHEN (k + e) % 3 = 0 THEN ({_INSTANT}) AT TIME ZONE 'UTC' END"),
        _column("token", "uuid", "md5((k * 11 + e)::text)::uuid"),
        _column("parent", "uuid", "CASE WHEN (k + e) % 2 = 0 THEN md5((k * 17 + e)::text)::uuid END"),
        _column("data", "jsonb", "jsonb_build_object('k', k, 'e', e, 'tags', jsonb_build_array('a', (k + e) % 9))"),
        _column("raw", "bytea", "decode(md5((k * 19 + e)::text), 'hex')"),
    )
)
