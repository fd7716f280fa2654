"""Which target table a change belongs to."""

from collections.abc import Mapping
from string import Formatter

from consumer.core.target import TableName

FIELDS = frozenset({"topic", "db", "schema", "table"})
# PostgreSQL cuts longer names, so two could become one
MAX_BYTES = 63


class BadName(ValueError):
    """No target table can have this name; the message says why."""


def check_template(template: str, *, one: bool = False) -> None:
    """Raises BadName for a template that can't name tables; or the table of `one` topic, which may be a plain name."""
    try:
        parts = [part for part in Formatter().parse(template) if part[1] is not None]
    except ValueError as error:
        raise BadName(f"the template is malformed: {error}") from error
    used = {str(name) for _, name, _, _ in parts}
    if not used <= FIELDS:
        raise BadName(f"unknown fields {sorted(used - FIELDS)}; known are {sorted(FIELDS)}")
    if any(form or conversion for _, _, form, conversion in parts):
        raise BadName("a field stands alone between its braces, without a format or a conversion")
    if template.count(".") != 1:
        raise BadName("the template must look like schema.table")
    if not one and not used & {"table", "topic"}:
        raise BadName("the template must look like schema.table, with {table} or {topic} in it")


def is_whole(template: str) -> bool:
    """Whether it names one table, whatever the source calls it."""
    return not any(name is not None for _, name, _, _ in Formatter().parse(template))


def telling(template: str, source: Mapping[str, str | None]) -> dict[str, str | None]:
    """Those names of a change's `source` block that the target's name follows."""
    used = {str(name) for _, name, _, _ in Formatter().parse(template) if name is not None}
    if "schema" in used and not source.get("schema"):
        used = used - {"schema"} | {"db"}
    return {name: source[name] for name in sorted(used & source.keys())}


def check_names(source: Mapping[str, str | None]) -> None:
    """Raises BadName for names of a `source` block that PostgreSQL can't keep."""
    for name in source.values():
        if name is not None and "\x00" in name:
            raise BadName("a name in the record's source has a zero byte")


def table_name(template: str, topic: str, source: Mapping[str, object]) -> TableName:
    """The target of a change by its `source` block; sources without schemas give their database. Raises BadName."""
    values = {
        "topic": topic,
        "db": str(source.get("db") or ""),
        "schema": str(source.get("schema") or source.get("db") or ""),
        "table": str(source.get("table") or ""),
    }
    # each half on its own, so that a dot inside a source name stays inside
    schema, name = (half.format(**values) for half in template.split("."))
    for word in (schema, name):
        if not word or "\x00" in word:
            raise BadName(f"the template {template!r} gives an empty name or one with a zero byte")
        if len(word.encode()) > MAX_BYTES:
            raise BadName(f"the name is longer than PostgreSQL's {MAX_BYTES} bytes")
    return TableName(schema, name)
