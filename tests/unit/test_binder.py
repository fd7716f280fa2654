"""Bindings: which table, and how its rows are told apart; tombstones before any value."""

import json
import threading
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import structlog

from consumer.binding.binder_settings import BinderSettings
from consumer.binding.known import KnownBindings
from consumer.core.binding import Binding, BindingKey
from consumer.core.failure import Failure, Transient
from consumer.core.modes import Mode
from consumer.core.records import TopicPartition
from consumer.core.runs import Run, runs
from consumer.core.target import TableName, TargetColumn, TargetTable
from consumer.core.types import ColumnPolicy, Kind
from consumer.planning.planner import BadRecord
from consumer.ports.topics import Traits
from tests.unit.avro import Writer, envelope, event, framed, without_lsn
from tests.unit.known import AT, Topic, planner, slice_of
from tests.unit.semantic import CIRCLE, INTERVAL, JSON, POINT, VARIABLE, decimal, filled
from tests.unit.world import World

FIELDS = [{"name": "id", "type": "long"}, {"name": "word", "type": ["null", "string"], "default": None}]
ORDERS = Topic(FIELDS)
ROW = {"id": 1, "word": "w"}
CHANGE, TOMBSTONE = ORDERS.record("c", ROW), (ORDERS.key(ROW), None)
TABLE = ORDERS.binding.table
assert TABLE is not None
UNINDEXED = replace(TABLE, unique=(frozenset({"word"}), frozenset({"id", "word"})))
SOURCE = {"db": "shop", "schema": "public", "table": "orders"}


class Bound:
    """A binder in a world with one topic."""

    def __init__(self, table: TargetTable | None = TABLE, partitions: int = 1, compacted: bool = False) -> None:
        self.table = table
        self.world = World({1: ORDERS.keys.text, 2: ORDERS.values.text}, self.named)
        self.world.topics[AT.topic] = Traits(compacted=compacted, partitions=partitions)
        self.start()

    def start(self) -> None:
        """A new worker."""
        self.known = KnownBindings()
        self.binder = self.world.binder(self.known)

    def named(self, name: TableName) -> TargetTable | None:
        """The one table."""
        return self.table if self.table and self.table.name == name else None

    def bind(self, *records: tuple[bytes | None, bytes | None]) -> Binding:
        """The binding of a slice of one run."""
        (key, run) = wanted(records)
        self.binder.bind({key: run})
        binding = self.known.find(key)
        assert binding is not None
        return binding

    def refusal(self, *records: tuple[bytes | None, bytes | None]) -> Failure:
        """Why there is none."""
        with pytest.raises(BadRecord) as caught:
            self.bind(*records)
        return caught.value.failure


def wanted(records: Sequence[tuple[bytes | None, bytes | None]], at: TopicPartition = AT) -> tuple[BindingKey, Run]:
    """What the planner asks for."""
    (run,) = runs(slice_of(records, at=at))
    return BindingKey(at.topic, run.key_frame, run.value_frame), run


@pytest.mark.parametrize(
    ("table", "partitions", "replaces"),
    [
        pytest.param(TABLE, 1, False, id="index, one partition"),
        pytest.param(TABLE, 3, False, id="index, three partitions"),
        pytest.param(UNINDEXED, 1, True, id="no index, one partition"),
    ],
)
def test_rows_are_told_apart_by_an_index_or_by_there_being_one_partition(
    table: TargetTable, partitions: int, replaces: bool
) -> None:
    """An index over some of the key's columns, or over more, does not count."""
    assert Bound(table, partitions).bind(CHANGE).replaces == replaces


@pytest.mark.parametrize("partitions", [0, 2, 3])
def test_anything_else_is_refused_with_the_remedy(partitions: int) -> None:
    """Two transactions could each insert the same row."""
    failure = Bound(UNINDEXED, partitions).refusal(CHANGE)

    assert failure.kind == "table.identity"
    assert "more than one partition" in failure.detail
    assert "PRIMARY KEY (id)" in failure.remedy


