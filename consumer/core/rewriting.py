"""Schemas in the form that the decoders read.

A rewritten schema describes the same bytes. It is a record; each named type is spelled out where it stands, defaults
and logical types are dropped (decimals up to 38 digits stay). A field, or a column of a row image, whose type no column
can have (a union of several types, a type that contains itself) is marked: it travels as JSON text.
"""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import count
from typing import Any

from consumer.core.avro import (
    MOST_DEEP,
    Avro,
    UnsupportedSchema,
    full_name,
    is_null,
    named_types,
    options,
    resolve,
    too_deep,
    union,
)

ECHO = "_headrace_echo"
"""The last field of a rewritten schema: the datum's running index, eight bytes."""
_SOURCE = "source_"
AS_TEXT = "headrace.text"
"""The mark of a field whose values are JSON text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewritten:
    """A rewritten schema's JSON text, and whether the columnar decoder can read it; the row decoder always can."""

    text: str
    columnar: bool


def rewritten_envelope(schema: Mapping[str, Any]) -> Rewritten:
    """A change envelope, with the fields of its `source` record spliced into it. Raises UnsupportedSchema."""
    speller = _Speller(named_types(schema))
    inside = (full_name(schema["name"], schema.get("namespace", "")),)
    fields: list[dict[str, Any]] = []
    for field in schema["fields"]:
        if field["name"] == "source":
            fields += speller.spliced(field, inside)
        elif field["name"] in ("before", "after"):
            fields.append(speller.row(field, inside))
        elif field["name"].startswith(_SOURCE):
            # as InsertField adds them: no others than those of the block itself
            fields.append(speller.column({**field, "name": f"own_{field['name']}"}, inside))
        else:
            fields.append(speller.column(field, inside))
    return _rewritten("envelope", fields, speller)


@lru_cache(maxsize=1024)
def absent_before(text: str) -> bytes | None:
    """What a datum of a rewritten envelope (JSON text) begins with if it has no image before; None if nobody can say.

    Debezium's envelopes begin with that image.
    """
    first = json.loads(text)["fields"][0]
    if first["name"] != "before" or not isinstance(first["type"], list) or "null" not in first["type"]:
        return None
    return bytes([2 * first["type"].index("null")])


def rewritten_key(schema: Mapping[str, Any]) -> Rewritten:
    """A key's record. Raises UnsupportedSchema."""
    speller = _Speller(named_types(schema))
    inside = (full_name(schema["name"], schema.get("namespace", "")),)
    return _rewritten("key", [speller.column(field, inside) for field in schema["fields"]], speller)


def _rewritten(name: str, fields: Sequence[Mapping[str, Any]], speller: "_Speller") -> Rewritten:
    text = json.dumps({"type": "record", "name": name, "fields": fields})
    return Rewritten(text=text, columnar=speller.columnar)


class _NoColumn(Exception):
    """No column can have this type."""


