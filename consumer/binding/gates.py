"""What has to be so before records of a schema go into a table; otherwise no binding of them is made.

Each refusal says the field where there is one, what was expected, what was found and what to do about it.
"""

from collections.abc import Sequence

import structlog

from consumer.core.avro import UnsupportedSchema
from consumer.core.contract import Contract, violations
from consumer.core.envelope import Column, RecordKind, read_key_schema, read_writer_schema
from consumer.core.failure import Failure, blaming, failed
from consumer.core.kinds import KINDS
from consumer.core.meaning import Meaning, meaning
from consumer.core.shape import is_flattened, misfit

log = structlog.get_logger("headrace.gates")


class Cannot(Exception):
    """No binding can be made: the kind, what is wrong, and a remedy where more can be said than the kind says.

    `field`: the field that is to blame, if one is.
    """

    def __init__(self, kind: str, detail: str, remedy: str = "", field: str = "") -> None:
        super().__init__(detail)
        self.failure = blaming(failed(KINDS[kind], "binder", "bind", detail, remedy=remedy), field)


class NoneDecodes(Cannot):
    """None of the records at hand decodes, which says nothing of others with these schemas."""

    def __init__(self) -> None:
        super().__init__("record.decode", "no record of the run decodes with its writer schema")


class NoneNamed(Cannot):
    """None of the few records at hand says a name that a table can have, which says nothing of others either."""

    def __init__(self, why: str) -> None:
        super().__init__("record.schema", why, field="source")


def no_envelope(text: str) -> Cannot:
    """The schema is of no kind that Debezium writes."""
    if is_flattened(text):
        return Cannot("record.flattened", "value: expected a Debezium envelope, found the row alone")
    return Cannot("record.no_envelope", "value: expected a Debezium envelope, found another record")


def require_shape(text: str) -> None:
    """Raises Cannot where an envelope's own fields are not as Debezium writes them."""
    found = misfit(text)
    if found is not None:
        raise Cannot("record.schema", str(found), field=found.path)


def value_misfit(text: str) -> Failure | None:
    """Why no row could be read by a value's schema; None where rows can, or where it has none by rule."""
    try:
        schema = read_writer_schema(text)
        if schema.kind is RecordKind.OTHER:
            raise no_envelope(text)
        if schema.kind is RecordKind.CHANGE:
            require_shape(text)
            require_known(schema.columns)
    except UnsupportedSchema as error:
        return Cannot("record.schema", str(error)).failure
    except Cannot as error:
        return error.failure
    return None


def key_misfit(text: str) -> Failure | None:
    """Why rows could not be told apart by a key's schema."""
    try:
        read_key_schema(text)
    except UnsupportedSchema as error:
        return Cannot("record.schema", str(error)).failure
    return None


def require_contract(contract: Contract, topic: str, text: str) -> None:
    """Raises Cannot where a writer schema does not fit; says it in the log where that is all that is wanted."""
    found = violations(contract, text)
    if not found:
        return
    more = f", and {len(found) - 1} more" if len(found) > 1 else ""
    if contract.compatibility != "none":
        detail = f"{found[0]}{more} (contract {contract.name}, {contract.compatibility})"
        raise Cannot("table.contract", detail, field=found[0].path)
    log.warning("schema does not fit its contract", topic=topic, contract=contract.name, found=f"{found[0]}{more}")


def require_known(columns: Sequence[Column]) -> None:
    """Raises Cannot where it could only be guessed what values are."""
    for column in columns:
        item = column.item if column.avro == "array" and column.item is not None else column
        if meaning(item) is Meaning.UNKNOWN:
            found = f"after.{column.name}: expected a type that is known, found {item.avro} named {item.semantic!r}"
            raise Cannot("record.type", found, field=f"after.{column.name}")
