"""From the settings of topics and tables to what the binder wants; files and packages that they name are read here."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from consumer.binding.binder_settings import BinderSettings
from consumer.binding.evolver import Following
from consumer.binding.mapping import PLAIN as UNMAPPED
from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.checks import Rules
from consumer.core.contract import Contract
from consumer.core.evolution import Answer, Follow
from consumer.core.modes import Mode, OnTruncate
from consumer.core.steps import Change
from consumer.core.types import ColumnPolicy
from consumer.edges.contracts import read_contract
from consumer.edges.transforms import load_transform
from consumer.settings.loading import Settings
from consumer.settings.tables import Check, Column, Table, TableEvolution

# seconds: shorter than the time until a partition that waits for a schema looks again
_MISSING_FOR = 0.25


def contracts(settings: Settings) -> dict[str, Contract]:
    """What topics keep to. Raises Refused for a contract that can't be read."""
    return {
        name: read_contract(Path(topic.contract), topic.compatibility)
        for name, topic in settings.topics.items()
        if topic.contract is not None
    }


def column_policy(column: Column) -> ColumnPolicy:
    """How the values of one column are carried."""
    return ColumnPolicy(
        zero_bytes=column.zero_bytes,
        nanoseconds=column.nanoseconds,
        binary=column.binary,
        type=column.type,
        doubtful_nulls=column.doubtful_nulls,
    )


def mappings(settings: Settings) -> dict[str, TableMapping]:
    """What becomes of rows, for tables whose settings say that. Raises Refused for a transform that can't be loaded."""
    key = settings.secrets.hash_key.get_secret_value().encode() if settings.secrets.hash_key else b""
    found = {name: table_mapping(table, key) for name, table in settings.tables.items()}
    return {name: mapping for name, mapping in found.items() if mapping != replace(UNMAPPED, key=key)}


def table_mapping(table: Table, key: bytes) -> TableMapping:
    """The mapping of one table."""
    columns = {
        name: ColumnMapping(rename=column.rename, mask=column.mask, erase=column.erase, hash=column.hash)
        for name, column in table.columns.items()
    }
    return TableMapping(
        include=None if table.include is None else frozenset(table.include),
        exclude=frozenset(table.exclude),
        columns={name: column for name, column in columns.items() if column != ColumnMapping()},
        constants=table.constants,
        transform=load_transform(table.transform) if table.transform else None,
        key=key,
    )


def rules(check: Check) -> Rules:
    """The rules of one column."""
    wanted = check.model_dump()
    allowed = wanted.pop("allowed")
    return Rules(**wanted, allowed=None if allowed is None else tuple(allowed))


def following(settings: Settings) -> Following:
    """How tables follow their source: what is said of one goes before what is said of all."""
    others = {change: Answer(getattr(settings.evolution, change.value)) for change in Change}
    return Following(
        others=Follow(answers=others),
        tables={name: _follow(others, table.evolution) for name, table in settings.tables.items()},
    )


def _follow(others: Mapping[Change, Answer], said: TableEvolution) -> Follow:
    own = {change: getattr(said, change.value) for change in Change}
    answers = {change: Answer(word) for change, word in own.items() if word is not None}
    return Follow(answers={**others, **answers}, renamed=said.renamed)


def binder_settings(settings: Settings) -> BinderSettings:
    """How tables are named and created, and what is asked of topics. Raises Refused."""
    overrides = {name: table.create for name, table in settings.tables.items() if table.create is not None}
    return BinderSettings(
        template=settings.target.table,
        templates={name: topic.table for name, topic in settings.topics.items() if topic.table is not None},
        create=settings.target.create,
        create_table=overrides,
        following=following(settings),
        unknown_grace=settings.registry.unknown_grace,
        missing_for=_MISSING_FOR,
        strict=[name for name, table in settings.tables.items() if table.strict],
        modes={name: Mode(table.mode) for name, table in settings.tables.items()},
        soft_deletes={name: table.soft_delete for name, table in settings.tables.items() if table.soft_delete},
        truncates={name: OnTruncate(table.truncate) for name, table in settings.tables.items()},
        versions={name: table.version_column for name, table in settings.tables.items() if table.version_column},
        contracts=contracts(settings),
        checks={
            name: {column: rules(check) for column, check in table.checks.items()}
            for name, table in settings.tables.items()
        },
        columns={
            name: {column: column_policy(each) for column, each in table.columns.items()}
            for name, table in settings.tables.items()
        },
        mappings=mappings(settings),
    )