class _Speller:
    """Spells out every named type where it stands, under a fresh name.

    arrow-avro resolves a name only if its definition was projected before it, so no reference may stay.
    `inside`: the full names of the types around. `columnar`: whether the native reader can read what was spelled.
    """

    def __init__(self, names: Mapping[str, Avro], numbers: Iterator[int] | None = None) -> None:
        self._names = names
        self._numbers = numbers or count(1)
        # names of types that take no bytes
        self._empty = {"null"}
        self._deep = 0
        self.columnar = True

    def column(self, field: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        """A field; marked when it has to travel as text."""
        try:
            return {"name": field["name"], "type": self.spelled(field["type"], inside)}
        except _NoColumn:
            self.columnar = False
            kind = _RowSpeller(self._names, self._numbers).spelled(field["type"], inside)
            return {"name": field["name"], "type": kind, AS_TEXT: True}

    def row(self, field: Mapping[str, Any], inside: tuple[str, ...]) -> dict[str, Any]:
        """A field that holds a row image: the fields of its record are columns of their own."""
        rest, _ = options(field["type"])
        row = self._record(rest[0], inside) if len(rest) == 1 else None
        if row is None:
            return self.column(field, inside)
        if not row["fields"]:
            raise UnsupportedSchema(f"the row of the field {field['name']!r} has no columns")
        within = (*inside, self._full_name(row, inside))
        image = {
            "type": "record",
            "name": self._fresh_name(),
            "fields": [self.column(part, within) for part in row["fields"]],
        }
        branches = union(field["type"])
        kind = image if branches is None else self._nullable(["null" if is_null(b) else image for b in branches])
        return {"name": field["name"], "type": kind}

    def spliced(self, field: Mapping[str, Any], inside: tuple[str, ...]) -> list[dict[str, Any]]:
        """The fields of a field's record in its place."""
        record = self._record(field["type"], inside)
        if record is None:
            return [self.column(field, inside)]
        within = (*inside, self._full_name(record, inside))
        return [self.column({**part, "name": f"{field['name']}_{part['name']}"}, within) for part in record["fields"]]

    def spelled(self, schema: Avro, inside: tuple[str, ...]) -> Avro:
        """A type's new spelling. Raises _NoColumn, or UnsupportedSchema."""
        if not isinstance(schema, list):
            schema = resolve(schema, self._names, _namespace(inside))
        if isinstance(schema, str):
            return schema
        # names lead deeper than their text is
        if self._deep >= MOST_DEEP:
            raise too_deep()
        self._deep += 1
        try:
            return self._union(schema, inside) if isinstance(schema, list) else self._typed(schema, inside)
        finally:
            self._deep -= 1

    def _union(self, branches: Sequence[Avro], inside: tuple[str, ...]) -> Avro:
        if len(options(branches)[0]) != 1:
            raise _NoColumn
        return self._nullable([self.spelled(branch, inside) for branch in branches])

    def _nullable(self, branches: list[Avro]) -> list[Avro]:
        # the native reader makes a union even of a single branch
        self.columnar = self.columnar and len(branches) == 2
        return branches

    def _typed(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Avro:
        kind = schema["type"]
        if kind == "array":
            items = self.spelled(schema["items"], inside)
            if self._takes_no_bytes(items):
                raise UnsupportedSchema("an array whose items take no bytes, so that nothing bounds their number")
            return {"type": "array", "items": items}
        if kind == "map":
            return {"type": "map", "values": self.spelled(schema["values"], inside)}
        if kind in ("record", "enum", "fixed"):
            return self._named(schema, inside)
        if kind == "bytes" and _decimal_fits(schema):
            return {key: schema[key] for key in ("type", "logicalType", "precision", "scale") if key in schema}
        return kind

    def _named(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Avro:
        # the native reader panics or never ends on types that take no bytes
        if self._full_name(schema, inside) in inside or schema.get("fields") == [] or schema.get("size") == 0:
            raise _NoColumn
        return self._defined(schema, self._fresh_name(), inside)

    def _defined(self, schema: Mapping[str, Any], name: str, inside: tuple[str, ...]) -> dict[str, Any]:
        fresh: dict[str, Any] = {"type": schema["type"], "name": name}
        if schema["type"] != "record":
            part = "symbols" if schema["type"] == "enum" else "size"
            return {**fresh, part: schema[part]}
        within = (*inside, self._full_name(schema, inside))
        parts = [{"name": field["name"], "type": self.spelled(field["type"], within)} for field in schema["fields"]]
        return {**fresh, "fields": parts}

    def _takes_no_bytes(self, spelled: Avro) -> bool:
        if isinstance(spelled, dict):
            parts = [field["type"] for field in spelled.get("fields", ())]
            return spelled.get("size") == 0 or (spelled["type"] == "record" and all(map(self._takes_no_bytes, parts)))
        return isinstance(spelled, str) and spelled in self._empty

    def _record(self, schema: Avro, inside: tuple[str, ...]) -> Mapping[str, Any] | None:
        found = resolve(schema, self._names, _namespace(inside))
        return found if isinstance(found, dict) and found["type"] == "record" else None

    def _full_name(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> str:
        return full_name(schema["name"], schema.get("namespace", _namespace(inside)))

    def _fresh_name(self) -> str:
        return f"t{next(self._numbers)}"


class _RowSpeller(_Speller):
    """Spells any type, for the row decoder alone: unions stay, and a type that was spelled before is a reference."""

    def __init__(self, names: Mapping[str, Avro], numbers: Iterator[int]) -> None:
        super().__init__(names, numbers)
        self._fresh: dict[str, str] = {}

    def _union(self, branches: Sequence[Avro], inside: tuple[str, ...]) -> Avro:
        return [self.spelled(branch, inside) for branch in branches]

    def _named(self, schema: Mapping[str, Any], inside: tuple[str, ...]) -> Avro:
        name = self._full_name(schema, inside)
        if name in self._fresh:
            return self._fresh[name]
        self._fresh[name] = fresh = self._fresh_name()
        defined = self._defined(schema, fresh, inside)
        if self._takes_no_bytes(defined):
            self._empty.add(fresh)
        return defined


def _namespace(inside: tuple[str, ...]) -> str:
    return inside[-1].rpartition(".")[0] if inside else ""


def _decimal_fits(schema: Mapping[str, Any]) -> bool:
    digits, scale = schema.get("precision", 0), schema.get("scale") or 0
    if schema.get("logicalType") != "decimal" or type(digits) is not int or type(scale) is not int:
        return False
    # Debezium writes other scales too, as of numeric(2,5), which readers of Avro refuse
    return 0 < digits <= 38 and 0 <= scale <= digits


def only(text: str, fields: Collection[str]) -> Avro:
    """A rewritten schema (JSON text) for reading some of its fields: of the others no more than the form is judged.

    Nothing of them is kept, so nothing in them should refuse a record; both decoders must find the same ends of them.
    """
    schema = json.loads(text)
    numbers = count(1)
    parts = [field if field["name"] in fields else _field_form(field, numbers) for field in schema["fields"]]
    return {**schema, "fields": parts}


def guarded(text: str) -> Avro:
    """The form of all fields of a rewritten schema (JSON text), with unions of three; the columnar decoder can read it.

    arrow-avro checks the index of three branches, not of two; no datum has the bytes that the third one wants.
    """
    return _guarded(only(text, ()), count(1))


def stepped_over(text: str, fields: Collection[str]) -> list[str]:
    """The other fields with arrays or maps in them, whose items a reader may step over by their declared size."""
    return [
        field["name"]
        for field in json.loads(text)["fields"]
        if field["name"] not in fields and _has_items(field["type"])
    ]


def _field_form(field: Mapping[str, Any], numbers: Iterator[int]) -> Mapping[str, Any]:
    # in what only the row decoder reads there may be references to the types as they are
    return field if AS_TEXT in field else {**field, "type": _form(field["type"], numbers)}


def _form(schema: Avro, numbers: Iterator[int]) -> Avro:
    """The same bytes with nothing in them to be wrong but lengths, counts and union indexes."""
    if isinstance(schema, str):
        return {"string": "bytes", "int": "long"}.get(schema, schema)
    if isinstance(schema, list):
        return [_form(branch, numbers) for branch in schema]
    kind = schema["type"]
    if kind == "record":
        return {**schema, "fields": [_field_form(part, numbers) for part in schema["fields"]]}
    if kind == "array":
        return {"type": "array", "items": _form(schema["items"], numbers)}
    if kind == "map":
        parts = [{"name": "key", "type": "bytes"}, {"name": "value", "type": _form(schema["values"], numbers)}]
        return {"type": "array", "items": {"type": "record", "name": f"entry{next(numbers)}", "fields": parts}}
    return {"enum": "long", "bytes": "bytes"}.get(kind, schema)


def _guarded(form: Avro, numbers: Iterator[int]) -> Avro:
    if isinstance(form, str):
        return form
    if isinstance(form, list):
        none = {"type": "fixed", "name": f"none{next(numbers)}", "size": 2**31 - 1}
        return [*(_guarded(branch, numbers) for branch in form), none]
    if form["type"] == "record":
        parts = [{**part, "type": _guarded(part["type"], numbers)} for part in form["fields"]]
        return {**form, "fields": parts}
    return {**form, "items": _guarded(form["items"], numbers)} if form["type"] == "array" else form


def _has_items(schema: Avro) -> bool:
    if isinstance(schema, str):
        return False
    if isinstance(schema, list):
        return any(map(_has_items, schema))
    return schema["type"] in ("array", "map") or any(_has_items(part["type"]) for part in schema.get("fields", ()))
