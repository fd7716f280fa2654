"""What refutes a doubtful null, in SQL: a value of the row, or one so long that it may be stored apart from it."""

from psycopg import sql

from consumer.core.decimals import DIGITS_IN_ROW
from consumer.core.writes import TableWrite
from consumer.edges.postgres.guards import alive

# as `core.decimals` counts: what a number is stored as here may be compressed, or of another type
_LONG = sql.SQL("octet_length(btrim(translate({value}, '-. ', ''), '0')) > {most}")


def unrefuted(write: TableWrite, name: str) -> sql.Composed:
    """Whether a staged value is one, or the row `t` has none there, or only a short one where these do not count."""
    staged, there = (sql.Identifier(alias, name) for alias in "st")
    if name in write.long:
        return sql.SQL("({} IS NOT NULL OR ({}) IS NOT TRUE)").format(staged, _long(_text(there)))
    return sql.SQL("({} IS NOT NULL OR {} IS NULL)").format(staged, there)


def refuting(write: TableWrite, new: str = "s") -> sql.Composed:
    """Whether the row `t` has a long value where the one that is to be written has null. `new`: its alias."""
    pairs = [
        sql.SQL("({} IS NULL AND {})").format(sql.Identifier(new, name), _long(_text(sql.Identifier("t", name))))
        for name in sorted(write.long)
    ]
    found = sql.SQL("({})").format(sql.SQL(" OR ").join(pairs))
    return found if write.soft is None else sql.SQL("({} AND {})").format(alive(write.soft), found)


def refuting_kept(write: TableWrite) -> list[sql.Composed]:
    """For each doubted column of rows that go on under another key: whether what was kept, `m`, leaves it null."""
    return [_unrefuted_by_kept(write, name) for name in sorted(write.doubted)]


def _unrefuted_by_kept(write: TableWrite, name: str) -> sql.Composed:
    if name in write.never_null:
        return sql.SQL("false").format()
    kept = sql.SQL("(m.columns ->> {})").format(sql.Literal(write.kept_as[name]))
    return sql.SQL("({}) IS NOT TRUE").format(_long(kept)) if name in write.long else sql.SQL("{} IS NULL").format(kept)


def _text(column: sql.Composable) -> sql.Composed:
    return sql.SQL("CAST({} AS text)").format(column)


def _long(text: sql.Composable) -> sql.Composed:
    return _LONG.format(value=text, most=sql.Literal(DIGITS_IN_ROW))
