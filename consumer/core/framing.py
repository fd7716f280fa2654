"""Where the id of a datum's schema is: in front of it or in its record's headers, or something else is there.

Only the forms are looked at, and nothing of a value is ever said.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from consumer.core.records import Framing, Header
from consumer.core.schema_ref import Foreign, SchemaRef, Space

MAGIC = 0
FRAME = 5
LONG_FRAME = 9
# Confluent's ids begin with 1, so four zeros are the first half of a longer one
_NO_ID = bytes(4)
_SPACE = b" \t\r\n"
# behind the first byte of Confluent's header
_ID, _GUID = 4, 16
_LONG = 8
# ids are kept in columns of 32 bits with a sign
_MOST = (1 << 31) - 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Datum:
    """One key or value; `part` says which. Its headers are read when asked for.

    `raw`: as it lay in its topic, or with a frame that `framing` put in front.
    """

    part: str
    raw: bytes = field(repr=False)
    headers: Callable[[], Sequence[Header]] = field(repr=False)
    framing: Framing | None = field(default=None, repr=False)

    @property
    def ref(self) -> SchemaRef | None:
        """What leads to its schema."""
        found = said_by(self.raw[:FRAME], self.framing)
        return found if isinstance(found, SchemaRef) else None


def said_by(frame: bytes, framing: Framing | None) -> SchemaRef | Foreign | None:
    """What a frame stands for."""
    if framing is not None and frame[:1] != bytes([MAGIC]):
        return framing.ref(frame)
    number = framed_id(frame)
    return None if number is None else SchemaRef(Space.IDS, number)


def framed_id(frame: bytes) -> int | None:
    """The schema id in a frame, or None where it is none."""
    if len(frame) != FRAME or frame[0] != MAGIC or frame[1:] == _NO_ID:
        return None
    number = int.from_bytes(frame[1:], "big")
    # registries count up to there, and say of more that there is no such path
    return number if number <= _MOST else None


def in_front(space: Space, raw: bytes) -> SchemaRef | None:
    """The eight bytes behind a zero byte as an id of a kind; None where they are none."""
    if len(raw) < LONG_FRAME or raw[0] != MAGIC:
        return None
    return _long(space, raw[1:LONG_FRAME])


def in_headers(part: str, headers: Sequence[Header]) -> SchemaRef | Foreign | None:
    """What headers say of a key's or a value's schema; of one that stands twice, the last."""
    said = {name: value or b"" for name, value in headers if name.startswith(("__", "apicurio."))}
    confluent = f"__{part}_schema_id"
    if confluent in said:
        return _confluent(said[confluent]) or _garbled(confluent)
    apicurio = f"apicurio.{part}."
    ids = ((Space.CONTENT_IDS, f"{apicurio}contentId"), (Space.GLOBAL_IDS, f"{apicurio}globalId"))
    space, name = next(((space, name) for space, name in ids if name in said), (None, ""))
    if space is not None:
        if said.get(f"{apicurio}encoding", b"").upper() == b"JSON":
            return Foreign(kind="record.format", found=f"JSON ({apicurio}encoding)", remedy=_BINARY.format(part=part))
        return _long(space, said[name]) or _garbled(name)
    if f"{apicurio}artifactId" in said:
        found = f"the name of a schema in the header {apicurio}artifactId, and no id"
        return Foreign(kind="record.framing", found=found, remedy=_USE_ID.format(part=part))
    return None


def _confluent(raw: bytes) -> SchemaRef | None:
    number = int.from_bytes(raw[1:], "big")
    if (raw[:1], len(raw) - 1) == (b"\0", _ID) and 0 < number <= _MOST:
        return SchemaRef(Space.IDS, number)
    return SchemaRef(Space.GUIDS, number) if (raw[:1], len(raw) - 1) == (b"\1", _GUID) else None


def _long(space: Space, raw: bytes) -> SchemaRef | None:
    number = int.from_bytes(raw, "big")
    return SchemaRef(space, number) if len(raw) == _LONG and 0 < number <= _MOST else None


def _garbled(name: str) -> Foreign:
    return Foreign(kind="record.framing", found=f"no id in the header {name}", remedy=_GARBLED)


def told_id(value: bytes, headers: Sequence[Header]) -> int | None:
    """The number of a value's schema as its record tells it, wherever it is; None for a GUID, too."""
    said = in_headers("value", headers) or in_front(Space.GLOBAL_IDS, value)
    if said is None:
        return framed_id(value[:FRAME])
    return said.number if isinstance(said, SchemaRef) and said.space is not Space.GUIDS else None


