"""The fidelity page, from the results that `make fidelity` writes."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from tools.pages.markdown import code, page, table

_DOCS = Path(__file__).parent.parent.parent / "docs" / "reference"
RESULTS, RECORDED = _DOCS / "fidelity.json", _DOCS / "fidelity-recorded.json"
OTHERS = _DOCS / "fidelity-others.json"

_INTRO = """\
Whether the target is equal to the source, value by value. A test fills tables of a real PostgreSQL, has Debezium 3.6
send them through Kafka, runs Headrace, and then compares source and target by one SQL query a table: text and binary
form, as PostgreSQL itself gives them. No expected value is taken from a result. Debezium's own JDBC sink reads the same
topics into tables of its own, and stands beside.

Every value takes {ways}. One more row of each is deleted. Each is done twice: into columns that the consumer creates,
and into columns that are there, with the source's own types. Columns of other types are tried beside that.

{apart}| word | what it means |
| --- | --- |
| equal | text and binary form are the source's |
| lost | the target holds what is left of the source's value by the rule below, in text and binary form: the event has \
no more, or a column that is created keeps no more, since the schema does not tell the source's type |
| refused | the record is a letter, or its table is stopped, with the reason; its row is not there, or as it was |
| not sent | no event has the column |
| as text | the sink has made a text column, which has the event's own spelling: base64, ISO 8601 or Debezium's words |
| task failed | the sink's task has failed, and what came behind is not there |
| wrong | something else is in the target, and nothing says so |

