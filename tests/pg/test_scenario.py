"""What changes mean, with a batch border at every place: always what the model says."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from consumer.core.markers import UNAVAILABLE
from consumer.core.modes import OnTruncate
from consumer.core.target import TableName
from consumer.edges.postgres.sink import PostgresSink
from tests.oracle import Change, Model, key_change
from tests.pg.conftest import Pools
from tests.pg.engine import Engine
from tests.pg.landing import ID
from tests.unit.semantic import VARIABLE, array, unscaled

STRING = ["null", "string"]
FIELDS = [
    ID,
    {"name": "label", "type": STRING},
    {"name": "doc", "type": STRING},
    {"name": "n", "type": "int"},
    # the nulls of both are doubted: of the one wherever there is a value, of the other where it is long
    {"name": "marks", "type": ["null", array("double")]},
    {"name": "amount", "type": ["null", VARIABLE]},
]
NAMES = [str(each["name"]) for each in FIELDS]
COLUMNS = frozenset(NAMES)
LONG = 10**29 + 1
STEPS = 30
# of batches; with --whole, as `make fidelity` has it, all from 1 to 50
SIZES = (1, 2, 3, 4, 5, 7, 10, 17, 29, 50)
# with seeds by which every meaning is told
STORIES = [
    pytest.param(1, SIZES, False, id="a story"),
    pytest.param(8, (1, 3, 11, 50), False, id="another story"),
    pytest.param(6, SIZES, True, id="a compacted topic"),
]


@dataclass
class Story:
    """A source of few rows. Labels are unique at any time; documents are so large that a change may leave them out.

    `silent`: marks and long amounts are so large, too; without a placeholder they come as null then. Else they are
    sent, and no update sets marks to null, or a long amount.
    """

    engine: Engine
    chance: random.Random
    silent: bool = False
    model: Model = field(default_factory=lambda: Model(COLUMNS))
    # of each record in the log
    ids: list[int] = field(default_factory=list)
    # how often there were rows for each meaning
    told: Counter[str] = field(default_factory=Counter)

    def tell(self) -> None:
        """Steps of all meanings, each with a tombstone or without, in an order that the seed says."""
        meanings = [
            self._insert, self._insert, self._update, self._update, self._partial, self._partial, self._remove,
            self._again, self._moved, self._moved, self._swapped, self._handed_on,
        ]  # fmt: skip
        if self.silent:
            meanings = meanings[:-2]
        for step in range(STEPS):
            meaning = self.chance.choice(meanings)
            before = len(self.ids)
            meaning()
            self.told[meaning.__name__] += len(self.ids) > before
            # Kafka takes no record without a key into a compacted topic
            if step % 20 == 19 and not (self.engine.topics.compacted or self.silent):
                self.engine.truncate()
                self.model.apply(Change("t", ()))
        if not self.silent:
            while len(self.model.rows) < 2:
                self._insert()
            # what is behind a swap may hide that it did not come about
            self._swapped()
        assert all(self.told[meaning.__name__] for meaning in meanings), f"not all happened: {self.told}"

    def _row(self, key: int, **known: Any) -> dict[str, Any]:
        fresh = f"{self.chance.getrandbits(40):x}"
        before = self.model.rows.get((key,), {})
        marks = self.chance.choice([None, [0.5], [1.5, 2.5]])
        amount = self.chance.choice([None, 7, LONG])
        if marks is None and before.get("marks"):
            marks = before["marks"]
        if amount is None and before.get("amount") == LONG:
            amount = 7
        values = {"doc": f"doc {fresh}", "n": self.chance.randrange(9), "marks": marks, "amount": amount}
        return {"id": key, "label": fresh, **values, **known}

    def _write(self, op: str, row: dict[str, Any], *unsaid: str) -> None:
        """A change. `unsaid`: columns that it leaves out, as far as they are large."""
        self.engine.change(op, self._event(row, unsaid))
        self._note(row["id"])
        said = {name: value for name, value in row.items() if value != UNAVAILABLE}
        self.model.apply(Change(op, (row["id"],), said))

    def _event(self, row: dict[str, Any], unsaid: Sequence[str] = ()) -> dict[str, Any]:
        """What the source sends of a row."""
        event = {**row, **({"marks": None} if "marks" in unsaid else {})}
        amount = None if "amount" in unsaid and row["amount"] == LONG else row["amount"]
        return {**event, "amount": None if amount is None else {"scale": 0, "value": unscaled(amount)}}

    def _large(self) -> tuple[str, ...]:
        return ("marks", "amount") if self.silent and self.chance.random() < 0.5 else ()

    def _note(self, row: int) -> None:
        self.ids += [row] * (len(self.engine.topics.logs[self.engine.at[0]].values) - len(self.ids))

    def read_again(self) -> None:
        """Every row, as a snapshot reads it later."""
        for row in self.model.rows.values():
            self.engine.read_later(self._event(row))
            self._note(row["id"])

    def rows(self) -> dict[int, tuple[Any, ...]]:
        """The source's table."""
        return {key: tuple(row[name] for name in NAMES) for (key,), row in self.model.rows.items()}

    def _alive(self, number: int) -> Iterator[dict[str, Any]]:
        rows = [self.model.rows[key] for key in sorted(self.model.rows)]
        return iter([dict(row) for row in self.chance.sample(rows, number)] if len(rows) >= number else [])

    def _insert(self) -> None:
        key = self.chance.randrange(1, 9)
        self._write("u" if (key,) in self.model.rows else "c", self._row(key))

    def _update(self) -> None:
        for row in self._alive(1):
            self._write("u", self._row(row["id"]))

    def _partial(self) -> None:
        for row in self._alive(1):
            self._write("u", {**row, "doc": UNAVAILABLE, "n": self.chance.randrange(9)}, *self._large())

    def _remove(self) -> None:
        for row in self._alive(1):
            self._write("d", row)
            if self.chance.random() < 0.7:
                self.engine.tombstone(row)
                self._note(row["id"])

    def _again(self) -> None:
        for row in self._alive(1):
            self._write("d", row)
            # without one both fold into one change
            if self.chance.random() < 0.5:
                self.engine.tombstone(row)
                self._note(row["id"])
            self._write("c", self._row(row["id"]))

    def _moved(self) -> None:
        """The label goes along, and mostly the document, unsaid."""
        for row in self._alive(1):
            new = self.chance.randrange(10, 16)
            if (new,) not in self.model.rows:
                said = {**row, "id": new, "n": self.chance.randrange(9)}
                left_out = self.chance.random() < 0.8
                event = self._event(said | ({"doc": UNAVAILABLE} if left_out else {}), self._large())
                self.engine.move(self._event(row), event)
                self._note(row["id"])
                self.ids[-1] = new
                self.model.apply_all(key_change((row["id"],), (new,), said))

    def _swapped(self) -> None:
        """Two rows change their labels at once; of at least one the document is not said."""
        rows = list(self._alive(2))
        if len(rows) == 2:
            first, second = rows
            said = self.chance.random() < 0.3
            self._write("u", {**first, "label": second["label"], "doc": UNAVAILABLE})
            self._write("u", {**second, "label": first["label"], **({} if said else {"doc": UNAVAILABLE})})

    def _handed_on(self) -> None:
        """A row's label becomes another one's, which may be a new row."""
        for row in self._alive(1):
            self._write("u", self._row(row["id"]))
            other = self.chance.choice([key for key in range(1, 9) if key != row["id"]])
            self._write("u" if (other,) in self.model.rows else "c", self._row(other, label=row["label"]))


