"""Columns whose values are never shown, by rules such as `public.customers.email` or `*.password`."""

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from consumer.core.wording import HIDDEN

_IMAGES = ("before", "after")
_SOURCE = "source"
# what a connector says of where a change comes from; other texts may hold values, as a statement or its user do
_NAMES = frozenset({"version", "connector", "name", "snapshot", "db", "schema", "table", "collection", "file", "gtid"})
_LOG_PLACES = frozenset({"sequence", "scn", "commit_scn", "start_scn", "rs_id", "row_id", "change_lsn", "commit_lsn"})


class Mask:
    """Patterns of `schema.table.column`, with `*` for any characters: the target's table, the source's column.

    Capital letters make no difference, so that no rule fails to hide for their sake.
    """

    def __init__(self, patterns: Sequence[str] = ()) -> None:
        self._rules = [_rule(pattern) for pattern in patterns]

    def hides(self, table: str | None, column: str) -> bool:
        """Whether a column's values are hidden; of a table that is not known whatever any rule hides."""
        return any(_fits(table, rule) and fnmatchcase(column.lower(), name) for rule, name in self._rules)

    def may_hide(self, table: str | None) -> bool:
        """Whether the table has hidden columns, so that its rows may not be shown as bytes either."""
        return any(_fits(table, rule) for rule, _ in self._rules)

    def covers(self, table: str, to: str) -> bool:
        """Whether columns that are hidden of one table are so of another."""
        hidden = {name for rule, name in self._rules if _fits(table, rule)}
        return hidden <= {name for rule, name in self._rules if _fits(to, rule)}

    def row(self, values: Mapping[str, Any], table: str | None) -> dict[str, Any]:
        """A row without what is hidden; that there is no value is no secret."""
        return {
            name: HIDDEN if value is not None and self.hides(table, name) else value for name, value in values.items()
        }

    def visible(self, values: Mapping[str, Any], table: str | None) -> dict[str, Any]:
        """A record without the columns that are hidden, as if they were not there."""
        # what is no envelope may have columns of these names, too
        shown = values if _is_envelope(values) else self._visible(values, table)
        found = {name: self._visible(value, table) for name, value in _images(shown)}
        for name, source in self._told(shown, table):
            found[name] = {field: value for field, value in source.items() if _is_place(field, value)}
        return {**shown, **found}

    def _visible(self, values: Mapping[str, Any], table: str | None) -> dict[str, Any]:
        return {name: value for name, value in values.items() if not self.hides(table, name)}

    def record(self, values: Mapping[str, Any], table: str | None) -> dict[str, Any]:
        """A record without what is hidden: in its rows if it is an envelope, else in itself.

        Nor does its `source` tell more than its place where anything is hidden: MySQL's may have the statement.
        """
        shown = values if _is_envelope(values) else self.row(values, table)
        found = {name: self.row(value, table) for name, value in _images(shown)}
        for name, source in self._told(shown, table):
            found[name] = {field: value if _is_place(field, value) else HIDDEN for field, value in source.items()}
        return {**shown, **found}

    def _told(self, values: Mapping[str, Any], table: str | None) -> list[tuple[str, Mapping[str, Any]]]:
        """The `source` of a record of which something is hidden; of one that was read in part, too."""
        return _parts(values, (_SOURCE,)) if self.may_hide(table) else []


def _is_envelope(values: Mapping[str, Any]) -> bool:
    return values.keys() >= {"op", *_IMAGES}


def _images(values: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    return _parts(values, _IMAGES)


def _parts(values: Mapping[str, Any], names: Sequence[str]) -> list[tuple[str, Mapping[str, Any]]]:
    return [(name, value) for name in names if isinstance(value := values.get(name), Mapping)]


def _is_place(field: str, value: Any) -> bool:
    return field in _NAMES or field in _LOG_PLACES or value is None or isinstance(value, (int, float))


def _rule(pattern: str) -> tuple[str, str]:
    table, _, column = pattern.lower().rpartition(".")
    return table or "*", column


def _fits(table: str | None, rule: str) -> bool:
    return table is None or fnmatchcase(table.lower(), rule)
