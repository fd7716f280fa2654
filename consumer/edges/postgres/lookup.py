"""What is asked of the target beside the batches: by bindings, and by those who only look."""

from collections.abc import Collection, Mapping, Sequence

import psycopg

from consumer.core.binding import Evolution
from consumer.core.evolution import SourceColumn
from consumer.core.failure import Failure
from consumer.core.flags import Flag, off_by
from consumer.core.key_schemas import BoundKey
from consumer.core.records import TopicPartition
from consumer.core.steps import Step, TableShape
from consumer.core.target import TableName, TargetTable
from consumer.edges.postgres import (
    catalog,
    changes,
    flags,
    letters,
    memory,
    positions,
    rehearsing,
    shapes,
    source_columns,
    table_names,
)
from consumer.edges.postgres.pool import TargetPool
from consumer.edges.postgres.translate import translated
from consumer.ports.evolution import Followed, Rehearsed, State
from consumer.ports.target import Stored, Underway


class PostgresCatalog:
    """Implements `consumer.ports.bindings.Catalog`."""

    def __init__(self, pool: TargetPool, group: str, lock_timeout: float = 2.0) -> None:
        """`lock_timeout`: most seconds that a table is waited for whose changes are rehearsed."""
        self._pool = pool
        self._group = group
        self._lock_timeout = lock_timeout

    def read_table(self, name: TableName) -> TargetTable | None:
        return self._pool.ask(lambda session: catalog.read_table(session, name))

    def has_casts(self, casts: Sequence[tuple[str, str]]) -> list[bool]:
        return self._pool.ask(lambda session: catalog.has_casts(session, casts))

    def claim_table(self, name: TableName, topic: str) -> str:
        return self._pool.ask(lambda session: table_names.claim(session, self._group, str(name), topic))

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        self._pool.ask(lambda session: memory.remember_schemas(session, registry, schemas))

    def recall_schemas(self, registry: str, ids: Sequence[int] | None = None) -> dict[int, str]:
        return self._pool.ask(lambda session: memory.recall_schemas(session, registry, ids))

    def remember_source(self, topic: str, schema_id: int, bound: BoundKey) -> None:
        self._pool.ask(lambda session: memory.remember_source(session, self._group, topic, schema_id, bound))

    def known_keys(self, topic: str) -> Sequence[BoundKey]:
        return self._pool.ask(lambda session: memory.known_keys(session, self._group, topic))

    def recall_source(self, topic: str, key_schema: int) -> Mapping[str, str | None] | None:
        return self._pool.ask(lambda session: memory.recall_source(session, self._group, topic, key_schema))

    def read_shape(self, name: TableName) -> TableShape | None:
        return self._pool.ask(lambda session: shapes.read_shape(session, name))

    def available(self, types: Sequence[str]) -> str:
        return self._pool.ask(lambda session: shapes.available(session, types))

    def rehearse(self, name: TableName, steps: Sequence[Step]) -> Rehearsed:
        return self._pool.ask(lambda session: rehearsing.rehearse(session, name, steps, self._lock_timeout))

    def unfit(self, name: TableName, steps: Sequence[Step]) -> Collection[Step]:
        return self._pool.ask(lambda session: rehearsing.unfit(session, name, steps, self._lock_timeout))

    def spell(self, name: TableName, steps: Sequence[Step]) -> tuple[str, ...]:
        return self._pool.ask(lambda session: rehearsing.spelled(session, name, steps))

    def source_columns(self, name: TableName) -> Mapping[str, SourceColumn]:
        return self._pool.ask(lambda session: source_columns.read(session, self._group, name))

    def followed(self, name: TableName, fits: Followed) -> None:
        self._pool.ask(lambda session: changes.followed(session, self._group, name, fits))

    def slow(self, name: TableName) -> Collection[str]:
        return self._pool.ask(lambda session: changes.slow(session, self._group, name))

    def propose(self, evolution: Evolution, state: State, why: Failure) -> State:
        return self._pool.ask(lambda session: changes.propose(session, self._group, evolution, state, why))


class LookingCatalog(PostgresCatalog):
    """The same for those who only look: nothing is claimed, remembered or proposed."""

    def claim_table(self, name: TableName, topic: str) -> str:
        return self._pool.ask(lambda session: table_names.owner(session, self._group, str(name), topic))

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        """Nothing."""

    def remember_source(self, topic: str, schema_id: int, bound: BoundKey) -> None:
        """Nothing."""

    def followed(self, name: TableName, fits: Followed) -> None:
        """Nothing."""

    def propose(self, evolution: Evolution, state: State, why: Failure) -> State:
        return state


class PostgresOverview:
    """Implements `consumer.ports.target.Overview`."""

    def __init__(self, pool: TargetPool, group: str) -> None:
        self._pool = pool
        self._group = group

    def stored(self) -> list[Stored]:
        return self._pool.ask(lambda session: positions.read(session, self._group))

    def open_letters(self) -> int:
        return self._pool.ask(self._counted)

    def underway(self, ends: Mapping[TopicPartition, int]) -> list[Underway]:
        return self._pool.ask(lambda session: letters.underway(session, self._group, ends))

    def off(self) -> Collection[Flag]:
        return off_by(self._pool.ask(lambda session: flags.everything(session, self._group)))

    def _counted(self, session: psycopg.Connection) -> int:
        with translated("count letters"):
            return letters.count_open(session, self._group)
