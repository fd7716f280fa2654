"""The results of the whole table, as the file that the documentation's page is made from."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path as File
from typing import Any

import psycopg

from tests.fidelity.catalogue import Type, named
from tests.fidelity.modes import Mode
from tests.fidelity.others import Found
from tests.fidelity.rules import Loss, NotSent, Refusal, left_of, not_sent, refusal
from tests.fidelity.source import STAYING
from tests.fidelity.verdict import Cell, Outcome, label_of

_DOCS = File(__file__).parent.parent.parent / "docs" / "reference"
FILE, RECORDED_FILE = _DOCS / "fidelity.json", _DOCS / "fidelity-recorded.json"
OTHERS_FILE = _DOCS / "fidelity-others.json"
_LONGEST = 48
# the ways of values that stay
_WRITTEN = tuple(path.name.lower() for path in STAYING)


@dataclass(frozen=True, slots=True)
class Table:
    """One target: what became of the values, Headrace's and the sink's, and which types their columns have."""

    target: str
    ours: Sequence[Cell]
    sink: Sequence[Cell]
    columns: Mapping[str, str]
    sink_columns: Mapping[str, str]


def columns(session: psycopg.Connection) -> dict[str, str]:
    """The types of the value columns, by schema and table."""
    query = (
        "SELECT attrelid::regclass::text, format_type(atttypid, atttypmod) FROM pg_attribute "
        "WHERE attname = 'v' AND NOT attisdropped AND attrelid::regclass::text LIKE '%\\_values'"
    )
    return {name.replace('"', ""): kind for name, kind in session.execute(query)}


def write_others(found: Iterable[Found]) -> None:
    """Write what became of values in columns of other types: a row for each mode, type and column's type."""
    rows: dict[tuple[str, str, str], list[Found]] = defaultdict(list)
    for each in found:
        rows[each.mode, each.cell.type, each.into].append(each)
    told = [
        {
            "mode": mode,
            "type": named([kind])[0].kind.removeprefix("public."),
            "into": into,
            "cells": dict(Counter(each.cell.outcome.value for each in same)),
            "why": sorted({each.why for each in same if each.why}),
        }
        for (mode, kind, into), same in rows.items()
    ]
    lines = ",\n".join(_compact(row) for row in told)
    OTHERS_FILE.write_text(f'{{"rows": [\n{lines}\n]}}\n', encoding="utf-8")


def loss(cell: Cell, target: str) -> Loss | None:
    """The rule by which a value is less."""
    return left_of(cell.mode, cell.type, target)


def why(cell: Cell, target: str) -> str | None:
    """The reason of a cell of ours that is not equal, by the rule that explains it."""
    rule: Loss | Refusal | NotSent | None = None
    if cell.outcome is Outcome.LOST:
        rule = loss(cell, target)
    elif cell.outcome is Outcome.REFUSED:
        rule = refusal(f"{cell.mode} {cell.type} {target} {cell.path} {label_of(cell)}", cell.kind)
    elif cell.outcome is Outcome.NOT_SENT:
        rule = not_sent(cell.mode, cell.type)
    return None if rule is None else rule.why


def joined(tables: Sequence[Table]) -> Table:
    """One table of all that was written into one kind of target."""
    return Table(
        target=tables[0].target,
        ours=[cell for table in tables for cell in table.ours],
        sink=[cell for table in tables for cell in table.sink],
        columns={name: kind for table in tables for name, kind in table.columns.items()},
        sink_columns={name: kind for table in tables for name, kind in table.sink_columns.items()},
    )


def write(tables: Sequence[Table], modes: Sequence[Mode]) -> None:
    """Write the file; one line a row, so that a change can be read."""
    rows = [_row(table, mode, kind) for mode in modes for kind in mode.types for table in tables]
    told = {mode.name: dict(mode.settings) for mode in modes}
    FILE.write_text(_text({"modes": told, "ways": _WRITTEN}, rows), encoding="utf-8")


def write_recorded(rows: Sequence[Mapping[str, object]]) -> None:
    """The same of recorded and synthetic events."""
    RECORDED_FILE.write_text(_text({}, rows), encoding="utf-8")


def _text(head: Mapping[str, Any], rows: Sequence[Mapping[str, Any]]) -> str:
    """A line for each row; reasons stand once, and their places where they are meant."""
    entries = [entry for row in rows for entry in row["ours"]]
    reasons = sorted({entry["why"] for entry in entries if entry["why"]})
    for entry in entries:
        entry["why"] = reasons.index(entry["why"]) if entry["why"] else None
    lines = ",\n".join(_compact(row) for row in rows)
    above = f'"head": {json.dumps(head, indent=1)},\n"reasons": {json.dumps(reasons, indent=1)}'
    return f'{{{above},\n"rows": [\n{lines}\n]}}\n'


def _compact(row: Mapping[str, Any]) -> str:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"))


def _row(table: Table, mode: Mode, kind: Type) -> dict[str, Any]:
    name = f"{mode.name}.{kind.table}"
    return {
        "mode": mode.name,
        "name": kind.name,
        "type": kind.kind.removeprefix("public."),
        "target": table.target,
        "values": len(kind.values) + 1,
        "column": table.columns.get(name),
        "sink_column": table.sink_columns.get(name),
        "ours": _told([cell for cell in table.ours if cell.at == (mode.name, kind.name)], table.target),
        "sink": _told([cell for cell in table.sink if cell.at == (mode.name, kind.name)], None),
    }


def _told(cells: Iterable[Cell], target: str | None) -> list[dict[str, Any]]:
    """The values that are not equal: value, outcome, the ways if not all, and the reason of one of ours."""
    found: dict[tuple[int, Outcome, str], list[Cell]] = defaultdict(list)
    for cell in cells:
        if cell.outcome is not Outcome.EQUAL:
            found[cell.number, cell.outcome, cell.kind].append(cell)
    return [_entry(same, target) for same in found.values()]


def _entry(cells: Sequence[Cell], target: str | None) -> dict[str, Any]:
    first, ways = cells[0], [cell.path for cell in cells]
    entry: dict[str, Any] = {"id": first.number, "value": _short(label_of(first)), "outcome": first.outcome.value}
    if first.kind:
        entry["kind"] = first.kind
    if not set(_WRITTEN) <= set(ways):
        entry["ways"] = ", ".join(ways)
    if target is not None:
        entry["why"] = why(first, target)
    return entry


def _short(value: str) -> str:
    if value.startswith("="):
        return "a long value"
    return value if len(value) <= _LONGEST else f"{value[:_LONGEST]}…"
