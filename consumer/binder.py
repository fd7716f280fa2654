"""Bindings: how the records of one topic, key schema and value schema become rows of one table.

Looking a binding up asks nobody; making one asks the registry, the target's catalog and Kafka.
"""

import threading
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import structlog

from consumer.core.avro import UnsupportedSchema
from consumer.core.binding import Binding, BindingKey, BoundColumn
from consumer.core.checks import Rules
from consumer.core.contract import Contract
from consumer.core.created import created_types
from consumer.core.doubts import Doubt, doubtful
from consumer.core.envelope import (
    IGNORED_KINDS,
    Column,
    RecordKind,
    WriterSchema,
    read_key_schema,
    read_key_writer,
    read_writer_schema,
)
from consumer.core.evolution import Answer, Follow, Wanted
from consumer.core.failure import Failure, Persistent, Transient, failed
from consumer.core.failure_kind import Scope
from consumer.core.flags import ALL_ON, Switches
from consumer.core.framing import Datum
from consumer.core.grace import Grace
from consumer.core.history import STAGED
from consumer.core.key_schemas import BoundKey, are_alike, key_schema
from consumer.core.kinds import KINDS
from consumer.core.losses import losses
from consumer.core.modes import Mode, OnTruncate, SoftDelete
from consumer.core.moves import may_lack, token_fields
from consumer.core.naming import BadName
from consumer.core.runs import Run, origin
from consumer.core.steps import Change as Alteration
from consumer.core.steps import NewColumn
from consumer.core.target import TableName, TargetTable
from consumer.core.types import PLAIN, ColumnPolicy
from consumer.core.wanted import wanted_columns
from consumer.evolver import Evolver, Fitted, Following
from consumer.fitting import (
    bound_columns,
    column_checks,
    history_columns,
    no_identity,
    require_casts,
    require_inserts,
    require_privileges,
    require_values,
    soft_column,
    unguarded,
    unmarked,
    version_column,
)
from consumer.gates import Cannot, NoneDecodes, no_envelope, require_contract, require_known, require_shape
from consumer.known import KnownBindings
from consumer.mapping import PLAIN as PLAIN_MAPPING
from consumer.mapping import Row, TableMapping, mapped, require_found, travelling
from consumer.planner import NO_LABELS, BadRecord, Labels
from consumer.ports.bindings import Catalog
from consumer.ports.decoding import Decoder, Registry
from consumer.ports.topics import Offsets, Traits
from consumer.schemas import Schemas, key_of, value_of
from consumer.tables import Tables

# waited for, and how often it is looked for, in seconds
_UNKNOWN = "record.schema_unknown"
_LOOK_EVERY = 3.0


log = structlog.get_logger("headrace.bind")