@pytest.fixture
def engines(
    session: psycopg.Connection, sink: PostgresSink, pools: Pools, schema: str, group: str
) -> Callable[..., Engine]:
    """Makes engines of tables by number, in which labels are unique."""
    pool = pools()

    def made(number: int, *, compacted: bool) -> Engine:
        name = TableName(schema, f"t{number}")
        columns = "id bigint PRIMARY KEY, label text UNIQUE, doc text, n int, marks float8[], amount numeric"
        session.execute(f"CREATE TABLE {name} ({columns})".encode())
        return Engine(sink, pool, group, name, FIELDS, truncates={str(name): OnTruncate.APPLY}, compacted=compacted)

    return made


@pytest.mark.parametrize(("seed", "sizes", "compacted"), STORIES)
def test_changes_mean_the_same_in_batches_of_any_size(
    session: psycopg.Connection,
    engines: Callable[..., Engine],
    pytestconfig: pytest.Config,
    seed: int,
    sizes: Sequence[int],
    compacted: bool,
) -> None:
    """Key changes, deletes with inserts, swapped and handed-on unique values, partial images, truncates, tombstones."""
    for size in range(1, 51) if pytestconfig.getoption("--whole", False) else sizes:
        engine = engines(size, compacted=compacted)
        story = Story(engine, random.Random(seed))
        story.tell()
        through(engine, session, size)
        assert table(engine, session) == story.rows(), f"batches of {size}"
        assert (engine.stopped, states(engine, session) - {"applied", "superseded"}) == ({}, set()), (
            f"batches of {size}"
        )


@pytest.mark.parametrize("seed", range(6))
def test_what_the_source_does_not_say_is_never_lost(
    session: psycopg.Connection, engines: Callable[..., Engine], seed: int
) -> None:
    """Where unchanged values come as null a row is as in the source or has a letter, and none once it is read again."""
    for size in (1, 2, 3, 7, 50):
        engine = engines(size, compacted=False)
        story = Story(engine, random.Random(seed), silent=True)
        story.tell()
        engine.run(size)
        open_ones = rows_with_letters(story, session)
        assert differing(story, session) <= open_ones, f"batches of {size}"
        assert open_ones, "nothing was left out"
        story.read_again()
        engine.run(size)
        assert differing(story, session) <= rows_with_letters(story, session) - story.rows().keys()
        assert engine.stopped == {}, f"batches of {size}"


def through(engine: Engine, session: psycopg.Connection, size: int) -> None:
    """Everything, and letters as often as they come back: a batch may end between two rows that swap their labels."""
    engine.run(size)
    while {"retrying", "replaying"} & states(engine, session):
        engine.come_back()


def states(engine: Engine, session: psycopg.Connection) -> set[str]:
    """Of the letters."""
    return {state for *_, state, _ in engine.letters(session)}


def table(engine: Engine, session: psycopg.Connection) -> dict[int, tuple[Any, ...]]:
    """The target's."""
    return {row[0]: row for row in engine.rows(session)}


def differing(story: Story, session: psycopg.Connection) -> set[int]:
    """Rows that are not as in the source."""
    ours, theirs = table(story.engine, session), story.rows()
    return {key for key in ours.keys() | theirs.keys() if ours.get(key) != theirs.get(key)}


def rows_with_letters(story: Story, session: psycopg.Connection) -> set[int]:
    """Rows of which letters are open."""
    open_states = ("dead", "held", "retrying")
    return {story.ids[offset] for _, offset, state, _ in story.engine.letters(session) if state in open_states}
