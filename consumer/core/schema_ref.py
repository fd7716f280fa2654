"""What leads to the schema of a key or value: an id of some kind, or why there is none."""

from dataclasses import dataclass
from enum import Enum, StrEnum
from typing import NamedTuple


class SchemaIds(StrEnum):
    """Where the schema ids of a topic's keys and values are.

    PREFIX: a zero byte and four bytes in front. HEADERS: in the record's headers. GLOBAL, CONTENT: a zero byte and
    eight bytes in front, Apicurio's global or content id.
    """

    PREFIX = "prefix"
    HEADERS = "headers"
    GLOBAL = "global-ids"
    CONTENT = "content-ids"


class Space(Enum):
    """Kinds of ids. IDS and GUIDS are of the Confluent API, the others of Apicurio's own."""

    IDS = "schema id"
    GUIDS = "schema GUID"
    GLOBAL_IDS = "global id"
    CONTENT_IDS = "content id"


class SchemaRef(NamedTuple):
    """An id of a kind; a GUID is a number of 128 bits."""

    space: Space
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    """What was found where an id should be, in words; the failure's kind, and what to change."""

    kind: str
    found: str
    remedy: str
