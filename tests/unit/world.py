"""Registry, topics and target of a binder, as a test sets them, without any server."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from consumer.binder import Binder, BinderSettings, Sources
from consumer.core.checks import Rules
from consumer.core.contract import Contract
from consumer.core.failure import Persistent, failed
from consumer.core.kinds import KINDS
from consumer.core.modes import OnTruncate
from consumer.core.plan import TableName, TargetTable
from consumer.core.types import ColumnPolicy
from consumer.edges.rows import RowDecoder
from consumer.known import KnownBindings
from consumer.mapping import TableMapping
from consumer.ports.topics import Traits


@dataclass
class World:
    """`table` answers what the target has of a name."""

    schemas: dict[int, str]
    table: Callable[[TableName], TargetTable | None]
    topics: dict[str, Traits] = field(default_factory=dict)
    name: str = "world"
    sources: dict[tuple[str, int], Mapping[str, str | None]] = field(default_factory=dict)
    created: list[TableName] = field(default_factory=list)
    made_of: list[str] = field(default_factory=list)
    made_as: dict[str, Sequence[str]] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    truncates: dict[str, OnTruncate] = field(default_factory=dict)
    contracts: dict[str, Contract] = field(default_factory=dict)
    mappings: dict[str, TableMapping] = field(default_factory=dict)
    checks: dict[str, dict[str, Rules]] = field(default_factory=dict)
    uncast: set[tuple[str, str]] = field(default_factory=set)
    columns: dict[str, dict[str, ColumnPolicy]] = field(default_factory=dict)
    claims: dict[TableName, str] = field(default_factory=dict)

    def binder(self, known: KnownBindings, grace: float = 0.0) -> Binder:
        """A binder that asks this world."""
        sources = Sources(registry=self, catalog=self, offsets=self, rows=RowDecoder())
        settings = BinderSettings(
            truncates=self.truncates,
            unknown_grace=grace,
            versions=self.versions,
            contracts=self.contracts,
            columns=self.columns,
            checks=self.checks,
            mappings=self.mappings,
        )
        return Binder(known, sources, settings)

    def schema(self, schema_id: int) -> str:
        """The schema of that id."""
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

    def create_table(self, name: TableName, columns: Mapping[str, Sequence[str]], identity: Sequence[str]) -> None:
        """Notes it, and the columns of the last one."""
        self.created.append(name)
        self.made_of = list(columns)
        self.made_as = dict(columns)

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        """Nothing is asked of it here."""

    def remember_source(self, topic: str, key_schema: int, names: Mapping[str, str | None]) -> None:
        """Keeps them."""
        self.sources[topic, key_schema] = names

    def recall_source(self, topic: str, key_schema: int) -> Mapping[str, str | None] | None:
        """What was kept."""
        return self.sources.get((topic, key_schema))

    def claim_table(self, name: TableName, topic: str) -> str:
        """The first one has it."""
        return self.claims.setdefault(name, topic)
