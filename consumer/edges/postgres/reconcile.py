"""Both sides of a table opened: what the control schema knows of it, the catalogs of both, a session on each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import psycopg
from psycopg import sql

from consumer.core.reconcile import Key
from consumer.core.target import TableName
from consumer.edges.postgres.describing import Mapped, described, read_table
from consumer.edges.postgres.session import SessionSettings, cancel, connect, hold_shortly
from consumer.edges.postgres.sides import PostgresRows
from consumer.edges.postgres.source import PostgresSourceRows, Slot, SourceSettings, asking, connect_source
from consumer.edges.postgres.translate import translated
from consumer.ports.reconcile import Came, Mark, NotComparable, Sides

_TABLE = """
SELECT t.topic, (
    SELECT coalesce(jsonb_agg(DISTINCT jsonb_build_array(n ->> 'schema', n ->> 'table', n ->> 'db')), '[]')
    FROM headrace.topic_sources s CROSS JOIN jsonb_array_elements(s.former || jsonb_build_array(s.names)) AS n
    WHERE s.group_name = t.group_name AND s.topic = t.topic AND n ->> 'schema' <> '' AND n ->> 'table' <> ''
)
FROM headrace.target_tables t WHERE t.group_name = %s AND t.table_name = %s
"""
_COLUMNS = """
SELECT source_name, target_name FROM headrace.source_columns
WHERE group_name = %s AND table_name = %s AND target_name IS NOT NULL
"""
_POSITIONS = "SELECT partition, next_offset FROM headrace.positions WHERE group_name = %s AND topic = %s"


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRules:
    """What the settings say of a table.

    `not_rows`: why it is not comparable; `gets`: whether it gets a column of the source; `hidden`: columns that have
    other values than the source's, each with why.
    """

    not_rows: str = ""
    gets: Callable[[str], bool] = lambda _: True
    hidden: Mapping[str, str] = field(default_factory=dict)
    deleted: str | None = None


class PostgresComparison:
    """Opens sides of tables on two sessions, which all tables share; one that was lost is opened anew.

    Implements `consumer.ports.reconcile.Passing` with `ends`, which asks Kafka. For one thread.
    """

    def __init__(
        self,
        target: SessionSettings,
        source: SourceSettings,
        group: str,
        rules: Callable[[str], TableRules],
        ends: Callable[[str, list[int]], Mapping[int, int]],
    ) -> None:
        # a statement may take as long as at the source
        self._target = replace(target, batch_deadline=source.statement_timeout, writes=False, trust_source=False)
        self._source = source
        self._group = group
        self._rules = rules
        self._ends = ends
        self._here: psycopg.Connection | None = None
        self._there: psycopg.Connection | None = None

    def close(self) -> None:
        """End both sessions."""
        for connection in (self._here, self._there):
            if connection is not None:
                connection.close()
        self._here = self._there = None

    def cut(self) -> None:
        """Have both servers leave what they do for it; for any thread."""
        for connection in (self._here, self._there):
            cancel(connection)

    def sides(self, table: str) -> Sides:
        """Both sides of a table. Raises NotComparable, HeadraceError."""
        rules = self._ruled(table)
        here, there = self._target_session(), self._source_session()
        mapped = self._mapped(here, table, rules)
        source = read_table(there, mapped.source, asking)
        target = read_table(here, mapped.target, translated)
        what, theirs, ours = described(source, target, mapped)
        return Sides(what, PostgresSourceRows(there, theirs, asking), PostgresRows(here, ours, translated))

    def sweep(
        self, connection: psycopg.Connection, table: str, rows: Mapping[Key, str], seconds: float
    ) -> tuple[int, list[Key]]:
        """Delete rows that are still of these versions, or mark them as the settings say, for so many seconds.

        Returns how many that were, and which rows were looked at. Within the transaction that is open on the
        connection. Raises NotComparable, HeadraceError.
        """
        rules = self._ruled(table)
        mapped = self._mapped(self._target_session(), table, rules)
        target = read_table(self._target_session(), mapped.target, translated)
        _, _, ours = described(read_table(self._source_session(), mapped.source, asking), target, mapped)
        mark = None
        if rules.deleted is not None:
            timed = target.columns[rules.deleted].kind.name != "bool"
            value = sql.SQL("clock_timestamp()" if timed else "true")
            mark = sql.SQL("{} = {}").format(sql.Identifier(rules.deleted), value)
        with translated("hold rows"):
            hold_shortly(connection)
        return PostgresRows(connection, ours, translated).remove(rows, mark, seconds)

    def came(self, mark: Mark) -> tuple[Came, str]:
        return Slot(self._source_session(), self._source.slot).came(mark)

    def ends(self, table: str) -> Mapping[int, int]:
        topic, _ = self._topic(self._target_session(), table)
        return self._ends(topic, sorted(self._positions(topic)))

    def reached(self, table: str, ends: Mapping[int, int]) -> bool:
        topic, _ = self._topic(self._target_session(), table)
        positions = self._positions(topic)
        return all(positions.get(number, -1) >= end for number, end in ends.items())

    def _ruled(self, table: str) -> TableRules:
        """What the settings say of a table whose rows are the source's. Raises NotComparable."""
        rules = self._rules(table)
        if rules.not_rows:
            raise NotComparable(rules.not_rows)
        return rules

    def _positions(self, topic: str) -> dict[int, int]:
        with translated("read positions"):
            return dict(self._target_session().execute(_POSITIONS, (self._group, topic)).fetchall())

    def _target_session(self) -> psycopg.Connection:
        if self._here is None or self._here.closed:
            self._here = connect(self._target)
        return self._here

    def _source_session(self) -> psycopg.Connection:
        if self._there is None or self._there.closed:
            self._there = connect_source(self._source)
        return self._there

    def _topic(self, connection: psycopg.Connection, table: str) -> tuple[str, list[TableName]]:
        """The topic of a table, and what the source calls the tables that have come in it."""
        with translated("read table"):
            row = connection.execute(_TABLE, (self._group, table)).fetchone()
        if row is None:
            raise NotComparable(f"no topic of the group is applied to {table}")
        return row[0], sorted(TableName(schema, name) for schema, name, _ in row[1])

    def _mapped(self, connection: psycopg.Connection, table: str, rules: TableRules) -> Mapped:
        topic, sources = self._topic(connection, table)
        if not sources:
            raise NotComparable(f"what the source calls the table of {topic} is not known: no key of it was read")
        if len(sources) > 1:
            # each of them lacks the rows of the others
            every = ", ".join(map(str, sources))
            raise NotComparable(f"rows of several tables of the source are in {table}, by its topic {topic}: {every}")
        with translated("read columns"):
            columns: dict[str, str] = dict(connection.execute(_COLUMNS, (self._group, table)).fetchall())
        here, _, name = table.partition(".")
        return Mapped(
            source=sources[0],
            target=TableName(here, name),
            # some that it had before may be left out by now
            columns={theirs: ours for theirs, ours in columns.items() if rules.gets(theirs)},
            hidden=rules.hidden,
            deleted=rules.deleted,
        )
