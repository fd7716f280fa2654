"""F20: what changes mean, with a batch border at every place."""

from collections.abc import Mapping, Sequence

import pytest

from tests.real.engine.feed import Feed
from tests.real.engine.worker import eventually

from .books import Origin
from .trial import Trial

_SIZES = range(1, 51)
_STEPS = 50
# steps from one truncate to the next
_OFTEN = 20
_CLOSED = {"applied", "superseded"}
# letters come back so many seconds later
_SOON = {"delays": [0.3, 0.6, 1.2], "flood_percent": 100}
# Kafka takes no record without a key into a compacted topic, so the source can write no truncate there
_TOPICS = [pytest.param({}, id="plain"), pytest.param({"cleanup.policy": "compact"}, id="compacted")]


class Story:
    """Changes of few rows as a source orders them. Labels are unique at any time, as for a further unique index.

    The last one is a swap; without `swaps` the only one.
    """

    def __init__(self, trial: Trial, feed: Feed, *, truncates: bool = False, swaps: bool = True) -> None:
        self._chance = trial.chance
        self._feed = feed
        self._truncates = truncates
        self._swaps = swaps
        self._alive: dict[int, str] = {}

    def tell(self, steps: int = _STEPS) -> None:
        """Feed so many steps, each of one meaning that the seed chooses."""
        meanings = [
            self._key_change,
            self._delete_and_insert,
            self._twice,
            self._partial,
            self._handed_on,
            self._remove,
        ]
        if self._swaps:
            meanings.append(self._swapped)
        for step in range(steps):
            if self._truncates and step % _OFTEN == _OFTEN - 1:
                self._feed.truncate()
                self._alive.clear()
            key = self._chance.randrange(1, 9)
            if key in self._alive:
                self._chance.choice(meanings)(key)
            else:
                self._write("c", key, self._new())
        while len(self._alive) < 2:
            self._write("c", self._chance.randrange(9, 20), self._new())
        # what is behind a swap may hide that it did not come about
        self._swapped(min(self._alive))
        self._feed.flush()

    def _key_change(self, key: int) -> None:
        """A delete, its tombstone, and a create under another key; the label goes along, and is not in the create."""
        new = key + 100
        if new in self._alive:
            self._remove(new)
        self._feed.move(key, new, self._chance.randrange(1000))
        self._alive[new] = self._alive.pop(key)

    def _delete_and_insert(self, key: int) -> None:
        """Without a tombstone between them both fold into one change."""
        self._remove(key, buried=self._chance.random() < 0.5)
        self._write("c", key, self._new())

    def _twice(self, key: int) -> None:
        self._write("u", key, self._new())
        self._write("u", key, self._new())
        self._partial(key)

    def _partial(self, key: int) -> None:
        self._feed.partial(key, self._chance.randrange(1000))

    def _handed_on(self, key: int) -> None:
        """Another row takes this one's label."""
        other = self._chance.choice(sorted(self._alive))
        if other != key:
            label = self._alive[key]
            self._write("u", key, self._new())
            self._write("u", other, label)

    def _swapped(self, key: int) -> None:
        """Two rows change their labels at once, as where the source's constraint is deferrable."""
        if others := sorted(self._alive.keys() - {key}):
            other = self._chance.choice(others)
            first, second = self._alive[key], self._alive[other]
            self._write("u", key, second)
            self._write("u", other, first)

    def _remove(self, key: int, *, buried: bool = True) -> None:
        self._feed.send("d", key)
        if buried:
            self._feed.raw(None, key)
        del self._alive[key]

    def _write(self, op: str, key: int, label: str) -> None:
        self._feed.send(op, key, label, self._chance.randrange(1000))
        self._alive[key] = label

    def _new(self) -> str:
        return f"{self._chance.getrandbits(64):x}"


@pytest.mark.parametrize("config", _TOPICS)
def test_f20_changes_mean_the_same_in_batches_of_any_size(trial: Trial, config: dict[str, str]) -> None:
    """Key changes, deletes with inserts, several changes of a row, unchanged columns, truncates, tombstones, a unique
    value that another row takes, or that two rows swap. Tombstones are applied in a compacted topic, else ignored.
    Where a batch ends between two rows that swap, their letters come back.
    """
    trial.target.do("ALTER TABLE churn ADD CONSTRAINT named UNIQUE (label)")
    trial.vary(tables={"public.churn": {"truncate": "apply"}}, letters=_SOON)
    # a tombstone closes letters of its row, and so a delete that keeps the row for its new key and waits behind one
    Story(trial, trial.feed("churn", 1, config), truncates=not config, swaps=not config).tell()
    for size in _SIZES:
        trial.afresh()
        trial.vary(max_rows=size)
        process = trial.run("--until-current")
        assert process.finish() == 0, process.text()[-3000:]
        trial.verify(_closed(trial))


@pytest.mark.parametrize("size", [1, pytest.param(7, marks=pytest.mark.short), 50])
def test_f20_a_truncate_stops_its_partition_until_it_is_decided(trial: Trial, size: int) -> None:
    """In front of it everything is applied; a person truncates the table and has it passed, and the rest follows."""
    feed = trial.feed("churn", 1)
    Story(trial, feed).tell()
    before = feed.rows()
    at = feed.topic, 0
    place = feed.ends()[at]
    feed.raw(feed.encode("t", 0, None), 0)
    feed.changes.clear()
    Story(trial, feed).tell()
    trial.vary(max_rows=size, letters=_SOON)
    trial.run()
    eventually(lambda: trial.target.stopped(trial.job.group), "the partition is stopped")
    eventually(lambda: trial.target.rows("churn") == before, "all in front of it is applied, letters too")
    assert trial.target.positions(trial.job.group) == {at: place}
    assert trial.target.stopped(trial.job.group)[at]["kind"] == "table.truncate"

    trial.target.do("TRUNCATE churn")
    trial.books.emptied("churn")
    trial.jumps(at, place + 1)
    trial.decided("positions", "set", feed.topic, "0", "--to", "skip")
    trial.recovers()
    eventually(lambda: set(trial.oracle.letters().values()) <= _CLOSED, "no letter is open")
    trial.verify(_closed(trial))


@pytest.mark.short
@pytest.mark.parametrize("size", [1, 50])
@pytest.mark.parametrize(
    "steps",
    [[(1, "right"), (2, "left")], [(1, "between"), (2, "left"), (1, "right")]],
    ids=["at once", "by way of a third value"],
)
def test_f20_two_rows_swap_a_unique_value(trial: Trial, size: int, steps: Sequence[tuple[int, str]]) -> None:
    """A batch that holds all of it has both rows in each other's way; so have two where it is done at once."""
    trial.target.do("ALTER TABLE churn ADD CONSTRAINT named UNIQUE (label)")
    feed = trial.feed("churn", 1)
    feed.send("c", 1, "left", 0)
    feed.send("c", 2, "right", 0)
    feed.flush()
    trial.vary(max_rows=size, letters=_SOON)
    trial.run("--until-current").finish()
    for amount, (key, label) in enumerate(steps):
        feed.send("u", key, label, amount)
    feed.flush()
    trial.run("--until-current").finish()
    trial.verify(_closed(trial))


def _closed(trial: Trial) -> Mapping[Origin, str]:
    """The states of all letters, of which none is open."""
    letters = trial.oracle.letters()
    assert set(letters.values()) <= _CLOSED
    return letters
