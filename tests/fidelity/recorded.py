"""Recorded and synthetic events of other sources, replayed: what the source itself said of a row, beside the target's.

The bytes are the recorded ones; only the schema's id in front of each is the registry's own.
"""

import json
import re
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psycopg
from confluent_kafka import Producer
from psycopg import sql

from consumer.stack import loopback
from consumer.stack.options import Endpoints
from tests.fixtures.synthetic import Cell, Row
from tests.real.engine.feed import create_topic
from tests.recorded import RECORDED, Event, about, read, row_fields
from tests.spelling import equal, meaning

SCHEMA = "recorded"
_FRAME = 5
_SRID = 0x20000000
_DAY = 24
_NANO = ("NanoTime", "NanoTimestamp")
# texts, which have as many digits as the source has
_FINE = (*_NANO, "ZonedTime", "ZonedTimestamp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A row as the source shows it in the end: the fields' types, what was sent, and the source's own words."""

    fields: Mapping[str, Any]
    sent: Mapping[str, Any]
    shown: Row
    streamed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """The events of one table of one capture."""

    source: str
    mode: str
    table: str
    events: tuple[Event, ...]

    @property
    def name(self) -> str:
        """The topic's name here, which is its target table's as well."""
        return f"{self.source}-{self.mode}-{self.table}"

    @property
    def target(self) -> sql.Identifier:
        """The target table."""
        return sql.Identifier(SCHEMA, self.name)

    def wanted(self) -> Iterator[tuple[Mapping[str, Any], Wanted | None]]:
        """By the key: the row as it has to be in the end, None for one that is deleted."""
        rows: dict[str, tuple[Mapping[str, Any], Wanted | None]] = {}
        for event in self.events:
            if event.key is None or event.value is None or event.key_schema is None or event.value_schema is None:
                continue
            key, value = read(event.key_schema, event.key), read(event.value_schema, event.value)
            assert event.change is not None
            row = None
            if event.change.after is not None:
                fields = {field["name"]: field["type"] for field in row_fields(event.value_schema)}
                row = Wanted(fields=fields, sent=value["after"], shown=event.change.after, streamed=value["op"] != "r")
            rows[repr(key)] = (key, row)
        return iter(rows.values())


def topics(source: str, events: Sequence[Event], modes: str = r"\w+") -> list[Topic]:
    """Of the captures of these modes, the tables whose key is a number `id`, and whose schema stays."""
    found: dict[tuple[str, str], list[Event]] = {}
    for event in events:
        found.setdefault((event.mode, event.table), []).append(event)
    return [
        Topic(source=source, mode=mode, table=table, events=tuple(held))
        for (mode, table), held in found.items()
        if re.fullmatch(modes, mode) and _plain(held)
    ]


def _plain(events: Sequence[Event]) -> bool:
    changes = [event for event in events if event.value is not None and event.change is not None]
    schemas = {event.value_schema for event in changes}
    keys = {event.key_schema for event in changes if event.change and event.change.op != "t"}
    return len(schemas) == 1 and all(key is not None and _names(key) == ["id"] for key in keys)


def _names(schema: str) -> list[str]:
    return [field["name"] for field in json.loads(schema)["fields"]]


def policies(topic: Topic) -> dict[str, Any]:
    """What Headrace has to be told of a table: how bytes are written that come as text, and that times may be cut."""
    if topic.source not in RECORDED:
        fine = {name for event in topic.events if event.value_schema for name in _finer(event.value_schema)}
        return {"columns": {name: {"nanoseconds": "cut"} for name in sorted(fine)}} if fine else {}
    mode = about(topic.source)["modes"][topic.mode].get("binary.handling.mode")
    rows = [row for _, row in topic.wanted() if row is not None]
    columns = {
        name
        for row in rows
        for name, cell in row.shown.items()
        if cell is not None and cell.text is None and meaning(row.fields[name]) == ("string", None)
    }
    return {"columns": {name: {"binary": mode} for name in sorted(columns)}} if mode and columns else {}


def _finer(schema: str) -> Iterator[str]:
    """The columns whose times may have parts of a microsecond."""
    for field in row_fields(schema):
        if (meaning(field["type"])[1] or "").rpartition(".")[2] in _FINE:
            yield field["name"]


def replay(at: Endpoints, found: Sequence[Topic]) -> None:
    """Write them to topics of one partition; a truncate, which would stop its table, is left out."""
    producer = Producer({"bootstrap.servers": at.kafka, "log_level": 0, "linger.ms": 5})
    for topic in found:
        create_topic(at.kafka, topic.name, 1)
        ids: dict[str, bytes] = {}
        for event in topic.events:
            if event.key is None:
                continue
            key = _framed(at, f"{topic.name}-key", event.key, event.key_schema, ids)
            value = _framed(at, f"{topic.name}-value", event.value, event.value_schema, ids)
            producer.produce(topic.name, value, key, 0)
        assert producer.flush(60) == 0


def _framed(at: Endpoints, subject: str, data: bytes | None, schema: str | None, ids: dict[str, bytes]) -> bytes | None:
    if data is None or schema is None:
        return None
    if schema not in ids:
        body = {"schema": schema, "schemaType": "AVRO"}
        answer = loopback.request("POST", f"{at.registry_url}/subjects/{subject}/versions", 30, body)
        answer.raise_for_status()
        ids[schema] = b"\0" + int(answer.json()["id"]).to_bytes(4)
    return ids[schema] + data[_FRAME:]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """One value of a row: what the column has is the source's own, or what was sent, or neither."""

    field: str
    column: str
    same: bool
    as_sent: bool


def compare(session: psycopg.Connection, topic: Topic, key: Mapping[str, Any], row: Wanted) -> list[Compared]:
    """Every value of one row; where the target does not have it, none is as it should be."""
    kinds = _columns(session, topic)
    forms = sql.SQL(
        "fidelity.forms({column}::text, {kind}, false) IS NOT DISTINCT FROM fidelity.forms({shown}, {kind}, false), "
        "{column}::text"
    )
    parts = [
        forms.format(
            column=sql.Identifier(name),
            kind=sql.Literal(kinds[name]),
            shown=sql.Literal(_literal(kinds[name], row.fields[name], row.shown[name])),
        )
        for name in row.fields
    ]
    (identity,) = key.items()
    query = sql.SQL("SELECT {} FROM {} WHERE {} = {}")
    query = query.format(sql.SQL(", ").join(parts), topic.target, sql.Identifier(identity[0]), identity[1])
    found = session.execute(query).fetchone()
    if found is None:
        return [Compared(field=name, column=kinds[name], same=False, as_sent=False) for name in row.fields]
    return [
        Compared(
            field=name, column=kinds[name], same=same, as_sent=same or _as_sent(row.fields[name], row.sent[name], text)
        )
        for name, same, text in zip(row.fields, found[::2], found[1::2], strict=True)
    ]


def _columns(session: psycopg.Connection, topic: Topic) -> dict[str, str]:
    query = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attrelid = %s::text::regclass AND attnum > 0 AND NOT attisdropped"
    )
    return dict(session.execute(query, [topic.target.as_string(session)]).fetchall())


