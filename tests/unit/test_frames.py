"""Schema ids wherever a topic has them: in headers, in four or in eight bytes in front of the datum."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from uuid import UUID

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from consumer.binding.known import KnownBindings
from consumer.core.frames import Frames
from consumer.core.framing import MAGIC, framed_id, in_headers, told_id
from consumer.core.plan import Plan
from consumer.core.policy import Policy
from consumer.core.records import Header, Slice
from consumer.core.schema_ref import Foreign, SchemaIds, SchemaRef, Space
from consumer.core.target import TableName, TargetColumn, TargetTable
from consumer.edges.columnar import ColumnarDecoder
from consumer.edges.copy_encoder import CopyEncoder
from consumer.edges.kafka.intake import intake_of
from consumer.edges.rows import RowDecoder
from consumer.planning.block_decoder import Decoders
from consumer.planning.decode_watch import Marks
from consumer.planning.planner import Planner
from consumer.planning.unbound import Unbound
from consumer.ports.topics import Traits
from tests.unit.known import AT, Topic, slice_of
from tests.unit.world import World

GUID = UUID("89791762-2336-4186-9674-299b90a802e2")
GUID_HEADER = b"\1" + GUID.bytes
FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
TOPIC = Topic(FIELDS)
TABLE = TargetTable(
    name=TableName("public", "orders"),
    columns=(
        TargetColumn(name="id", type_name="int8", cast="bigint"),
        TargetColumn(name="word", type_name="text", cast="text"),
    ),
    unique=(frozenset({"id"}),),
)


def long(number: int) -> bytes:
    """As Apicurio writes its ids."""
    return number.to_bytes(8, "big")


SAID: Mapping[str, tuple[Sequence[Header], SchemaRef | str | None]] = {
    "nothing": ([("traceparent", b"x")], None),
    "of the key alone": ([("__key_schema_id", GUID_HEADER), ("apicurio.key.globalId", long(1))], None),
    "a GUID": ([("__value_schema_id", GUID_HEADER)], SchemaRef(Space.GUIDS, GUID.int)),
    "an id": ([("__value_schema_id", b"\0\0\0\0\x07")], SchemaRef(Space.IDS, 7)),
    "the last of two": (
        [("__value_schema_id", b"\0\0\0\0\x06"), ("__value_schema_id", b"\0\0\0\0\x07")],
        SchemaRef(Space.IDS, 7),
    ),
    "a global id": ([("apicurio.value.globalId", long(7))], SchemaRef(Space.GLOBAL_IDS, 7)),
    "a content id": ([("apicurio.value.contentId", long(7))], SchemaRef(Space.CONTENT_IDS, 7)),
    "a content id beside a global one": (
        [("apicurio.value.globalId", long(8)), ("apicurio.value.contentId", long(7))],
        SchemaRef(Space.CONTENT_IDS, 7),
    ),
    "an id and how the datum is written": (
        [("apicurio.value.globalId", long(7)), ("apicurio.value.encoding", b"BINARY")],
        SchemaRef(Space.GLOBAL_IDS, 7),
    ),
    "how the datum is written alone": ([("apicurio.value.encoding", b"BINARY")], None),
    "JSON by Apicurio": (
        [("apicurio.value.globalId", long(7)), ("apicurio.value.encoding", b"JSON")],
        "record.format JSON",
    ),
    "an artifact's name": ([("apicurio.value.artifactId", b"orders")], "record.framing name of a schema"),
    "no id": ([("__value_schema_id", None)], "record.framing __value_schema_id"),
    "more than a registry counts to": ([("__value_schema_id", b"\0\x80\0\0\0")], "record.framing __value_schema_id"),
    "an id of zero": ([("__value_schema_id", bytes(5))], "record.framing __value_schema_id"),
    "a GUID cut short": ([("__value_schema_id", GUID_HEADER[:-1])], "record.framing __value_schema_id"),
    "a GUID with more behind it": ([("__value_schema_id", GUID_HEADER + b"\0")], "record.framing __value_schema_id"),
    "another first byte": ([("__value_schema_id", b"\2" + GUID.bytes)], "record.framing __value_schema_id"),
    "four bytes of Apicurio": ([("apicurio.value.globalId", b"\0\0\0\7")], "record.framing apicurio.value.globalId"),
    "more than can be kept": ([("apicurio.value.contentId", long(1 << 31))], "record.framing contentId"),
    "the greatest": ([("apicurio.value.contentId", long((1 << 31) - 1))], SchemaRef(Space.CONTENT_IDS, (1 << 31) - 1)),
    "a negative one": ([("apicurio.value.contentId", b"\xff" * 8)], "record.framing contentId"),
}


@pytest.mark.parametrize(("number", "found"), [(1, 1), ((1 << 31) - 1, (1 << 31) - 1), (1 << 31, None), (0, None)])
def test_an_id_in_front_is_one_that_a_registry_may_have(number: int, found: int | None) -> None:
    """Of others it says that there is no such path, which would be waited for."""
    assert framed_id(bytes([MAGIC]) + number.to_bytes(4, "big")) == found


@pytest.mark.parametrize(("headers", "said"), SAID.values(), ids=SAID)
def test_headers_lead_to_a_schema_or_say_why_not(headers: Sequence[Header], said: SchemaRef | str | None) -> None:
    """Of another part nothing is taken; what is garbled is named by its header and is not guessed at."""
    found = in_headers("value", headers)
    if isinstance(said, str):
        kind, _, words = said.partition(" ")
        assert isinstance(found, Foreign)
        assert found.kind == kind
        assert words in found.found
        assert found.remedy
    else:
        assert found == said


@pytest.mark.parametrize(
    ("value", "headers", "number"),
    [
        (b"\0\0\0\0\x09x", [], 9),
        (b"x", [("apicurio.value.globalId", long(7))], 7),
        (b"\0\0\0\0\x09x", [("__value_schema_id", b"\0\0\0\0\x07")], 7),
        (b"\0\0\0\0\x09x", [("__value_schema_id", GUID_HEADER)], None),
        (b"\0" + long(12) + b"x", [], 12),
        (b"text", [], None),
    ],
)
def test_a_copy_of_a_letter_says_its_schema_s_number(value: bytes, headers: Sequence[Header], number: int) -> None:
    """Wherever its record has it."""
    assert told_id(value, headers) == number


def framed_as(ids: SchemaIds, raw: bytes, part: str) -> tuple[bytes, list[Header]]:
    """A key or value of these tests, as a topic of another kind has it."""
    number, body = int.from_bytes(raw[1:5], "big"), raw[5:]
    if ids is SchemaIds.PREFIX:
        return raw, []
    if ids is SchemaIds.HEADERS:
        return body, [(f"apicurio.{part}.globalId", long(number))]
    return b"\0" + long(number) + body, []


def piece_as(ids: SchemaIds, records: Sequence[tuple[bytes, bytes | None]]) -> Slice:
    """Records as a topic of another kind has them."""
    told: list[tuple[tuple[bytes, bytes | None], list[Header]]] = []
    for raw_key, raw_value in records:
        key, headers = framed_as(ids, raw_key, "key")
        value, more = (None, []) if raw_value is None else framed_as(ids, raw_value, "value")
        told.append(((key, value), [("__debezium.context.taskId", b"0"), *headers, *more]))
    piece = slice_of([record for record, _ in told])
    return replace(piece, headers=lambda offset: tuple(told[offset - piece.offsets[0]][1]))


class Scene:
    """A planner and what binds its records, of a topic that has its ids where `ids` says."""

    def __init__(self, ids: SchemaIds) -> None:
        self.known = KnownBindings()
        self.world = World(
            {1: TOPIC.keys.text, 2: TOPIC.values.text},
            lambda name: TABLE,
            {AT.topic: Traits(compacted=True, partitions=1)},
        )
        rows = RowDecoder()
        self.frames = Frames(by_topic={AT.topic: ids})
        decoders = Decoders(fast=ColumnarDecoder(rows), careful=rows, frames=self.frames)
        self.planner = Planner(decoders, CopyEncoder(), self.known, Marks(), Policy(), 1000)
        self.binder = self.world.binder(self.known)

    def plan(self, piece: Slice) -> Plan:
        """Bound as it is planned."""
        while True:
            try:
                return self.planner.plan([piece])
            except Unbound as unbound:
                self.binder.bind(unbound.wanted)


def row(number: int, word: str | None = "w") -> dict[str, object]:
    """A row."""
    return {"id": number, "word": word}


@pytest.mark.parametrize("ids", [SchemaIds.HEADERS, SchemaIds.GLOBAL, SchemaIds.CONTENT])
@pytest.mark.parametrize("count", [3, 50])
def test_records_become_the_same_plan_wherever_their_ids_are(ids: SchemaIds, count: int) -> None:
    """Bytes of the COPY streams too; deletes, and tombstones of keys of which nothing else was read."""
    records: list[tuple[bytes, bytes | None]] = [TOPIC.record("c", row(number)) for number in range(count)]
    records += [TOPIC.record("d", row(1)), (TOPIC.key(row(2)), None)]
    plain = Scene(SchemaIds.PREFIX).plan(slice_of(records))
    found = Scene(ids).plan(piece_as(ids, records))

    assert found.counts == plain.counts
    whole = [[(write.action, write.rows, write.payload) for write in plan.writes] for plan in (found, plain)]
    assert whole[0] == whole[1]
    assert found.letters == plain.letters == []


@pytest.mark.parametrize("ids", [SchemaIds.HEADERS, SchemaIds.GLOBAL])
def test_a_letter_s_record_is_as_it_lay_in_its_topic(ids: SchemaIds) -> None:
    """A damaged one, one that names no schema, and one whose schema nobody knows; good ones beside them are applied."""
    sound = [TOPIC.record("c", row(number)) for number in range(30)]
    cut = (sound[3][0], sound[3][1][:-1])
    lost = (sound[4][0], b"\0\0\0\x40\0" + sound[4][1][5:])
    piece = piece_as(ids, [*sound[:3], cut, lost, *sound[5:]])
    nothing = list(piece.values)
    nothing[5] = b"sesame"
    headers = piece.headers
    piece = replace(piece, values=nothing, headers=lambda offset: () if offset == 105 else headers(offset))
    plan = Scene(ids).plan(piece)

    kinds = {letter.record.ref.offset: letter.failure.kind for letter in plan.letters}
    assert kinds == {103: "record.decode", 104: "record.schema_unknown", 105: "record.framing"}
    for letter in plan.letters:
        place = letter.record.ref.offset - 100
        assert (letter.record.key, letter.record.value) == (piece.keys[place], piece.values[place])
        assert letter.record.headers == piece.headers(letter.record.ref.offset)
    assert plan.counts.upserts == 27


@pytest.mark.provokes("record.format", "record.framing")
@pytest.mark.parametrize(
    ("ids", "value", "headers", "kind", "said", "remedy"),
    [
        (SchemaIds.HEADERS, b'{"after": {}}', [], "record.format", "found JSON", "value.converter"),
        (SchemaIds.HEADERS, b"sesame seeds", [], "record.framing", "no id in headers", "schema_ids"),
        (SchemaIds.HEADERS, b"", [], "record.framing", "0 bytes", "schema_ids"),
        (SchemaIds.HEADERS, bytes(5) + long(2) + b"x", [], "record.framing", "eight bytes", "global-ids"),
        (SchemaIds.HEADERS, b"\0\2\2\2\2x", [], "record.framing", "no id in headers", "schema_ids"),
        (SchemaIds.HEADERS, b"x", [("__value_schema_id", b"")], "record.framing", "__value_schema_id", "replay|again"),
        (SchemaIds.HEADERS, b"x", [("apicurio.value.artifactId", b"o")], "record.framing", "no id", "use-id"),
        (
            SchemaIds.HEADERS,
            b"x",
            [("apicurio.value.contentId", long(2)), ("apicurio.value.encoding", b"JSON")],
            "record.format",
            "encoding",
            "BINARY",
        ),
        (SchemaIds.CONTENT, b"\0\0\0", [], "record.framing", "3 bytes", "schema_ids"),
        (SchemaIds.CONTENT, b"\0" + long(1 << 40) + b"x", [], "record.framing", "found", "schema_ids"),
    ],
)
def test_what_leads_to_no_schema_is_a_letter_with_a_remedy(
    ids: SchemaIds, value: bytes, headers: list[Header], kind: str, said: str, remedy: str
) -> None:
    """Its row is known by its key all the same."""
    piece = piece_as(ids, [TOPIC.record("c", row(1)), TOPIC.record("c", row(2))])
    of_key = [each for each in piece.headers(101) if ".key." in each[0]]
    own = {100: piece.headers(100), 101: (*of_key, *headers)}
    plan = Scene(ids).plan(replace(piece, values=[piece.values[0], value], headers=own.__getitem__))

    (letter,) = plan.letters
    assert (letter.failure.kind, letter.record.value, letter.place) == (kind, value, 0)
    assert said in letter.failure.detail
    assert re.search(remedy, letter.failure.remedy)
    assert plan.counts.upserts == 1


def test_older_records_of_a_topic_whose_converter_was_changed_are_read_too() -> None:
    """Without a word in the headers the frame in front is the datum's own, as with Confluent's own deserializer."""
    records = [TOPIC.record("c", row(number)) for number in range(4)]
    old, new = slice_of(records[:2], 100), piece_as(SchemaIds.HEADERS, records[2:])
    piece = replace(
        old,
        end=104,
        offsets=range(100, 104),
        keys=[*old.keys, *new.keys],
        values=[*old.values, *new.values],
        headers=lambda offset: () if offset < 102 else new.headers(offset - 2),
    )
    plan = Scene(SchemaIds.HEADERS).plan(piece)
    assert (plan.counts.upserts, plan.letters) == (4, [])


raws = st.none() | st.binary(max_size=20) | st.builds(lambda tail: b"\0\0\0\0\0" + tail, st.binary(max_size=9))
header = st.tuples(
    st.sampled_from(["__key_schema_id", "__value_schema_id", "apicurio.value.globalId", "apicurio.key.contentId", "x"]),
    st.none() | st.binary(max_size=18) | st.just(GUID_HEADER) | st.just(long(3)),
)


@given(
    ids=st.sampled_from([SchemaIds.HEADERS, SchemaIds.GLOBAL, SchemaIds.CONTENT]),
    records=st.lists(st.tuples(raws, raws, st.lists(header, max_size=4).map(tuple)), max_size=6),
)
def test_whatever_is_framed_is_found_again_as_it_was(
    ids: SchemaIds, records: list[tuple[bytes | None, bytes | None, tuple[Header, ...]]]
) -> None:
    """No bytes and no headers are lost or added, whatever they look like."""
    frames = Frames(ids)
    keys, values, headers = ([each[place] for each in records] for place in range(3))
    found = frames.framed("t", keys, values, headers)

    for framed, raw in zip([*found.keys, *found.values], [*keys, *values], strict=True):
        assert raw is None if framed is None else frames.bare(framed) == raw
    assert list(found.headers) == headers


def test_a_group_s_own_letters_are_never_read_so() -> None:
    """Their headers are those of the record that they copy."""
    frames = Frames(SchemaIds.HEADERS, {}, lambda topic: topic.startswith("mine."))
    assert [frames.of(topic) for topic in ("mine.retry.1", "shop")] == [SchemaIds.PREFIX, SchemaIds.HEADERS]


def test_the_reader_s_records_are_framed_where_they_come_from() -> None:
    """Of the topics that need it alone; equal headers are kept once."""
    headers = [("__value_schema_id", GUID_HEADER), ("__key_schema_id", GUID_HEADER)]
    messages = [
        Message(topic=topic, partition=0, offset=offset, key=b"k", value=b"v", headers=list(headers), leader_epoch=0)
        for topic in ("plain", "other")
        for offset in range(2)
    ]
    frames = Frames(by_topic={"other": SchemaIds.HEADERS})
    plain, other = intake_of(messages, frames).fetched

    assert (plain.values, plain.framing) == ([b"v", b"v"], None)
    assert [frames.ref(value[:5]) for value in other.values if value] == [SchemaRef(Space.GUIDS, GUID.int)] * 2
    assert [value[5:] for value in other.values if value] == [b"v", b"v"]
    assert other.headers(0) is other.headers(1)
    assert other.headers(0) == tuple(headers)
    assert other.framing is frames
