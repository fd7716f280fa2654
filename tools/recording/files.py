"""The files of a recording: lines of JSON, compressed so that the same content gives the same bytes."""

import base64
import gzip
import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tools.recording.capture import Record
from tools.recording.journal import Change


def write(out: Path, name: str, lines: Iterable[Any]) -> None:
    """One file."""
    content = "".join(json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines)
    (out / name).write_bytes(gzip.compress(content.encode(), compresslevel=9, mtime=0))


def record(read: Record) -> dict[str, Any]:
    """A record of a topic."""
    return {
        "topic": read.topic,
        "offset": read.offset,
        "key": _encoded(read.key),
        "value": _encoded(read.value),
        "headers": [[name, _encoded(value)] for name, value in read.headers],
    }


def change(noted: Change) -> dict[str, Any]:
    """A change of the source, without what is not there."""
    return {name: part for name, part in asdict(noted).items() if part not in (None, ())}


def _encoded(part: bytes | None) -> str | None:
    return None if part is None else base64.b64encode(part).decode()
