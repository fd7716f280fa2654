"""Labels of enums that rows bring and their target lacks.

A schema lists an enum's labels, but only rows say what is to be added: Debezium's connector for PostgreSQL does not
look at a type again that it knows, and joins labels by commas that they may have themselves.
"""

from collections.abc import Collection, Mapping

import polars as pl

from consumer.core.markers import UNAVAILABLE

# PostgreSQL's longest, in bytes
_MAX_BYTES = 63


def strange(images: pl.DataFrame, labels: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """The labels in rows that are not among those known, by column; without what can be none, or is MySQL's mark of a
    value that is none.
    """
    found = {}
    for name, known in labels.items():
        unknown = {label for label in images[name].unique().drop_nulls() if label not in known and _possible(label)}
        if unknown:
            found[name] = tuple(sorted(unknown))
    return found


def _possible(label: str) -> bool:
    return label not in ("", UNAVAILABLE) and "\0" not in label and len(label.encode()) <= _MAX_BYTES
