"""Labels of enums that rows bring and their target lacks.

A schema lists an enum's labels, but need not have the newest ones: Debezium's connector for PostgreSQL does not look at
a type again that it knows.
"""

from collections.abc import Collection, Mapping

import polars as pl

from consumer.core.markers import UNAVAILABLE


def strange(images: pl.DataFrame, labels: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
    """The labels in rows that are not among those known, by column."""
    found = {}
    for name, known in labels.items():
        unknown = set(images[name].unique().drop_nulls()) - {*known, UNAVAILABLE}
        if unknown:
            found[name] = tuple(sorted(unknown))
    return found
