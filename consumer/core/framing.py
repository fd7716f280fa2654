"""What stands in front of a datum: Confluent's zero byte and schema id, or something else that can be recognised.

Only the forms are looked at, and nothing of a value is ever said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from consumer.core.records import Header

MAGIC = 0
FRAME = 5
# Confluent's ids begin with 1, so four zeros are the first half of a longer one
_NO_ID = bytes(4)
_LONG_ID = 8
_SPACE = b" \t\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """One key or value as it lay in its topic; `part` says which. Its headers are read when asked for."""

    part: str
    raw: bytes = field(repr=False)
    headers: Callable[[], Sequence[Header]] = field(repr=False)

    @property
    def schema_id(self) -> int | None:
        """The id in front of it."""
        return framed_id(self.raw[:FRAME])


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What was found instead of Confluent's framing, in words; the failure's kind, and what to change at the source."""

    kind: str
    found: str
    remedy: str


def framed_id(frame: bytes) -> int | None:
    """The schema id in a frame, or None where it is none."""
    if len(frame) != FRAME or frame[0] != MAGIC or frame[1:] == _NO_ID:
        return None
    return int.from_bytes(frame[1:], "big")


def in_headers(datum: Datum) -> Foreign | None:
    """Whether the schema's id travels in headers: then whatever stands in front of the datum is part of it."""
    names = {name for name, _ in datum.headers()}
    part = datum.part
    if f"__{part}_schema_id" in names:
        found = f"the schema's id in the header __{part}_schema_id"
        return Foreign(kind="record.framing", found=found, remedy=_CONFLUENT.format(part=part))
    ours = sorted(name for name in names if name.startswith(f"apicurio.{part}."))
    if ours:
        found = f"the schema's id in headers ({', '.join(ours)})"
        return Foreign(kind="record.framing", found=found, remedy=_APICURIO.format(part=part))
    return None


def foreign(datum: Datum) -> Foreign:
    """What a datum without Confluent's framing is."""
    known = in_headers(datum)
    if known is not None:
        return known
    raw, part = datum.raw, datum.part
    text = raw.strip(_SPACE)
    if text[:1] + text[-1:] in (b"{}", b"[]"):
        found = "JSON with its schema beside it" if b'"payload"' in text and b'"schema"' in text else "JSON"
        return Foreign(kind="record.format", found=found, remedy=_CONVERTER.format(part=part))
    if raw[:FRAME] == bytes([MAGIC]) + _NO_ID and len(raw) > _LONG_ID:
        found = "a zero byte and an id of eight bytes, as Apicurio writes it"
        return Foreign(kind="record.framing", found=found, remedy=_APICURIO.format(part=part))
    if len(raw) < FRAME:
        found = f"{len(raw)} bytes"
    else:
        found = "plain text" if all(byte >= 0x20 for byte in raw) else "a first byte that is not zero"
    return Foreign(kind="record.framing", found=found, remedy=_CONVERTER.format(part=part))


_CONVERTER = (
    "Set {part}.converter on the connector to an Avro converter with a registry, for example "
    "io.confluent.connect.avro.AvroConverter, and have it send the rows again (Debezium incremental snapshot)."
)
_CONFLUENT = (
    "Set {part}.converter.{part}.schema.id.serializer="
    "io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer on the connector, and have it send the rows "
    "again (Debezium incremental snapshot)."
)
_APICURIO = (
    "Set {part}.converter.apicurio.registry.as-confluent=true and "
    "{part}.converter.apicurio.registry.headers.enabled=false on the connector, and have it send the rows again "
    "(Debezium incremental snapshot)."
)