def test_a_topic_that_grows_is_refused_from_then_on() -> None:
    """What was bound while it had one partition is forgotten; before that nothing changes."""
    bound = Bound(UNINDEXED)
    bound.bind(CHANGE)
    assert bound.binder.look_again() == set()
    assert bound.known.alone() == {AT.topic}

    bound.world.topics[AT.topic] = Traits(compacted=False, partitions=2)
    assert bound.binder.look_again() == {AT.topic}
    assert bound.known.alone() == set()
    assert bound.refusal(CHANGE).kind == "table.identity"


def test_a_taken_second_partition_says_it_too() -> None:
    """Kafka need not be asked, so an answer that is behind does no harm."""
    bound = Bound(UNINDEXED)
    bound.bind(CHANGE)
    bound.binder.spread({AT.topic})

    assert bound.refusal(CHANGE).kind == "table.identity"


def test_who_looks_for_growth_waits_for_no_binding_that_is_made() -> None:
    """As long as none has grown."""
    bound = Bound()
    bound.bind(CHANGE)
    found: list[set[str]] = []
    with bound.binder._turn:
        looking = threading.Thread(target=lambda: found.append(bound.binder.look_again()), daemon=True)
        looking.start()
        looking.join(5.0)
    assert found == [set()]


def test_growing_costs_nothing_where_an_index_is() -> None:
    """Bindings of a table with a fitting index stay, and one that was made meanwhile is enough."""
    bound = Bound()
    bound.bind(CHANGE)
    assert bound.binder.spread({AT.topic}) == set()
    assert bound.known.find(wanted([CHANGE])[0]) is not None

    late = Bound(UNINDEXED)
    late.bind(CHANGE)
    late.binder.spread({AT.topic})
    late.table = TABLE
    assert not late.bind(CHANGE).replaces


def test_a_topic_that_is_gone_is_for_time() -> None:
    """Nothing is decided about its records."""
    bound = Bound()
    bound.world.topics.clear()
    with pytest.raises(Transient) as caught:
        bound.bind(CHANGE)

    assert AT.topic in caught.value.failure.detail


def test_a_tombstone_that_comes_first_finds_the_table_of_an_earlier_worker() -> None:
    """The key says which row, what is remembered says which table."""
    bound = Bound(compacted=True)
    bound.bind(CHANGE)
    assert bound.world.sources == {(AT.topic, 1): SOURCE}
    bound.start()
    binding = bound.bind(TOMBSTONE)

    assert binding.table == TABLE
    assert (binding.identity, binding.compacted) == (("id",), True)
    assert [column.target.name for column in binding.columns] == ["id"]


def test_tombstones_take_the_table_of_the_values_beside_them() -> None:
    """Wherever in a batch they stand."""
    bound = Bound(compacted=True)
    asked = dict([wanted([TOMBSTONE]), wanted([CHANGE], TopicPartition(AT.topic, 5))])
    bound.binder.bind(asked)

    assert bound.known.find(wanted([TOMBSTONE])[0]) == bound.known.find(wanted([CHANGE])[0])


def test_a_topic_that_was_never_bound_stops_at_its_tombstone() -> None:
    """Nobody knows the table, so nothing is passed over."""
    failure = Bound(compacted=True).refusal(TOMBSTONE)

    assert failure.kind == "table.tombstones"
    assert "not known yet" in failure.detail
    assert "snapshot" in failure.remedy


def test_another_key_schema_was_never_bound() -> None:
    """What is remembered holds for the key that it was learned with."""
    bound = Bound(compacted=True)
    bound.world.sources[AT.topic, 9] = SOURCE

    assert bound.refusal(TOMBSTONE).kind == "table.tombstones"


def test_a_tombstone_makes_no_table() -> None:
    """It knows the key's columns only."""
    bound = Bound(None, compacted=True)
    bound.world.sources[AT.topic, 1] = SOURCE
    failure = bound.refusal(TOMBSTONE)

    assert failure.kind == "table.missing"
    assert "public.orders" in failure.detail
    assert bound.world.made == {}


