"""One oracle for all faults: what must hold once a fault is over and nothing is left to do.

It reads the log's ends from the broker, everything else from the target and its witnesses. Nothing of it depends on
which fault it was.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, OffsetSpec

from tests.real.engine.witness import Target, Truth, differences
from tests.real.engine.worker import eventually

Place = tuple[str, int]
Origin = tuple[str, int, int]

_LETTERS = 'SELECT topic, partition, "offset", state FROM headrace.letters WHERE group_name = %s'
_LEDGER = "SELECT records, tables, ranges->0->>0 FROM headrace.batches WHERE group_name = %s AND state = 'applied'"
_SESSIONS = """
SELECT a.pid, a.application_name, a.state, a.query,
       (SELECT count(*) FROM pg_locks l WHERE l.pid = a.pid AND l.granted AND l.locktype <> 'virtualxid')
FROM pg_stat_activity a
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid() AND a.backend_type = 'client backend'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """What a test expects beyond the model.

    `letters`: states of the letters by their origins. `read`: records that batches have passed, if that is not what
    is in the log. `ignored`: records that are passed by rule. `often`: rows may have been written again (a replay).
    """

    letters: Mapping[Origin, str]
    read: int | None = None
    ignored: int = 0
    often: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """What became of the records of a log."""

    records: int
    written: int
    superseded: int
    letters: int
    ignored: int

    def __str__(self) -> str:
        return (
            f"{self.records} records: {self.written} written, {self.superseded} superseded, "
            f"{self.letters} letters, {self.ignored} ignored"
        )


def log_ends(kafka: str, topics: Sequence[str]) -> dict[Place, int]:
    """The end of each partition, as the broker has it now."""
    admin = AdminClient({"bootstrap.servers": kafka, "log_level": 0})
    known = admin.list_topics(timeout=30).topics
    parts = [TopicPartition(topic, number) for topic in topics for number in known[topic].partitions]
    answers = admin.list_offsets({part: OffsetSpec.latest() for part in parts}, request_timeout=30)
    return {(part.topic, part.partition): answer.result(30).offset for part, answer in answers.items()}


class Oracle:
    """Judges one group's work on its target."""

    def __init__(self, kafka: str, target: Target, group: str, feeds: Sequence[Truth], topics: Sequence[str]) -> None:
        self._kafka = kafka
        self._target = target
        self._group = group
        self._feeds = feeds
        self._topics = topics

    def reached(self, but: Sequence[Place] = ()) -> bool:
        """Whether each stored position is the end of its partition."""
        stored = self._target.positions(self._group)
        ends = log_ends(self._kafka, self._topics)
        return all(stored.get(at) == end for at, end in ends.items() if at not in but)

    def letters(self) -> dict[Origin, str]:
        """The state of each letter by its origin; a record has one."""
        rows = self._target.ask(_LETTERS, self._group)
        origins = Counter(row[:3] for row in rows)
        assert [origin for origin, times in origins.items() if times > 1] == []
        return {(str(row[0]), int(str(row[1])), int(str(row[2]))): str(row[3]) for row in rows}

    def verify(self, expected: Expected) -> Account:
        """Everything but the time that it took. The workers have ended."""
        for feed in self._feeds:
            assert differences(self._target.rows(f"public.{feed.table}"), feed.rows()) == []
        assert self._target.stopped(self._group) == {}
        assert self.reached()
        assert self.letters() == expected.letters
        self._verify_history(expected)
        self._verify_sessions()
        return self._verify_account(expected)

    def _verify_history(self, expected: Expected) -> None:
        if not expected.often:
            assert self._target.bad_ranges(self._group) == []
            assert self._target.ledger_overlaps(self._group) == []

    def _verify_sessions(self) -> None:
        """Ended workers leave nothing behind; the server may notice a killed one a moment later."""
        eventually(lambda: self._target.ask(_SESSIONS) == [], f"no session is left: {self._target.ask(_SESSIONS)}", 20)
        assert self._target.ask("SELECT 1 FROM pg_prepared_xacts WHERE database = current_database()") == []

    def _verify_account(self, expected: Expected) -> Account:
        """Each record is written, superseded by a later one of its batch, a letter, or ignored: all are counted."""
        rows = [row for row in self._target.ask(_LEDGER, self._group) if row[2] in self._topics]
        read = sum(int(str(row[0])) for row in rows)
        by_table: Counter[str] = Counter()
        for _, tables, _ in rows:
            for table, actions in tables.items():  # type: ignore[attr-defined]
                # what is kept of a row is beside its delete
                by_table[table] += sum(rows for action, rows in actions.items() if action != "keep")
        written, letters = by_table.total(), len(self.letters())
        account = Account(read, written, read - written - letters - expected.ignored, letters, expected.ignored)
        wanted = sum(log_ends(self._kafka, self._topics).values()) if expected.read is None else expected.read
        assert read == wanted, account
        assert account.superseded >= 0, account
        for feed in self._feeds:
            if feed.table == "once" and not expected.often:
                assert by_table["public.once"] <= len(feed.rows()), account
                assert self._target.writes() == Counter(feed.rows().keys())
        return account
