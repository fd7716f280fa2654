"""Recorded Debezium events of the shop: schemas, messages in order, and the rows that the source had in the end."""

import base64
import gzip
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "recorded" / "shop.ndjson.gz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One record of a topic, as Debezium and the converter wrote it."""

    topic: str
    key: bytes | None
    value: bytes | None
    snapshot: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """A table of the source at the end: every value as text, rows in COPY's text format."""

    table: str
    columns: Sequence[str]
    rows: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Recording:
    """Everything of one recording. `changes` is how many row changes were streamed after the snapshot."""

    schemas: Mapping[int, str]
    messages: Sequence[Message]
    expected: Sequence[Expected]
    changes: int


def save(recording: Recording, file: Path) -> None:
    """Writes a recording; the same content makes the same file."""
    file.parent.mkdir(exist_ok=True)
    lines: list[dict[str, Any]] = [{"changes": recording.changes}]
    lines += [{"schema": number, "text": text} for number, text in sorted(recording.schemas.items())]
    lines += [
        {"topic": each.topic, "key": _text(each.key), "value": _text(each.value), "snapshot": each.snapshot}
        for each in recording.messages
    ]
    lines += [
        {"table": each.table, "columns": list(each.columns), "rows": each.rows.decode()} for each in recording.expected
    ]
    text = "".join(json.dumps(line, separators=(",", ":")) + "\n" for line in lines)
    file.write_bytes(gzip.compress(text.encode(), mtime=0))


def load(file: Path = FILE) -> Recording:
    """The recording that comes with the package, or another one."""
    lines = [json.loads(line) for line in gzip.decompress(file.read_bytes()).decode().splitlines()]
    return Recording(
        changes=_only("changes", lines)[0]["changes"],
        schemas={line["schema"]: line["text"] for line in _only("schema", lines)},
        messages=[
            Message(
                topic=line["topic"], key=_bytes(line["key"]), value=_bytes(line["value"]), snapshot=line["snapshot"]
            )
            for line in _only("topic", lines)
        ],
        expected=[
            Expected(table=line["table"], columns=line["columns"], rows=line["rows"].encode())
            for line in _only("table", lines)
        ],
    )


def _only(name: str, lines: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return [line for line in lines if name in line]


def _text(raw: bytes | None) -> str | None:
    return None if raw is None else base64.b64encode(raw).decode()


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else base64.b64decode(text)