def test_a_tombstone_is_held_to_the_same_identity() -> None:
    """A table without an index is no better for deletes of a topic of several partitions."""
    bound = Bound(UNINDEXED, 2, compacted=True)
    bound.world.sources[AT.topic, 1] = SOURCE

    assert bound.refusal(TOMBSTONE).kind == "table.identity"


NO_ENVELOPE = Writer({"type": "record", "name": "r", "fields": [{"name": "word", "type": "string"}]})
# an array of nothing may be of any length
ENDLESS = Writer(envelope([*FIELDS, {"name": "empty", "type": {"type": "array", "items": "null"}}]))


ODD = {"type": "long", "connect.name": "com.example.Epoch"}
STRANGE, STRANGE_ITEMS = (
    Writer(envelope([*FIELDS, {"name": "odd", "type": kind}])) for kind in (ODD, {"type": "array", "items": ODD})
)


ODD_RECORD = (CHANGE[0], STRANGE.framed(2, event("c", None, {**ROW, "odd": 1})))
ODD_ITEMS = (CHANGE[0], STRANGE_ITEMS.framed(2, event("c", None, {**ROW, "odd": [1]})))


@pytest.mark.provokes("record.no_envelope", "record.schema", "record.type")
@pytest.mark.parametrize(
    ("schema", "record", "kind", "remedy"),
    [
        pytest.param(
            NO_ENVELOPE.text,
            (CHANGE[0], NO_ENVELOPE.framed(2, {"word": "sesame"})),
            "record.no_envelope",
            "kafka.topics",
            id="no envelope",
        ),
        pytest.param(ENDLESS.text, CHANGE, "record.schema", "Avro", id="a schema that nothing bounds"),
        pytest.param(STRANGE.text, ODD_RECORD, "record.type", "Exclude", id="numbers of an unknown name"),
        pytest.param(STRANGE_ITEMS.text, ODD_ITEMS, "record.type", "Exclude", id="elements of an unknown name"),
    ],
)
def test_records_whose_schema_makes_no_rows_become_letters(
    schema: str, record: tuple[bytes | None, bytes], kind: str, remedy: str
) -> None:
    """Each of them, with the reason and without a word of its row."""
    bound = Bound()
    bound.world.schemas = {**bound.world.schemas, 2: schema}
    ((key, run),) = [wanted([record])]
    bound.binder.bind({key: run})
    (letter,) = planner(bound.known).plan([slice_of([record])]).letters

    assert letter.failure.kind == kind
    assert remedy in letter.failure.remedy
    assert "sesame" not in str(letter.failure)


@pytest.mark.provokes("record.identity")
def test_a_record_without_a_key_among_others_is_a_letter() -> None:
    """It is the record that is bad, not its table."""
    bound = Bound()
    bound.bind(CHANGE)
    ((key, run),) = [wanted([(None, CHANGE[1])])]
    bound.binder.bind({key: run})
    (letter,) = planner(bound.known).plan([slice_of([(None, CHANGE[1])])]).letters

    assert (letter.failure.kind, letter.place) == ("record.identity", None)
    assert "message.key.columns" in letter.failure.remedy


def test_a_topic_without_keys_stops() -> None:
    """Each of its records would be a letter."""
    failure = Bound().refusal((None, CHANGE[1]))

    assert failure.kind == "table.identity"
    assert "message.key.columns" in failure.remedy


def test_what_is_unknown_is_named() -> None:
    """By its field, what was expected and what was found."""
    bound = Bound()
    bound.world.schemas = {**bound.world.schemas, 2: STRANGE.text}
    ((key, run),) = [wanted([ODD_RECORD])]
    bound.binder.bind({key: run})
    (letter,) = planner(bound.known).plan([slice_of([ODD_RECORD])]).letters

    assert "after.odd: expected a type that is known, found long named 'com.example.Epoch'" in letter.failure.detail


