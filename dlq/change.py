"""A change turned round: its row before becomes that behind it, and what it has made is deleted.

The bytes of rows are moved and not written anew, so each value stays what it is.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from consumer.core.avro import named_types, namespace_inside, parsed, union
from consumer.core.avro_bytes import long
from consumer.core.envelope import RecordKind, read_key_schema, read_writer_schema
from dlq.image import FRAME, NoImage, reading
from dlq.scalars import Type
from dlq.values import Types
from dlq.wire import Cursor

_SIDES = ("before", "after")
_ZEROS = frozenset("0.")


@dataclass(frozen=True, slots=True)
class _Envelope:
    """The fields of a change envelope in their order. `row`: the branches of a side without and with a row."""

    fields: Mapping[str, Type]
    columns: Mapping[str, Type]
    row: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A record's change. `before`, `after`: whether it has these rows. `bare`: beside its key, what it has of the row
    before may be nothing at all.
    """

    op: str
    before: bool
    after: bool
    bare: bool
    _frame: bytes = field(repr=False)
    _envelope: _Envelope = field(repr=False)
    _parts: Mapping[str, bytes] = field(repr=False)

    def restored(self) -> bytes:
        """The record of an insert of the row before: of an insert no value is left out, so that a null is one."""
        return self._written("c", after=self._parts["before"])

    def settled(self) -> bytes:
        """The record of an insert of the row behind it."""
        return self._written("c", after=self._parts["after"])

    def removed(self) -> bytes:
        """The record of a delete of the row behind it."""
        return self._written("d", before=self._parts["after"])

    def _written(self, op: str, **sides: bytes) -> bytes:
        nothing = long(self._envelope.row[0])
        parts = {**self._parts, "before": nothing, "after": nothing, **sides}
        parts["op"] = self._envelope.fields["op"].write(op, "op")
        return self._frame + b"".join(parts[name] for name in self._envelope.fields)


def read_change(value: bytes, text: str, key: Sequence[str]) -> Change | None:
    """The change of a framed record by its writer schema (JSON text); None where the record is of no row.

    `key`: the names of its key's columns. Raises NoImage.
    """
    with reading():
        envelope = _envelope(text)
        return None if envelope is None else _change(envelope, value, key)


@lru_cache(maxsize=256)
def key_columns(text: str) -> tuple[str, ...]:
    """The columns of a key, by its writer schema. Raises NoImage."""
    with reading():
        return tuple(column.name for column in read_key_schema(text))


@lru_cache(maxsize=256)
def _envelope(text: str) -> _Envelope | None:
    if read_writer_schema(text).kind is not RecordKind.CHANGE:
        return None
    schema = parsed(text)
    types = Types(named_types(schema))
    inside = namespace_inside(schema, "")
    kinds = {part["name"]: part["type"] for part in schema["fields"]}
    if any(name not in kinds for name in (*_SIDES, "op")):
        raise NoImage("its envelope lacks a row before or behind, or its operation")
    (first, columns), (second, others) = (types.row(kinds[name], inside) for name in _SIDES)
    branches = len(union(kinds["before"]) or ())
    if first is None or first != second or columns is not others or branches != 2:
        raise NoImage("its rows before and behind are of different types")
    fields = {name: types.typed(kind, inside) for name, kind in kinds.items()}
    return _Envelope(fields, columns, (1 - first, first))


def _change(envelope: _Envelope, value: bytes, key: Sequence[str]) -> Change:
    source = Cursor(value)
    frame = source.take(FRAME)
    values: dict[str, Any] = {}
    parts: dict[str, bytes] = {}
    for name, kind in envelope.fields.items():
        start = source.at
        values[name] = kind.read(source)
        parts[name] = source.since(start)
    source.end()
    before = values["before"]
    return Change(
        op=str(values["op"]),
        before=before is not None,
        after=values["after"] is not None,
        bare=before is not None and all(_blank(each) for name, each in before.items() if name not in key),
        _frame=frame,
        _envelope=envelope,
        _parts=parts,
    )


def _blank(value: Any) -> bool:
    """Whether it may stand for a value that the source's log did not have: null, or its type's nothing."""
    if isinstance(value, str):
        return not value.strip() or set(value) <= _ZEROS
    if isinstance(value, Mapping):
        return all(map(_blank, value.values()))
    return not value
