"""Letters of a group as rows alone, the program's own steps of jobs, and letters that come back with any outcome."""

from collections.abc import Sequence
from typing import Any

import psycopg

from consumer.core.failure import failed
from consumer.core.jobs import JobKind, next_step
from consumer.core.kinds import KINDS
from consumer.core.letters import State, Verdict
from consumer.core.records import RecordRef, TopicPartition
from consumer.core.turns import Known, Room, turns
from consumer.edges.postgres import standing
from consumer.edges.postgres.jobs import PostgresJobs
from consumer.edges.postgres.pool import TargetPool
from consumer.ports.desk import Note
from consumer.ports.jobs import Stepped
from dlq.actions import discard, replay
from dlq.jobs import Item, Job, Order, create, job, report
from dlq.preview import Preview, Rules, preview
from dlq.selection import Selection

_LETTERS = """
INSERT INTO headrace.letters (
    group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy,
    table_name, digest_a, digest_b
)
SELECT %(group)s, %(topic)s, %(partition)s, %(first)s + n, %(state)s, %(kind)s, 'persistent', 'test', 'test', 'd', 'r',
    %(table)s, CASE WHEN %(placed)s THEN coalesce(%(row)s, hashint8(%(first)s + n)) END, CASE WHEN %(placed)s THEN 1 END
FROM generate_series(0, %(number)s - 1) AS n RETURNING id
"""
_POSITION = """
INSERT INTO headrace.positions (group_name, topic, partition, next_offset, epoch) VALUES (%s, %s, %s, 1000000, 1)
ON CONFLICT DO NOTHING
"""
_SAME = {
    "topic": "t", "partition": 0, "first": 0, "state": "dead", "kind": "record.check", "table": "s.t", "placed": True,
    "row": None,
}  # fmt: skip
FAILED = failed(KINDS["record.check"], "test", "apply", "it does not fit")


class Scene:
    """One group. `row`: of the same table row are letters with the same number."""

    def __init__(self, session: psycopg.Connection, pool: TargetPool, group: str) -> None:
        self.session, self.group = session, group
        self.rules = Rules(max_replays=3)
        self.jobs = PostgresJobs(
            pool,
            group,
            {
                JobKind.REPLAY: lambda session, group, part: replay(session, group, part.letters, most=3).changed,
                JobKind.DISCARD: lambda session, group, part: (
                    discard(session, group, part.letters, part.reason, job=part.job).changed
                ),
            },
        )

    def letters(self, number: int = 1, **other: Any) -> list[int]:
        """Letters of consecutive offsets; their partition has a position."""
        values = {**_SAME, **other, "group": self.group, "number": number}
        self.session.execute(_POSITION, (self.group, values["topic"], values["partition"]))
        return sorted(row[0] for row in self.session.execute(_LETTERS, values))

    def look(self, selection: Selection | None = None, rules: Rules | None = None) -> Preview:
        """What a job would do."""
        return preview(self.session, self.group, selection or Selection(), rules or self.rules)

    def start(
        self, selection: Selection | None = None, expect: int | None = None, rules: Rules | None = None, **how: Any
    ) -> int:
        """A job of all letters that go, fast and without a canary if not told otherwise."""
        selection, rules = selection or Selection(), rules or self.rules
        expect = self.look(selection, rules).goes if expect is None else expect
        how = {"rate": 5000.0, "canary": 0, "stop_ratio": 1.0, **how}
        order = Order(selection=selection, rules=rules, expect=expect, said=Note("me@here", "ticket 1"), **how)
        return create(self.session, self.group, order)

    def step(self) -> Stepped | None:
        """One step of whichever job's turn it is."""
        return self.jobs.step(next_step)

    def rested(self, number: int) -> None:
        """As if a job had sent nothing for a while."""
        self.session.execute("UPDATE headrace.jobs SET paid_until = now() - interval '1 min' WHERE id = %s", (number,))

    def comes_back(self, letter: int, *, fits: bool = True) -> None:
        """A letter that was sent comes back, as far as its row lets it."""
        query = 'SELECT topic, partition, "offset" FROM headrace.letters WHERE id = %s'
        ((topic, partition, offset),) = self.session.execute(query, (letter,)).fetchall()
        letters = standing.read(self.session, self.group, [RecordRef(TopicPartition(topic, partition), offset)])
        row = next((one for one in letters if one.id == letter), None)
        if row is None or row.state not in (State.RETRYING, State.REPLAYING):
            return
        oldest = bool(turns(letters, {letter}, Known(), Room(letters=1, bytes=1)).tried)
        why = None if fits or not oldest else FAILED
        state = State.HELD if not oldest else State.APPLIED if fits else State.DEAD
        with self.session.transaction():
            standing.settle(self.session, [Verdict(id=row.id, attempt=row.attempt, state=state, failure=why)])

    def leave_alone(self, letter: int, why: str) -> None:
        """A letter that was sent comes back and is not tried."""
        ((attempt,),) = self.session.execute("SELECT attempt FROM headrace.letters WHERE id = %s", (letter,)).fetchall()
        with self.session.transaction():
            standing.settle(
                self.session, [Verdict(id=letter, attempt=attempt, state=State.DEAD, reason=why, excused=True)]
            )

    def state(self, letter: int) -> str:
        """A letter's state."""
        ((state,),) = self.session.execute("SELECT state FROM headrace.letters WHERE id = %s", (letter,)).fetchall()
        return str(state)

    def job(self, number: int) -> Job:
        """A job as it is."""
        found = job(self.session, self.group, number)
        assert found is not None
        return found

    def items(self, number: int) -> list[Item]:
        """Its report."""
        return list(report(self.session, self.group, number))

    def ends(self, number: int) -> list[str]:
        """Its items' states, in their order."""
        return [item.state for item in self.items(number)]

    def audit(self) -> list[tuple[str, str]]:
        """What people decided, and why, without the steps of their jobs."""
        query = "SELECT action, reason FROM headrace.audit WHERE group_name = %s AND action NOT LIKE %s ORDER BY id"
        return [(row[0], row[1]) for row in self.session.execute(query, (self.group, "% letters"))]

    def rest(self, ids: Sequence[int]) -> None:
        """Bring a job to its end, with everything fitting now."""
        for _ in range(1000):
            stepped = self.step()
            for letter in ids:
                self.comes_back(letter)
            if stepped is None:
                return
