"""Debezium-shaped envelopes and their bytes, written by fastavro from the original schema."""

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

import fastavro

Schema = Any

SOURCE = {
    "type": "record",
    "name": "Source",
    "namespace": "io.debezium.connector.postgresql",
    "fields": [
        {"name": "version", "type": "string"},
        {"name": "ts_ms", "type": "long"},
        {"name": "db", "type": "string"},
        {"name": "schema", "type": "string"},
        {"name": "table", "type": "string"},
        {"name": "lsn", "type": ["null", "long"], "default": None},
    ],
}


def envelope(fields: Sequence[Mapping[str, Any]], name: str = "shop.public.orders") -> Schema:
    """An envelope as Debezium's converter writes it: `after` only names the row that `before` spells out."""
    row = {"type": "record", "name": "Value", "fields": list(fields)}
    return {
        "type": "record",
        "name": "Envelope",
        "namespace": name,
        "connect.version": 2,
        "connect.name": f"{name}.Envelope",
        "fields": [
            {"name": "before", "type": ["null", row], "default": None},
            {"name": "after", "type": ["null", "Value"], "default": None},
            {"name": "source", "type": SOURCE},
            {"name": "transaction", "type": ["null", "string"], "default": None},
            {"name": "op", "type": "string"},
            {"name": "ts_ms", "type": ["null", "long"], "default": None},
        ],
    }


def without_lsn(schema: Schema) -> Schema:
    """An envelope as of a database that is not PostgreSQL."""
    kinds = {field["name"]: field["type"] for field in schema["fields"]}
    source = {**kinds["source"], "fields": [each for each in kinds["source"]["fields"] if each["name"] != "lsn"]}
    fields = [each if each["name"] != "source" else {**each, "type": source} for each in schema["fields"]]
    return {**schema, "fields": fields}


def key(fields: Sequence[Mapping[str, Any]], name: str = "shop.public.orders") -> Schema:
    """A key schema."""
    return {"type": "record", "name": "Key", "namespace": name, "fields": list(fields)}


def event(
    op: str,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    ts_ms: int = 1_700_000,
    lsn: int | None = 7,
) -> dict[str, Any]:
    """The value of an envelope."""
    source = {"version": "3", "ts_ms": ts_ms, "db": "shop", "schema": "public", "table": "orders", "lsn": lsn}
    return {"before": before, "after": after, "source": source, "transaction": None, "op": op, "ts_ms": None}


class Writer:
    """Writes data of one schema."""

    def __init__(self, schema: Schema) -> None:
        self.text = json.dumps(schema)
        self._parsed = fastavro.parse_schema(json.loads(self.text))

    def datum(self, value: Mapping[str, Any]) -> bytes:
        """The bytes without a frame."""
        stream = io.BytesIO()
        fastavro.schemaless_writer(stream, self._parsed, dict(value))
        return stream.getvalue()

    def framed(self, schema_id: int, value: Mapping[str, Any]) -> bytes:
        """The bytes as they are in a record."""
        return framed(schema_id, self.datum(value))


def framed(schema_id: int, datum: bytes) -> bytes:
    """A datum behind Confluent's five bytes."""
    return b"\x00" + schema_id.to_bytes(4, "big") + datum
