"""What is known of topics and tables, and who is asked for the rest."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from consumer.core.binding import Binding, BindingKey
from consumer.core.failure import Failure
from consumer.core.key_schemas import BoundKey
from consumer.core.runs import Run
from consumer.core.target import TableName, TargetTable
from consumer.ports.evolution import Shapes

Fetch = Callable[[Mapping[BindingKey, Run]], Mapping[BindingKey, Failure]]
"""Has the registry asked for what runs lack, and waits a moment; says which ones lack it still, and why.

Raises DataFault, TableFault where the target refuses to tell what was kept of them.
"""


class Bindings(Protocol):
    """What is known of topics, schemas and target tables, without asking anyone."""

    def find(self, key: BindingKey) -> Binding | None:
        """The binding, or None when it has to be made first."""
        ...

    def rows_of(self, topic: str, key_frame: bytes | None) -> Binding | None:
        """Any binding of a table with this key schema, made from values of the topic, by which its rows are known; also
        one that holds no longer for sure, as the target's catalog is to be read again.
        """
        ...

    def of_values(self, topic: str, value_frame: bytes | None) -> Binding | None:
        """Any binding of a table with this value schema, whose records have keys of their own table."""
        ...


class Catalog(Shapes, Protocol):
    """What bindings ask of the target. Raises Transient."""

    def read_table(self, name: TableName) -> TargetTable | None:
        """The table, or None when there is none of that name."""
        ...

    def has_casts(self, casts: Sequence[tuple[str, str]]) -> Sequence[bool]:
        """Whether the target casts a staging type to a type of its own, for each pair."""
        ...

    def claim_table(self, name: TableName, topic: str) -> str:
        """The topic of the group that has the table: this one, unless another had it before.

        What was kept by a name that the topic's table had before, and that is gone, is kept by this one. Raises
        Persistent where a table of that name is there still.
        """
        ...

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        """Keep schemas for when the registry is away."""
        ...

    def recall_schemas(self, registry: str, ids: Sequence[int] | None = None) -> dict[int, str]:
        """Those of the schemas that were kept before; without ids all of that name."""
        ...

    def remember_source(self, topic: str, schema_id: int, bound: BoundKey) -> None:
        """Keep what records of a topic with this key schema were bound as."""
        ...

    def known_keys(self, topic: str) -> Sequence[BoundKey]:
        """The keys that the topic's records were bound with, as far as it was kept."""
        ...

    def recall_source(self, topic: str, key_schema: int) -> Mapping[str, str | None] | None:
        """The names kept, or None when the group has never bound that topic and key schema."""
        ...