@pytest.mark.parametrize(
    ("kind", "target"),
    [("string", "bytea"), ({"type": "array", "items": ["null", "string"]}, "_bytea")],
)
def test_text_is_not_taken_for_bytes(kind: Any, target: str) -> None:
    """Unless it is set how it stands for them."""
    topic = Topic([*FIELDS, {"name": "raw", "type": kind}])
    item = Kind(name="bytea") if target == "_bytea" else None
    raw = TargetColumn(name="raw", type_name=target, cast=target, item=item)
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, raw)))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    change = topic.record("c", {**ROW, "raw": "00" if target == "bytea" else ["00"]})
    failure = bound.refusal(change)

    assert failure.kind == "table.shape"
    assert "after.raw: expected bytes for a column of type bytea, found text" in failure.detail
    assert "`binary`" in failure.remedy
    bound.world.columns = {str(TABLE.name): {"raw": ColumnPolicy(binary="hex")}}
    bound.start()
    assert bound.bind(change).columns[-1].how.policy.binary == "hex"


MOMENT = {"type": "long", "connect.name": "io.debezium.time.MicroTimestamp"}
MORE = "expected what a column of type {} holds, found more"
PARTS = (
    (MOMENT, ["time"]),
    (JSON, ["bool", "int2", "int4", "int8", "numeric", "float4", "float8"]),
    (CIRCLE, ["point", "box", "polygon"]),
)
VALUES: dict[str, Any] = {
    json.dumps("bytes"): b"\0",
    json.dumps(JSON): "1.5",
    json.dumps(CIRCLE): {"center": filled(POINT, x=1.0, y=2.0), "radius": 3.0},
}


@pytest.mark.parametrize(
    ("kind", "target", "said"),
    [
        pytest.param("bytes", "int4", "expected values for a column of type int4, found bytes", id="bytes"),
        *(pytest.param(kind, name, MORE.format(name), id=f"{name} of more") for kind, names in PARTS for name in names),
    ],
)
def test_a_cast_that_would_mean_something_else_is_not_made(kind: Any, target: str, said: str) -> None:
    """PostgreSQL would do it without a word."""
    topic = Topic([*FIELDS, {"name": "raw", "type": kind}])
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, TargetColumn(name="raw", type_name=target, cast=target))))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    failure = bound.refusal(topic.record("c", {**ROW, "raw": VALUES.get(json.dumps(kind), 1)}))

    assert failure.kind == "table.shape"
    assert f"after.raw: {said}" in failure.detail


def test_an_interval_of_some_fields_alone_takes_nothing() -> None:
    """PostgreSQL leaves the others out."""
    topic = Topic([*FIELDS, {"name": "raw", "type": INTERVAL}])
    raw = TargetColumn(name="raw", type_name="interval", cast="interval", masked=True)
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, raw)))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    failure = bound.refusal(topic.record("c", {**ROW, "raw": "P1D"}))

    assert failure.kind == "table.shape"
    assert "after.raw: expected a column of type interval that keeps all fields" in failure.detail
    assert "interval without fields" in failure.remedy


def test_zero_bytes_of_a_key_stay() -> None:
    """Keys that differ would become one."""
    topic = Topic([{"name": "word", "type": "string"}], ("word",))
    table = topic.binding.table
    bound = Bound(table)
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    bound.world.columns = {str(TABLE.name): {"word": ColumnPolicy(zero_bytes="strip")}}
    bound.start()
    failure = bound.refusal(topic.record("c", {"word": "a"}))

    assert failure.kind == "table.shape"
    assert "after.word" in failure.detail


REPLACED = [{"type": "string", "connect.default": "w"}, "null"]


@pytest.mark.parametrize(
    ("field", "warned"),
    [
        pytest.param({"name": "odd", "type": REPLACED, "default": "w"}, ["odd"], id="a default on a column with nulls"),
        pytest.param({"name": "odd", "type": ["string", "null"], "default": ""}, ["odd"], id="an empty one"),
        pytest.param({"name": "odd", "type": ["null", "string"], "default": None}, [], id="null is the default"),
        pytest.param({"name": "odd", "type": "string", "default": "w"}, [], id="a column without nulls"),
    ],
)
def test_a_source_that_may_have_lost_nulls_is_warned_of_once(field: Mapping[str, Any], warned: list[str]) -> None:
    """Once a schema, with the columns."""
    topic = Topic([*FIELDS, field])
    bound = Bound(topic.binding.table)
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            bound.bind(topic.record("c", {**ROW, "odd": "w"}))
            bound.binder.forget(None)

    assert [line["columns"] for line in logs if line["log_level"] == "warning"] == ([warned] if warned else [])


