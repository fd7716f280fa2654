"""The bad records of the demonstration: each class of them, where it goes, and what must become of it.

All forged records have keys that the shop never uses. A row that was refused for good is in neither database; one that
was applied in the end is taken away by a forged delete. So the comparison leaves no row out: whatever a bad record did
to its neighbours would be seen.
"""

import uuid
from dataclasses import dataclass
from decimal import Decimal

import psycopg

from consumer.core.markers import UNAVAILABLE
from consumer.stack.demo import shop
from consumer.stack.demo.forge import Forge, Row
from consumer.stack.demo.journal import Journal

# what only the target asks for: a bad value is one that it alone refuses
REFUSALS = (
    "ALTER TABLE shop.products ADD CONSTRAINT demo_price CHECK (price < 10000000)",
    "ALTER TABLE shop.products ADD CONSTRAINT demo_sku UNIQUE (sku)",
)
# beyond every key of the shop
_FAR = 1_000_000_000_000
_UNKNOWN_SCHEMA = b"\0\x7f\xff\xff\xff"
_FRAME, _CUT = 5, 3
_REFUSED_PRICE, _PRICE = Decimal(90_000_000), Decimal(1)
# 19.90, as it was meant
_POINTLESS = Decimal(19_900_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Poisoned:
    """One record that can't be applied as it is: its class in words, and the kind of letter that it must become.

    `end` is the letter's state when all has been put right that can be.
    """

    name: str
    topic: str
    offset: int
    kind: str
    end: str


class Round:
    """One set of all classes, and what puts right those that can be. `number` gives it keys of its own."""

    def __init__(self, forge: Forge, journal: Journal, number: int) -> None:
        self._forge = forge
        self._journal = journal
        self._number = number
        sku = f"POISON-{number}"
        self._dear = self._product(0, price=_REFUSED_PRICE, sku=f"{sku}-dear")
        self._first = self._product(1, sku=sku)
        self._second = self._product(2, sku=sku)

    def send(self) -> tuple[Poisoned, ...]:
        """Every class once, but for what can only follow one of them."""
        return (*self._unreadable(), self._refused(), self._twin())

    def follow(self) -> Poisoned:
        """A partial image of the row that was refused, when its letter is there: it must wait behind it."""
        partial = self._forge.change("products", "u", {**self._dear, "description": UNAVAILABLE})
        return self._bad("partial image", "products", self._dear, partial, "record.behind", end="superseded")

    def free(self) -> None:
        """Take away the row that holds the unique value; the letter that waits for it is applied then."""
        self._write("products", "d", self._first)

    def settle(self) -> None:
        """Send the refused row again with a value that the target takes, which supersedes its letters. Then both go."""
        good = {**self._dear, "price": _PRICE}
        self._write("products", "u", good)
        self._write("products", "d", good)
        self._write("products", "d", self._second)

    def _unreadable(self) -> tuple[Poisoned, ...]:
        customer = self._forge.row("customers", id=str(uuid.UUID(int=_FAR + self._number)))
        order = self._forge.row("orders", id=_FAR + self._number)
        payment = self._forge.row("payments", reference=f"POISON-{self._number}")
        framed, unknown, cut = (
            self._forge.change(table, "c", row)
            for table, row in (("customers", customer), ("orders", order), ("payments", payment))
        )
        return (
            self._bad("bad framing", "customers", customer, b"\1" + framed[1:], "record.framing"),
            self._bad(
                "unknown schema id", "orders", order, _UNKNOWN_SCHEMA + unknown[_FRAME:], "record.schema_unknown"
            ),
            self._bad("cut Avro", "payments", payment, cut[:-_CUT], "record.decode"),
        )

    def _refused(self) -> Poisoned:
        """A value that a CHECK of the target refuses."""
        create = self._forge.change("products", "c", self._dear)
        return self._bad("refused value", "products", self._dear, create, "record.check", end="superseded")

    def _twin(self) -> Poisoned:
        """Two rows with one value that is unique in the target; the second waits for the first to go."""
        self._write("products", "c", self._first)
        create = self._forge.change("products", "c", self._second)
        return self._bad("unique value taken", "products", self._second, create, "record.unique", end="applied")

    def _product(self, place: int, **changed: object) -> Row:
        return self._forge.row("products", id=_FAR + 10 * self._number + place, **{"price": _PRICE, **changed})

    def _bad(self, name: str, table: str, row: Row, value: bytes, kind: str, end: str = "dead") -> Poisoned:
        offset = self._put(table, row, value)
        return Poisoned(name=name, topic=shop.topic(table), offset=offset, kind=kind, end=end)

    def _write(self, table: str, operation: str, row: Row) -> None:
        self._put(table, row, self._forge.change(table, operation, row))

    def _put(self, table: str, row: Row, value: bytes) -> int:
        topic, key = shop.topic(table), self._forge.key(table, row)
        return self._journal.foreign(topic, lambda: self._forge.write(topic, key, value))


def first_letter(forge: Forge, journal: Journal) -> Poisoned:
    """A record for whoever looks: a price that lost its point, which the target refuses. Nobody else puts it right."""
    row = forge.row("products", id=_FAR, sku="FIRST-LETTER", price=_POINTLESS)
    topic, key, value = shop.topic("products"), forge.key("products", row), forge.change("products", "c", row)
    offset = journal.foreign(topic, lambda: forge.write(topic, key, value))
    return Poisoned(name="price without its point", topic=topic, offset=offset, kind="record.check", end="applied")


def make_particular(target_dsn: str) -> None:
    """Has the target refuse what the source takes."""
    with psycopg.connect(target_dsn, autocommit=True) as target:
        for statement in REFUSALS:
            target.execute(statement.encode())
