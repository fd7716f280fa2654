"""The headers of a letter's copy: our own, and those of Kafka Connect, so that tools that know Connect understand it.

Foreign headers pass unchanged and in order, doubled names and odd bytes included. Ours are replaced, never piled up,
and so are those by which other consumers said of a failure (`dlq/foreign.py`); the letter keeps them. No row value is
ever in ours, and no stack trace.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TypeVar

from consumer.core.failure_kind import ErrorType
from consumer.core.letterhead import Letterhead, NoLetter
from consumer.core.records import Header, RecordRef, TopicPartition, correlation_id
from dlq.foreign import PREFIXES

OWN = "headrace."
CONNECT = "__connect.errors."
LONGEST = 1024
"""Most bytes of one header's value."""

_T = TypeVar("_T")
_CONVERTER_KINDS = frozenset(
    {"record.framing", "record.format", "record.decode", "record.schema", "record.schema_unknown"}
)


def encode(head: Letterhead, foreign_headers: Sequence[Header]) -> list[Header]:
    """All headers of a copy: the foreign ones as they are, then ours and Connect's in place of older ones.

    Texts beyond `LONGEST` bytes are cut at a character, so `decode` may give a shorter detail.
    """
    # by prefix, since other releases may know further names
    foreign = [(name, value) for name, value in foreign_headers if not name.startswith(PREFIXES)]
    ours = [(OWN + name, text) for name, text in _own(head).items()]
    connect = [(CONNECT + name, text) for name, text in _connect(head).items()]
    return [*foreign, *((name, _bounded(text)) for name, text in (*ours, *connect) if text is not None)]


def decode(headers: Sequence[Header]) -> Letterhead:
    """What our own headers say; of one that stands twice, the last. Raises NoLetter."""
    ours = {name.removeprefix(OWN): value for name, value in headers if name.startswith(OWN)}
    at = TopicPartition(_read(ours, "topic", str), _read(ours, "partition", _number))
    return Letterhead(
        group=_read(ours, "group", str),
        origin=RecordRef(at, _read(ours, "offset", _number)),
        attempt=_read(ours, "attempt", _number),
        kind=_read(ours, "kind", str),
        error_type=_read(ours, "error-type", ErrorType),
        component=_read(ours, "component", str),
        operation=_read(ours, "operation", str),
        detail=_read(ours, "detail", str),
        first_failed=_read(ours, "first-failed-at", _moment),
        failed=_read(ours, "failed-at", _moment),
        field=_read_if_there(ours, "field", str) or "",
        due=_read_if_there(ours, "due-at", _moment),
        batch=_read_if_there(ours, "batch-id", _number),
        schema_id=_read_if_there(ours, "schema-id", _number),
        replay=_read_if_there(ours, "replay-id", str),
        pointer=_read(ours, "pointer", _truth),
        keyless=_read_if_there(ours, "keyless", _truth) or False,
    )


def _own(head: Letterhead) -> dict[str, str | None]:
    at, offset = head.origin.at, head.origin.offset
    return {
        "group": head.group,
        "topic": at.topic,
        "partition": str(at.partition),
        "offset": str(offset),
        "correlation-id": correlation_id(at, offset),
        "attempt": str(head.attempt),
        "kind": head.kind,
        "error-type": head.error_type.value,
        "component": head.component,
        "operation": head.operation,
        "detail": head.detail,
        "field": head.field or None,
        "first-failed-at": _iso(head.first_failed),
        "failed-at": _iso(head.failed),
        "due-at": None if head.due is None else _iso(head.due),
        "batch-id": None if head.batch is None else str(head.batch),
        "schema-id": None if head.schema_id is None else str(head.schema_id),
        "replay-id": head.replay,
        "pointer": "true" if head.pointer else "false",
        "keyless": "true" if head.keyless else None,
    }


def _connect(head: Letterhead) -> dict[str, str | None]:
    return {
        "topic": head.origin.at.topic,
        "partition": str(head.origin.at.partition),
        "offset": str(head.origin.offset),
        "connector.name": head.group,
        "task.id": "0",
        # the names of Connect's own stages
        "stage": "VALUE_CONVERTER" if head.kind in _CONVERTER_KINDS else "TASK_PUT",
        "class.name": f"headrace.{head.component}",
        "exception.class.name": f"headrace.{head.kind}",
        "exception.message": head.detail,
    }


def _bounded(text: str) -> bytes:
    raw = text.encode(errors="replace")
    # a cut never leaves half a character
    return raw if len(raw) <= LONGEST else raw[:LONGEST].decode(errors="ignore").encode()


def _read(ours: Mapping[str, bytes | None], name: str, parse: Callable[[str], _T]) -> _T:
    raw = ours.get(name)
    if raw is None:
        raise NoLetter(f"the header {OWN}{name} is missing")
    try:
        text = raw.decode()
        if "\0" in text:
            raise ValueError("a zero byte")
        return parse(text)
    except (ValueError, OverflowError) as error:
        raise NoLetter(f"the header {OWN}{name} is malformed") from error


def _read_if_there(ours: Mapping[str, bytes | None], name: str, parse: Callable[[str], _T]) -> _T | None:
    return _read(ours, name, parse) if name in ours else None


def _number(text: str) -> int:
    # `int` alone takes signs, spaces and underscores too
    if not (text.isascii() and text.isdigit()):
        raise ValueError("not a number")
    return int(text)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("a time without its zone")
    return moment


def _truth(text: str) -> bool:
    if text not in ("true", "false"):
        raise ValueError("neither true nor false")
    return text == "true"


def _iso(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
