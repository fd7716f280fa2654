"""The connector's modes: each capture has one value of each of several settings, and the types that they concern."""

from collections.abc import Mapping
from dataclasses import dataclass

from tests.fidelity.catalogue import EXTENDED, TYPES, Type, named, of

_UNKNOWN = {"include.unknown.datatypes": "true"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mode:
    """One capture. Its name is that of its schema, and its topics' prefix.

    `settings`: those of the connector. `binary`: what Headrace is told of bytes that come as text. `full`: the source's
    tables have REPLICA IDENTITY FULL.
    """

    name: str
    settings: Mapping[str, str]
    types: tuple[Type, ...]
    binary: str | None = None
    full: bool = False

    def topic(self, kind: Type) -> str:
        """Where the events of a type's table are."""
        return f"{self.prefix}.{self.name}.{kind.table}"

    @property
    def prefix(self) -> str:
        """The connector's."""
        return f"fidelity_{self.name}"


MODES = (
    Mode(name="defaults", settings={}, types=TYPES),
    Mode(name="typed", settings={"column.propagate.source.type": ".*", **_UNKNOWN}, types=TYPES),
    Mode(
        name="text",
        settings={
            "decimal.handling.mode": "string",
            "time.precision.mode": "isostring",
            "binary.handling.mode": "base64",
            "interval.handling.mode": "string",
        },
        types=of("decimal", "time", "binary", "interval"),
        binary="base64",
    ),
    Mode(
        name="double",
        settings={
            "decimal.handling.mode": "double",
            "time.precision.mode": "connect",
            "binary.handling.mode": "base64-url-safe",
        },
        types=of("decimal", "time", "binary"),
        binary="base64-url-safe",
    ),
    Mode(
        name="micro",
        settings={"time.precision.mode": "microseconds", "binary.handling.mode": "hex"},
        types=of("time", "binary"),
        binary="hex",
    ),
    Mode(name="time_micro", settings={"time.precision.mode": "adaptive_time_microseconds"}, types=of("time")),
    Mode(name="nano", settings={"time.precision.mode": "nanoseconds"}, types=of("time")),
    Mode(
        name="full",
        settings={},
        types=named(
            [
                "numeric",
                "bit_20000",
                "vector_700",
                "halfvec_1500",
                "text_a",
                "float8_a",
                "inet_a",
                "timestamptz_a",
                "numeric_a",
            ]
        ),
        full=True,
    ),
)
EXTENDED_MODES = (
    Mode(name="extensions", settings={}, types=EXTENDED),
    Mode(
        name="extensions_typed",
        settings={"column.propagate.source.type": ".*", "hstore.handling.mode": "map", **_UNKNOWN},
        types=EXTENDED,
    ),
)
"""Those of a server that has more types."""
