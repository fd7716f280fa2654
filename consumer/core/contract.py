"""Contracts: an Avro schema that the writer schemas of a topic are held to.

In the words of registries, with the contract as the older schema: *forward*, what is written can be read as the
contract says; *backward*, what was written by the contract can be read by the new schema; *full*, both.
"""

from dataclasses import dataclass, field
from typing import Literal

from consumer.core.avro import Avro, UnsupportedSchema, options, parsed
from consumer.core.resolution import Side, misfits
from consumer.core.shape import Misfit

Compatibility = Literal["forward", "backward", "full", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """`schema` describes the row, or the whole envelope; `name` is what messages call it."""

    name: str
    schema: Avro = field(repr=False)
    compatibility: Compatibility = "forward"


def violations(contract: Contract, text: str) -> list[Misfit]:
    """Where a change's writer schema (JSON text) is not as the contract wants it. Raises UnsupportedSchema."""
    envelope = Side.of(parsed(text))
    agreed = Side.of(contract.schema)
    whole = _is_envelope(agreed)
    written, path = (envelope, "") if whole else (_row(envelope), "after")
    found: list[Misfit] = []
    if contract.compatibility != "backward":
        found += misfits(written, agreed, path)
    if contract.compatibility in ("backward", "full"):
        found += [_turned(each) for each in misfits(agreed, written, path)]
    return found


def _is_envelope(schema: Side) -> bool:
    if schema.word != "record":
        raise UnsupportedSchema("a contract is a record: the row, or the envelope around it")
    return {"op", "after"} <= {each["name"] for each in schema.found["fields"]}


def _row(envelope: Side) -> Side:
    """The record of the row."""
    after = next(each["type"] for each in envelope.found["fields"] if each["name"] == "after")
    return envelope.at(options(after)[0][0])


def _turned(misfit: Misfit) -> Misfit:
    """The same seen from the contract, which was the writer."""
    expected = "no such field, or one with a default" if misfit.found == "no such field" else misfit.found
    return Misfit(path=misfit.path, expected=expected, found=misfit.expected)