def _as_sent(kind: Any, sent: Any, text: str | None) -> bool:
    """Whether the column has what the event says, cut to microseconds where it says more."""
    if sent is None or text is None:
        return sent is None and text is None
    if (semantic := (meaning(kind)[1] or "").rpartition(".")[2]) in _NANO:
        sent -= sent % 1000
    elif semantic in _FINE:
        sent = re.sub(r"(\.\d{6})\d+", r"\1", sent)
    binary = text.startswith("\\x")
    cell = Cell(raw=text[2:].upper()) if binary else Cell(text=re.sub(r"\+00$", "Z", text))
    return equal(kind, sent, cell)


def _literal(kind: str, field: Any, cell: Cell | None) -> str | None:
    """The source's own word as PostgreSQL reads it into a column of this type."""
    if cell is None:
        return None
    # no text of PostgreSQL is equal to one with a zero
    text = (cell.text or "").replace("\0", "\N{SYMBOL FOR NULL}")
    if kind in ("bytea", "point"):
        raw = bytes.fromhex(cell.raw or "")
        if kind == "point":
            return "({!r},{!r})".format(*struct.unpack("<dd", raw[9:25]))
        return f"\\x{(_located(raw) if 'geometry.' in json.dumps(field) else raw).hex()}"
    if bits := re.fullmatch(r"bit\((\d+)\)", kind):
        return text.rjust(int(bits[1]), "0")
    if kind == "interval" and (parts := re.fullmatch(r"([+-]?)(\d+) (\d+):(.*)", text)):
        sign, days, hours, rest = parts.groups()
        return f"{sign}{int(days) * _DAY + int(hours)}:{rest}"
    return text


def _located(raw: bytes) -> bytes:
    """Well-known binary with its reference system inside, of MySQL's form, where that stands in front."""
    srid, order, kind = raw[:4], raw[4:5], int.from_bytes(raw[5:9], "little")
    if not any(srid):
        return raw[4:]
    return order + (kind | _SRID).to_bytes(4, "little") + srid + raw[9:]


def declared(topic: Topic, field: str) -> str:
    """A column's type as the source declares it; the column's name where that is not recorded."""
    statement = about(topic.source)["tables"].get(topic.table, "") if topic.source in RECORDED else ""
    found = re.search(rf"`{re.escape(field)}` ((?:[^,(]|\([^)]*\))+)", statement)
    if found is None:
        return field
    return re.sub(r" (NOT NULL|NULL|DEFAULT .*|PRIMARY KEY|GENERATED .*)", "", found[1]).strip()
