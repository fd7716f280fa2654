"""What changes mean, with a batch border at every place: always what the model says."""

import random
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

STRING = ["null", "string"]
FIELDS = [ID, {"name": "label", "type": STRING}, {"name": "doc", "type": STRING}, {"name": "n", "type": "int"}]
COLUMNS = frozenset({"id", "label", "doc", "n"})
STEPS = 45
STORIES = [
    pytest.param(1, range(1, 51), False, id="all sizes"),
    pytest.param(2, (1, 3, 11, 50), False, id="another story"),
    pytest.param(3, range(1, 51), True, id="all sizes of a compacted topic"),
]


@dataclass
class Story:
    """A source of few rows. Labels are unique at any time; documents are so large that a change may leave them out."""

    engine: Engine
    chance: random.Random
    model: Model = field(default_factory=lambda: Model(COLUMNS))

    def tell(self) -> None:
        """Steps of all meanings, each with a tombstone or without, in an order that the seed says."""
        meanings = (
            self._insert, self._insert, self._update, self._update, self._partial, self._partial, self._remove,
            self._again, self._moved, self._moved, self._swapped, self._handed_on,
        )  # fmt: skip
        for step in range(STEPS):
            self.chance.choice(meanings)()
            # Kafka takes no record without a key into a compacted topic
            if step % 20 == 19 and not self.engine.topics.compacted:
                self.engine.truncate()
                self.model.apply(Change("t", ()))

    def _row(self, key: int, **known: Any) -> dict[str, Any]:
        fresh = f"{self.chance.getrandbits(40):x}"
        return {"id": key, "label": fresh, "doc": f"doc {fresh}", "n": self.chance.randrange(9), **known}

    def _write(self, op: str, row: dict[str, Any]) -> None:
        self.engine.change(op, row)
        self.model.apply(Change(op, (row["id"],), {n: v for n, v in row.items() if v != UNAVAILABLE}))

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
            self._write("u", {**row, "doc": UNAVAILABLE, "n": self.chance.randrange(9)})

    def _remove(self) -> None:
        for row in self._alive(1):
            self._write("d", row)
            if self.chance.random() < 0.7:
                self.engine.tombstone(row)

    def _again(self) -> None:
        for row in self._alive(1):
            self._write("d", row)
            # without one both fold into one change
            if self.chance.random() < 0.5:
                self.engine.tombstone(row)
            self._write("c", self._row(row["id"]))

    def _moved(self) -> None:
        """The label goes along, and mostly the document, unsaid."""
        for row in self._alive(1):
            new = self.chance.randrange(10, 16)
            if (new,) not in self.model.rows:
                said = {**row, "id": new, "n": self.chance.randrange(9)}
                left_out = self.chance.random() < 0.8
                self.engine.move(row, said | ({"doc": UNAVAILABLE} if left_out else {}))
                self.model.apply_all(key_change((row["id"],), (new,), said))

    def _swapped(self) -> None:
        """Two rows change their labels, by way of a third one."""
        rows = list(self._alive(2))
        if len(rows) == 2:
            first, second = rows
            self._write("u", {**first, "label": f"between {self.chance.getrandbits(40):x}", "doc": UNAVAILABLE})
            self._write("u", {**second, "label": first["label"], "doc": UNAVAILABLE})
            self._write("u", {**first, "label": second["label"], "doc": UNAVAILABLE})

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
        session.execute(f"CREATE TABLE {name} (id bigint PRIMARY KEY, label text UNIQUE, doc text, n int)".encode())
        return Engine(sink, pool, group, name, FIELDS, truncates={str(name): OnTruncate.APPLY}, compacted=compacted)

    return made


@pytest.mark.parametrize(("seed", "sizes", "compacted"), STORIES)
def test_changes_mean_the_same_in_batches_of_any_size(
    session: psycopg.Connection, engines: Callable[..., Engine], seed: int, sizes: Sequence[int], compacted: bool
) -> None:
    """Key changes, deletes with inserts, swapped and handed-on unique values, partial images, truncates, tombstones."""
    for size in sizes:
        engine = engines(size, compacted=compacted)
        story = Story(engine, random.Random(seed))
        story.tell()
        engine.run(size)
        model = [(row["id"], row["label"], row["doc"], row["n"]) for _, row in sorted(story.model.rows.items())]
        assert engine.rows(session) == model, f"batches of {size}"
        assert (engine.stopped, engine.letters(session)) == ({}, []), f"batches of {size}"
