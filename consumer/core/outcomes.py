"""What became of the parts of a batch, as the ledger keeps it, in words."""

from collections.abc import Iterator, Mapping
from typing import Any

_RECORDS = {
    "upserts": "records written as rows",
    "deletes": "records that deleted rows",
    "folded": "records of rows that others of the batch changed again",
    "ignored": "records that mean nothing",
    "letters": "records that became letters",
    "truncates": "truncates",
}


def told(outcomes: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    """Each with its count. What was left out of the batch is not among them."""
    records = outcomes.get("records", {})
    yield from ((what, records[name]) for name, what in _RECORDS.items() if name in records)
    for table, states in sorted(outcomes.get("letters", {}).items()):
        of = f"of {table}" if table else "of no known table"
        yield from ((f"letters {of}, {state}", count) for state, count in sorted(states.items()))
    for state, count in sorted(outcomes.get("closed", {}).items()):
        yield f"older letters of its rows, {state}", count
    for state, count in sorted(outcomes.get("returned", {}).items()):
        yield f"letters that came back, {state}", count
