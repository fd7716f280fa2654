"""The thread that reads dead letters of others: what it does with what Kafka and the target answer."""

from collections.abc import Mapping, Sequence

from structlog.testing import capture_logs

from consumer.background.importing import Importer
from consumer.core.failure import Transient, failed
from consumer.core.foreign import DeadRecord, Piece, Span, Stored
from consumer.core.kinds import KINDS
from consumer.core.letters import Record
from consumer.core.records import OffsetRange, RecordRef, TopicPartition
from consumer.ports.imports import Due, Far
from dlq.foreign import recognised

AT = TopicPartition("dead", 0)
AWAY = Transient(failed(KINDS["kafka.away"], "kafka", "list topics", "nobody answers"))


class Log:
    """A topic of so many records, at most two of which are read at a time."""

    def __init__(self, records: int) -> None:
        self.records = records
        self.start = 0
        self.failing = False

    def spans(self) -> Mapping[TopicPartition, Span]:
        """What is there."""
        if self.failing:
            raise AWAY
        return {AT: Span(start=self.start, end=self.records, topic_id="t")} if self.records else {}

    def read(self, wanted: OffsetRange, most: int) -> tuple[Sequence[DeadRecord], int] | None:
        """The next two."""
        if wanted.start < self.start:
            return None
        end = min(wanted.end, wanted.start + 2)
        offsets = range(wanted.start, end)
        return [DeadRecord(record=Record(ref=RecordRef(AT, one), key=None, value=b"v")) for one in offsets], end

    def close(self) -> None:
        """Nothing is open."""


class Rows:
    """How far it was read, and which offsets; a piece may be somebody else's already."""

    def __init__(self) -> None:
        self.next = 0
        self.found: list[int] = []
        self.overtaken = False

    def claim(self, spans: Mapping[TopicPartition, Span], seconds: float) -> Due | None:
        """What is left."""
        if AT not in spans or self.next >= spans[AT].end:
            return None
        return Due(wanted=OffsetRange(AT, self.next, spans[AT].end), topic_id=spans[AT].topic_id)

    def store(self, piece: Piece) -> Stored | None:
        """Keep it."""
        self.next = piece.end
        if self.overtaken:
            return None
        self.found += [dead.record.ref.offset for dead, _ in piece.records]
        return Stored(at=piece.at, letters=len(piece.records), known=0)

    def far(self) -> list[Far]:
        """Not asked here."""
        return []


class Eager(Importer):
    """Looks again at once."""

    LOOK_EVERY = AGAIN = 0.0


def turned(importer: Importer, times: int = 10) -> None:
    """So many turns."""
    for _ in range(times):
        importer.turn(0.0)


def test_everything_is_read_piece_by_piece() -> None:
    """In order, each once; what comes later too."""
    log, rows = Log(5), Rows()
    importer = Eager(log, rows, recognised)
    turned(importer)
    assert rows.found == [0, 1, 2, 3, 4]
    log.records = 6
    turned(importer)
    assert rows.found == [0, 1, 2, 3, 4, 5]


def test_reading_by_a_person_ends_where_the_log_ended() -> None:
    """What is written meanwhile is read another time."""
    log, rows = Log(3), Rows()
    importer = Eager(log, rows, recognised)
    spans = importer.spans()
    log.records = 100
    done = []
    while stored := importer.step(spans):
        done.append(stored.letters)
    assert (done, rows.found) == ([2, 1], [0, 1, 2])


def test_a_piece_that_somebody_else_has_read_is_passed() -> None:
    """It goes on with the next."""
    rows = Rows()
    importer = Eager(Log(4), rows, recognised)
    rows.overtaken = True
    assert importer.step(importer.spans()) == Stored(at=AT, letters=0, known=0)
    rows.overtaken = False
    turned(importer)
    assert rows.found == [2, 3]


def test_what_goes_wrong_is_said_once_and_waited_for() -> None:
    """A broker that is away, and a topic that is not there."""
    log, rows = Log(2), Rows()
    importer = Eager(log, rows, recognised, ["dead", "gone", "^pattern"])
    log.failing = True
    with capture_logs() as said:
        turned(importer)
        log.failing = False
        turned(importer)
    assert [(entry["event"], entry.get("topic")) for entry in said if entry["log_level"] == "warning"] == [
        ("dead letters wait to be read", None),
        ("a dead-letter topic does not exist", "gone"),
    ]
    assert rows.found == [0, 1]


def test_records_that_left_their_log_are_said() -> None:
    """The next look finds where the log begins."""
    log, rows = Log(4), Rows()
    importer = Eager(log, rows, recognised)
    spans = importer.spans()
    log.start = 2
    with capture_logs() as said:
        assert importer.step(spans) is None
    assert [entry["event"] for entry in said] == ["dead letters have left their log before they were read"]