@pytest.mark.parametrize("table_mode", [Mode.ROWS, Mode.APPEND])
@pytest.mark.parametrize(
    ("mode", "warned"), [("base64", [["raw"]]), ("base64-url-safe", [["raw"]]), ("hex", []), (None, [])]
)
def test_a_mode_that_loses_unchanged_bytes_is_warned_of_once(
    mode: Any, warned: list[list[str]], table_mode: Mode
) -> None:
    """PostgreSQL's connector writes its placeholder in the other modes, and null in these."""
    topic = Topic([*FIELDS, {"name": "raw", "type": ["null", "string"]}])
    bound = Bound(replace(TABLE, columns=(*TABLE.columns, TargetColumn(name="raw", type_name="text", cast="text"))))
    bound.world.schemas = {1: topic.keys.text, 2: topic.values.text}
    bound.world.columns = {str(TABLE.name): {"raw": ColumnPolicy(binary=mode)}}
    bound.world.modes = {str(TABLE.name): table_mode}
    bound.start()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            bound.bind(topic.record("c", {**ROW, "raw": None}))
            bound.binder.forget(None)

    assert [line["columns"] for line in logs if line["log_level"] == "warning"] == warned


@pytest.mark.parametrize(("postgres", "warned"), [(True, []), (False, [["word"]])])
def test_a_setting_that_is_not_heeded_is_warned_of_once(postgres: bool, warned: list[list[str]]) -> None:
    """What is said of doubtful nulls has no meaning for other databases, whose logs have whole rows."""
    bound = Bound()
    values = Writer(envelope(FIELDS) if postgres else without_lsn(envelope(FIELDS)))
    bound.world.schemas = {1: ORDERS.keys.text, 2: values.text}
    bound.world.columns = {str(TABLE.name): {"word": ColumnPolicy(doubtful_nulls="keep"), "id": ColumnPolicy()}}
    bound.start()
    with structlog.testing.capture_logs() as logs:
        for _ in range(2):
            bound.bind((CHANGE[0], values.framed(2, event("c", None, ROW))))
            bound.binder.forget(None)

    said = [line for line in logs if line["log_level"] == "warning"]
    assert [line["columns"] for line in said] == warned
    assert all("doubtful_nulls" in line["event"] and "Remove it" in line["remedy"] for line in said)


def test_a_table_belongs_to_one_topic_whichever_worker_applies_it() -> None:
    """The claim outlives the worker that made it."""
    bound = Bound()
    bound.world.claims[TABLE.name] = "shop2.public.orders"
    failure = bound.refusal(CHANGE)

    assert failure.kind == "table.shared"
    assert "shop2.public.orders" in failure.detail
    assert "target.table" in failure.remedy


@pytest.mark.parametrize("grace", [0.0, 60.0])
def test_who_binds_does_not_ask_again_for_an_id_that_is_not_known(grace: float) -> None:
    """The answer is believed for a moment, so the registry is asked on the thread that is there for it."""
    bound = Bound()
    bound.world.missing_for = 60.0
    bound.binder = bound.world.binder(bound.known, grace)
    unknown = (framed(98, CHANGE[0][5:]), framed(99, CHANGE[1][5:]))
    asked = dict([wanted([CHANGE]), wanted([unknown])])
    bound.binder.fetch(asked)
    assert sorted(bound.world.inquiries) == [1, 2, 98, 99]
    assert bound.binder.lacking(asked) == {}
    with pytest.raises(BadRecord) if grace else nullcontext():
        bound.binder.bind(asked)
    assert len(bound.world.inquiries) == 4

    bound.world.missing_for = 0.0
    bound.binder = bound.world.binder(bound.known, grace)
    bound.binder.fetch(asked)
    assert bound.binder.lacking(asked) != {}


