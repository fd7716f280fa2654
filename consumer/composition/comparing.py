"""Comparisons composed: both databases, the settings' word on tables, where logs end."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from functools import partial

import psycopg

from consumer.composition.binding_settings import table_mapping
from consumer.composition.edge_settings import kafka_settings, session_settings, source_settings
from consumer.core.decision import Undecidable
from consumer.core.failure import Persistent, Transient, failed
from consumer.core.flags import Flag
from consumer.core.kinds import KINDS
from consumer.core.modes import Mode
from consumer.core.records import TopicPartition
from consumer.core.workflow import Task, Turn
from consumer.edges.kafka.letterbox import KafkaLetterbox
from consumer.edges.kafka.offsets import KafkaOffsets
from consumer.edges.postgres import flags
from consumer.edges.postgres.differing import PostgresKeys
from consumer.edges.postgres.moves import PositionActs
from consumer.edges.postgres.reconcile import PostgresComparison, TableRules
from consumer.edges.postgres.renaming import RenamingActs
from consumer.edges.postgres.sweeping import swept
from consumer.edges.postgres.workflows import Act
from consumer.ports.letters import Outgoing
from consumer.ports.topics import Moments
from consumer.recovery.rebuilding import Rebuilding
from consumer.recovery.reconciling import Limits, Reconciling
from consumer.settings.loading import Settings
from consumer.settings.tables import Column, Table
from dlq.actions import discard
from dlq.masking import Mask
from dlq.signals import Dialect, collection, whole
from dlq.source_again import Channel

# seconds until it is asked again whether comparisons are still switched off
_OFF = 5.0


def comparison(now: Callable[[], Settings], name: str, offsets: Callable[[], Moments]) -> PostgresComparison:
    """What opens both sides of tables; nothing is opened yet. `now`: the settings that are in force."""
    settings = now()

    def ends(topic: str, numbers: list[int]) -> Mapping[int, int]:
        found = offsets().ends([TopicPartition(topic, number) for number in numbers])
        return {at.partition: end for at, end in found.items()}

    source = source_settings(settings)
    target = session_settings(settings, name)
    return PostgresComparison(target, source, settings.kafka.group, lambda table: rules(now(), table), ends)


def acts(now: Callable[[], Settings], compared: PostgresComparison, offsets: Callable[[], Moments]) -> dict[str, Act]:
    """What this process can do in a workflow's turn. `now`: the settings that are in force."""
    settings = now()
    group, said = settings.kafka.group, settings.reconcile
    limits = Limits(
        range_rows=said.range_rows,
        rate=said.rate,
        settle=said.settle,
        patience=said.patience,
        rounds=said.rounds,
        keys=said.max_keys,
    )
    reconciling = Reconciling(compared.sides, compared, limits, time.time)
    rebuilding = Rebuilding(compared.sides, partial(_send, settings), said.snapshot_patience, time.time)

    def hidden(table: str, to: str) -> bool:
        return Mask(now().admin.mask).covers(table, to)

    renaming = RenamingActs(group, settings.evolution.lock_timeout, hidden)
    positions = PositionActs(group, offsets, lambda table: appends(now(), table), discard)

    def reconcile(connection: psycopg.Connection, task: Task) -> Turn:
        if why := flags.off(connection, group, Flag.RECONCILIATION):
            # a position of the source that is waited for is long ago when it goes on
            return Turn(progress={**task.progress, "round": None}, wait=_OFF, why=why)
        return reconciling.turn(task, PostgresKeys(connection, task.workflow, task.step))

    def sweep(connection: psycopg.Connection, task: Task) -> Turn:
        return swept(compared, connection, task)

    at_source: dict[str, Act] = {
        "reconcile": reconcile,
        "snapshot": lambda _, task: rebuilding.snapshot(task),
        "sweep": sweep,
    }
    return {
        # without a way to it they are others' to take
        **(at_source if settings.source.dsn else {}),
        "move": positions.move,
        "skip": positions.skip,
        "reach": positions.reach,
        "erase": positions.erase,
        "rename": renaming.rename,
        "settings": renaming.settings,
        "unpause": renaming.unpause,
    }


def appends(settings: Settings, table: str) -> str:
    """The mode of a table that gets a row for each record, or for each new one; else nothing."""
    mode = settings.tables.get(table, Table()).mode
    return mode if mode in (Mode.APPEND, Mode.HISTORY, Mode.MATCH) else ""


def _send(settings: Settings, table: str, identity: str) -> None:
    """Have the connector read a table of the source again. Raises HeadraceError."""
    schema, _, name = table.partition(".")
    named = collection(Dialect.POSTGRESQL, {"schema": schema, "table": name})
    try:
        with source_channel(settings) as channel:
            channel.send(whole(identity, named))
    except Undecidable as why:
        raise Persistent(failed(KINDS["source.refused"], "source", "ask for a table", str(why))) from why


@contextmanager
def source_channel(settings: Settings) -> Iterator[Channel]:
    """The way to the connector. Raises HeadraceError, Undecidable where there is none."""
    source, kafka = settings.source, kafka_settings(settings)
    topic = source.signals
    if not source.topic_prefix:
        raise Undecidable("source.topic_prefix is not set, so no connector would take a signal")
    traits = KafkaOffsets(kafka).traits([topic]).get(topic)
    if traits is None or traits.partitions != 1:
        raise Undecidable(f"the signal topic {topic} needs to be there, with one partition: others are not read")
    with closing(KafkaLetterbox(kafka)) as letterbox:

        def send(signal: bytes) -> None:
            letterbox.post([Outgoing(id=0, attempt=0, topic=topic, key=source.topic_prefix.encode(), value=signal)])
            letterbox.flush(settings.kafka.request_timeout)
            sent = letterbox.posted()
            if not sent:
                raise Transient(failed(KINDS["kafka.letters"], "kafka", "ask source", "nobody answered for a signal"))
            if sent[0].failure is not None:
                raise Transient(sent[0].failure)

        yield Channel(dialect=Dialect(source.connector), send=send)


def rules(settings: Settings, table: str) -> TableRules:
    """What the settings say of a table that is compared. Raises Refused for a transform that can't be loaded."""
    if settings.source.connector != "postgresql":
        return TableRules(not_rows="only tables of PostgreSQL sources are compared")
    said = settings.tables.get(table, Table())
    mode = appends(settings, table)
    if mode == Mode.MATCH:
        return TableRules(not_rows=f"its mode is {mode}: what is sent again would stand there twice")
    if mode:
        return TableRules(not_rows=f"its mode is {mode}: its rows are changes, which the source does not keep")
    mapping = table_mapping(said, b"")
    made = dict.fromkeys(mapping.transform.call.made_from if mapping.transform else (), "made by a transform")
    constant = dict.fromkeys(mapping.constants, "a constant in the target")
    hidden = {name: why for name, column in said.columns.items() if (why := _hidden(column))}
    return TableRules(gets=mapping.keeps, hidden=made | constant | hidden, deleted=said.soft_delete)


def _hidden(column: Column) -> str:
    """Why a column is not compared."""
    if column.mask is not None:
        return "masked in the target"
    if column.erase:
        return "erased in the target"
    return "hashed in the target" if column.hash else ""
