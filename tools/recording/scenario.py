"""The story that every recording tells: rows that are there already, then changes of every kind."""

from collections.abc import Sequence
from dataclasses import replace

from tools.recording.columns import ID, Column, Table
from tools.recording.journal import Journal, delete, insert, update
from tools.recording.server import DATABASE

SIGNALS = "debezium_signal"
_STREAMED = 1000
_READ_AGAIN = "integers"


def _varchar(name: str, size: int) -> Column:
    return Column(name=name, type=f"varchar({size})")


LIFE = Table(
    name="life",
    columns=(ID, _varchar("name", 20), Column(name="amount", type="decimal(9,2)"), Column(name="note", type="text")),
)


def before_the_snapshot(journal: Journal, tables: Sequence[Table]) -> None:
    """Makes the tables and fills them."""
    journal.server.execute(f"CREATE TABLE {SIGNALS} (id varchar(42) PRIMARY KEY, type varchar(32), data varchar(2048))")
    for table in (*tables, LIFE):
        journal.server.execute(table.declaration)
    for table in (each for each in tables if not each.streamed):
        journal.transaction([insert(table, number + 1, table.row(number)) for number in range(table.rows)])
    journal.transaction([insert(LIFE, 50, {"name": "'before'"})])
    journal.snapshot()


def behind_the_snapshot(journal: Journal, tables: Sequence[Table]) -> None:
    """The same values once more, out of the log this time; an update and a delete in each table; a table's life."""
    for table in tables:
        first = _STREAMED + 1
        journal.transaction([insert(table, _STREAMED + 1 + number, table.row(number)) for number in range(table.rows)])
        journal.each([update(table, first, table.row(1)), delete(table, first + 1)])
    _live(journal)


def ask_again(journal: Journal, tables: Sequence[Table], mode: str) -> None:
    """An incremental snapshot of one table, which only the capture `mode` listens to."""
    (table,) = [each for each in tables if each.name == _READ_AGAIN]
    wanted = f'{{"data-collections": ["{DATABASE}.{table.name}"], "type": "incremental"}}'
    journal.server.execute(f"INSERT INTO {SIGNALS} VALUES ('again', 'execute-snapshot', '{wanted}')")
    journal.read_again(table, (mode,))


def _live(journal: Journal) -> None:
    journal.each([insert(LIFE, number, {"name": f"'n{number}'", "amount": f"{number}.25"}) for number in range(1, 5)])
    journal.each([update(LIFE, 1, {"note": "'first'"}), update(LIFE, 1, {"name": "'moved'"}, new=11)])
    journal.transaction([delete(LIFE, 2), insert(LIFE, 2, {"name": "'again'"}), update(LIFE, 3, {"amount": "0"})])
    journal.transaction([update(LIFE, 3, {}, new=33), update(LIFE, 33, {}, new=3)])
    _evolve(journal)
    journal.truncate(LIFE)
    journal.each([insert(_evolved(), 60, {"title": "'behind the truncate'"})])


def _evolve(journal: Journal) -> None:
    """Changes of the table between changes of its rows."""
    middle = replace(LIFE, columns=(*LIFE.columns[:2], Column(name="extra", type="int"), *LIFE.columns[2:]))
    journal.server.execute("ALTER TABLE life ADD COLUMN extra int NOT NULL DEFAULT 5 AFTER name")
    journal.each([insert(middle, 5, {"extra": "6"}), update(middle, 4, {"note": "'with extra'"})])
    journal.server.execute("ALTER TABLE life MODIFY amount decimal(12,3) NULL, MODIFY extra bigint NULL")
    journal.each([update(middle, 4, {"amount": "123456789.125", "extra": "NULL"})])
    journal.server.execute("ALTER TABLE life CHANGE name title varchar(40), DROP COLUMN note")
    journal.each([insert(_evolved(), 6, {"title": "'renamed'"}), delete(_evolved(), 4)])


def _evolved() -> Table:
    extra, amount = Column(name="extra", type="bigint"), Column(name="amount", type="decimal(12,3)")
    return replace(LIFE, columns=(ID, _varchar("title", 40), extra, amount))
