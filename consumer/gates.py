"""What has to be so before records of a schema go into a table; otherwise no binding of them is made.

Each refusal says the field where there is one, what was expected, what was found and what to do about it.
"""

from collections.abc import Callable, Iterable, Sequence

from consumer.core.envelope import Column
from consumer.core.failure import failed
from consumer.core.kinds import KINDS
from consumer.core.meaning import Meaning, meaning
from consumer.core.plan import BoundColumn, TargetTable
from consumer.core.types import OF_ITS_OWN, PARTS, ColumnPolicy, Kind, carriage


class Cannot(Exception):
    """No binding can be made: the kind, what is wrong, and a remedy where more can be said than the kind says."""

    def __init__(self, kind: str, detail: str, remedy: str = "") -> None:
        super().__init__(detail)
        self.failure = failed(KINDS[kind], "binder", "bind", detail, remedy=remedy)


def require_known(columns: Sequence[Column]) -> None:
    """Raises Cannot where it could only be guessed what values are."""
    for column in columns:
        item = column.item if column.avro == "array" and column.item is not None else column
        if meaning(item) is Meaning.UNKNOWN:
            found = f"after.{column.name}: expected a type that is known, found {item.avro} named {item.semantic!r}"
            raise Cannot("record.type", found)


def bound_columns(
    table: TargetTable,
    columns: Iterable[tuple[Column, str]],
    identity: Sequence[str],
    policy: Callable[[str], ColumnPolicy],
) -> tuple[BoundColumn, ...]:
    """Each column with the target's that takes it, by its name there; generated ones take nothing. Raises Cannot."""
    bound = []
    for column, name in columns:
        target = table.column(name)
        if target is None:
            raise Cannot("table.shape", f"table {table.name} has no column {name!r}", _ADD_COLUMN)
        if not target.generated:
            decided = policy(name)
            _require_form(column, target.kind, decided)
            _require_key(column, decided, identity)
            bound.append(BoundColumn(source=column, target=target, how=carriage(column, target.kind, decided)))
    missing = set(identity) - {column.target.name for column in bound}
    if missing:
        raise Cannot("table.identity", f"key columns {sorted(missing)} are not in the row", _CHECK_CONVERTER)
    return tuple(bound)


def _require_form(column: Column, target: Kind, policy: ColumnPolicy) -> None:
    """Raises Cannot where it could only be guessed how texts stand for bytes."""
    item, kind = column, target
    if column.avro == "array" and column.item is not None and target.item is not None:
        item, kind = column.item, target.item
    if meaning(item) is Meaning.BYTES and kind.name in OF_ITS_OWN:
        detail = f"after.{column.name}: expected values for a column of type {kind.name}, found bytes"
        raise Cannot("table.shape", detail, _NO_BYTES)
    if kind.name in PARTS.get(meaning(item), ()):
        detail = f"after.{column.name}: expected what a column of type {kind.name} holds, found more: {_said(item)}"
        raise Cannot("table.shape", detail, _WIDEN)
    if meaning(item) is Meaning.TEXT and kind.name == "bytea" and policy.binary is None:
        detail = f"after.{column.name}: expected bytes for a column of type bytea, found text"
        raise Cannot("table.shape", detail, _BYTES)


def _said(column: Column) -> str:
    return meaning(column).value


def _require_key(column: Column, policy: ColumnPolicy, identity: Sequence[str]) -> None:
    """Raises Cannot where rows would become one."""
    if column.name in identity and policy.zero_bytes != "reject":
        detail = f"after.{column.name}: zero bytes of a key column can't be taken out, found {policy.zero_bytes!r}"
        raise Cannot("table.shape", detail, _KEY_ZEROS)


def no_identity(table: TargetTable, identity: Sequence[str]) -> Cannot:
    """Nothing of the table tells the topic's rows apart."""
    columns = ", ".join(identity)
    return Cannot(
        "table.identity",
        f"table {table.name} has no unique index over exactly the key's columns ({columns}), all NOT NULL, "
        "and its topic has more than one partition",
        f"Create one: it must be valid, immediate and not partial, for example PRIMARY KEY ({columns}).",
    )


def unguarded(table: TargetTable, identity: Sequence[str]) -> Cannot:
    """Rows that are replaced can't have a version."""
    columns = ", ".join(identity)
    return Cannot(
        "table.identity",
        f"rows of table {table.name} are replaced, since it has no unique index over exactly the key's columns "
        f"({columns}), and a row that is replaced can't keep out what is older",
        f"Create one, for example PRIMARY KEY ({columns}), or remove version_column from the table's settings.",
    )


def version_column(table: TargetTable, version: Column) -> BoundColumn:
    """The column that keeps positions, as the table has it."""
    target = table.column(version.name)
    if target is None:
        detail = f"table {table.name} has no column {version.name!r}, which is to be its version_column"
        raise Cannot("table.shape", detail, _ADD_VERSION)
    if target.type_name != "int8" or target.required or target.generated or target.identity:
        detail = f"column {version.name!r} of table {table.name} is no plain bigint that takes nulls"
        raise Cannot("table.shape", detail, _ADD_VERSION)
    return BoundColumn(source=version, target=target, how=carriage(version, target.kind))


def require_privileges(
    table: TargetTable, columns: Sequence[BoundColumn], identity: Sequence[str], version: Column | None
) -> None:
    """Whatever a batch may do must be allowed: rows are found by their key, compared, inserted, updated and deleted."""
    lacks = set(table.lacks)
    for column in columns:
        needed = {"INSERT", "UPDATE"}
        if column.target.name in identity:
            needed = {"INSERT", "SELECT"}
        elif version is not None and column.target.name == version.name:
            needed |= {"SELECT"}
        lacks |= {f"{what} of {column.target.name!r}" for what in needed & column.target.lacks}
    if lacks:
        detail = f"the role may not do all that rows of table {table.name} need; it lacks {', '.join(sorted(lacks))}"
        raise Cannot("table.privilege", detail)


_CHECK_CONVERTER = (
    "Check that the producer writes Debezium envelopes with an Avro converter and registry.url is its registry."
)
_ADD_COLUMN = "Add the column to the target table, or exclude it at the source."
_ADD_VERSION = "Add it with ALTER TABLE … ADD COLUMN … bigint, or name another column as the table's version_column."
_BYTES = (
    "Set `binary` of the column in the settings to the connector's binary.handling.mode, or that to bytes, or make the "
    "target column text."
)
_NO_BYTES = "Make the target column bytea, or exclude the column at the source."
_WIDEN = "Give the target column the type that docs/reference/types.md names, or exclude the column at the source."
_KEY_ZEROS = 'Remove `zero_bytes` from the column\'s settings, or set it to "reject": keys that differ would be one.'
