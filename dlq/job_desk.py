"""Jobs of letters as people ask and decide about them, on one session."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import psycopg

from consumer.core.jobs import JobKind
from consumer.core.steering import Steer
from consumer.edges.postgres.translate import translated
from consumer.ports.desk import Note
from dlq import jobs, value_search
from dlq.jobs import Item, Job, Order
from dlq.preview import Preview, Rules, preview
from dlq.selection import Selection
from dlq.value_search import Wanted


@dataclass(frozen=True, slots=True)
class JobDesk:
    """Raises HeadraceError, Undecidable. `rules`: by which letters are judged."""

    connection: psycopg.Connection
    group: str
    rules: Rules

    def ruled(self, kind: JobKind, *, stale: bool = False) -> Rules:
        """The rules of a kind of job."""
        return replace(self.rules, kind=kind, stale=stale)

    def preview(self, selection: Selection, rules: Rules) -> Preview:
        """What a job would do."""
        with translated("preview job"):
            return preview(self.connection, self.group, selection, rules)

    def create(self, order: Order) -> int:
        """Make a job; returns its id."""
        return jobs.create(self.connection, self.group, order)

    def search(self, wanted: Wanted) -> int | None:
        """Make a search by values; returns the id of its job, None when no letter is meant."""
        return value_search.create(self.connection, self.group, wanted)

    def jobs(self, most: int) -> list[Job]:
        """The newest jobs."""
        with translated("list jobs"):
            return jobs.jobs(self.connection, self.group, most)

    def job(self, number: int) -> Job | None:
        """One job."""
        with translated("read job"):
            return jobs.job(self.connection, self.group, number)

    def decide(self, number: int, decision: Steer, said: Note) -> bool:
        """Send nothing more until it is resumed, or for good; or go on. False when there is no such job."""
        return jobs.decide(self.connection, self.group, number, decision, said)

    def report(self, number: int, states: Sequence[str] = ()) -> Iterator[Item]:
        """What became of each letter of a job."""
        with translated("report job"):
            yield from jobs.report(self.connection, self.group, number, states)

    def items(self, number: int, *, states: Sequence[str] = (), after: int = 0, most: int) -> list[Item]:
        """A page of that, behind one of its letters."""
        with translated("report job"):
            return jobs.report_page(self.connection, self.group, number, states=states, after=after, most=most)
