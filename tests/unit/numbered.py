"""A registry of schemas by number, for tests that have nothing to do with other ids."""

from consumer.core.schema_ref import SchemaRef
from consumer.ports.decoding import Found


class Numbered:
    """Implements the registry's port by `schema`, whatever kind of number is asked for."""

    address = "here"

    def schema(self, schema_id: int) -> str:
        """The text of that number."""
        raise NotImplementedError

    def name(self, ref: SchemaRef) -> str:
        """One for all kinds."""
        return self.address

    def find(self, ref: SchemaRef) -> Found:
        """The schema of that number."""
        return Found(ref.number, self.schema(ref.number))
