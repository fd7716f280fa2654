"""Bindings made: how the records of one topic, key schema and value schema become rows of a table, or events in it."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import structlog

from consumer.binding.binder_settings import BinderSettings
from consumer.binding.evolver import Evolver, Fitted
from consumer.binding.fitting import (
    OTHER_NAME,
    OTHER_OWN,
    bound_columns,
    column_checks,
    history_columns,
    no_identity,
    require_casts,
    require_inserts,
    require_of_its_own,
    require_privileges,
    require_settable,
    require_values,
    unguarded,
    unmarked,
    version_column,
)
from consumer.binding.gates import Cannot, NoneDecodes, no_envelope, require_contract, require_known, require_shape
from consumer.binding.known import KnownBindings
from consumer.binding.mapping import PLAIN as PLAIN_MAPPING
from consumer.binding.mapping import Row, require_found, travelling
from consumer.binding.schemas import Schemas, key_of, value_of
from consumer.binding.table_terms import TableTerms
from consumer.binding.tables import Tables
from consumer.binding.topic_traits import TopicTraits
from consumer.core.avro import UnsupportedSchema
from consumer.core.binding import Binding, BindingKey, BoundColumn
from consumer.core.created import created_types
from consumer.core.doubts import Doubt
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
from consumer.core.failure import Persistent
from consumer.core.framing import Datum
from consumer.core.history import STAGED
from consumer.core.key_schemas import BoundKey, are_alike, key_schema
from consumer.core.losses import losses
from consumer.core.modes import SOFT_TYPE, Mode, OnTruncate
from consumer.core.moves import may_lack, token_fields
from consumer.core.naming import BadName
from consumer.core.runs import Run
from consumer.core.steps import NewColumn
from consumer.core.target import TableName, TargetTable
from consumer.core.wanted import wanted_columns
from consumer.ports.bindings import Catalog

log = structlog.get_logger("headrace.bind")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What bindings are made of: schemas, tables with their catalog, and how these follow their source."""

    schemas: Schemas
    tables: Tables
    catalog: Catalog
    evolver: Evolver
    topics: TopicTraits


