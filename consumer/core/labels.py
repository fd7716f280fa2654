"""Labels of enums that rows bring and their target lacks.

A schema lists an enum's labels, but only rows say what is to be added: Debezium's connector for PostgreSQL does not
look at a type again that it knows, and joins labels by commas that they may have themselves.
"""

from collections.abc import Collection, Mapping

import polars as pl

from consumer.core.markers import Placeholders

# PostgreSQL's longest, in bytes
_MAX_BYTES = 63


def strange(
    images: pl.DataFrame, labels: Mapping[str, Collection[str]], placeholders: Placeholders
) -> dict[str, tuple[str, ...]]:
    """The labels in rows that are not among those known, by column; without what can be none, stands for a value that
    is not there, or is MySQL's mark of a value that is none.
    """
    found = {}
    for name, known in labels.items():
        unknown = [label for label in images[name].unique().drop_nulls() if label not in known and _possible(label)]
        mask = placeholders.mask(pl.Series(unknown, dtype=pl.String))
        there = [label for place, label in enumerate(unknown) if mask is None or not mask[place]]
        if there:
            found[name] = tuple(sorted(there))
    return found


def _possible(label: str) -> bool:
    return label != "" and "\0" not in label and len(label.encode()) <= _MAX_BYTES
