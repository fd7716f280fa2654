"""On which terms a topic's rows go into a table: its mode and version, what becomes of deleted rows and of truncates,
checks, mapping, and nulls that are doubted.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from consumer.binding.binder_settings import BinderSettings
from consumer.binding.fitting import soft_column
from consumer.binding.gates import Cannot
from consumer.binding.mapping import PLAIN, Row, mapped
from consumer.binding.tables import Tables
from consumer.binding.topic_traits import TopicTraits
from consumer.core.binding import Binding
from consumer.core.checks import Rules
from consumer.core.doubts import Doubt, doubtful, unheeded
from consumer.core.envelope import Column, WriterSchema
from consumer.core.modes import SOFT_TYPE, Mode, OnTruncate, SoftDelete
from consumer.core.target import TableName, TargetTable
from consumer.ports.bindings import Catalog

_BOTH_NAMES = "Say the same of both names in the table's settings; older records may still have the older one."


class TableTerms:
    """As the settings that hold now have it (`settings`). Belongs to who makes bindings."""

    def __init__(
        self, catalog: Catalog, tables: Tables, topics: TopicTraits, settings: Callable[[], BinderSettings]
    ) -> None:
        self._catalog = catalog
        self._tables = tables
        self._topics = topics
        self._settings = settings

    def mode(self, name: TableName) -> Mode:
        """Whether the table has rows or events."""
        return self._settings().modes.get(str(name), Mode.ROWS)

    def soft(self, table: TargetTable, schema: WriterSchema) -> SoftDelete | None:
        """How deleted rows of the table are marked, if they are to stay. Raises Cannot.

        A table without columns is not there yet; rows in front of what is asked for may have it made.
        """
        name = self._settings().soft_deletes.get(str(table.name))
        if name is not None and not table.columns:
            return SoftDelete(column=name, timed=True, cast=SOFT_TYPE)
        return None if name is None else soft_column(table, name, schema.columns)

    def own(self, name: TableName) -> set[str]:
        """The columns of the table's rows that are ours: their version, and the mark of deleted ones."""
        settings = self._settings()
        chosen = (kind.get(str(name)) for kind in (settings.versions, settings.soft_deletes))
        return {column for column in chosen if column is not None}

    def on_truncate(self, topic: str, table: TableName, version: Column | None) -> OnTruncate:
        """What becomes of the table when the source's is truncated. Raises Cannot."""
        chosen = self._settings().truncates.get(str(table), OnTruncate.STOP)
        if chosen is OnTruncate.APPLY and version is None and not self._topics.only(topic):
            detail = f"truncates of {table} are to be applied, and its topic has several partitions without an order"
            raise Cannot("table.shape", detail, _ORDER_TRUNCATES)
        return chosen

    def rules(self, table: TargetTable, schema: WriterSchema) -> Mapping[str, Rules]:
        """The checks of the table's columns, but for those that went with the source's."""
        rules = self._settings().checks.get(str(table.name), {})
        here = {column.name for column in schema.columns} | {column.name for column in table.columns}
        if rules.keys() <= here:
            return rules
        had = self._catalog.source_columns(table.name)
        return {name: rule for name, rule in rules.items() if name in here or name not in had}

    def row(self, name: TableName, schema: WriterSchema, identity: Sequence[str]) -> Row:
        """The row as it goes into the table. Raises Cannot."""
        self._require_said(name, schema)
        mapping = self._settings().mappings.get(str(name))
        if mapping is None:
            return Row(columns=schema.columns)
        return mapped(schema.columns, identity, mapping, self._tables.image(schema))

    def _require_said(self, name: TableName, schema: WriterSchema) -> None:
        """Raises Cannot where settings say something of a column by one of its names, and the schema has the other."""
        settings, here = self._settings(), {column.name for column in schema.columns}
        mapping = settings.mappings.get(str(name), PLAIN)
        said: list[Mapping[str, object]] = [mapping.columns]
        said += [kind.get(str(name), {}) for kind in (settings.checks, settings.columns)]
        for names in settings.follow(name).renamed.items():
            for one, other in (names, names[::-1]):
                if one not in here and other in here and any(one in kind and other not in kind for kind in said):
                    detail = f"after.{other}: expected in the settings what they say of {one!r}, another of its names"
                    raise Cannot("table.settings", detail, _BOTH_NAMES, f"after.{other}")

    def doubts(self, name: TableName, row: Row, schema: WriterSchema, identity: Sequence[str]) -> Mapping[str, Doubt]:
        """The columns that the table gets whose nulls in updates are not taken at their word."""
        inputs = {column.name for column in (row.shape.inputs if row.shape else row.columns)}
        found = doubtful(schema, partial(self._settings().policy, name))
        return {column: doubt for column, doubt in found.items() if column in inputs and column not in identity}

    def unheeded(self, binding: Binding) -> Sequence[str]:
        """The columns of which the settings say what becomes of doubtful nulls, though there are none."""
        chosen = self._settings().columns.get(str(binding.table.name), {}) if binding.table else {}
        return unheeded(binding.schema, chosen)

    def version(self, name: TableName, schema: WriterSchema) -> Column | None:
        """The column that guards the table's rows, if it is to have one."""
        version = self._settings().versions.get(str(name))
        if version is None:
            return None
        if version in {column.name for column in schema.columns}:
            raise Cannot("table.shape", f"the source has a column {version!r} too", _OTHER_VERSION)
        if not schema.position:
            raise Cannot("table.shape", f"the source does not say positions in its log for {version!r}", _NO_VERSION)
        return Column(name=version, avro="long", nullable=True)


_ORDER_TRUNCATES = (
    "Give the table a version_column, or set truncate of it to stop or ignore, or have the connector write to a topic "
    "of one partition."
)
_OTHER_VERSION = "Name another column as the table's version_column: this one is the source's."
_NO_VERSION = (
    "Remove version_column from the table's settings; it needs source.lsn (PostgreSQL), or source.file and source.pos "
    "(MySQL, MariaDB) of these types in the value's schema."
)
