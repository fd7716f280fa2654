"""What became of records that could not be applied: the letters in the target, and their copies in Kafka."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg

from consumer.stack.demo.line import DEAD_TOPIC, GROUP, RETRY_TOPICS
from consumer.stack.demo.poison import Poisoned

OPEN = ("retrying", "held", "replaying", "dead")
CLOSED = ("applied", "superseded", "discarded")
TOPICS = (*RETRY_TOPICS, DEAD_TOPIC)
_COUNTS = "SELECT state, kind, count(*) FROM headrace.letters WHERE group_name = %s GROUP BY state, kind"
_EACH = """
SELECT topic, "offset", kind, state, state IN ('retrying', 'dead') AND published_attempt < attempt
FROM headrace.letters WHERE group_name = %s
"""
_AT_WORK = """
SELECT EXISTS (SELECT FROM headrace.audit WHERE group_name = %s AND happened_at > now() - interval '2 minutes')
"""


def at_work(target: psycopg.Connection) -> bool:
    """Whether somebody has looked into a letter, or decided about one, a moment ago. Raises psycopg.Error."""
    row = target.execute(_AT_WORK, [GROUP]).fetchone()
    return row is not None and bool(row[0])


@dataclass(frozen=True, slots=True)
class Letters:
    """How many letters there are, by state and kind."""

    counts: Mapping[tuple[str, str], int] = field(default_factory=dict)

    @classmethod
    def of(cls, target: psycopg.Connection) -> "Letters":
        """The letters now. Raises psycopg.Error."""
        rows = target.execute(_COUNTS, [GROUP]).fetchall()
        return cls({(state, kind): count for state, kind, count in rows})

    @property
    def by_state(self) -> Mapping[str, int]:
        """All letters."""
        return self._by(0, (*OPEN, *CLOSED))

    @property
    def open_by_kind(self) -> Mapping[str, int]:
        """Those that are not settled."""
        return self._by(1, OPEN)

    @property
    def by_kind(self) -> Mapping[str, int]:
        """All letters."""
        return self._by(1, (*OPEN, *CLOSED))

    def _by(self, place: int, states: Sequence[str]) -> Mapping[str, int]:
        found: Counter[str] = Counter()
        for names, count in self.counts.items():
            if names[0] in states:
                found[names[place]] += count
        return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Held:
    """Letters held against the records that were poisoned, each by topic and offset."""

    poisoned: Sequence[Poisoned]
    found: Mapping[tuple[str, int], tuple[str, str, bool]]

    @classmethod
    def against(cls, target: psycopg.Connection, poisoned: Sequence[Poisoned]) -> "Held":
        """The letters now. Raises psycopg.Error."""
        rows: list[Any] = target.execute(_EACH, [GROUP]).fetchall()
        return cls(poisoned, {(topic, offset): (kind, state, late) for topic, offset, kind, state, late in rows})

    def written(self, records: Sequence[Poisoned]) -> bool:
        """Whether these have become letters, whose copies are published."""
        at = [self.found.get((each.topic, each.offset)) for each in records]
        return all(letter is not None and not letter[2] for letter in at)

    def ended(self, records: Sequence[Poisoned]) -> bool:
        """Whether these letters are in the states that they must end in."""
        return all(self._state(each) == each.end for each in records)

    @property
    def missing(self) -> int:
        """Poisoned records without a letter of their kind, or with one that did not end as it must."""
        return sum(
            self.found.get((each.topic, each.offset), ("", "", False))[:2] != (each.kind, each.end)
            for each in self.poisoned
        )

    @property
    def unexpected(self) -> int:
        """Letters of records that nobody poisoned, as an outage of the target must not make them."""
        return len(self.found.keys() - {(each.topic, each.offset) for each in self.poisoned})

    def _state(self, record: Poisoned) -> str:
        return self.found.get((record.topic, record.offset), ("", "", False))[1]
