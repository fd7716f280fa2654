"""Recorded events of MySQL and MariaDB, synthetic ones of SQL Server and Oracle: the target has the source's words."""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import psycopg
import pytest

from consumer.stack.options import Endpoints
from tests.fidelity import recorded, results
from tests.fidelity.compare import open_session, prepare
from tests.fidelity.ground import run
from tests.fidelity.recorded import Compared, Topic, Wanted
from tests.fidelity.verdict import Outcome, letters
from tests.real.engine.feed import fresh_name
from tests.real.engine.witness import create_database
from tests.real.engine.worker import Job, Workers
from tests.recorded import RECORDED, SYNTHETIC, events
from tests.unit.test_recorded_values import DIFFERENCES, Difference

LOSSES = (
    *DIFFERENCES,
    Difference(
        r"\w+ synthetic \w+\.(time7|datetime2_7|datetimeoffset|timestamp9|timestamp_tz) \w+",
        "PostgreSQL keeps microseconds; refused, unless `nanoseconds` of the column says `cut`, as here",
    ),
)
# by kind, as an expression over `source mode table`
REFUSALS = {
    "record.value": (
        (r"\w+ \w+ far_times", "a `time` of PostgreSQL is of one day; into an `interval` it goes"),
        (r"\w+ main strings", "a text with a zero byte, unless `zero_bytes` of the column says what becomes of it"),
    ),
    "record.missing_base": (
        (r"\w+ main strings", "a text that is Debezium's own placeholder can't be told from it"),
        (r"oracle synthetic EVERYTHING", "an unavailable value of a row that is not there"),
    ),
}


class Found:
    """One value with its outcome; `why`: the rule that explains what is not equal."""

    def __init__(self, topic: Topic, row: Wanted, value: Compared, refused: str | None) -> None:
        phase = "stream" if row.streamed else "snapshot"
        self.where = f"{topic.source} {topic.mode} {topic.table}.{value.field} {phase}"
        self.topic, self.value, self.kind = topic, value, refused or ""
        self.shown = row.shown[value.field]
        self.outcome, self.why = self._judged(refused)

    def _judged(self, refused: str | None) -> tuple[Outcome, str | None]:
        if self.value.same:
            return Outcome.EQUAL, None
        if refused is not None:
            place = f"{self.topic.source} {self.topic.mode} {self.topic.table}"
            rules = (why for where, why in REFUSALS.get(refused, ()) if re.fullmatch(where, place))
            return Outcome.REFUSED, next(rules, None)
        why = next((each.why for each in LOSSES if re.fullmatch(each.where, self.where)), None)
        return (Outcome.LOST if self.value.as_sent and why else Outcome.WRONG), why

    @property
    def explained(self) -> bool:
        """It is equal, or a rule says why it is not."""
        return self.outcome is Outcome.EQUAL or (self.outcome is not Outcome.WRONG and self.why is not None)


def land(at: Endpoints, workers: Workers, topics: Sequence[Topic]) -> list[Found]:
    """Everything that their events become."""
    recorded.replay(at, topics)
    dsn = create_database(at.target_dsn, fresh_name("fidelity_recorded"))
    with open_session(dsn) as session:
        prepare(session, ())
    policies = {f"{recorded.SCHEMA}.{topic.name}": recorded.policies(topic) for topic in topics}
    job = Job(
        at=at,
        dsn=dsn,
        group=fresh_name("recorded"),
        topics=tuple(topic.name for topic in topics),
        named=f"{recorded.SCHEMA}.{{topic}}",
        tables={name: policy for name, policy in policies.items() if policy},
    )
    run(job, workers)
    with open_session(dsn) as session:
        return [each for topic in topics for each in _found(session, topic)]


def _found(session: psycopg.Connection, topic: Topic) -> Iterator[Found]:
    refused = letters(session, topic.name)
    for key, row in topic.wanted():
        (number,) = key.values()
        if row is not None:
            for value in recorded.compare(session, topic, key, row):
                yield Found(topic, row, value, refused.get(number))


def test_recorded_rows_are_the_servers_own(behind: Endpoints, workers: Workers) -> None:
    """Each value is what the server itself said, or a rule says why it is not; in one mode."""
    found = land(behind, workers, recorded.topics("mysql", events("mysql"), "text"))

    assert len(found) > 1000
    assert [f"{each.where}: {each.outcome} {each.kind} {each.shown}" for each in found if not each.explained] == []


@pytest.mark.long
@pytest.mark.timeout(1800)
def test_all_recordings(behind: Endpoints, workers: Workers) -> None:
    """All sources and modes; writes the page's data."""
    topics = [topic for source in (*RECORDED, *SYNTHETIC) for topic in recorded.topics(source, events(source))]
    found = land(behind, workers, topics)
    results.write_recorded(_rows(found))

    assert [f"{each.where}: {each.outcome} {each.kind} {each.shown}" for each in found if not each.explained] == []


def _rows(found: Sequence[Found]) -> list[Mapping[str, object]]:
    """One row for each source, declared type and created column, with what ended how in each mode."""
    groups: dict[tuple[str, str, str, str], list[Found]] = defaultdict(list)
    for each in found:
        declared = recorded.declared(each.topic, each.value.field)
        groups[each.topic.source, declared, each.value.column, each.topic.mode].append(each)
    return [
        {
            "source": source,
            "type": declared,
            "column": column,
            "mode": mode,
            "values": len(held),
            "ours": [
                {"outcome": outcome.value, "why": why, "count": len([each for each in held if each.why == why])}
                for outcome, why in sorted({(each.outcome, each.why) for each in held if each.why is not None})
            ],
        }
        for (source, declared, column, mode), held in sorted(groups.items())
    ]