def test_a_schema_that_the_registry_does_not_know_yet_is_waited_for() -> None:
    """In front of its record, which is bound as soon as the schema is known."""
    bound = Bound()
    text = bound.world.schemas.pop(2)
    bound.binder = bound.world.binder(bound.known, grace=60.0)
    with pytest.raises(BadRecord) as caught:
        bound.bind(CHANGE)
    assert caught.value.failure.kind == "record.schema_unknown"
    assert caught.value.wait is not None
    assert 0 < caught.value.wait <= 5
    bound.world.schemas[2] = text

    assert bound.bind(CHANGE).unreadable is None


def test_without_a_grace_it_is_the_records_fault() -> None:
    """At once."""
    bound = Bound()
    del bound.world.schemas[2]
    unreadable = bound.bind(CHANGE).unreadable

    assert unreadable is not None
    assert unreadable.kind == "record.schema_unknown"


@pytest.mark.parametrize(
    ("table_lacks", "column", "column_lacks", "said"),
    [
        pytest.param({"DELETE"}, "id", set(), "DELETE", id="no deletes"),
        pytest.param(set(), "id", {"SELECT"}, "SELECT of 'id'", id="the key can't be looked for"),
        pytest.param(set(), "word", {"UPDATE"}, "UPDATE of 'word'", id="a column can't be set"),
        pytest.param(set(), "word", {"SELECT"}, None, id="a column that nobody has to read"),
        pytest.param(set(), "id", {"UPDATE"}, None, id="a key that nobody has to set"),
    ],
)
def test_a_privilege_that_rows_need_is_missed_before_the_first_row(
    table_lacks: set[str], column: str, column_lacks: set[str], said: str | None
) -> None:
    """And a table on which all that is needed is allowed may lack the rest."""
    columns = [replace(c, lacks=frozenset(column_lacks)) if c.name == column else c for c in TABLE.columns]
    bound = Bound(replace(TABLE, columns=tuple(columns), lacks=frozenset(table_lacks)))
    if said is None:
        assert bound.bind(CHANGE).table is not None
        return
    failure = bound.refusal(CHANGE)

    assert failure.kind == "table.privilege"
    assert said in failure.detail


@pytest.mark.parametrize(("answer", "kind"), [("reject", "table.privilege"), ("keep", None), ("write", None)])
def test_what_judges_a_doubtful_null_must_be_readable(answer: Any, kind: str | None) -> None:
    """The row says whether such a null is one; who does not ask it need not be allowed to."""
    columns = [replace(c, lacks=frozenset({"SELECT"})) if c.name == "word" else c for c in TABLE.columns]
    bound = Bound(replace(TABLE, columns=tuple(columns)))
    bound.world.columns["public.orders"] = {"word": ColumnPolicy(doubtful_nulls=answer)}
    bound.start()
    if kind is None:
        assert bound.bind(CHANGE).table is not None
        return
    failure = bound.refusal(CHANGE)

    assert failure.kind == kind
    assert "SELECT of 'word'" in failure.detail


@pytest.mark.parametrize(("kind", "refused"), [(VARIABLE, True), (decimal(12, 2), False)])
def test_what_judges_a_long_number_must_be_readable(kind: Any, refused: bool) -> None:
    """Of a type that has such; no setting asks for it."""
    columns = [replace(c, lacks=frozenset({"SELECT"})) if c.name == "word" else c for c in TABLE.columns]
    numbers = Topic([FIELDS[0], {"name": "word", "type": ["null", kind], "default": None}])
    change = numbers.record("c", {"id": 1, "word": None})
    bound = Bound(replace(TABLE, columns=tuple(columns)))
    bound.world.schemas = {1: numbers.keys.text, 2: numbers.values.text}
    bound.start()
    if refused:
        assert "SELECT of 'word'" in bound.refusal(change).detail
    else:
        assert bound.bind(change).table is not None


VERSION = TargetColumn(name="v", type_name="int8", cast="bigint")


