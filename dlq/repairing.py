"""The source is asked again for the rows that a comparison found missing or different."""

import uuid
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import psycopg

from consumer.core.decision import Undecidable
from consumer.edges.postgres import audit
from consumer.edges.postgres.session import transaction
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from consumer.ports.recovering import Repair
from dlq.signals import Dialect, Unquotable, collection, condition, portions, quoted, signal
from dlq.source_again import Channel

MOST_KEYS = 20_000
"""Most rows that are asked for at once."""

# what was found of each table last in the workflow
_STEPS = """
SELECT s.number, s.subject ->> 'table', s.progress ->> 'source', s.progress -> 'key'
FROM headrace.workflows w JOIN headrace.workflow_steps s ON s.workflow_id = w.id
WHERE w.group_name = %s AND w.id = %s AND NOT EXISTS (
    SELECT FROM headrace.workflow_steps l
    WHERE l.workflow_id = s.workflow_id AND l.act = s.act AND l.subject = s.subject AND l.number > s.number
)
"""
_KEYS = """
SELECT step, key, verdict FROM headrace.differing_keys
WHERE workflow_id = %s AND step = ANY(%s) AND verdict IN ('missing', 'different', 'extra') ORDER BY step, key LIMIT %s
"""


@dataclass(frozen=True, slots=True)
class RepairDesk:
    """Implements `consumer.ports.recovering.Repairs`.

    `appends`: the mode of a table that gets a row for each record, or each new one; else "".
    """

    connection: psycopg.Connection
    group: str
    channel: Channel
    appends: Callable[[str], str]

    def look(self, number: int) -> Repair:
        return self._looked(number)[0]

    def ask(self, number: int, expect: int, said: Note) -> Repair:
        repair, signals = self._looked(number)
        if repair.keys != expect:
            raise Undecidable(f"{repair.keys} rows would be asked for, not {expect}; look again")
        with transaction(self.connection, "ask source"):
            details: dict[str, object] = {"workflow": number, "rows": repair.keys, "signals": repair.signals}
            audit.write(self.connection, self.group, "ask source", details, said)
        for each in signals:
            self.channel.send(each)
        return repair

    def _looked(self, number: int) -> tuple[Repair, list[bytes]]:
        with translated("read differing keys"):
            found = self.connection.execute(_STEPS, (self.group, number)).fetchall()
            steps = {step: (table, source, columns) for step, table, source, columns in found}
            rows = self.connection.execute(_KEYS, (number, list(steps), MOST_KEYS + 1)).fetchall()
        if len(rows) > MOST_KEYS:
            raise Undecidable(f"more than {MOST_KEYS} rows differ; rebuild the table")
        self._require_rows({steps[step][0] for step, _, _ in rows})
        wanted: dict[tuple[str, tuple[str, ...]], list[tuple[str, ...]]] = defaultdict(list)
        left: Counter[str] = Counter()
        for step, key, verdict in rows:
            if verdict == "extra":
                continue
            _, source, columns = steps[step]
            try:
                wanted[source, tuple(columns)].append(literals(columns, key))
            except Unquotable as why:
                left[str(why)] += 1
        signals = [
            signal(str(uuid.uuid4()), _named(source), condition(Dialect.POSTGRESQL, columns, part))
            for (source, columns), keys in wanted.items()
            for part in portions(keys)
        ]
        repair = Repair(
            keys=sum(map(len, wanted.values())),
            signals=len(signals),
            extra=sum(verdict == "extra" for _, _, verdict in rows),
            left=dict(left),
        )
        return repair, signals

    def _require_rows(self, tables: Collection[str]) -> None:
        """Raises Undecidable for a table that may have got another mode since it was compared."""
        for table in sorted(tables):
            if mode := self.appends(table):
                raise Undecidable(f"{table} has the mode {mode}: what is sent again would stand there twice")


def literals(columns: Sequence[str], key: Sequence[str]) -> tuple[str, ...]:
    """A key as literals of which PostgreSQL knows the types by their columns. Raises Unquotable."""
    return tuple(quoted(Dialect.POSTGRESQL, column, part) for column, part in zip(columns, key, strict=True))


def _named(source: str) -> str:
    schema, _, table = source.partition(".")
    return collection(Dialect.POSTGRESQL, {"schema": schema, "table": table})
