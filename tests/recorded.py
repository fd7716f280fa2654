"""Records of other sources than PostgreSQL, each with what its source holds.

`events("mysql")` and `events("mariadb")` were recorded from real servers (tests/fixtures/README.md). `events("oracle")`
and `events("sqlserver")` are synthetic, built from Debezium's documentation. Nothing here imports the program.
"""

import base64
import gzip
import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import fastavro

from tests.fixtures import documented
from tests.fixtures.synthetic import Cell, Row

RECORDED = ("mysql", "mariadb")
SYNTHETIC = tuple(documented.SOURCES)
_FRAME = 5
_FIXTURES = Path(__file__).parent / "fixtures"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What the source did: the row before and after, as the source itself says."""

    op: str
    before: Row | None
    after: Row | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Event:
    """One record. `change` is None for tombstones and for records that are not of a recorded table."""

    topic: str
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]
    key_schema: str | None
    value_schema: str | None
    change: Change | None

    @property
    def table(self) -> str:
        """The last part of the topic's name."""
        return self.topic.rsplit(".", 1)[-1]

    @property
    def mode(self) -> str:
        """Which of the recording's captures it is of: `main`, or the name of a set of modes."""
        return self.topic.removeprefix("__debezium-heartbeat.").partition(".")[0].partition("_")[2]


@cache
def events(name: str) -> tuple[Event, ...]:
    """All records of a source, by topic and offset."""
    if name in SYNTHETIC:
        return tuple(_synthetic(name))
    schemas = {line["id"]: line["schema"] for line in _lines(name, "schemas")}
    changes = list(_lines(name, "source"))
    found: list[Event] = []
    for topic, records in groupby(_lines(name, "records"), key=lambda record: record["topic"]):
        found += _paired(topic, _decoded(records), schemas, changes)
    return tuple(found)


def about(name: str) -> Mapping[str, Any]:
    """What was recorded: server, connector, modes, tables."""
    return json.loads((_FIXTURES / name / "about.json").read_text(encoding="utf-8"))


def row_fields(schema: str) -> list[dict[str, Any]]:
    """The fields of a row image in an envelope's schema; references to named types are left as they are."""
    before = json.loads(schema)["fields"][0]["type"]
    return next(branch for branch in before if branch != "null")["fields"]


def read(schema: str, framed: bytes) -> Any:
    """A key or a value as fastavro reads it. Raises ValueError when a byte is left.

    Times stay numbers: fastavro can't make objects of those beyond a day.
    """
    stream = io.BytesIO(framed)
    stream.seek(_FRAME)
    value = fastavro.schemaless_reader(stream, _parsed(schema))
    if stream.read(1):
        raise ValueError("bytes are left behind the datum")
    return value


@cache
def _parsed(schema: str) -> Any:
    return fastavro.parse_schema(_with_plain_times(json.loads(schema)))


def _with_plain_times(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_with_plain_times(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {name: part for name, part in schema.items() if name != "logicalType" or part == "decimal"}
    return {name: _with_plain_times(part) for name, part in kept.items()}


def _lines(name: str, part: str) -> Iterator[dict[str, Any]]:
    with gzip.open(_FIXTURES / name / f"{part}.ndjson.gz", "rt", encoding="utf-8") as lines:
        yield from map(json.loads, lines)


def _decoded(records: Iterator[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    for record in records:
        record["headers"] = tuple((name, _bytes(value)) for name, value in record["headers"])
        yield record | {"key": _bytes(record["key"]), "value": _bytes(record["value"])}


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)


def _paired(
    topic: str, records: Iterator[dict[str, Any]], schemas: Mapping[int, str], changes: list[dict[str, Any]]
) -> Iterator[Event]:
    """The n-th value of a table's topic reports the n-th change of the table that its capture sees."""
    table, mode = topic.rsplit(".", 1)[-1], topic.partition(".")[0].partition("_")[2]
    seen = [each for each in changes if each["table"] == table and mode in each.get("modes", [mode])]
    ahead = iter(seen)
    for record in records:
        key, value = (_schema(record[part], schemas) for part in ("key", "value"))
        change = _change(next(ahead), value) if seen and value else None
        yield Event(**record, key_schema=key, value_schema=value, change=change)
    if next(ahead, None):
        raise AssertionError(f"{topic} lacks changes of its table")


def _schema(framed: bytes | None, schemas: Mapping[int, str]) -> str | None:
    return None if framed is None else schemas[int.from_bytes(framed[1:5], "big")]


def _change(line: Mapping[str, Any], schema: str) -> Change:
    names = [field["name"] for field in row_fields(schema)]
    before, after = (_row(line.get(image), names) for image in ("before", "after"))
    return Change(op=line["op"], before=before, after=after)


def _row(cells: Mapping[str, Any] | None, names: list[str]) -> Row | None:
    if cells is None:
        return None
    pairs = zip(names, cells.values(), strict=True)
    return {name: None if cell is None else Cell(*cell) for name, cell in pairs}


def _synthetic(name: str) -> Iterator[Event]:
    source = documented.SOURCES[name]
    for offset, made in enumerate(source.records()):
        yield Event(
            topic=source.topic,
            offset=offset,
            key=made.key,
            value=made.value,
            headers=(),
            key_schema=made.key and source.key_schema,
            value_schema=made.value and source.value_schema,
            change=Change(op=made.op, before=made.before, after=made.after) if made.op else None,
        )