def versioned(column: TargetColumn | None = VERSION, table: TargetTable = TABLE, name: str = "v") -> Bound:
    """A table that is to have a version column, and has this one."""
    bound = Bound(replace(table, columns=(*table.columns, column)) if column else table)
    bound.world.versions["public.orders"] = name
    bound.start()
    return bound


def test_a_version_column_is_written_beside_the_sources() -> None:
    """Tombstones that come first need none: they say no position."""
    bound = versioned()
    binding = bound.bind(CHANGE)

    assert binding.version == "v"
    assert [column.target.name for column in binding.columns] == ["id", "word", "v"]
    assert Bound().bind(CHANGE).version is None


def test_a_table_that_is_made_gets_its_version_column() -> None:
    """Behind the source's columns."""
    bound = versioned(None)
    bound.table = None
    assert bound.bind(CHANGE).version == "v"
    assert list(bound.world.made[TABLE.name]) == ["id", "word", "v"]


@pytest.mark.parametrize(
    ("bound", "kind", "remedy"),
    [
        pytest.param(versioned(None), "table.shape", "ADD COLUMN", id="missing"),
        pytest.param(versioned(replace(VERSION, type_name="int4")), "table.shape", "bigint", id="another type"),
        pytest.param(versioned(replace(VERSION, required=True)), "table.shape", "bigint", id="takes no nulls"),
        pytest.param(versioned(replace(VERSION, generated=True)), "table.shape", "bigint", id="computed"),
        pytest.param(versioned(replace(VERSION, identity=True)), "table.shape", "bigint", id="numbered"),
        pytest.param(versioned(name="word"), "table.shape", "another column", id="the source's own"),
        pytest.param(versioned(name="id"), "table.shape", "another column", id="the key"),
        pytest.param(versioned(table=UNINDEXED), "table.identity", "PRIMARY KEY (id)", id="no index"),
        pytest.param(
            versioned(replace(VERSION, lacks=frozenset({"SELECT"}))), "table.privilege", "Grant", id="not readable"
        ),
    ],
)
def test_a_version_column_that_can_not_guard_is_refused(bound: Bound, kind: str, remedy: str) -> None:
    """Never is a table applied without the guard that it should have."""
    failure = bound.refusal(CHANGE)

    assert failure.kind == kind
    assert remedy in failure.remedy


def test_a_source_without_positions_is_refused() -> None:
    """A connector whose source block has no usable one."""
    bound = versioned()
    schema = envelope(FIELDS)
    source = schema["fields"][2]["type"]
    schema["fields"][2]["type"] = {**source, "fields": [each for each in source["fields"] if each["name"] != "lsn"]}
    writer = Writer(schema)
    bound.world.schemas[2] = writer.text
    value = event("c", None, ROW)
    value["source"].pop("lsn")
    failure = bound.refusal((ORDERS.key(ROW), writer.framed(2, value)))

    assert failure.kind == "table.shape"
    assert "source.lsn" in failure.remedy


@pytest.mark.parametrize("template", ["archive.of_{table}", "archive.of_orders"])
def test_a_topic_may_have_a_table_of_its_own(template: str) -> None:
    """Whatever the others' are called; tombstones that come first find it too."""
    scene = Bound(replace(TABLE, name=TableName("archive", "of_orders")), compacted=True)
    scene.world.templates = {AT.topic: template, "another": "{schema}.{table}"}
    scene.start()
    table = scene.bind(ORDERS.record("c", ROW)).table
    assert table is not None
    assert str(table.name) == "archive.of_orders"

    scene.start()
    table = scene.bind((ORDERS.record("c", ROW)[0], None)).table
    assert table is not None
    assert str(table.name) == "archive.of_orders"


def test_what_was_bound_by_settings_of_before_is_named() -> None:
    """Also of tables that nobody knew when the change was asked for: what was planned of them is read anew."""
    bound = Bound()
    bound.bind(CHANGE)
    assert bound.binder.change(BinderSettings(), ["public.orders"], []) == {AT.topic}
    assert bound.binder.change(BinderSettings(), ["public.orders"], []) == set()
