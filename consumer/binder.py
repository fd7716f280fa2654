"""Bindings: how the records of one topic, key schema and value schema become rows of one table.

Looking a binding up asks nobody; making one asks the registry, the target's catalog and Kafka.
"""

import json
import threading
import time
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial

import structlog

from consumer.core.avro import UnsupportedSchema
from consumer.core.created import created_types
from consumer.core.envelope import (
    IGNORED_KINDS,
    Column,
    RecordKind,
    WriterSchema,
    read_key_schema,
    read_key_writer,
    read_writer_schema,
)
from consumer.core.failure import Failure, Persistent, Transient, failed
from consumer.core.grace import Grace
from consumer.core.kinds import KINDS, Scope
from consumer.core.naming import BadName, table_name
from consumer.core.plan import Binding, BindingKey, Run, TableName, TargetTable, origin
from consumer.core.types import PLAIN, ColumnPolicy
from consumer.gates import (
    Cannot,
    bound_columns,
    no_identity,
    require_known,
    require_privileges,
    unguarded,
    version_column,
)
from consumer.planner import BadRecord, bad_record
from consumer.ports.bindings import Catalog
from consumer.ports.decoding import BadDatum, Decoder, Registry
from consumer.ports.topics import Offsets, Traits

_MAGIC = 0
_FRAME = 5
# requests to the registry at a time
_REQUESTS = 8
# waited for, and how often it is looked for, in seconds
_UNKNOWN = "record.schema_unknown"
_LOOK_EVERY = 3.0


log = structlog.get_logger("headrace.bind")


class KnownBindings:
    """Implements `consumer.ports.bindings.Bindings`; written by one thread at a time and read by all."""

    def __init__(self) -> None:
        self._known: dict[BindingKey, Binding] = {}

    def find(self, key: BindingKey) -> Binding | None:
        return self._known.get(key)

    def learn(self, key: BindingKey, binding: Binding) -> None:
        """Remember a binding."""
        self._known[key] = binding

    def of_topic(self, topic: str, key_frame: bytes | None) -> Binding | None:
        """Any binding of the topic with this key schema; for runs that hold nothing but tombstones."""
        return next(
            (
                b
                for k, b in list(self._known.items())
                if k.topic == topic and k.key_frame == key_frame and k.value_frame and b.table
            ),
            None,
        )

    def forget(self, table: TableName | None) -> None:
        """Forget what was read of a table's catalog."""
        self._forget(lambda key, binding: binding.table is not None and table in (None, binding.table.name))

    def forget_topic(self, topic: str) -> None:
        """Forget all bindings of a topic."""
        self._forget(lambda key, binding: key.topic == topic)

    def replaced(self) -> set[str]:
        """The topics whose rows are deleted and inserted anew."""
        return {k.topic for k, b in list(self._known.items()) if b.replaces}

    def forget_replaced(self, topics: Collection[str]) -> None:
        """Forget such bindings of these topics."""
        self._forget(lambda key, binding: binding.replaces and key.topic in topics)

    def _forget(self, chosen: Callable[[BindingKey, Binding], bool]) -> None:
        old = [key for key, binding in list(self._known.items()) if chosen(key, binding)]
        for key in old:
            self._known.pop(key, None)

    def topics_of(self, table: TableName) -> set[str]:
        """The topics that feed a table."""
        return {k.topic for k, b in list(self._known.items()) if b.table is not None and b.table.name == table}


