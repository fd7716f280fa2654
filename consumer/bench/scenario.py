"""What is measured: scenarios, the events that they consist of, and the targets to reach."""

from dataclasses import dataclass
from enum import StrEnum

from consumer.bench.failures import unusable
from consumer.bench.shapes import NARROW, WIDE, Shape

MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Mix:
    """The events of one table. `preloaded` rows are there before the first event and in no topic.

    The order: `inserts`, then `updates` over all rows in random order, then `deletes`, then one insert of
    row 0, which is how the end is seen. With `snapshot` there are only inserts, and Debezium snapshots them.
    """

    preloaded: int = 0
    inserts: int = 0
    updates: int = 0
    deletes: int = 0
    snapshot: bool = False

    @property
    def rows(self) -> int:
        """How many rows are there before the updates."""
        return self.preloaded + self.inserts

    @property
    def events(self) -> int:
        """How many records the topic gets."""
        return self.inserts + self.updates + self.deletes + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """Ratios to reach: against the sink's defaults, its best, and our own rate on one table."""

    defaults: float | None = None
    best: float | None = None
    one_table: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """One race. `usual`: the events that it has unless others are asked for. `remark`: what its page says of it."""

    name: str
    letter: str
    title: str
    shape: Shape
    goal: Goal
    tables: int = 1
    usual: int = MILLION
    remark: str = ""

    def dataset(self, events: int) -> "Dataset":
        """The data of this scenario with about so many events. Refuses sizes that leave a table without a mix."""
        each = events // self.tables
        if each < 20:
            raise unusable(
                f"{events} events are too few for {self.tables} tables", f"Ask for {20 * self.tables} or more."
            )
        return Dataset(
            name=f"{self.name.replace('-', '_')}_{events}",
            shape=self.shape,
            tables=tuple(f"t{number:03d}" for number in range(1, self.tables + 1)),
            mix=_MIXES[self.name](each),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """Tables in a schema of their own, called `name` on both servers, and one topic for each."""

    name: str
    shape: Shape
    tables: tuple[str, ...]
    mix: Mix

    @property
    def events(self) -> int:
        """Records in all topics."""
        return len(self.tables) * self.mix.events

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics, in the order of the tables."""
        return tuple(f"{TOPIC_PREFIX}.{self.name}.{table}" for table in self.tables)


TOPIC_PREFIX = "bench"


class Against(StrEnum):
    """Whom Headrace is measured against; the sink's best comes with its defaults."""

    NOBODY = "nobody"
    DEFAULTS = "defaults"
    BEST = "best"


def _fresh(events: int) -> Mix:
    return Mix(inserts=events - 1, snapshot=True)


def _updates(events: int) -> Mix:
    deletes = events // 100
    return Mix(preloaded=events, updates=events - deletes - 1, deletes=deletes)


def _hot_keys(events: int) -> Mix:
    keys = max(2, events // 50)
    deletes = max(1, keys // 10)
    return Mix(inserts=keys, updates=events - keys - deletes - 1, deletes=deletes)


def _wide(events: int) -> Mix:
    inserts, deletes = events // 2, events // 20
    return Mix(inserts=inserts, updates=events - inserts - deletes - 1, deletes=deletes)


_MIXES = {
    "fresh": _fresh,
    "updates": _updates,
    "hot-keys": _hot_keys,
    "wide": _wide,
    "many-tables": _fresh,
}

_MANY = """The goal is asked with four million events, 20,000 rows a table: that is work. With one million a table has
5,000 rows, and what is done once for each of the 200 tables, when its first rows come, is a third of the time: that is
start-up. Where it was measured, its figure stands beside the other.
"""

SCENARIOS: dict[str, Scenario] = {
    scenario.name: scenario
    for scenario in (
        Scenario(name="fresh", letter="a", title="fresh rows", shape=NARROW, goal=Goal(defaults=5.0, best=3.5)),
        Scenario(
            name="updates",
            letter="b",
            title="updates over as many rows",
            shape=NARROW,
            goal=Goal(defaults=4.0, best=3.0),
        ),
        Scenario(
            name="hot-keys", letter="c", title="50 events per key", shape=NARROW, goal=Goal(defaults=10.0, best=5.0)
        ),
        Scenario(name="wide", letter="d", title="30 mixed-type columns", shape=WIDE, goal=Goal(defaults=4.0, best=3.0)),
        Scenario(
            name="many-tables",
            letter="e",
            title="200 tables",
            shape=NARROW,
            goal=Goal(one_table=0.6),
            tables=200,
            usual=4 * MILLION,
            remark=_MANY,
        ),
    )
}

CPU_SECONDS_PER_MILLION = 8.0
PEAK_MEMORY_MB = 600.0
LATENCY_P99_MS = 300.0
