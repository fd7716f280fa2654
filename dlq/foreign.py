"""Whose dead letter a record is, and which record it was, by its headers: those of Kafka Connect, Spring Kafka, Kafka
Streams, share groups, and other groups of Headrace.

Whatever the headers are, something is said of the record. What consumers say of their failures in words may quote rows,
so of that only names of classes, groups and stages leave the headers.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from consumer.core.failure import Failure, failed
from consumer.core.foreign import Foreign
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.records import Header, RecordRef, TopicPartition

UNKNOWN = "unknown"
"""The family of a record whose headers are nobody's."""

_KIND = KINDS["record.imported"]
_TOPIC = re.compile(r"[a-zA-Z0-9._-]{1,249}")
_CLASS = re.compile(r"[A-Za-z_$][A-Za-z0-9_$]{0,99}(?:\.[A-Za-z_$][A-Za-z0-9_$]{0,99}){0,20}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._:/@-]{0,199}")
_STAGE = re.compile(r"[A-Za-z][A-Za-z_ -]{0,39}")
_PARTITIONS, _OFFSETS = 2**31, 2**63

_Said = Mapping[str, Sequence[bytes]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How one kind of consumer writes dead letters. Names of headers follow `prefixes`, of which any is taken.

    `consumer`, `stage`, `classes`: names whose first known one says who failed, where, and with what.
    """

    name: str
    title: str
    prefixes: tuple[str, ...]
    origin: tuple[str, str, str] = ("topic", "partition", "offset")
    consumer: tuple[str, ...] = ()
    stage: tuple[str, ...] = ()
    classes: tuple[str, ...] = ()


FAMILIES = (
    Family(
        name="headrace",
        title="the Headrace group",
        prefixes=("headrace.",),
        consumer=("group",),
        stage=("operation",),
        classes=("kind",),
    ),
    Family(
        name="connect",
        title="Kafka Connect's connector",
        prefixes=("__connect.errors.",),
        consumer=("connector.name",),
        stage=("stage",),
        classes=("exception.class.name",),
    ),
    Family(
        name="spring",
        title="the Spring Kafka group",
        # dead-letter topics of retry topics have the names without `dlt-`, but for the group's
        prefixes=("kafka_dlt-", "kafka_"),
        origin=("original-topic", "original-partition", "original-offset"),
        consumer=("original-consumer-group",),
        classes=("exception-cause-fqcn", "key-exception-fqcn", "exception-fqcn"),
    ),
    Family(
        name="streams",
        title="a Kafka Streams application",
        prefixes=("__streams.errors.",),
        classes=("exception",),
    ),
    Family(
        name="share",
        title="the share group",
        prefixes=("__dlq.errors.",),
        consumer=("group",),
    ),
)
PREFIXES = (
    *(prefix for family in FAMILIES for prefix in family.prefixes if prefix != "kafka_"),
    *("kafka_original-", "kafka_exception-", "kafka_key-exception-", "retry_topic-"),
)
"""What begins the names of headers that say of a failure, and of nothing else."""


def recognised(record: Record) -> Foreign:
    """What a record of a dead-letter topic says of itself.

    Headers are added behind those that are there, so where a letter became one again, the first that say an origin say
    the first one, and the last say what failed last.
    """
    families = list(_families(record.headers))
    said = {family.name: _said(family, record.headers) for family in families}
    origins = (_origin(family, said[family.name]) for family in families)
    origin = next((origin for origin in origins if origin is not None), None)
    last = families[-1] if families else None
    failure = _failure(last, said[last.name], known=origin is not None) if last else _UNKNOWN
    pointer = said.get("headrace", {}).get("pointer", ())[-1:] == [b"true"]
    return Foreign(family=last.name if last else UNKNOWN, origin=origin, failure=failure, pointer=pointer)


def _families(headers: Sequence[Header]) -> Iterable[Family]:
    """Those whose headers are there, in the order of the first of each."""
    found: dict[str, Family] = {}
    names = [name for name, _ in headers]
    # Headrace writes Connect's headers as well
    skipped = "connect" if any(name.startswith("headrace.") for name in names) else ""
    for name in names:
        for family in FAMILIES:
            if family.name != skipped and _is_of(family, name):
                found.setdefault(family.name, family)
    return found.values()


def _is_of(family: Family, name: str) -> bool:
    known = (*family.origin, *family.consumer, *family.stage, *family.classes)
    return any(name == prefix + word for prefix in family.prefixes for word in known)


def _said(family: Family, headers: Sequence[Header]) -> dict[str, list[bytes]]:
    """What the family's headers say, by their names without a prefix, in order."""
    said: dict[str, list[bytes]] = defaultdict(list)
    for prefix in family.prefixes:
        for name, value in headers:
            if name.startswith(prefix) and value is not None:
                said[name.removeprefix(prefix)].append(value)
    return said


def _origin(family: Family, said: _Said) -> RecordRef | None:
    topic, partition, offset = (said.get(name, ()) for name in family.origin)
    if not (topic and partition and offset):
        return None
    name, number, place = _text(topic[0], _TOPIC), _number(partition[0], 4), _number(offset[0], 8)
    if not name or name in (".", "..") or number is None or place is None:
        return None
    if number >= _PARTITIONS or place >= _OFFSETS:
        return None
    return RecordRef(TopicPartition(name, number), place)


def _number(raw: bytes, size: int) -> int | None:
    """A number in digits; or of so many bytes, as Spring writes them.

    What is digits and has that size as well would be a partition or an offset that no log has.
    """
    if raw.isdigit() and len(raw) <= 19:
        return int(raw)
    return int.from_bytes(raw, "big") if len(raw) == size else None


def _failure(family: Family, said: _Said, *, known: bool) -> Failure:
    consumer, stage = _first(family.consumer, said, _NAME), _first(family.stage, said, _STAGE)
    reason = _first(family.classes, said, _CLASS)
    parts = [
        f"{family.title} {consumer}" if consumer else family.title,
        "could not take it",
        f"in the stage {stage}" if stage else "",
        f"({reason})" if reason else "",
    ]
    detail = " ".join(filter(None, parts))
    if not known:
        detail += "; its headers do not say which record it was"
    code = reason if family.name == "headrace" else reason.rpartition(".")[2]
    return failed(_KIND, family.name, stage or "consume", detail, code=code)


def _first(names: Sequence[str], said: _Said, form: re.Pattern[str]) -> str:
    """The last word of the first of the headers that is there and looks as it should."""
    return next((text for name in names for raw in said.get(name, ())[-1:] if (text := _text(raw, form))), "")


def _text(raw: bytes, form: re.Pattern[str]) -> str:
    text = raw.decode("ascii", errors="replace")
    return text if form.fullmatch(text) else ""


_UNKNOWN = failed(
    _KIND,
    UNKNOWN,
    "consume",
    "it was in a dead-letter topic, with no headers that say whose it is or which record it was",
)
