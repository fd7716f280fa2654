"""Registry, topics and target of a binder, as a test sets them, without any server."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count

from consumer.binding.binder import Binder, Sources
from consumer.binding.binder_settings import BinderSettings
from consumer.binding.evolver import Following
from consumer.binding.known import KnownBindings
from consumer.binding.mapping import TableMapping
from consumer.core.binding import Evolution
from consumer.core.checks import Rules
from consumer.core.contract import Contract
from consumer.core.evolution import SourceColumn
from consumer.core.failure import Failure, Persistent, failed
from consumer.core.key_schemas import BoundKey
from consumer.core.kinds import KINDS
from consumer.core.modes import Mode, OnTruncate
from consumer.core.steps import CreateTable, Step, TableShape
from consumer.core.target import TableName, TargetTable
from consumer.core.types import ColumnPolicy
from consumer.edges.rows import RowDecoder
from consumer.ports.evolution import Followed, Rehearsed, State
from consumer.ports.topics import Traits
from tests.unit.numbered import Numbered
from tests.unit.shaping import after, shape_of, table_of

WORLDS = count(1)


@dataclass
class World(Numbered):
    """`table` answers what the target has of a name."""

    schemas: dict[int, str]
    table: Callable[[TableName], TargetTable | None]
    topics: dict[str, Traits] = field(default_factory=dict)
    # what a group keeps of a registry is kept by its address: worlds of different tests never share it
    address: str = field(default_factory=lambda: f"world-{next(WORLDS)}")
    sources: dict[tuple[str, int], Mapping[str, str | None]] = field(default_factory=dict)
    # the keys that topics were bound with
    keys: dict[str, list[BoundKey]] = field(default_factory=dict)
    # how long an answer that an id is not known is believed
    missing_for: float = 0.0
    # the ids that the registry was asked for
    inquiries: list[int] = field(default_factory=list)
    # columns of tables that are to be made, with their types
    made: dict[TableName, dict[str, str]] = field(default_factory=dict)
    following: Following = field(default_factory=Following)
    # the columns that the source has had, and what became of changes that were proposed
    known: dict[str, SourceColumn] = field(default_factory=dict)
    proposed: list[tuple[Evolution, State]] = field(default_factory=list)
    approved: bool = False
    versions: dict[str, str] = field(default_factory=dict)
    truncates: dict[str, OnTruncate] = field(default_factory=dict)
    soft_deletes: dict[str, str] = field(default_factory=dict)
    modes: dict[str, Mode] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    mappings: dict[str, TableMapping] = field(default_factory=dict)
    checks: dict[str, dict[str, Rules]] = field(default_factory=dict)
    uncast: set[tuple[str, str]] = field(default_factory=set)
    columns: dict[str, dict[str, ColumnPolicy]] = field(default_factory=dict)
    # by topic
    templates: dict[str, str] = field(default_factory=dict)
    claims: dict[TableName, str] = field(default_factory=dict)

    def binder(self, known: KnownBindings, grace: float = 0.0) -> Binder:
        """A binder that asks this world."""
        sources = Sources(registry=self, catalog=self, offsets=self, rows=RowDecoder())
        settings = BinderSettings(
            truncates=self.truncates,
            soft_deletes=self.soft_deletes,
            unknown_grace=grace,
            missing_for=self.missing_for,
            versions=self.versions,
            modes=self.modes,
            contracts=self.contracts,
            columns=self.columns,
            checks=self.checks,
            mappings=self.mappings,
            templates=self.templates,
            following=self.following,
        )
        return Binder(known, sources, settings)

    def schema(self, schema_id: int) -> str:
        """The schema of that id."""
        self.inquiries.append(schema_id)
        if schema_id not in self.schemas:
            raise Persistent(failed(KINDS["record.schema_unknown"], "registry", "get schema", "none"))
        return self.schemas[schema_id]

    def traits(self, topics: Sequence[str]) -> dict[str, Traits]:
        """Those that exist."""
        return {topic: self.topics[topic] for topic in topics if topic in self.topics}

    def read_table(self, name: TableName) -> TargetTable | None:
        """What the test says."""
        return self.table(name)

    def has_casts(self, casts: Sequence[tuple[str, str]]) -> list[bool]:
        """All but what the test says."""
        return [cast not in self.uncast for cast in casts]

    def read_shape(self, name: TableName) -> TableShape | None:
        """That of the table."""
        table = self.table(name)
        return shape_of(table) if table else None

    def available(self, types: Sequence[str]) -> str:
        """It has what every server has."""
        return types[-1]

    def rehearse(self, name: TableName, steps: Sequence[Step]) -> Rehearsed:
        """What the steps make of the table; those that are made are noted."""
        shape = after(self.read_shape(name), steps)
        if isinstance(steps[0], CreateTable):
            self.made[name] = {column.name: str(column.type) for column in shape.columns}
        return Rehearsed(table=table_of(name, shape), shape=shape, sql=self.spell(name, steps))

    def spell(self, name: TableName, steps: Sequence[Step]) -> tuple[str, ...]:
        """A word for each."""
        return tuple(f"{step.change.value} of {name}" for step in steps)

    def source_columns(self, name: TableName) -> Mapping[str, SourceColumn]:
        """What the test says."""
        return self.known

    def followed(self, name: TableName, fits: Followed) -> None:
        """Notes the schema's columns."""
        for source, target in fits.sources.items():
            self.known[source] = SourceColumn(target=target, schema_id=fits.schema_id)

    def unfit(self, name: TableName, steps: Sequence[Step]) -> Collection[Step]:
        """Every column takes every default."""
        return ()

    def slow(self, name: TableName) -> Collection[str]:
        """All are quick."""
        return ()

    def propose(self, evolution: Evolution, state: State, why: Failure) -> State:
        """Notes it; what a person may approve is, if the test says so."""
        self.proposed.append((evolution, state))
        return State.APPROVED if self.approved and state is State.PLANNED else state

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        """Nothing is asked of it here."""

    def recall_schemas(self, registry: str, ids: Sequence[int] | None = None) -> dict[int, str]:
        """None is kept."""
        return {}

    def remember_source(self, topic: str, schema_id: int, bound: BoundKey) -> None:
        """Keeps it."""
        self.sources[topic, schema_id] = bound.names
        self.keys.setdefault(topic, []).append(bound)

    def known_keys(self, topic: str) -> list[BoundKey]:
        """Those that were kept."""
        return self.keys.get(topic, [])

    def recall_source(self, topic: str, key_schema: int) -> Mapping[str, str | None] | None:
        """What was kept."""
        return self.sources.get((topic, key_schema))

    def claim_table(self, name: TableName, topic: str) -> str:
        """The first one has it."""
        return self.claims.setdefault(name, topic)
