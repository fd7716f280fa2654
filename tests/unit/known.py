"""A topic whose binding is known: schemas, framed records and a planner, without any server."""

from collections.abc import Mapping, Sequence
from typing import Any

from consumer.binding.known import KnownBindings
from consumer.core.binding import Binding, BindingKey, BoundColumn
from consumer.core.created import created_types
from consumer.core.envelope import RecordKind, WriterSchema, read_key_schema, read_key_writer, read_writer_schema
from consumer.core.flags import ALL_ON, Switches
from consumer.core.policy import Policy
from consumer.core.records import Slice, TopicPartition
from consumer.core.target import TableName, TargetColumn, TargetTable
from consumer.core.types import carriage
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import Marks
from consumer.planning.planner import Planner
from consumer.ports.decoding import Decoder
from tests.unit.avro import Writer, envelope, event, framed, key

AT = TopicPartition("shop.public.orders", 3)
TYPE_NAMES = {"integer": "int4", "bigint": "int8", "text": "text", "timestamp": "timestamp"}


class Topic:
    """One topic of one table: its columns, its key, and the ids of its schemas."""

    def __init__(
        self,
        fields: Sequence[Mapping[str, Any]],
        identity: Sequence[str] = ("id",),
        *,
        value_id: int = 2,
        compacted: bool = False,
    ) -> None:
        self.fields = fields
        self.values = Writer(envelope(fields))
        self.keys = Writer(key([field for field in fields if field["name"] in identity]))
        self.value_id = value_id
        schema = read_writer_schema(self.values.text)
        columns = [
            TargetColumn(name=c.name, type_name=TYPE_NAMES.get(created_types(c)[-1], "text"), cast=created_types(c)[-1])
            for c in schema.columns
        ]
        table = TargetTable(name=TableName("public", "orders"), columns=tuple(columns), unique=(frozenset(identity),))
        self.binding = Binding(
            schema=schema,
            key_writer=read_key_writer(self.keys.text),
            table=table,
            columns=tuple(
                BoundColumn(source=source, target=target, how=carriage(source, target.kind))
                for source, target in zip(schema.columns, columns, strict=True)
            ),
            identity=tuple(column.name for column in read_key_schema(self.keys.text)),
            compacted=compacted,
        )

    def key(self, row: Mapping[str, Any]) -> bytes:
        """The key bytes of a row."""
        return self.keys.framed(1, {name: row[name] for name in self.binding.identity})

    def record(self, op: str, row: Mapping[str, Any], **images: Any) -> tuple[bytes, bytes]:
        """Key and value of a change; `before` and `after` may be given."""
        shown = {"after": None if op == "d" else row, "before": row if op == "d" else None, **images}
        return self.key(row), self.values.framed(self.value_id, event(op, shown["before"], shown["after"]))

    def bound_to(self, known: KnownBindings, topic: str = AT.topic) -> None:
        """Make the binding known, for records with and without tombstones only."""
        for value_frame in (framed(self.value_id, b""), None):
            known.learn(BindingKey(topic, framed(1, b""), value_frame), self.binding)


def heartbeat() -> Binding:
    """The binding of what is ignored by rule."""
    return Binding(schema=WriterSchema(kind=RecordKind.HEARTBEAT))


def slice_of(
    records: Sequence[tuple[bytes | None, bytes | None]], first: int = 100, at: TopicPartition = AT, epoch: int = 1
) -> Slice:
    """Records one after the other from offset `first` on."""
    keys, values = [record[0] for record in records], [record[1] for record in records]
    size = sum(len(raw or b"") for record in records for raw in record)
    offsets = range(first, first + len(records))
    end = first + len(records)
    return Slice(at=at, epoch=epoch, start=first, end=end, offsets=offsets, keys=keys, values=values, size=size)


def planner(
    known: KnownBindings,
    fast: Decoder | None = None,
    marks: Marks | None = None,
    most: int = 100_000,
    policy: Policy | None = None,
    switches: Switches = ALL_ON,
) -> Planner:
    """A planner with the real decoders and encoder."""
    rows = RowDecoder()
    decoders = Decoders(fast=fast or ColumnarDecoder(rows), careful=rows, switches=switches)
    return Planner(decoders, CopyEncoder(), known, marks or Marks(), policy or Policy(), most)