A value of Headrace that is wrong fails the test, and so does one that is lost or refused without a rule that says
why. The rules are typed by hand."""
_WAYS = {
    "snapshot": "it is read by the snapshot",
    "streamed": "it is streamed",
    "kept": "an update of another column keeps it, for which a TOASTed value is not sent",
    "moved": "a change of the row's key does, for which it is not either",
    "changed": "a row is changed to it from the next value",
    "again": "its row is deleted and inserted again at once",
}
_FIRST_WAYS = ("snapshot", "streamed", "kept", "changed")
_APART = """\
Each type that PostgreSQL can store apart from its row (TOAST) has values of more than 2 kB in columns with
`STORAGE EXTERNAL`, so that neither `kept` nor `moved` has them in the source's log. Where Debezium's connector has no
placeholder for them they come as null, and are [refused](types.md#nulls-that-may-be-unchanged-values).

"""
_HOW = """\
`make fidelity` runs everything and writes [fidelity.json](fidelity.json), `fidelity-others.json`
and [fidelity-recorded.json](fidelity-recorded.json), from which this page is made; `make test` runs a selection. The
sink has its defaults but for `insert.mode=upsert`, `delete.enabled=true`, `primary.key.mode=record_key` and, where it
creates the tables, `schema.evolution=basic`. It has a connector for each table, so that one that fails hides no
other."""
_NOT_RUN = """\
Debezium 3.6.0 has no `time.precision.mode=structured`; its records are tested from the event on. The embedded
PostgreSQL has no `hstore`, `citext`, `ltree`, `xml` and PostGIS: """
_EXTENDED = """\
the modes `extensions` and `extensions_typed` have source and target on a server of the system (PostgreSQL 15 here), and
are left out where there is none."""
_NOT_EXTENDED = """\
their values are tested from the event on, on a server of the system (`tests/pg/test_extension_values.py`)."""
_OTHERS = """\
Columns that are there may have another type than the source's, as long as it holds the values. What is compared is
what PostgreSQL's own cast makes of the source's value, or of what is left of it in the event, as text and in binary
form. What comes as a text is in a text column as it came, so that is not tried. Each value takes the same ways here,
and a row of each is deleted. Numbers are cells; a refused one is a letter."""
_RECORDED = """\
Events that were recorded from real MySQL and MariaDB servers with Debezium's own connectors
([how](../../tests/fixtures/README.md)) are written to Kafka again, and Headrace creates the tables. What is compared is
what the server itself answered when it was asked for the row. **SQL Server and Oracle are synthetic**: their events
were built from Debezium's documentation, and no such server was asked. "Lost" is what Debezium's event says instead, by
a rule. Tables without a key named `id`, and ones whose schema changes, are left out."""
_SINK = """\
Values that are neither the source's nor what is left of them, without a word: no task has failed there. Where only the
way "kept" is wrong, the row has Debezium's placeholder for a TOASTed value that had not changed."""
_FULL = "The source's tables have `REPLICA IDENTITY FULL`; types whose unchanged values are refused without it."
_SETTINGS = "The connector's settings beside its defaults:"
_TARGETS = {"created": "created columns", "existing": "existing columns"}


def fidelity_page() -> str:
    """The page."""
    head, rows = _read(RESULTS)
    return page(
        "Fidelity",
        _intro(head.get("ways", _FIRST_WAYS)),
        "## In numbers\n\n" + _numbers(rows),
        "## Why a value is not equal\n\n" + _reasons(rows),
        *(_mode(name, settings, rows) for name, settings in head["modes"].items()),
        "## What the sink makes of values\n\n" + _sink(rows),
        *_others(),
        "## Other sources\n\n" + _RECORDED + "\n\n" + _recorded(),
        "## Not run here\n\n" + _NOT_RUN + (_EXTENDED if "extensions" in head["modes"] else _NOT_EXTENDED),
        "## How it is run\n\n" + _HOW,
    )


def _intro(ways: Sequence[str]) -> str:
    told = "; ".join(f"{_WAYS[way]} (`{way}`)" for way in _WAYS if way in ways)
    return _INTRO.format(ways=f"{len(ways)} ways: {told}", apart=_APART if "moved" in ways else "")


def _read(path: Path) -> tuple[Mapping[str, Any], Sequence[Mapping[str, Any]]]:
    """The head and the rows of a file, whose entries have their reasons themselves."""
    results = json.loads(path.read_text(encoding="utf-8"))
    for row in results["rows"]:
        for entry in row["ours"]:
            entry["why"] = results["reasons"][entry["why"]]
    return results["head"], results["rows"]


def _numbers(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many values ended how. One that ended in several ways counts for the worst of them."""
    lines = []
    for target, words in _TARGETS.items():
        for who, key in (("Headrace", "ours"), ("Debezium JDBC sink", "sink")):
            counts: Counter[str] = Counter()
            for row in rows:
                counts += _counts(row, key) if row["target"] == target else Counter()
            lines.append((words, who, *(str(counts[outcome]) for outcome in _OUTCOMES)))
    types = len({row["name"] for row in rows})
    modes = len({row["mode"] for row in rows})
    return f"{types} types in {modes} modes.\n\n" + table(("into", "by", *_OUTCOMES), lines)


# a value that ended in several ways counts for the last of these
_OUTCOMES = ("equal", "lost", "refused", "not sent", "as text", "task failed", "wrong")


def _counts(row: Mapping[str, Any], key: str) -> Counter[str]:
    worst: dict[str, str] = {}
    for entry in row[key]:
        outcomes = (worst.get(entry["id"], "equal"), entry["outcome"])
        worst[entry["id"]] = max(outcomes, key=_OUTCOMES.index)
    counts = Counter(worst.values())
    counts["equal"] += row["values"] - len(worst)
    return counts


def _reasons(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rules, each with where it holds."""
    found: dict[tuple[str, str], set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        for entry in row["ours"]:
            found[entry["outcome"], entry["why"]].add((row["mode"], row["type"]))
    lines = [
        (outcome, why[0].upper() + why[1:] + ".", _where(places))
        for (outcome, why), places in sorted(found.items(), key=lambda item: (_OUTCOMES.index(item[0][0]), item[0][1]))
    ]
    return table(("outcome", "why", "types, and the modes below"), lines)


def _where(places: Iterable[tuple[str, str]]) -> str:
    modes: dict[str, list[str]] = defaultdict(list)
    for mode, kind in sorted(places):
        modes[kind].append(mode)
    by_modes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for kind, names in modes.items():
        by_modes[tuple(names)].append(kind)
    return "; ".join(f"{', '.join(map(code, kinds))} in {', '.join(names)}" for names, kinds in by_modes.items())


def _mode(name: str, settings: Mapping[str, str], rows: Sequence[Mapping[str, Any]]) -> str:
    listed = "\n".join(f"- `{key}={value}`" for key, value in settings.items())
    told = f"{_SETTINGS}\n\n{listed}" if settings else "The connector's defaults."
    told += f"\n\n{_FULL}" if name == "full" else ""
    lines = []
    for row in (row for row in rows if row["mode"] == name and row["target"] == "created"):
        wanted = (name, row["name"], "existing")
        beside = next(each for each in rows if (each["mode"], each["name"], each["target"]) == wanted)
        cells = [_told(each, key) for each in (row, beside) for key in ("ours", "sink")]
        created = code(row["column"]) if row["column"] else "-"
        lines.append((code(row["type"]), str(row["values"]), created, *cells))
    head = ("type", "values", "created", "Headrace, created", "sink, created", "Headrace, existing", "sink, existing")
    return f"## Mode: {name}\n\n{told}\n\n" + table(head, lines)


def _told(row: Mapping[str, Any], key: str) -> str:
    counts = _counts(row, key)
    told = [f"{counts[outcome]} {outcome}" for outcome in _OUTCOMES if counts[outcome]]
    return told[0].split(" ", 1)[1] if len(told) == 1 else ", ".join(told)


def _sink(rows: Sequence[Mapping[str, Any]]) -> str:
    """Where it writes something else."""
    found: dict[tuple[str, str, str], set[str]] = defaultdict(set)
    for row in rows:
        for entry in row["sink"]:
            if entry["outcome"] == "wrong":
                value = code(entry["value"]) if entry["value"] else "empty"
                found[row["type"], value, entry.get("ways", "all")].add(f"{row['mode']} ({row['target']})")
    lines = [(code(kind), value, ways, ", ".join(sorted(places))) for (kind, value, ways), places in found.items()]
    return _SINK + "\n\n" + table(("type", "value", "ways", "modes and columns"), lines)


def _others() -> Iterator[str]:
    """Columns of other types, by type and column, with the reasons; nothing where no results are there."""
    if not OTHERS.exists():
        return
    rows = json.loads(OTHERS.read_text(encoding="utf-8"))["rows"]
    modes = sorted({row["mode"] for row in rows})
    cells: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        counts = Counter(row["cells"])
        told = ", ".join(f"{counts[outcome]} {outcome}" for outcome in _OUTCOMES if counts[outcome])
        cells[row["type"], row["into"]][row["mode"]] = "; ".join([told, *row["why"]])
    lines = [
        (code(kind), code(into), *(by_mode.get(mode, "-") for mode in modes)) for (kind, into), by_mode in cells.items()
    ]
    yield "## Into columns of other types\n\n" + _OTHERS + "\n\n" + table(("type", "column", *modes), lines)


_SOURCES = {
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "sqlserver": "SQL Server (synthetic)",
    "oracle": "Oracle (synthetic)",
}


def _recorded() -> str:
    """A table for each source, and the rules."""
    _, rows = _read(RECORDED)
    sources = {
        "mysql": "MySQL",
        "mariadb": "MariaDB",
        "sqlserver": "SQL Server (synthetic)",
        "oracle": "Oracle (synthetic)",
    }
    parts = []
    for source, title in sources.items():
        held = [row for row in rows if row["source"] == source]
        parts.append(f"### {title}\n\n" + _by_mode(held))
    return "\n\n".join([*parts, "### Why\n\n" + _recorded_reasons(rows)])


def _by_mode(rows: Sequence[Mapping[str, Any]]) -> str:
    modes = sorted({row["mode"] for row in rows})
    cells: dict[tuple[str, str], dict[str, str]] = defaultdict(dict)
    for row in rows:
        cells[row["type"], row["column"]][row["mode"]] = _outcomes(row)
    lines = [
        (code(kind), code(column), *(by_mode.get(mode, "-") for mode in modes))
        for (kind, column), by_mode in sorted(cells.items())
    ]
    return table(("type", "created", *modes), lines)


def _outcomes(row: Mapping[str, Any]) -> str:
    counts: Counter[str] = Counter()
    for entry in row["ours"]:
        counts[entry["outcome"]] += entry["count"]
    counts["equal"] = row["values"] - counts.total()
    told = [f"{counts[outcome]} {outcome}" for outcome in _OUTCOMES if counts[outcome]]
    return told[0].split(" ", 1)[1] if len(told) == 1 else ", ".join(told)


def _recorded_reasons(rows: Sequence[Mapping[str, Any]]) -> str:
    found: dict[tuple[str, str], set[str]] = defaultdict(set)
    for row in rows:
        for entry in row["ours"]:
            found[entry["outcome"], entry["why"]].add(row["source"])
    ordered = sorted(found.items(), key=lambda item: (_OUTCOMES.index(item[0][0]), item[0][1]))
    lines = [
        (outcome, why[0].upper() + why[1:] + ".", ", ".join(sorted(sources))) for (outcome, why), sources in ordered
    ]
    return table(("outcome", "why", "sources"), lines)
