"""A table that records land in: decoded, planned, encoded and applied by the program itself."""

import atexit
from collections.abc import Mapping, Sequence
from contextlib import suppress
from itertools import count
from types import MappingProxyType
from typing import Any

import psycopg

from consumer.binding.known import KnownBindings
from consumer.core.binding import Binding, BindingKey, BoundColumn
from consumer.core.envelope import Column, read_key_schema, read_key_writer, read_writer_schema
from consumer.core.failure import Failure
from consumer.core.plan import Plan
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.target import TableName
from consumer.core.types import PLAIN, ColumnPolicy, carriage
from consumer.edges.postgres import catalog
from consumer.edges.postgres.session import SessionSettings, connect
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.decoding import Decoder
from consumer.ports.refusals import Reconsider
from consumer.ports.target import Start
from tests.unit.avro import Writer, envelope, event, framed, key
from tests.unit.known import planner, slice_of

PARTITIONS = count()
Change = tuple[str, Mapping[str, Any]] | tuple[str, Mapping[str, Any], int | None]
"""Operation and row, and where it stands in the source's log if that matters."""
ID = {"name": "id", "type": "long"}


class Landing:
    """A topic of a table that exists, as the catalog says it is.

    `policies`: by column, for those that have one.
    """

    policies: Mapping[str, ColumnPolicy] = MappingProxyType({})

    def __init__(
        self,
        sink: PostgresSink,
        table: TableName,
        fields: Sequence[Mapping[str, Any]],
        identity: Sequence[str] = ("id",),
        *,
        strict: bool = False,
        version: str | None = None,
    ) -> None:
        self.at = TopicPartition("landing", next(PARTITIONS))
        self.table = table
        self._sink = sink
        self.values = Writer(envelope(fields))
        keys = Writer(key([field for field in fields if field["name"] in identity]))
        self.keys, self._identity = keys, identity
        found = catalog.read_table(_looking(sink.settings), table)
        assert found is not None
        schema = read_writer_schema(self.values.text)
        targets = {column.name: column for column in found.columns if not column.generated}
        more = [Column(name=version, avro="long", nullable=True)] if version else []
        columns = [
            BoundColumn(
                source=column,
                target=targets[column.name],
                how=carriage(column, targets[column.name].kind, self.policies.get(column.name, PLAIN)),
            )
            for column in [*schema.columns, *more]
            if column.name in targets
        ]
        # what decodes, where it is not the planner's own choice
        self.decoder: Decoder | None = None
        self.known = KnownBindings()
        self.known.learn(
            BindingKey(self.at.topic, framed(1, b""), framed(2, b"")),
            Binding(
                schema=schema,
                key_writer=read_key_writer(keys.text),
                table=found,
                columns=tuple(columns),
                identity=tuple(column.name for column in read_key_schema(keys.text)),
                replaces=frozenset(identity) not in found.unique,
                strict=strict,
                version=version,
            ),
        )
        self.taken = sink.take({self.at: Start(offset=0)})[0]
        self.next_offset = self.taken.next_offset

    def plan(self, *changes: Change, refused: Mapping[RecordRef, Failure] | None = None) -> Plan:
        """A plan for these changes (`x`: one that is cut) behind what was planned before, under the epoch taken."""
        piece = slice_of([self.record(*change) for change in changes], self.next_offset, self.at)
        return planner(self.known, self.decoder).plan([piece], refused)

    def apply(self, *changes: Change) -> Plan:
        """Apply changes in one batch, as often planned anew as the sink asks for it."""
        refused: dict[RecordRef, Failure] = {}
        while True:
            plan = self.plan(*changes, refused=refused)
            try:
                self._sink.apply(plan)
            except Reconsider as found:
                refused = {ref: why for ref, why in {**refused, **found.refused}.items() if ref not in found.freed}
                continue
            self.next_offset = plan.slices[0].end
            return plan

    def record(self, op: str, row: Mapping[str, Any], lsn: int | None = 7) -> tuple[bytes, bytes]:
        """Key and value of a change; `x` is one that is cut."""
        shown = (row, None) if op == "d" else (None, row)
        identity = {name: row[name] for name in self._identity}
        value = self.values.framed(2, event("c" if op == "x" else op, *shown, lsn=lsn))
        return self.keys.framed(1, identity), value[:-1] if op == "x" else value


_LOOKING: dict[str, psycopg.Connection] = {}


def _looking(settings: SessionSettings) -> psycopg.Connection:
    """A session that is kept: what a new one asks the catalog first takes as long as many a test."""
    kept = _LOOKING.get(settings.dsn)
    with suppress(psycopg.Error):
        if kept is not None:
            kept.execute("SELECT 1")
            return kept
    _LOOKING[settings.dsn] = made = connect(settings)
    atexit.register(made.close)
    return made


def rows(session: psycopg.Connection, table: TableName) -> list[tuple[Any, ...]]:
    """Everything that a table holds, in order."""
    query = psycopg.sql.SQL("SELECT * FROM {} ORDER BY 1").format(psycopg.sql.Identifier(table.schema, table.name))
    return session.execute(query).fetchall()
