"""What turns records into columns and columns into COPY streams, and where schemas come from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import polars as pl

from consumer.core.schema_ref import SchemaRef
from consumer.core.writes import StagedColumn


class BadDatum(Exception):
    """One datum can't be decoded: `index` says which of the values given; the cause says why."""

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(reason)
        self.index = index
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Sifted:
    """The rows of all sound data, in order; of each bad datum its index among the data, and the reason.

    `careful`: how many data were read one after the other. `given_up`: why a schema is read so from now on, told once.
    """

    frame: pl.DataFrame
    bad: Mapping[int, str]
    careful: int = 0
    given_up: str = ""

    def whole(self) -> pl.DataFrame:
        """The frame, if nothing is missing from it. Raises BadDatum for the first bad datum."""
        if self.bad:
            first = min(self.bad)
            raise BadDatum(first, self.bad[first])
        return self.frame


class Decoder(Protocol):
    """Turns Avro data of one writer schema into columns."""

    def decode(self, schema: str, data: Sequence[bytes], fields: Sequence[str]) -> pl.DataFrame:
        """Decode `data` (bodies without their frame) into one row each, with the top-level `fields`.

        `schema` is a rewritten schema (JSON text). Both implementations return the same columns and types for what both
        can read; what is marked AS_TEXT comes as JSON text. Each datum must be consumed to its last byte. Raises
        BadDatum for the first one that isn't, or whose wanted values aren't of their types; no other datum is
        affected by it.
        """
        ...

    def sift(self, schema: str, data: Sequence[bytes], fields: Sequence[str], head: int = 0) -> Sifted:
        """Decode as `decode` does, and leave out what it would raise BadDatum for if it stood alone.

        The frame has its columns and types even when all data are bad. `head`: bytes in front of each body that are no
        part of it.
        """
        ...


@dataclass(frozen=True, slots=True)
class Found:
    """A schema's JSON text and its number, of which a topic's newer schemas have greater ones."""

    number: int
    text: str


class Registry(Protocol):
    """Schemas by ids, asked for from several threads."""

    def name(self, ref: SchemaRef) -> str:
        """What tells the schema's number from those of other registries and kinds; of a GUID, what tells it all."""
        ...

    def find(self, ref: SchemaRef) -> Found:
        """The schema. Raises Transient when the registry is away, Persistent when it is unknown."""
        ...


class Encoder(Protocol):
    """Turns columns into a binary COPY stream."""

    def encode(self, frame: pl.DataFrame, columns: Sequence[StagedColumn]) -> tuple[bytes, ...]:
        """The whole stream, in pieces; `frame` has the columns by name, carried for their staging types."""
        ...
