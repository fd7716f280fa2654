"""The shop's customers: a thread that changes the source in small transactions, with bursts between them."""

import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import psycopg

from consumer.stack.demo import shop
from consumer.stack.demo.background import Background
from consumer.stack.demo.failures import load_failed
from consumer.stack.demo.journal import Journal

# records that one changed row makes in its topic: a delete adds a tombstone, a key change is a delete and an insert
_ONE, _DELETE, _KEY_CHANGE = 1, 2, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How much and how fast: `changes` is None for no end, `rate` in changes a second, 0 for as fast as possible."""

    changes: int | None
    rate: int
    burst_rows: int
    burst_every: int


class Load(Background):
    """Changes the source from one thread; counts row changes and notes every commit in the journal."""

    def __init__(self, dsn: str, stock: shop.Stock, journal: Journal, pace: Pace) -> None:
        self._dsn = dsn
        self._stock = dict(stock.rows)
        self._journal = journal
        self._pace = pace
        self._random = random.Random(7)
        super().__init__("demo-load", self._guarded)
        self._error: psycopg.Error | None = None
        self._records: Counter[str] = Counter()
        self.changes = 0
        self.kinds: Counter[str] = Counter()
        self.finished = False

    def check(self) -> None:
        """Raises when the source refused something."""
        if self._error is not None:
            raise load_failed(self._error) from self._error

    def _guarded(self) -> None:
        try:
            with psycopg.connect(self._dsn) as connection:
                self._work(connection)
            self.finished = True
        except psycopg.Error as error:
            self._error = error

    def _work(self, connection: psycopg.Connection) -> None:
        began, bursts, next_burst = time.monotonic(), 0, self._pace.burst_every
        steps, weights = zip(*_STEPS, strict=True)
        while not self.stopping.is_set() and (self._pace.changes is None or self.changes < self._pace.changes):
            if self.changes >= next_burst:
                before = self.changes
                self._commit(connection, self._random.choice((_burst_orders, _burst_payments)))
                bursts += self.changes - before
                next_burst = self.changes + self._pace.burst_every
            else:
                self._commit(connection, self._random.choices(steps, weights)[0])
            if self._pace.rate:
                # bursts come on top of the pace, so that none is answered by silence
                due = began + (self.changes - bursts) / self._pace.rate
                self.stopping.wait(max(0.0, due - time.monotonic()))
        if not self.stopping.is_set():
            self._commit(connection, _mark)

    def _commit(self, connection: psycopg.Connection, step: "Step") -> None:
        self._records.clear()
        step(self, connection)
        at = time.time()
        connection.commit()
        self._journal.committed({shop.topic(table): count for table, count in self._records.items()}, at)

    def run(
        self,
        connection: psycopg.Connection,
        name: str,
        where: tuple[str, str],
        records: int = _ONE,
        **parameters: object,
    ) -> psycopg.Cursor:
        """One statement on a table, counted: `where` is the table and the kind of change."""
        done = connection.execute(shop.statements("changes")[name].encode(), {"chance": self.chance(), **parameters})
        table, kind = where
        self._records[table] += done.rowcount * records
        self.kinds[kind] += done.rowcount
        self.changes += done.rowcount
        return done

    def chance(self, most: int = 1_000_000) -> int:
        """A number from 2 to `most`; 1 is the row of the marks and stays."""
        return self._random.randint(2, most)

    def some(self, table: str, count: int) -> list[int]:
        """Numbers of rows that may exist in a table."""
        return sorted({self.chance(self._stock[table]) for _ in range(count)})

    def stocked(self, table: str) -> int:
        """How many rows the table was filled with so far."""
        return self._stock[table]

    def added(self, table: str, number: int) -> None:
        """A row with this number was inserted."""
        self._stock[table] = max(self._stock[table], number)

    @property
    def burst_rows(self) -> int:
        """Rows of one burst."""
        return self._pace.burst_rows


Step = Callable[[Load, psycopg.Connection], None]


def _purchase(load: Load, connection: psycopg.Connection) -> None:
    customer = load.chance(load.stocked("customers"))
    row = load.run(connection, "insert_order", ("orders", "insert"), customer=customer).fetchone()
    assert row is not None
    order, products = int(row[0]), load.stocked("products")
    lines = 1 + load.chance() % 4
    load.run(connection, "insert_items", ("order_items", "insert"), order=order, lines=lines, products=products)
    load.run(connection, "insert_payment", ("payments", "insert"), order=order)
    load.added("orders", order)


def _progress(load: Load, connection: psycopg.Connection) -> None:
    load.run(connection, "progress_orders", ("orders", "update"), ids=load.some("orders", 3))


def _reprice(load: Load, connection: psycopg.Connection) -> None:
    load.run(connection, "reprice_products", ("products", "update"), ids=load.some("products", 5))


def _redescribe(load: Load, connection: psycopg.Connection) -> None:
    load.run(connection, "redescribe_products", ("products", "update"), ids=load.some("products", 1))


def _profile(load: Load, connection: psycopg.Connection) -> None:
    load.run(connection, "update_customers", ("customers", "update"), ids=load.some("customers", 3))


def _register(load: Load, connection: psycopg.Connection) -> None:
    customer = load.stocked("customers") + 1
    load.run(connection, "insert_customer", ("customers", "insert"), customer=customer)
    load.added("customers", customer)


def _cancel(load: Load, connection: psycopg.Connection) -> None:
    order = load.chance(load.stocked("orders"))
    for name, table in (("delete_payments", "payments"), ("delete_items", "order_items"), ("delete_order", "orders")):
        load.run(connection, name, (table, "delete"), _DELETE, order=order)


def _rebook(load: Load, connection: psycopg.Connection) -> None:
    order = load.chance(load.stocked("orders"))
    load.run(connection, "rebook_payments", ("payments", "key change"), _KEY_CHANGE, order=order)


def _renumber(load: Load, connection: psycopg.Connection) -> None:
    order = load.chance(load.stocked("orders"))
    load.run(connection, "renumber_items", ("order_items", "key change"), _KEY_CHANGE, order=order)


def _burst_orders(load: Load, connection: psycopg.Connection) -> None:
    order = load.chance(max(2, load.stocked("orders") - load.burst_rows))
    load.run(connection, "burst_orders", ("orders", "update"), order=order, size=load.burst_rows)


def _burst_payments(load: Load, connection: psycopg.Connection) -> None:
    order = load.chance(max(2, load.stocked("orders") - load.burst_rows))
    load.run(connection, "burst_payments", ("payments", "insert"), order=order, size=load.burst_rows)


def _mark(load: Load, connection: psycopg.Connection) -> None:
    """The last change of every table."""
    for table in shop.TABLES:
        load.run(connection, f"mark_{table}", (table, "update"), mark="the end")


_STEPS: tuple[tuple[Step, int], ...] = (
    (_purchase, 30),
    (_progress, 25),
    (_reprice, 12),
    (_redescribe, 4),
    (_profile, 12),
    (_register, 5),
    (_cancel, 5),
    (_rebook, 4),
    (_renumber, 3),
)