class BindingMaker:
    """Makes one binding at a time; who calls holds the binder's turn. `settings`: those that hold now."""

    def __init__(self, known: KnownBindings, found: Found, settings: Callable[[], BinderSettings]) -> None:
        self._known = known
        self._schemas = found.schemas
        self._tables = found.tables
        self._catalog = found.catalog
        self._evolver = found.evolver
        self._topics = found.topics
        self._settings = settings
        self._terms = TableTerms(found.catalog, found.tables, found.topics, settings)
        # schemas of which it is known whether their source may have lost nulls
        self._warned: set[int] = set()

    def binding(self, key: BindingKey, run: Run) -> Binding:
        """The binding of a run. Raises Cannot, Persistent, UnsupportedSchema, BadName."""
        if key.value_frame is None:
            return self._tombstones_only(key, run)
        text = self._schemas.text(value_of(run))
        schema = read_writer_schema(text)
        if schema.kind in IGNORED_KINDS:
            return Binding(schema=schema)
        if schema.kind is RecordKind.OTHER:
            raise no_envelope(text)
        require_shape(text)
        self._tables.require_readable(schema.rewritten)
        try:
            source = self._tables.source(key.topic, schema, run)
        except NoneDecodes:
            return self._unsound(key, schema, run)
        if (contract := self._settings().contracts.get(key.topic)) is not None:
            require_contract(contract, key.topic, text)
        own = self._tables.require_one(key.topic, source)
        name = self._tables.name(key.topic, source)
        if self._terms.mode(name) is not Mode.ROWS:
            binding = self._events(key.topic, name, schema, run, text)
        elif run.key_frame is None:
            return replace(self._without_key(key.topic, name, schema, run), source=own)
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
        return replace(binding, source=own)

    def _rows(self, topic: str, name: TableName, schema: WriterSchema, run: Run, text: str) -> Binding:
        """What applies the topic's changes to the rows of a table. Raises Cannot, Persistent, BadName."""
        wanted = self._wanted(topic, name, schema, run)
        require_known(wanted.row.columns)
        fitted = self._fitted(name, wanted, self._schemas.number(value_of(run)), text)
        return self._bound(replace(wanted, row=replace(wanted.row, now=fitted.names)), fitted)

    def _wanted(self, topic: str, name: TableName, schema: WriterSchema, run: Run) -> "_Wanted":
        key_text = self._schemas.text(key_of(run))
        row = self._terms.row(name, schema, [column.name for column in read_key_schema(key_text)])
        return _Wanted(
            topic=topic, schema=schema, row=row, key_text=key_text, version=self._terms.version(name, schema)
        )

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
            if table is None or self._terms.mode(name) is not Mode.ROWS:
                raise NoneDecodes
            binding = self._bound(self._wanted(key.topic, name, schema, run), Fitted(table=table))
        except (Cannot, Persistent, UnsupportedSchema, BadName) as error:
            raise NoneDecodes from error
        return replace(binding, spoiled=self._known.spoiled(key, run))

    def _events(self, topic: str, name: TableName, schema: WriterSchema, run: Run, text: str) -> Binding:
        """What appends the topic's events to a table. Raises Cannot."""
        mode, keys = self._terms.mode(name), list[str]()
        if mode is Mode.MATCH and not self._topics.only(topic):
            detail = f"rows of {name} are matched as a whole, and its topic has several partitions without an order"
            raise Cannot("table.identity", detail, _ONE_PARTITION)
        if run.key_frame is not None:
            keys = [column.name for column in read_key_schema(self._schemas.text(key_of(run)))]
        row = self._terms.row(name, schema, keys)
        require_known(row.columns)
        meta = STAGED if mode is Mode.HISTORY else {}
        require_of_its_own(row, meta, OTHER_NAME)
        more = tuple(NewColumn(name=column, types=(kind,)) for column, kind in meta.items())
        asked = _Asked(schema_id=self._schemas.number(value_of(run)), text=text, more=more)
        fitted = self._fit(name, topic, schema, row, asked)
        table, row = fitted.table, replace(row, now=fitted.names)
        columns = bound_columns(table, row, (), partial(self._settings().policy, table.name))
        beside = history_columns(table) if meta else ()
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
            truncate=OnTruncate.IGNORE if mode is Mode.HISTORY else self._terms.on_truncate(topic, name, None),
            checks=column_checks(table, schema.columns, columns, self._terms.rules(table, schema)),
            shape=row.shape,
            evolutions=fitted.evolutions,
            labels=fitted.labels,
            doubts=self._terms.doubts(name, row, schema, keys),
        )

    def _without_key(self, topic: str, name: TableName, schema: WriterSchema, run: Run) -> Binding:
        """What takes truncates, which have no key. Other records without one are refused, all of them or each."""
        if not self._known.keyed(topic) and self._tables.operation(schema, run) != "t":
            raise Cannot("table.identity", "the topic's records have no key", _NO_KEY)
        version = self._terms.version(name, schema)
        # one that is not there may be made by the rows in front
        table = self._tables.there(name) or TargetTable(name=name, columns=(), unique=())
        if table.columns and version is not None:
            version_column(table, version)
        return Binding(
            schema=schema,
            table=table,
            version=version.name if version else None,
            truncate=self._terms.on_truncate(topic, name, version),
            soft=self._terms.soft(table, schema),
        )

    def _fitted(self, name: TableName, wanted: "_Wanted", schema_id: int, text: str) -> Fitted:
        """The table of a topic's rows, as it will be. Raises Cannot, Persistent, BadName."""
        require_of_its_own(wanted.row, self._terms.own(name), OTHER_OWN)
        more = []
        if wanted.version is not None:
            more.append(NewColumn(name=wanted.version.name, types=created_types(wanted.version)))
        if soft := self._settings().soft_deletes.get(str(name)):
            more.append(NewColumn(name=soft, types=(SOFT_TYPE,)))
        asked = _Asked(schema_id=schema_id, text=text, identity=wanted.theirs, more=tuple(more))
        return self._fit(name, wanted.topic, wanted.schema, wanted.row, asked)

    def _fit(self, name: TableName, topic: str, schema: WriterSchema, row: Row, asked: "_Asked") -> Fitted:
        if row.mapping is not PLAIN_MAPPING:
            had = self._catalog.source_columns(name)
            require_found(name, row, schema.columns, self._tables.there(name), had)
        policy = partial(self._settings().policy, name)
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

    def unheeded(self, binding: Binding) -> Sequence[str]:
        """The columns of which the settings say what becomes of doubtful nulls, though there are none."""
        return self._terms.unheeded(binding)

    def _warn(self, schema_id: int, topic: str, binding: Binding) -> None:
        """Say once a schema what the source may have lost."""
        found = losses(binding.schema, binding.doubts, self.unheeded(binding))
        for loss in found if schema_id not in self._warned else ():
            log.warning(loss.what, topic=topic, schema=schema_id, columns=list(loss.columns), remedy=loss.remedy)
        self._warned.add(schema_id)

    def _tombstones_only(self, key: BindingKey, run: Run) -> Binding:
        if not self._topics.compacted(key.topic):
            return Binding(schema=WriterSchema(kind=RecordKind.TOMBSTONE))
        return self._known.of_topic(key.topic, key.key_frame) or self._deleting(key.topic, key_of(run))

    def _deleting(self, topic: str, key: Datum) -> Binding:
        """What deletes rows of a topic none of whose values was seen yet: the table as it was named before."""
        key_text = self._schemas.text(key)
        if self._tables.recalled(topic, self._schemas.number(key)) is None:
            self._tables.require_own_key(topic, key_schema(key_text))
        table = self._tables.remembered(topic, self._schemas.number(key))
        if self._terms.mode(table.name) is not Mode.ROWS:
            # the event in front of it has said everything
            return Binding(schema=WriterSchema(kind=RecordKind.TOMBSTONE))
        # the key is all that is known of the row, and all that is needed
        schema = WriterSchema(kind=RecordKind.CHANGE, columns=read_key_schema(key_text))
        row = Row(columns=schema.columns, mapping=self._settings().mappings.get(str(table.name), PLAIN_MAPPING))
        return self._bound(_Wanted(topic=topic, schema=schema, row=row, key_text=key_text), Fitted(table=table))

    def _on_truncate(self, wanted: "_Wanted", table: TableName) -> OnTruncate:
        """Tombstones alone have none, and say nothing of a version."""
        if wanted.schema.rewritten is None:
            return OnTruncate.IGNORE
        return self._terms.on_truncate(wanted.topic, table, wanted.version)

    def _bound(self, wanted: "_Wanted", fitted: Fitted) -> Binding:
        table = fitted.table
        schema, version, theirs = wanted.schema, wanted.version, wanted.theirs
        key_writer = read_key_writer(wanted.key_text)
        self._tables.require_readable(key_writer)
        replaces = frozenset(theirs) not in table.unique
        if replaces and not self._topics.only(wanted.topic):
            raise no_identity(table, theirs)
        columns = bound_columns(table, wanted.row, wanted.identity, partial(self._settings().policy, table.name))
        if not replaces:
            require_settable(columns, theirs)
        if version is not None:
            if replaces:
                raise unguarded(table, theirs)
            columns = (*columns, version_column(table, version))
        soft = self._terms.soft(table, schema)
        require_of_its_own(wanted.row, self._terms.own(table.name), OTHER_OWN)
        if soft is not None and replaces:
            raise unmarked(table, theirs)
        if schema.rewritten is not None:
            # tombstones alone make no rows
            require_values(table, columns, soft)
        require_casts(columns, self._catalog.has_casts)
        doubts = self._terms.doubts(table.name, wanted.row, schema, wanted.identity)
        require_privileges(table, columns, theirs, _compared(columns, version, doubts), soft)
        rules = self._terms.rules(table, schema) if schema.rewritten is not None else {}
        return Binding(
            schema=schema,
            key_writer=key_writer,
            table=table,
            columns=columns,
            identity=wanted.identity,
            compacted=self._topics.compacted(wanted.topic),
            replaces=replaces,
            strict=str(table.name) in self._settings().strict,
            version=version.name if version else None,
            truncate=self._on_truncate(wanted, table.name),
            soft=soft,
            may_lack=_may_lack(wanted, columns, doubts),
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


_JUDGED: frozenset[Doubt] = frozenset({"reject", "long"})


def _compared(columns: Sequence[BoundColumn], version: Column | None, doubts: Mapping[str, Doubt]) -> set[str]:
    """The table's columns in which what is there decides about a change: its version, and whether nulls are doubted."""
    judged = {column.target.name for column in columns if doubts.get(column.source.name) in _JUDGED}
    return judged | ({version.name} if version else set())


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


_NO_KEY = (
    "Give the source table a primary key, or set message.key.columns on the connector, to columns of the table's "
    "replica identity, or set mode of the table to history, append or match."
)
_ONE_PARTITION = "Have the connector write to a topic of one partition, or set mode of the table to history or append."