@dataclass(frozen=True, slots=True, kw_only=True)
class BinderSettings:
    """How tables are named and follow their source, and how strictly letters keep the order of a row."""

    template: str = "{schema}.{table}"
    # by topic, overrides `template`
    templates: Mapping[str, str] = field(default_factory=dict)
    create: bool = True
    # by target table, overrides `create`
    create_table: Mapping[str, bool] = field(default_factory=dict)
    following: Following = field(default_factory=Following)
    # seconds that a schema id is waited for which the registry does not know
    unknown_grace: float = 0.0
    # and for which its answer that it does not know one is believed, so that who binds does not wait for it again
    missing_for: float = 0.0
    # target tables in which everything waits behind a letter of its row
    strict: Collection[str] = ()
    # by target table, the column that keeps where a row's last change stands in the source's log
    versions: Mapping[str, str] = field(default_factory=dict)
    # by target table, whether it has rows or events
    modes: Mapping[str, Mode] = field(default_factory=dict)
    # by target table, the column that marks deleted rows, which stay
    soft_deletes: Mapping[str, str] = field(default_factory=dict)
    # by target table, what becomes of it when the source's is truncated
    truncates: Mapping[str, OnTruncate] = field(default_factory=dict)
    # by topic
    contracts: Mapping[str, Contract] = field(default_factory=dict)
    # by target table
    mappings: Mapping[str, TableMapping] = field(default_factory=dict)
    # by target table and column
    checks: Mapping[str, Mapping[str, Rules]] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, ColumnPolicy]] = field(default_factory=dict)

    def named(self, topic: str) -> str:
        """The template of the names of a topic's tables."""
        return self.templates.get(topic, self.template)

    def policy(self, table: TableName, column: str) -> ColumnPolicy:
        """What is decided about a column."""
        return self.columns.get(str(table), {}).get(column, PLAIN)

    def follow(self, table: TableName) -> Follow:
        """How a table follows its source; one that may not be made at all is not made whatever else is said."""
        said = self.following.of(table)
        if self.create_table.get(str(table), self.create):
            return said
        return replace(said, answers={**said.answers, Alteration.CREATE: Answer.REFUSE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Whom the binder asks: for schemas, tables and topics, and which flags are off; `rows` reads a table's name from
    a record.
    """

    registry: Registry
    catalog: Catalog
    offsets: Offsets
    rows: Decoder
    switches: Switches = ALL_ON


class Binder:
    """Makes bindings, for one thread at a time: others wait. What is forgotten stays so until it is made anew."""

    def __init__(self, known: KnownBindings, sources: Sources, settings: BinderSettings) -> None:
        self._known = known
        self._offsets = sources.offsets
        self._settings = settings
        self._schemas = Schemas(sources.registry, sources.catalog, settings.missing_for)
        self._tables = Tables(sources.catalog, sources.rows, lambda topic: self._settings.named(topic))
        self._catalog = sources.catalog
        self._evolver = Evolver(sources.catalog, lambda table: self._settings.follow(table), sources.switches)
        self._grace = Grace(settings.unknown_grace)
        self._turn = threading.Lock()
        # schemas of which it is known whether their source may have lost nulls
        self._warned: set[int] = set()
        self._traits: dict[str, Traits] = {}
        # topics that are known to have more partitions than one, whatever was asked earlier
        self._spread: set[str] = set()

    def close(self) -> None:
        """Ask nobody any more."""
        self._schemas.close()

    def lacking(self, wanted: Mapping[BindingKey, Run]) -> dict[BindingKey, Run]:
        """The runs that can't be bound before the registry was asked."""
        return {key: run for key, run in wanted.items() if self._schemas.lacks([run])}

    def fetch(self, wanted: Mapping[BindingKey, Run]) -> None:
        """Ask the registry for what runs lack, and hold up nobody who binds meanwhile. Raises Transient."""
        self._schemas.learn(wanted.values())

    def bind(self, wanted: Mapping[BindingKey, Run], labels: Labels = NO_LABELS) -> None:
        """Make and remember the bindings of runs; anew where rows have brought labels that were not known.

        Raises BadRecord for a run's first record when none can be made, Transient when the registry,
        Kafka or the target is away.
        """
        with self._turn:
            for table, by_column in labels.items():
                if self._evolver.meet(table, by_column):
                    self._known.forget(table)
            new = [key for key, run in wanted.items() if not self._is_bound(key, run)]
            self._learn_topics({key.topic for key in new})
            self._schemas.learn([wanted[key] for key in new])
            for key in sorted(new, key=lambda key: self._order(key, wanted[key])):
                self._bind(key, wanted[key])

    def spread(self, topics: Collection[str]) -> set[str]:
        """Note topics that have more partitions than one; returns those whose bindings hold for one only."""
        with self._turn:
            grown = self._known.alone() & set(topics)
            self._spread |= set(topics)
            self._known.forget_alone(grown)
            return grown

    def look_again(self) -> set[str]:
        """Look for topics whose bindings hold for one partition and that have got a second. Raises Transient."""
        now = self._offsets.traits(sorted(self._known.alone()))
        grown = [topic for topic, traits in now.items() if traits.partitions != 1]
        # who is making a binding is not waited for without need
        return self.spread(grown) if grown else set()

    def _order(self, key: BindingKey, run: Run) -> tuple[bool, bool]:
        """Tombstones last, and keys in front of them that look strange: those beside them say what a topic's are."""
        if key.value_frame is None or key.key_frame is None:
            return key.value_frame is None, False
        its, value = self._schemas.known(key_of(run)), self._schemas.known(value_of(run))
        return False, its is not None and value is not None and not are_alike(its, value)

    def _is_bound(self, key: BindingKey, run: Run) -> bool:
        binding = self._known.find(key)
        return binding is not None and binding.is_of(run)

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
            # what keeps it may be put right by hand, in a table that is not what it was to become
            self._evolver.forget_topic(key.topic)
            raise _stopping(run, error.failure) from error
        if error.failure.kind == _UNKNOWN and (left := self._grace.left(key.topic, key, time.monotonic())):
            raise _stopping(run, error.failure, min(left, _LOOK_EVERY)) from error
        return Binding(
            schema=WriterSchema(kind=RecordKind.OTHER),
            unreadable=error.failure,
            compacted=self._traits[key.topic].compacted,
            spoiled=self._known.spoiled(key, run) if isinstance(error, NoneDecodes) else (),
        )

    def change(self, settings: BinderSettings, tables: Collection[str], topics: Collection[str]) -> set[str]:
        """Other settings hold from now on; what is bound of these tables and topics by those of before is forgotten.

        Returns the topics of which anything may have been planned by them.
        """
        with self._turn:
            self._settings = settings
            bound = {topic for topic, its in self._known.tables().items() if any(str(one) in tables for one in its)}
            self._known.forget_tables(tables)
            changed = {*topics, *bound, *self._evolver.topics_of(tables)}
            for topic in changed:
                self._known.forget_topic(topic)
                self._evolver.forget_topic(topic)
            return changed

    def forget(self, table: TableName | None, *, doubted: bool = False) -> None:
        """Forget what was read of a table's catalog (of all when None), and what it was to become.

        `doubted`: it may still be so; letters' rows are known by it until it was read again.
        """
        with self._turn:
            self._known.forget(table, doubted=doubted)
            self._evolver.forget(table)

    def forget_topic(self, topic: str) -> None:
        """Look again at a topic's table and at what of it could not be read."""
        with self._turn:
            self._known.forget_topic(topic)
            self._evolver.forget_topic(topic)

    def topics_of(self, table: TableName | None) -> set[str]:
        """The topics that feed a table."""
        return self._known.topics_of(table) if table else set()

    def _binding(self, key: BindingKey, run: Run) -> Binding:
        if key.value_frame is None:
            return self._tombstones_only(key, run)
        text = self._schemas.text(value_of(run))
        schema = read_writer_schema(text)
        if schema.kind in IGNORED_KINDS:
            return Binding(schema=schema)
        if schema.kind is RecordKind.OTHER:
            raise no_envelope(text)
        require_shape(text)
        try:
            source = self._tables.source(schema, run)
        except NoneDecodes:
            return self._unsound(key, schema, run)
        if (contract := self._settings.contracts.get(key.topic)) is not None:
            require_contract(contract, key.topic, text)
        name = self._tables.name(key.topic, source)
        if self._mode(name) is not Mode.ROWS:
            binding = self._events(key.topic, name, schema, run, text)
        elif run.key_frame is None:
            return self._without_key(key.topic, name, schema, run)
        else:
            key_text = self._schemas.text(key_of(run))
            if not are_alike(key_text, text):
                self._tables.require_own_key(key.topic, key_schema(key_text), source)
            binding = self._rows(key.topic, name, schema, run, text)
        self._warn(self._schemas.number(value_of(run)), key.topic, binding)
        if run.key_frame is not None:
            # tombstones that come first are to be known for what they are
            its = key_of(run)
            bound = BoundKey(names=source, key=key_schema(self._schemas.text(its)))
            self._tables.remember(key.topic, self._schemas.number(its), bound)
        return binding

    def _rows(self, topic: str, name: TableName, schema: WriterSchema, run: Run, text: str) -> Binding:
        """What applies the topic's changes to the rows of a table. Raises Cannot, Persistent, BadName."""
        wanted = self._wanted(topic, name, schema, run)
        require_known(wanted.row.columns)
        fitted = self._fitted(name, wanted, self._schemas.number(value_of(run)), text)
        return self._bound(replace(wanted, row=replace(wanted.row, now=fitted.names)), fitted)

    def _wanted(self, topic: str, name: TableName, schema: WriterSchema, run: Run) -> "_Wanted":
        key_text = self._schemas.text(key_of(run))
        row = self._row(name, schema, [column.name for column in read_key_schema(key_text)])
        return _Wanted(topic=topic, schema=schema, row=row, key_text=key_text, version=self._version(name, schema))

    def _unsound(self, key: BindingKey, schema: WriterSchema, run: Run) -> Binding:
        """The binding of records none of which decodes: it is of these alone, and says which rows their keys mean.

        The table is the one that the topic's records went into before, as it is: their schema may be another's, and
        is no reason to change or to stop a table. Raises NoneDecodes where it does not fit.
        """
        source = self._tables.recalled(key.topic, self._schemas.number(key_of(run))) if run.key_frame else None
        if source is None:
            raise NoneDecodes
        try:
            name = self._tables.name(key.topic, source)
            table = self._tables.there(name)
            if table is None or self._mode(name) is not Mode.ROWS:
                raise NoneDecodes
            binding = self._bound(self._wanted(key.topic, name, schema, run), Fitted(table=table))
        except (Cannot, Persistent, UnsupportedSchema, BadName) as error:
            raise NoneDecodes from error
        return replace(binding, spoiled=self._known.spoiled(key, run))

    def _mode(self, name: TableName) -> Mode:
        return self._settings.modes.get(str(name), Mode.ROWS)

    def _events(self, topic: str, name: TableName, schema: WriterSchema, run: Run, text: str) -> Binding:
        """What appends the topic's events to a table. Raises Cannot."""
        mode, keys = self._mode(name), list[str]()
        if mode is Mode.MATCH and not self._only(topic):
            detail = f"rows of {name} are matched as a whole, and its topic has several partitions without an order"
            raise Cannot("table.identity", detail, _ONE_PARTITION)
        if run.key_frame is not None:
            keys = [column.name for column in read_key_schema(self._schemas.text(key_of(run)))]
        row = self._row(name, schema, keys)
        require_known(row.columns)
        meta = STAGED if mode is Mode.HISTORY else {}
        more = tuple(NewColumn(name=column, types=(kind,)) for column, kind in meta.items())
        asked = _Asked(schema_id=self._schemas.number(value_of(run)), text=text, more=more)
        fitted = self._fit(name, topic, schema, row, asked)
        table, row = fitted.table, replace(row, now=fitted.names)
        columns = bound_columns(table, row, (), partial(self._settings.policy, table.name))
        beside = history_columns(table, schema.columns) if meta else ()
        require_casts(columns, self._catalog.has_casts)
        written = [*(column.target.name for column in columns), *(column.name for column in beside)]
        require_inserts(table, written, also=("SELECT", "DELETE") if mode is Mode.MATCH else ())
        return Binding(
            schema=schema,
            table=table,
            columns=columns,
            mode=mode,
            key_columns=tuple(keys),
            meta=beside,
            truncate=OnTruncate.IGNORE if mode is Mode.HISTORY else self._on_truncate(topic, name, None),
            checks=column_checks(table, schema.columns, columns, self._rules(table, schema)),
            shape=row.shape,
            evolutions=fitted.evolutions,
            labels=fitted.labels,
            doubts=self._doubts(name, row, schema, keys),
        )

    def _without_key(self, topic: str, name: TableName, schema: WriterSchema, run: Run) -> Binding:
        """What takes truncates, which have no key. Other records without one are refused, all of them or each."""
        if not self._known.keyed(topic) and self._tables.operation(schema, run) != "t":
            raise Cannot("table.identity", "the topic's records have no key", _NO_KEY)
        version = self._version(name, schema)
        # one that is not there is empty
        table = self._tables.there(name) or TargetTable(name=name, columns=(), unique=())
        soft = None
        if table.columns:
            soft = self._soft(table, schema)
            if version is not None:
                version_column(table, version)
        return Binding(
            schema=schema,
            table=table,
            version=version.name if version else None,
            truncate=self._on_truncate(topic, name, version),
            soft=soft,
        )

    def _soft(self, table: TargetTable, schema: WriterSchema) -> SoftDelete | None:
        """How deleted rows of the table are marked, if they are to stay. Raises Cannot."""
        name = self._settings.soft_deletes.get(str(table.name))
        return None if name is None else soft_column(table, name, schema.columns)

    def _on_truncate(self, topic: str, table: TableName, version: Column | None) -> OnTruncate:
        """What becomes of the table when the source's is truncated. Raises Cannot."""
        chosen = self._settings.truncates.get(str(table), OnTruncate.STOP)
        if chosen is OnTruncate.APPLY and version is None and not self._only(topic):
            detail = f"truncates of {table} are to be applied, and its topic has several partitions without an order"
            raise Cannot("table.shape", detail, _ORDER_TRUNCATES)
        return chosen

    def _only(self, topic: str) -> bool:
        """Whether the topic has one partition, as far as is known."""
        return topic not in self._spread and self._traits[topic].partitions == 1

    def _rules(self, table: TargetTable, schema: WriterSchema) -> Mapping[str, Rules]:
        """The checks of the table's columns, but for those that went with the source's."""
        rules = self._settings.checks.get(str(table.name), {})
        here = {column.name for column in schema.columns} | {column.name for column in table.columns}
        if rules.keys() <= here:
            return rules
        had = self._catalog.source_columns(table.name)
        return {name: rule for name, rule in rules.items() if name in here or name not in had}

    def _row(self, name: TableName, schema: WriterSchema, identity: Sequence[str]) -> Row:
        """The row as it goes into the table."""
        mapping = self._settings.mappings.get(str(name))
        if mapping is None:
            return Row(columns=schema.columns)
        return mapped(schema.columns, identity, mapping, self._tables.image(schema))

    def _fitted(self, name: TableName, wanted: "_Wanted", schema_id: int, text: str) -> Fitted:
        """The table of a topic's rows, as it will be. Raises Cannot, Persistent, BadName."""
        more = []
        if wanted.version is not None:
            more.append(NewColumn(name=wanted.version.name, types=created_types(wanted.version)))
        if soft := self._settings.soft_deletes.get(str(name)):
            more.append(NewColumn(name=soft, types=("timestamptz",)))
        asked = _Asked(schema_id=schema_id, text=text, identity=wanted.theirs, more=tuple(more))
        return self._fit(name, wanted.topic, wanted.schema, wanted.row, asked)

    def _fit(self, name: TableName, topic: str, schema: WriterSchema, row: Row, asked: "_Asked") -> Fitted:
        if row.mapping is not PLAIN_MAPPING:
            had = self._catalog.source_columns(name)
            require_found(name, row, schema.columns, self._tables.there(name), had)
        policy = partial(self._settings.policy, name)
        fitted = self._evolver.fit(
            Wanted(
                table=name,
                topic=topic,
                schema_id=asked.schema_id,
                columns=wanted_columns(travelling(row, schema.columns, policy), asked.text),
                identity=asked.identity,
                more=asked.more,
                sources=row.sources(schema.columns),
            )
        )
        if fitted.moved:
            # whatever was bound to the table as it is
            self._known.forget(name)
        return fitted

    def _warn(self, schema_id: int, topic: str, binding: Binding) -> None:
        """Say once a schema what the source may have lost."""
        for loss in losses(binding.schema, binding.doubts) if schema_id not in self._warned else ():
            log.warning(loss.what, topic=topic, schema=schema_id, columns=list(loss.columns), remedy=loss.remedy)
        self._warned.add(schema_id)

    def _doubts(self, name: TableName, row: Row, schema: WriterSchema, identity: Sequence[str]) -> Mapping[str, Doubt]:
        """The columns that the table gets whose nulls in updates are not taken at their word."""
        inputs = {column.name for column in (row.shape.inputs if row.shape else row.columns)}
        found = doubtful(schema, partial(self._settings.policy, name))
        return {column: doubt for column, doubt in found.items() if column in inputs and column not in identity}

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

    def _tombstones_only(self, key: BindingKey, run: Run) -> Binding:
        if not self._traits[key.topic].compacted:
            return Binding(schema=WriterSchema(kind=RecordKind.HEARTBEAT))
        return self._known.of_topic(key.topic, key.key_frame) or self._deleting(key.topic, key_of(run))

    def _deleting(self, topic: str, key: Datum) -> Binding:
        """What deletes rows of a topic none of whose values was seen yet: the table as it was named before."""
        key_text = self._schemas.text(key)
        if self._tables.recalled(topic, self._schemas.number(key)) is None:
            self._tables.require_own_key(topic, key_schema(key_text))
        table = self._tables.remembered(topic, self._schemas.number(key))
        if self._mode(table.name) is not Mode.ROWS:
            # the event in front of it has said everything
            return Binding(schema=WriterSchema(kind=RecordKind.HEARTBEAT))
        # the key is all that is known of the row, and all that is needed
        schema = WriterSchema(kind=RecordKind.CHANGE, columns=read_key_schema(key_text))
        row = Row(columns=schema.columns, mapping=self._settings.mappings.get(str(table.name), PLAIN_MAPPING))
        return self._bound(_Wanted(topic=topic, schema=schema, row=row, key_text=key_text), Fitted(table=table))

    def _bound(self, wanted: "_Wanted", fitted: Fitted) -> Binding:
        table = fitted.table
        schema, version, theirs = wanted.schema, wanted.version, wanted.theirs
        replaces = frozenset(theirs) not in table.unique
        if replaces and not self._only(wanted.topic):
            raise no_identity(table, theirs)
        columns = bound_columns(table, wanted.row, wanted.identity, partial(self._settings.policy, table.name))
        if version is not None:
            if replaces:
                raise unguarded(table, theirs)
            columns = (*columns, version_column(table, version))
        soft = self._soft(table, schema)
        if soft is not None and replaces:
            raise unmarked(table, theirs)
        if schema.rewritten is not None:
            # tombstones alone make no rows
            require_values(table, columns, soft)
        require_casts(columns, self._catalog.has_casts)
        require_privileges(table, columns, theirs, version, soft)
        rules = self._rules(table, schema) if schema.rewritten is not None else {}
        doubts = self._doubts(table.name, wanted.row, schema, wanted.identity)
        return Binding(
            schema=schema,
            key_writer=read_key_writer(wanted.key_text),
            table=table,
            columns=columns,
            identity=wanted.identity,
            compacted=self._traits[wanted.topic].compacted,
            replaces=replaces,
            strict=str(table.name) in self._settings.strict,
            version=version.name if version else None,
            truncate=self._on_truncate(wanted.topic, table.name, version),
            soft=soft,
            may_lack=() if replaces else _may_lack(wanted, columns, doubts),
            checks=column_checks(table, schema.columns, columns, rules),
            shape=wanted.row.shape,
            evolutions=fitted.evolutions,
            labels=fitted.labels,
            doubts=doubts,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What a table is asked for beside a row's columns: `identity` by its own names, `more` where it is made."""

    schema_id: int
    text: str
    identity: tuple[str, ...] = ()
    more: tuple[NewColumn, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """What is to be bound to a table: a topic's row and its key."""

    topic: str
    schema: WriterSchema
    row: Row
    key_text: str
    version: Column | None = None

    @property
    def identity(self) -> tuple[str, ...]:
        """The key's columns, as the source calls them."""
        return tuple(column.name for column in read_key_schema(self.key_text))

    @property
    def theirs(self) -> tuple[str, ...]:
        """The key's columns, as the table calls them."""
        return tuple(self.row.name(name) for name in self.identity)


def _may_lack(wanted: "_Wanted", columns: Sequence[BoundColumn], doubts: Collection[str]) -> tuple[str, ...]:
    """The columns that creates of key changes may lack, where their events can be told from others.

    What a transform makes is made from whole rows, and what we may not read can't be kept.
    """
    rewritten, shape = wanted.schema.rewritten, wanted.row.shape
    if rewritten is None or not token_fields(rewritten.text) or (shape and shape.transform):
        return ()
    masked = shape.masks.keys() if shape else ()
    hidden = {*wanted.identity, *masked}
    found = [c.source for c in columns if c.source.name not in hidden and "SELECT" not in c.target.lacks]
    return may_lack(found, wanted.schema, doubts)


def _stopping(run: Run, failure: Failure, wait: float | None = None) -> BadRecord:
    first = next((i for i in range(run.start, run.end) if run.piece.values[i] is not None), run.start)
    return BadRecord(origin([run], first - run.start), failure, wait=wait)


def _no_topic(topic: str) -> Failure:
    detail = f"topic {topic} is not there any more, but records of it are still to be applied"
    return failed(KINDS["kafka.no_topic"], "kafka", "describe topics", detail)


_NO_KEY = (
    "Give the source table a primary key, or set message.key.columns on the connector, or set mode of the table to "
    "history, append or match."
)
_ONE_PARTITION = "Have the connector write to a topic of one partition, or set mode of the table to history or append."
_ORDER_TRUNCATES = (
    "Give the table a version_column, or set truncate of it to stop or ignore, or have the connector write to a topic "
    "of one partition."
)
_OTHER_VERSION = "Name another column as the table's version_column: this one is the source's."
_NO_VERSION = (
    "Remove version_column from the table's settings; it needs source.lsn (PostgreSQL), or source.file and source.pos "
    "(MySQL, MariaDB) of these types in the value's schema."
)
