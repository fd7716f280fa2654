"""Bindings: how the records of one topic, key schema and value schema become rows of one table.

Looking a binding up asks nobody; making one asks the registry, the target's catalog and Kafka.
"""

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import structlog

from consumer.core.avro import UnsupportedSchema
from consumer.core.envelope import (
    IGNORED_KINDS,
    Column,
    RecordKind,
    WriterSchema,
    read_key_schema,
    read_key_writer,
    read_writer_schema,
)
from consumer.core.evolution import Wanted
from consumer.core.failure import Failure, Persistent, Transient, failed
from consumer.core.grace import Grace
from consumer.core.kinds import KINDS, Scope
from consumer.core.naming import BadName
from consumer.core.plan import Binding, BindingKey, Run, TableName, origin
from consumer.core.steps import NewColumn
from consumer.core.types import PLAIN, ColumnPolicy
from consumer.core.wanted import wanted_columns
from consumer.evolver import Evolver, Fitted, Following
from consumer.gates import (
    Cannot,
    bound_columns,
    no_identity,
    require_known,
    require_privileges,
    unguarded,
    version_column,
)
from consumer.known import KnownBindings
from consumer.planner import NO_LABELS, BadRecord, Labels, bad_record
from consumer.ports.bindings import Catalog
from consumer.ports.decoding import Decoder, Registry
from consumer.ports.evolution import Shapes
from consumer.ports.topics import Offsets, Traits
from consumer.schemas import Schemas, schema_id_of
from consumer.tables import Tables

# waited for, and how often it is looked for, in seconds
_UNKNOWN = "record.schema_unknown"
_LOOK_EVERY = 3.0


log = structlog.get_logger("headrace.bind")


@dataclass(frozen=True, slots=True, kw_only=True)
class BinderSettings:
    """How tables are named and follow their source, and how strictly letters keep the order of a row."""

    template: str = "{schema}.{table}"
    following: Following = field(default_factory=Following)
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
    shapes: Shapes
    offsets: Offsets
    rows: Decoder


class Binder:
    """Makes bindings, for one thread at a time: others wait. What is forgotten stays so until it is made anew."""

    def __init__(self, known: KnownBindings, sources: Sources, settings: BinderSettings) -> None:
        self._known = known
        self._offsets = sources.offsets
        self._settings = settings
        self._schemas = Schemas(sources.registry, sources.catalog)
        self._tables = Tables(sources.catalog, sources.rows, settings.template)
        self._evolver = Evolver(sources.shapes, sources.catalog, settings.following)
        self._grace = Grace(settings.unknown_grace)
        self._turn = threading.Lock()
        # schemas of which it is known whether their source may have lost nulls
        self._warned: set[int] = set()
        self._traits: dict[str, Traits] = {}
        # topics that are known to have more partitions than one, whatever was asked earlier
        self._spread: set[str] = set()

    def bind(self, wanted: Mapping[BindingKey, Run], labels: Labels = NO_LABELS) -> None:
        """Make and remember the bindings of runs; anew where rows have brought labels that were not known.

        Raises BadRecord for a run's first record when none can be made, Transient when the registry,
        Kafka or the target is away.
        """
        with self._turn:
            for table, by_column in labels.items():
                if self._evolver.meet(table, by_column):
                    self._known.forget(table)
            new = [key for key in wanted if self._known.find(key) is None]
            self._learn_topics({key.topic for key in new})
            self._schemas.learn({frame for key in new for frame in (key.key_frame, key.value_frame) if frame})
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
        return Binding(schema=WriterSchema(kind=RecordKind.OTHER), unreadable=error.failure, compacted=compacted)

    def forget(self, table: TableName | None) -> None:
        """Forget what was read of a table's catalog (of all when None), and what it was to become."""
        with self._turn:
            self._known.forget(table)
            self._evolver.forget(table)

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
        schema = read_writer_schema(self._schemas.text(key.value_frame))
        if schema.kind in IGNORED_KINDS:
            return Binding(schema=schema)
        if schema.kind is RecordKind.OTHER:
            raise Cannot("record.no_envelope", "the value is not a Debezium envelope")
        require_known(schema.columns)
        if key.key_frame is None:
            raise Cannot("record.identity", "the record has no key, so its row can't be told from others", _NO_KEY)
        key_text = self._schemas.text(key.key_frame)
        source = self._tables.source(schema, run)
        name = self._tables.name(key.topic, source)
        version = self._version(name, schema)
        fitted = self._evolver.fit(self._wanted(key, schema, key_text, name, version))
        if fitted.moved:
            # whatever was bound to the table as it is
            self._known.forget(name)
        binding = self._bound(key.topic, schema, key_text, fitted, version)
        self._warn(schema_id_of(key.value_frame), key.topic, schema.columns)
        self._tables.remember(key.topic, schema_id_of(key.key_frame), source)
        return binding

    def _wanted(
        self, key: BindingKey, schema: WriterSchema, key_text: str, name: TableName, version: Column | None
    ) -> Wanted:
        assert key.value_frame is not None, "tombstones want nothing of a table"
        policy = partial(self._settings.policy, name)
        return Wanted(
            table=name,
            topic=key.topic,
            schema_id=schema_id_of(key.value_frame),
            columns=wanted_columns(schema.columns, self._schemas.text(key.value_frame), policy),
            identity=tuple(column.name for column in read_key_schema(key_text)),
            more=(NewColumn(name=version.name, types=("bigint",)),) if version else (),
        )

    def _warn(self, schema_id: int, topic: str, columns: Sequence[Column]) -> None:
        """Say once a schema in which columns nulls may have become defaults before they were written."""
        replaced = [column.name for column in columns if column.replaced]
        if replaced and schema_id not in self._warned:
            log.warning(_REPLACED, topic=topic, schema=schema_id, columns=replaced, remedy=_KEEP_NULLS)
        self._warned.add(schema_id)

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

    def _tombstones_only(self, key: BindingKey) -> Binding:
        if not self._traits[key.topic].compacted:
            return Binding(schema=WriterSchema(kind=RecordKind.HEARTBEAT))
        return self._known.of_topic(key.topic, key.key_frame) or self._deleting(key)

    def _deleting(self, key: BindingKey) -> Binding:
        """What deletes rows of a topic none of whose values was seen yet: the table as it was named before."""
        if key.key_frame is None:
            raise Cannot("record.identity", "the record has no key, so its row can't be told from others", _NO_KEY)
        key_text = self._schemas.text(key.key_frame)
        table = self._tables.remembered(key.topic, schema_id_of(key.key_frame))
        # the key is all that is known of the row, and all that is needed
        schema = WriterSchema(kind=RecordKind.CHANGE, columns=read_key_schema(key_text))
        return self._bound(key.topic, schema, key_text, Fitted(table=table))

    def _bound(
        self, topic: str, schema: WriterSchema, key_text: str, fitted: Fitted, version: Column | None = None
    ) -> Binding:
        table = fitted.table
        identity = tuple(column.name for column in read_key_schema(key_text))
        replaces = frozenset(identity) not in table.unique
        if replaces and (topic in self._spread or self._traits[topic].partitions != 1):
            raise no_identity(table, identity)
        renamed = [(column, fitted.names.get(column.name, column.name)) for column in schema.columns]
        columns = bound_columns(table, renamed, identity, partial(self._settings.policy, table.name))
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
            evolutions=fitted.evolutions,
            labels=fitted.labels,
        )


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
