"""Whether a key has the schema of its topic's table, or of another one, as a damaged id may lead to any schema.

Connectors name the schemas of a topic alike: its keys `….Key`, its values `….Envelope`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from consumer.core.avro import UnsupportedSchema, full_name, parsed
from consumer.core.envelope import read_key_schema


@dataclass(frozen=True, slots=True, kw_only=True)
class KeySchema:
    """A key's schema: its full name, and its columns as the source calls them."""

    name: str
    columns: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class BoundKey:
    """A key's schema, and what the source calls the table that records with it went into."""

    names: Mapping[str, str | None]
    key: KeySchema


def key_schema(text: str) -> KeySchema:
    """What a key's schema says. Raises UnsupportedSchema."""
    return KeySchema(name=_name(text), columns=frozenset(column.name for column in read_key_schema(text)))


def are_alike(key_text: str, value_text: str) -> bool:
    """Whether a key's and a value's schema are named after the same table, as far as both can be read."""
    try:
        return _name(key_text).rpartition(".")[0] == _name(value_text).rpartition(".")[0]
    except UnsupportedSchema:
        return False


def another_than(key: KeySchema, known: Iterable[KeySchema]) -> KeySchema | None:
    """The key that is known, where this one is not the same by its name, as a later version would be."""
    known = sorted(known, key=lambda one: one.name)
    return known[0] if known and key.name not in {one.name for one in known} else None


def _name(text: str) -> str:
    schema = parsed(text)
    if not isinstance(schema, dict):
        return ""
    return full_name(str(schema.get("name", "")), schema.get("namespace", ""))
