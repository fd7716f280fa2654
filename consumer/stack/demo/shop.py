"""The shop: its tables, its first rows, and the named statements that change it."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg

SCHEMA = "shop"
TOPIC_PREFIX = "demo"
# every table with its primary key, parents first
TABLES: Mapping[str, tuple[str, ...]] = {
    "customers": ("id",),
    "products": ("id",),
    "orders": ("id",),
    "order_items": ("order_id", "line"),
    "payments": ("reference",),
}
_SHARES = {"customers": 10, "products": 3, "orders": 27, "order_items": 45}


def topic(table: str) -> str:
    """The topic of a table's changes."""
    return f"{TOPIC_PREFIX}.{SCHEMA}.{table}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stock:
    """How many rows each table begins with."""

    rows: Mapping[str, int]

    @classmethod
    def of(cls, total: int) -> "Stock":
        """At least so many rows, split over the tables as in a shop."""
        rows = {table: max(10, total * share // 100) for table, share in _SHARES.items()}
        return cls(rows=rows | {"payments": max(10, total - sum(rows.values()))})

    @property
    def total(self) -> int:
        """Rows of all tables."""
        return sum(self.rows.values())


def create(connection: psycopg.Connection, stock: Stock) -> None:
    """Makes the shop with its first rows in one transaction."""
    seeds = statements("seed")
    counts = dict(stock.rows)
    with connection.transaction():
        connection.execute(_file("shop").encode())
        for table in TABLES:
            connection.execute(seeds[table].encode(), {**counts, "count": counts[table]})
        connection.execute(seeds["order_ids"].encode(), {"count": counts["orders"]})
    connection.execute("ANALYZE")


@cache
def statements(name: str) -> Mapping[str, str]:
    """The statements of one file by the name that stands above each."""
    blocks = _file(name).split("-- name: ")[1:]
    return {title.strip(): text.strip() for title, text in (block.split("\n", 1) for block in blocks)}


def _file(name: str) -> str:
    return Path(__file__).with_name(f"{name}.sql").read_text(encoding="utf-8")
