"""The row image of one record, apart from everything else that the record holds.

Only what was changed is written anew: every other byte stays, so that an edit can't touch key, operation or source,
and no value that it does not name.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from consumer.core.avro import UnsupportedSchema, named_types, namespace_inside, parsed
from consumer.core.envelope import RecordKind, read_writer_schema
from dlq.scalars import BadValue, Type
from dlq.values import Types
from dlq.wire import Cursor, Damaged

FRAME = 5
"""Bytes in front of a datum: a zero and the schema's id."""


class NoImage(ValueError):
    """The record has no row that could be changed; the message says why."""


class BadImage(ValueError):
    """A row that its schema does not take. `problems`: one for each column, without values."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class Envelope:
    """A change envelope's fields in their order, and the branch and columns of `after`."""

    before: tuple[Type, ...]
    branch: int | None
    columns: Mapping[str, Type]
    behind: tuple[Type, ...]


@dataclass(frozen=True, slots=True)
class Image:
    """A record's bytes in front of its row, the bytes of each column, and those behind; `values` as JSON."""

    envelope: Envelope
    head: bytes
    columns: Mapping[str, bytes]
    tail: bytes
    values: Mapping[str, Any]

    def changed(self, values: Any) -> bytes:
        """The record with these values in its row. Raises BadImage."""
        kinds = self.envelope.columns
        if not isinstance(values, Mapping):
            raise BadImage(("after: it is an object",))
        problems = [f"after.{name}: there is no such column" for name in values.keys() - kinds.keys()]
        written = []
        for name, kind in kinds.items():
            try:
                written.append(self._column(name, kind, values))
            except BadValue as error:
                problems.append(str(error))
            except RecursionError:
                problems.append(f"after.{name}: it is nested too deeply")
        if problems:
            raise BadImage(tuple(sorted(problems)))
        return self.head + b"".join(written) + self.tail

    def _column(self, name: str, kind: Type, values: Mapping[str, Any]) -> bytes:
        if name not in values:
            raise BadValue(f"after.{name}", "it is missing")
        if same(values[name], self.values[name]):
            return self.columns[name]
        return kind.write(values[name], f"after.{name}")


def same(one: Any, other: Any) -> bool:
    """Whether two JSON values are one; true is not 1, and 1 is not 1.0."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    # a negative zero is another one
    return type(one) is type(other) and one == other and repr(one) == repr(other)


@contextmanager
def reading() -> Iterator[None]:
    """Say by NoImage why bytes can't be read by their writer schema."""
    try:
        yield
    except UnsupportedSchema as error:
        raise NoImage(f"its writer schema can't be read: {error}") from error
    except Damaged as error:
        raise NoImage(f"it does not decode with its writer schema ({error})") from error
    except RecursionError as error:
        raise NoImage("it is nested too deeply") from error


def read_image(value: bytes, text: str) -> Image:
    """The row of a framed record by its writer schema (JSON text). Raises NoImage."""
    with reading():
        return _image(_envelope(text), value)


def _envelope(text: str) -> Envelope:
    if read_writer_schema(text).kind is not RecordKind.CHANGE:
        raise NoImage("it is no change of a row")
    schema = parsed(text)
    types = Types(named_types(schema))
    inside = namespace_inside(schema, "")
    fields = {field["name"]: field["type"] for field in schema["fields"]}
    place = list(fields).index("after")
    kinds = [types.typed(kind, inside) for kind in fields.values()]
    branch, columns = types.row(fields["after"], inside)
    return Envelope(tuple(kinds[:place]), branch, columns, tuple(kinds[place + 1 :]))


def _image(envelope: Envelope, value: bytes) -> Image:
    source = Cursor(value)
    source.take(FRAME)
    for kind in envelope.before:
        kind.read(source)
    if envelope.branch is not None and source.long() != envelope.branch:
        raise NoImage("it has no row after the change, as that of a delete")
    head = source.since(0)
    columns: dict[str, bytes] = {}
    values: dict[str, Any] = {}
    for name, kind in envelope.columns.items():
        start = source.at
        values[name] = kind.read(source)
        columns[name] = source.since(start)
    start = source.at
    for kind in envelope.behind:
        kind.read(source)
    source.end()
    return Image(envelope, head, columns, source.since(start), values)