@dataclass(frozen=True, slots=True, kw_only=True)
class BinderSettings:
    """How tables are named, whether missing ones are created, and how strictly letters keep the order of a row."""

    template: str = "{schema}.{table}"
    create: bool = True
    # by target table, overrides `create`
    create_table: Mapping[str, bool] = field(default_factory=dict)
    # seconds that a schema id is waited for which the registry does not know
    unknown_grace: float = 0.0
    # target tables in which everything waits behind a letter of its row
    strict: Collection[str] = ()
    # by target table, the column that keeps where a row's last change stands in the source's log
    versions: Mapping[str, str] = field(default_factory=dict)
    # by target table and column
    columns: Mapping[str, Mapping[str, ColumnPolicy]] = field(default_factory=dict)

    def policy(self, table: TableName, column: str) -> ColumnPolicy:
        """What is decided about a column."""
        return self.columns.get(str(table), {}).get(column, PLAIN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom the binder asks: for schemas, tables and topics; `rows` reads a table's name from a record."""

    registry: Registry
    catalog: Catalog
    offsets: Offsets
    rows: Decoder


class Binder:
    """Makes bindings, for one thread at a time: others wait. What is forgotten stays so until it is made anew."""

    def __init__(self, known: KnownBindings, sources: Sources, settings: BinderSettings) -> None:
        self._known = known
        self._registry = sources.registry
        self._catalog = sources.catalog
        self._offsets = sources.offsets
        self._rows = sources.rows
        self._settings = settings
        self._grace = Grace(settings.unknown_grace)
        self._turn = threading.Lock()
        self._schemas: dict[int, str] = {}
        # schemas of which it is known whether their source may have lost nulls
        self._warned: set[int] = set()
        self._traits: dict[str, Traits] = {}
        # topics that are known to have more partitions than one, whatever was asked earlier
        self._spread: set[str] = set()
        # the source's names by topic and key schema, as they are stored
        self._sources: dict[tuple[str, int], Mapping[str, str | None]] = {}

    def bind(self, wanted: Mapping[BindingKey, Run]) -> None:
        """Make and remember the bindings of runs.

        Raises BadRecord for a run's first record when none can be made, Transient when the registry,
        Kafka or the target is away.
        """
        with self._turn:
            new = [key for key in wanted if self._known.find(key) is None]
            self._learn_topics({key.topic for key in new})
            self._learn_schemas({frame for key in new for frame in (key.key_frame, key.value_frame) if frame})
            # tombstones last: they may be bound as the records beside them
            for key in sorted(new, key=lambda key: key.value_frame is None):
                self._bind(key, wanted[key])

    def spread(self, topics: Collection[str]) -> set[str]:
        """Note topics that have more partitions than one; returns those whose rows were replaced till now."""
        with self._turn:
            grown = self._known.replaced() & set(topics)
            self._spread |= set(topics)
            self._known.forget_replaced(grown)
            return grown

    def look_again(self) -> set[str]:
        """Look for topics whose rows are replaced and that have got a second partition. Raises Transient."""
        now = self._offsets.traits(sorted(self._known.replaced()))
        return self.spread([topic for topic, traits in now.items() if traits.partitions != 1])

    def _learn_topics(self, topics: set[str]) -> None:
        """Ask what new topics are like, all at once."""
        new = sorted(topics - self._traits.keys())
        if new:
            self._traits |= self._offsets.traits(new)
        if gone := topics - self._traits.keys():
            raise Transient(_no_topic(min(gone)))

    def _learn_schemas(self, frames: set[bytes]) -> None:
        """Fetch schemas by several requests at a time, from what was kept of them when the registry is away.

        An id that the registry does not know is left to the run that has it.
        """
        new = {schema_id for frame in frames if (schema_id := _framed_id(frame)) is not None} - self._schemas.keys()
        fetched: dict[int, str] = {}
        pool = ThreadPoolExecutor(_REQUESTS)
        try:
            for schema_id, answer in [(i, pool.submit(self._registry.schema, i)) for i in sorted(new)]:
                with suppress(Persistent):
                    fetched[schema_id] = answer.result()
        except Transient:
            # no use in asking on: a registry that hangs would hold everything up, once for each id
            kept = self._catalog.recall_schemas(self._registry.name, sorted(new - fetched.keys()))
            self._schemas |= kept
            if new - fetched.keys() - kept.keys():
                raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
        if fetched:
            self._catalog.remember_schemas(self._registry.name, fetched)
            self._schemas |= fetched

    def _bind(self, key: BindingKey, run: Run) -> None:
        try:
            binding = self._binding(key, run)
        except (Cannot, Persistent) as error:
            binding = self._refusing(key, run, error)
        except (UnsupportedSchema, BadName) as error:
            binding = self._refusing(key, run, Cannot("record.schema", str(error)))
        self._known.learn(key, binding)

    def _refusing(self, key: BindingKey, run: Run, error: Cannot | Persistent) -> Binding:
        """The binding of records that can't be read.

        Raises BadRecord where it is the table that can't take them, or where a schema may become known yet.
        """
        if KINDS[error.failure.kind].scope is not Scope.RECORD:
            raise _stopping(run, error.failure) from error
        if error.failure.kind == _UNKNOWN and (left := self._grace.left(key.topic, key, time.monotonic())):
            raise _stopping(run, error.failure, min(left, _LOOK_EVERY)) from error
        compacted = self._traits[key.topic].compacted
        return Binding(schema=WriterSchema(kind=RecordKind.OTHER), refused=error.failure, compacted=compacted)

    def forget(self, table: TableName | None) -> None:
        """Forget what was read of a table's catalog (of all when None)."""
        with self._turn:
            self._known.forget(table)

    def forget_topic(self, topic: str) -> None:
        """Look again at a topic's table and at what of it could not be read."""
        with self._turn:
            self._known.forget_topic(topic)

    def topics_of(self, table: TableName | None) -> set[str]:
        """The topics that feed a table."""
        return self._known.topics_of(table) if table else set()

    def _binding(self, key: BindingKey, run: Run) -> Binding:
        if key.value_frame is None:
            return self._tombstones_only(key)
        schema = read_writer_schema(self._schema(key.value_frame))
        if schema.kind in IGNORED_KINDS:
            return Binding(schema=schema)
        if schema.kind is RecordKind.OTHER:
            raise Cannot("record.no_envelope", "the value is not a Debezium envelope")
        require_known(schema.columns)
        if key.key_frame is None:
            raise Cannot("record.identity", "the record has no key, so its row can't be told from others", _NO_KEY)
        key_text = self._schema(key.key_frame)
        source = self._source(schema, run)
        identity = [column.name for column in read_key_schema(key_text)]
        name = self._name(key.topic, source)
        version = self._version(name, schema)
        columns = [*schema.columns, version] if version else schema.columns
        table = self._table(name, columns, identity)
        binding = self._bound(key.topic, schema, key_text, table, version)
        self._warn(_schema_id(key.value_frame), key.topic, schema.columns)
        self._remember(key.topic, _schema_id(key.key_frame), source)
        return binding

    def _warn(self, schema_id: int, topic: str, columns: Sequence[Column]) -> None:
        """Say once a schema in which columns nulls may have become defaults before they were written."""
        replaced = [column.name for column in columns if column.replaced]
        if replaced and schema_id not in self._warned:
            log.warning(_REPLACED, topic=topic, schema=schema_id, columns=replaced, remedy=_KEEP_NULLS)
        self._warned.add(schema_id)

    def _name(self, topic: str, source: Mapping[str, str | None]) -> TableName:
        """The table, which no other topic of the group has, whichever worker applies it."""
        name = table_name(self._settings.template, topic, source)
        owner = self._catalog.claim_table(name, topic)
        if owner != topic:
            raise Cannot("table.shared", f"topic {owner} is applied to table {name} already")
        return name

    def _version(self, name: TableName, schema: WriterSchema) -> Column | None:
        """The column that guards the table's rows, if it is to have one."""
        version = self._settings.versions.get(str(name))
        if version is None:
            return None
        if version in {column.name for column in schema.columns}:
            raise Cannot("table.shape", f"the source has a column {version!r} too", _OTHER_VERSION)
        if not schema.position:
            raise Cannot("table.shape", f"the source does not say positions in its log for {version!r}", _NO_VERSION)
        return Column(name=version, avro="long", nullable=True)

    def _remember(self, topic: str, key_schema: int, source: Mapping[str, str | None]) -> None:
        """Have the names at hand for a worker that meets a tombstone of the topic first."""
        if self._sources.get((topic, key_schema)) != source:
            self._catalog.remember_source(topic, key_schema, source)
            self._sources[topic, key_schema] = source

    def _schema(self, frame: bytes) -> str:
        schema_id = _schema_id(frame)
        return self._schemas.get(schema_id) or self._registry.schema(schema_id)

    def _tombstones_only(self, key: BindingKey) -> Binding:
        if not self._traits[key.topic].compacted:
            return Binding(schema=WriterSchema(kind=RecordKind.HEARTBEAT))
        return self._known.of_topic(key.topic, key.key_frame) or self._deleting(key)

    def _deleting(self, key: BindingKey) -> Binding:
        """What deletes rows of a topic none of whose values was seen yet: the table as it was named before."""
        if key.key_frame is None:
            raise Cannot("record.identity", "the record has no key, so its row can't be told from others", _NO_KEY)
        key_text = self._schema(key.key_frame)
        source = self._catalog.recall_source(key.topic, _schema_id(key.key_frame))
        if source is None:
            raise Cannot("table.tombstones", "a compacted topic begins with a tombstone; its table is not known yet")
        name = self._name(key.topic, source)
        table = self._catalog.read_table(name)
        if table is None:
            raise Cannot(
                "table.missing", f"the target has no table {name}, and a tombstone can't make one", _MAKE_TABLE
            )
        # the key is all that is known of the row, and all that is needed
        schema = WriterSchema(kind=RecordKind.CHANGE, columns=read_key_schema(key_text))
        return self._bound(key.topic, schema, key_text, table)

    def _bound(
        self, topic: str, schema: WriterSchema, key_text: str, table: TargetTable, version: Column | None = None
    ) -> Binding:
        identity = tuple(column.name for column in read_key_schema(key_text))
        replaces = frozenset(identity) not in table.unique
        if replaces and (topic in self._spread or self._traits[topic].partitions != 1):
            raise no_identity(table, identity)
        columns = bound_columns(table, schema.columns, identity, partial(self._settings.policy, table.name))
        if version is not None:
            if replaces:
                raise unguarded(table, identity)
            columns = (*columns, version_column(table, version))
        require_privileges(table, columns, identity, version)
        return Binding(
            schema=schema,
            key_writer=read_key_writer(key_text),
            table=table,
            columns=columns,
            identity=identity,
            compacted=self._traits[topic].compacted,
            replaces=replaces,
            strict=str(table.name) in self._settings.strict,
            version=version.name if version else None,
        )

    def _table(self, name: TableName, columns: Sequence[Column], identity: Sequence[str]) -> TargetTable:
        table = self._catalog.read_table(name)
        if table is None and self._settings.create_table.get(str(name), self._settings.create):
            _check_names(columns)
            policies = {column.name: self._settings.policy(name, column.name) for column in columns}
            kinds = {column.name: created_types(column, policies[column.name]) for column in columns}
            self._catalog.create_table(name, kinds, identity)
            table = self._catalog.read_table(name)
        if table is None:
            raise Cannot("table.missing", f"the target has no table {name}")
        return table

    def _source(self, schema: WriterSchema, run: Run) -> dict[str, str | None]:
        """The `source` block of the run's first sound record."""
        assert schema.rewritten is not None, "changes have a form that the decoders read"
        there = {field["name"] for field in json.loads(schema.rewritten.text)["fields"]}
        names = sorted(there & {"source_db", "source_schema", "source_table"})
        for value in run.piece.values[run.start : run.end]:
            if value is not None:
                try:
                    row = self._rows.decode(schema.rewritten.text, [value[_FRAME:]], ["op", *names]).row(0, named=True)
                except BadDatum:
                    continue
                return {name.removeprefix("source_"): row[name] for name in names}
        raise Cannot("record.decode", "no record of the run decodes with its writer schema")


def _framed_id(frame: bytes) -> int | None:
    return int.from_bytes(frame[1:], "big") if len(frame) == _FRAME and frame[0] == _MAGIC else None


def _schema_id(frame: bytes) -> int:
    schema_id = _framed_id(frame)
    if schema_id is None:
        raise Cannot("record.framing", "the datum does not begin with a zero byte and a schema id")
    return schema_id


def _check_names(columns: Sequence[Column]) -> None:
    for column in columns:
        if not column.name or len(column.name.encode()) > 63:
            raise BadName("a column's name is empty or longer than PostgreSQL's 63 bytes")


def _stopping(run: Run, failure: Failure, wait: float | None = None) -> BadRecord:
    first = next((i for i in range(run.start, run.end) if run.piece.values[i] is not None), run.start)
    return bad_record(origin([run], first - run.start), failure, wait=wait)


def _no_topic(topic: str) -> Failure:
    detail = f"topic {topic} is not there any more, but records of it are still to be applied"
    return failed(KINDS["kafka.no_topic"], "kafka", "describe topics", detail)


_REPLACED = "nulls of these columns may have been replaced by their defaults at the source"
_KEEP_NULLS = (
    "Set value.converter.ignore.default.for.nullables=true on the connector if it is not; then compare the columns' "
    "nulls, which nothing in the topic tells any more. Headrace itself writes every null as one."
)
_NO_KEY = "Give the source table a primary key, or set message.key.columns on the connector."
_OTHER_VERSION = "Name another column as the table's version_column: this one is the source's."
_NO_VERSION = (
    "Remove version_column from the table's settings; it needs source.lsn (PostgreSQL), or source.file and source.pos "
    "(MySQL, MariaDB) of these types in the value's schema."
)
_MAKE_TABLE = "Create it as the topic's rows need it, or set target.table to the name that it has now."