def elsewhere(datum: Datum) -> Foreign | None:
    """What else a datum may be whose front looks like an id that nobody knows: then that is part of the datum.

    Its id travels in headers that are not read; or its topic has ids in headers, and it has none there.
    """
    if datum.framing is not None:
        return _without_header(datum.part) if datum.raw[:1] == bytes([MAGIC]) else None
    return _in_other_headers(datum)


def _without_header(part: str) -> Foreign:
    found = "no id in headers that are read, and in front one that the registry does not know"
    return Foreign(kind="record.framing", found=found, remedy=(_WHERE + _CONVERTER).format(part=part))


def _in_other_headers(datum: Datum) -> Foreign | None:
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
    """What a datum is of whose schema nothing is said where its topic's ids are."""
    if datum.framing is None:
        known = _in_other_headers(datum)
        return known or _foreign(datum.part, datum.raw, "")
    said = said_by(datum.raw[:FRAME], datum.framing)
    if isinstance(said, Foreign):
        return said
    return _foreign(datum.part, datum.framing.bare(datum.raw), " and no id in headers that are read")


def _foreign(part: str, raw: bytes, also: str) -> Foreign:
    text = raw.strip(_SPACE)
    if text[:1] + text[-1:] in (b"{}", b"[]"):
        found = "JSON with its schema beside it" if b'"payload"' in text and b'"schema"' in text else "JSON"
        return Foreign(kind="record.format", found=found, remedy=_CONVERTER.format(part=part))
    if raw[:FRAME] == bytes([MAGIC]) + _NO_ID and len(raw) >= LONG_FRAME:
        found = "a zero byte and an id of eight bytes, as Apicurio writes it"
        return Foreign(kind="record.framing", found=found, remedy=_LONG_IDS.format(part=part))
    if len(raw) < FRAME:
        found = f"{len(raw)} bytes"
    else:
        found = "plain text" if all(byte >= 0x20 for byte in raw) else "a first byte that is not zero"
    remedy = _WHERE + _CONVERTER if also else _CONVERTER
    return Foreign(kind="record.framing", found=found + also, remedy=remedy.format(part=part))


def expected(framing: Framing | None) -> str:
    """What is expected of a datum, in words."""
    if framing is None:
        return "expected a zero byte and the id of an Avro schema in front"
    return "expected the id of an Avro schema where schema_ids of the topic says"


_AGAIN = "and have it send the rows again (Debezium incremental snapshot)."
_CONVERTER = (
    "Set {part}.converter on the connector to an Avro converter with a registry, for example "
    "io.confluent.connect.avro.AvroConverter, " + _AGAIN
)
_WHERE = "Set schema_ids of the topic to where its converter puts ids, and replay the letters. Or: "
_HEADERS = 'Set schema_ids = "headers" for the topic, and replay the letters. Or set '
_CONFLUENT = (
    _HEADERS + "{part}.converter.{part}.schema.id.serializer="
    "io.confluent.kafka.serializers.schema.id.PrefixSchemaIdSerializer on the connector, " + _AGAIN
)
_AS_CONFLUENT = (
    "{part}.converter.apicurio.registry.as-confluent=true and "
    "{part}.converter.apicurio.registry.headers.enabled=false on the connector, " + _AGAIN
)
_APICURIO = _HEADERS + _AS_CONFLUENT
_LONG_IDS = (
    'Set schema_ids = "global-ids" or "content-ids" for the topic, whichever its converter\'s '
    "apicurio.registry.use-id says, and replay the letters. Or set " + _AS_CONFLUENT
)
_BINARY = "Set {part}.converter.apicurio.registry.avro.encoding=BINARY on the connector, " + _AGAIN
_USE_ID = "Set {part}.converter.apicurio.registry.use-id=contentId on the connector, " + _AGAIN
_GARBLED = (
    "Look at what writes that header: a converter's is a zero byte and four bytes, a 1 and a GUID's sixteen, or "
    "Apicurio's eight bytes. Have the source send the rows again (Debezium incremental snapshot), or discard the "
    "letter."
)
