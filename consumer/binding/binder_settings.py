"""What a binder goes by: how tables are named, made and guarded, and what is done with their columns."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace

from consumer.binding.evolver import Following
from consumer.binding.mapping import TableMapping
from consumer.core.checks import Rules
from consumer.core.contract import Contract
from consumer.core.evolution import Answer, Follow
from consumer.core.modes import Mode, OnTruncate
from consumer.core.steps import Change as Alteration
from consumer.core.target import TableName
from consumer.core.types import PLAIN, ColumnPolicy


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
