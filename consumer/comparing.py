"""Comparisons composed: both databases, the settings' word on tables, where logs end."""

import time
from collections.abc import Callable, Mapping
from functools import partial

import psycopg

from consumer.core.modes import Mode
from consumer.core.records import TopicPartition
from consumer.core.workflow import Task, Turn
from consumer.edge_settings import session_settings
from consumer.edges.postgres.differing import PostgresKeys
from consumer.edges.postgres.reconcile import PostgresComparison, TableRules
from consumer.edges.postgres.source import SourceSettings
from consumer.edges.postgres.workflows import Act
from consumer.ports.topics import Offsets
from consumer.reconciling import Limits, Reconciling
from consumer.settings import Settings
from consumer.table_sections import Column, Table


def comparison(settings: Settings, name: str, offsets: Callable[[], Offsets]) -> PostgresComparison:
    """What opens both sides of tables; nothing is opened yet."""

    def ends(topic: str, numbers: list[int]) -> Mapping[int, int]:
        found = offsets().ends([TopicPartition(topic, number) for number in numbers])
        return {at.partition: end for at, end in found.items()}

    source = SourceSettings(
        dsn=settings.source.dsn,
        slot=settings.source.slot,
        connect_timeout=settings.target.connect_timeout,
        statement_timeout=settings.reconcile.statement_timeout,
    )
    target = session_settings(settings, name)
    return PostgresComparison(target, source, settings.kafka.group, partial(_rules, settings), ends)


def acts(settings: Settings, compared: PostgresComparison) -> dict[str, Act]:
    """What this process can do in a workflow's turn."""
    said = settings.reconcile
    limits = Limits(
        range_rows=said.range_rows,
        rate=said.rate,
        settle=said.settle,
        patience=said.patience,
        rounds=said.rounds,
        keys=said.max_keys,
    )
    reconciling = Reconciling(compared.sides, compared, limits, time.time)

    def reconcile(connection: psycopg.Connection, task: Task) -> Turn:
        return reconciling.turn(task, PostgresKeys(connection, task.workflow, task.step))

    return {"reconcile": reconcile} if settings.source.dsn else {}


def _rules(settings: Settings, table: str) -> TableRules:
    """What the settings say of a table that is compared."""
    if settings.source.connector != "postgresql":
        return TableRules(not_rows="only tables of PostgreSQL sources are compared")
    said = settings.tables.get(table, Table())
    if said.mode not in (Mode.ROWS, Mode.MATCH):
        return TableRules(not_rows=f"its mode is {said.mode}: its rows are changes, which the source does not keep")
    hidden = {name: why for name, column in said.columns.items() if (why := _hidden(column))}
    return TableRules(hidden=hidden, deleted=said.soft_delete)


def _hidden(column: Column) -> str:
    """Why a column is not compared."""
    if column.mask is not None:
        return "masked in the target"
    if column.erase:
        return "erased in the target"
    return "hashed in the target" if column.hash else ""
