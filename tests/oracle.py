"""The model that the program is held to: decoded changes applied one by one to a dict.

It imports nothing of the program, so that a mistake there can't be repeated here.
"""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

Key = tuple[Hashable, ...]
Row = dict[str, Any]

IMAGES = frozenset({"c", "u", "r"})


class MissingBase(Exception):
    """A partial image came for a row that is not there, so its missing columns have no value."""


@dataclass(frozen=True, slots=True)
class Change:
    """One change. `image` holds the columns that the event carries; fewer than the row has is a partial image."""

    op: str
    key: Key
    image: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Model:
    """A table of `columns`: its rows by key."""

    columns: frozenset[str]
    rows: dict[Key, Row] = field(default_factory=dict)

    def apply(self, change: Change) -> None:
        """Apply one change. Raises MissingBase, and leaves the rows as they were."""
        if change.op == "d":
            self.rows.pop(change.key, None)
        elif change.op == "t":
            self.rows.clear()
        elif change.op in IMAGES:
            self._set(change.key, dict(change.image or {}))
        else:
            raise ValueError(f"unknown operation {change.op!r}")

    def apply_all(self, changes: Iterable[Change]) -> None:
        """Apply changes in their order."""
        for change in changes:
            self.apply(change)

    def _set(self, key: Key, image: Row) -> None:
        missing = self.columns - image.keys()
        if missing and key not in self.rows:
            raise MissingBase(f"no base row for the columns {sorted(missing)}")
        self.rows[key] = {**self.rows.get(key, {}), **image}


def key_change(old: Key, new: Key, image: Mapping[str, Any]) -> tuple[Change, Change]:
    """A changed key as Debezium sends it: the old row's delete, then the new row's create."""
    return Change("d", old), Change("c", new, image)
