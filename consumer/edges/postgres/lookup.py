"""What bindings ask of the target, on a session of its own.

Nothing that is written here waits for the disk: the batch that needs it commits later, and with it all that came
before.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from consumer.core.envelope import Column
from consumer.core.plan import TableName, TargetTable
from consumer.edges.postgres import catalog, memory
from consumer.edges.postgres.session import LazySession, SessionSettings


class PostgresCatalog:
    """Implements `consumer.ports.Catalog`. Opens its session when first asked, and anew after it was lost."""

    def __init__(self, settings: SessionSettings, group: str) -> None:
        self._session = LazySession(replace(settings, synchronous_commit="off"))
        self._group = group

    def close(self) -> None:
        """End the session."""
        self._session.close()

    def read_table(self, name: TableName) -> TargetTable | None:
        return self._session.ask(lambda connection: catalog.read_table(connection, name))

    def create_table(self, name: TableName, columns: Sequence[Column], identity: Sequence[str]) -> None:
        self._session.ask(lambda connection: catalog.create_table(connection, name, columns, identity))

    def claim_table(self, name: TableName, topic: str) -> str:
        return self._session.ask(lambda connection: memory.claim_table(connection, self._group, str(name), topic))

    def remember_schemas(self, registry: str, schemas: Mapping[int, str]) -> None:
        self._session.ask(lambda connection: memory.remember_schemas(connection, registry, schemas))

    def recall_schemas(self, registry: str, ids: Sequence[int]) -> dict[int, str]:
        return self._session.ask(lambda connection: memory.recall_schemas(connection, registry, ids))

    def remember_source(self, topic: str, key_schema: int, names: Mapping[str, str | None]) -> None:
        self._session.ask(lambda connection: memory.remember_source(connection, self._group, topic, key_schema, names))

    def recall_source(self, topic: str, key_schema: int) -> Mapping[str, str | None] | None:
        return self._session.ask(lambda connection: memory.recall_source(connection, self._group, topic, key_schema))
