"""Letters whose copies are to be published: claimed, confirmed, given back, published again."""

from collections.abc import Callable, Sequence
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from consumer.background.postman import Postman
from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.lane import Lane
from consumer.core.letterhead import Codec
from consumer.core.letters import State
from consumer.core.records import RecordRef
from consumer.core.target import TableName
from consumer.edges.postgres import outbox
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.session import application_name
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.letters import LetterTopic, Outgoing, Posted, Unposted
from dlq.headers import decode, encode
from tests.pg.conftest import Pools
from tests.pg.landing import ID, Landing
from tests.pg.words import Bad

AWAY = failed(KINDS["kafka.letters"], "kafka", "publish letter", "away")
Outboxes = Callable[..., PostgresOutbox]


@pytest.fixture
def table(session: psycopg.Connection, schema: str) -> TableName:
    """A table of its key."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY)")
    return TableName(schema, "t")


@pytest.fixture
def landing(sink: PostgresSink, table: TableName) -> Landing:
    """Its topic, with three dead letters."""
    sink.seed({})
    landing = Landing(sink, table, [ID])
    landing.apply(*(("x", {"id": number}) for number in range(3)))
    return landing


@pytest.fixture
def outboxes(pools: Pools, group: str) -> Outboxes:
    """Makes outboxes of the group."""
    return lambda *pointing: PostgresOutbox(pools(worker="post"), group, pointing)


def lying(letter: Unposted, offset: int = 7) -> Posted:
    """It was published."""
    return Posted(id=letter.id, attempt=letter.head.attempt, topic="g.dlq", partition=0, offset=offset)


def test_a_claim_is_one_workers(landing: Landing, outboxes: Outboxes) -> None:
    """Oldest first; what one has, no other gets, until it is given back or the time is over."""
    one, two = outboxes(), outboxes()
    mine = one.claim(2, 60)
    assert [letter.head.origin for letter in mine] == [RecordRef(landing.at, 0), RecordRef(landing.at, 1)]
    (theirs,) = two.claim(9, 0.0)
    assert theirs.head.origin.offset == 2
    one.confirm([Posted(id=mine[0].id, attempt=1, topic="g.dlq", failure=AWAY)])

    assert [letter.head.origin.offset for letter in two.claim(9, 60)] == [0, 2]


def test_a_claim_has_no_more_bytes_than_it_may(
    session: psycopg.Connection, landing: Landing, outboxes: Outboxes, group: str
) -> None:
    """But one more letter than that, so that a larger one is published too; copies that point are no exception."""
    query = """SELECT max(octet_length(key) + octet_length(value))
        FROM headrace.letter_bytes b JOIN headrace.letters l ON l.id = b.letter_id WHERE group_name = %s"""
    ((size,),) = session.execute(query, (group,)).fetchall()
    one = outboxes(str(landing.table))
    assert [len(one.claim(9, 60, size=size + 1)) for _ in range(2)] == [2, 1]


def test_what_is_published_is_not_read_for_what_is_not(session: psycopg.Connection, group: str) -> None:
    """However many letters wait for a person."""
    session.execute(
        """
        INSERT INTO headrace.letters (group_name, topic, partition, "offset", state, kind, error_type, component,
            operation, detail, remedy, published_attempt)
        SELECT %s, 't', 0, n, 'dead', 'record.check', 'persistent', 'test', 'test', 'd', 'r', (n > 3)::int
        FROM generate_series(1, 20000) AS n
        """,
        (group,),
    )
    session.execute("ANALYZE headrace.letters")
    query = "EXPLAIN (ANALYZE, FORMAT JSON) " + outbox._CLAIM
    with session.transaction(force_rollback=True):
        values = {"group": group, "most": 200, "seconds": 1, "but": [], "size": 1}
        ((plan,),) = session.execute(query.encode(), values).fetchall()
    read = [
        node
        for node in _nodes(plan[0]["Plan"])
        if node.get("Relation Name") == "letters" and node["Node Type"] != "ModifyTable"
    ]
    assert read[0]["Index Name"] == "letters_unpublished"
    assert sum(node["Actual Rows"] + node.get("Rows Removed by Filter", 0) for node in read) < 10


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", ()) for node in _nodes(part))]


def test_copies_name_the_batch_that_their_letters_are_of(
    session: psycopg.Connection, landing: Landing, outboxes: Outboxes, group: str
) -> None:
    """By its number in the ledger, from where people find the rest of it."""
    landing.apply(("x", {"id": 3}))
    batches = session.execute("SELECT id FROM headrace.batches WHERE group_name = %s ORDER BY id", (group,)).fetchall()
    letters = outboxes().claim(9, 60)
    assert [decode(encode(one.head, ())).batch for one in letters] == [batches[0][0]] * 3 + [batches[1][0]]
    assert {one.head.replay for one in letters} == {None}


def test_what_is_confirmed_is_done(
    session: psycopg.Connection, landing: Landing, outboxes: Outboxes, group: str
) -> None:
    """Where the copy lies stands with its letter."""
    outbox = outboxes()
    outbox.confirm([lying(letter, letter.id) for letter in outbox.claim(9, 60)])

    assert outbox.claim(9, 60) == []
    query = "SELECT DISTINCT lane_topic, lane_partition, lane_offset = id FROM headrace.letters WHERE group_name = %s"
    assert session.execute(query, (group,)).fetchall() == [("g.dlq", 0, True)]


def test_a_late_confirmation_of_an_older_attempt_does_not_count(
    session: psycopg.Connection, landing: Landing, outboxes: Outboxes, group: str
) -> None:
    """The copy of the newer attempt is still to be published."""
    outbox = outboxes()
    letters = outbox.claim(9, 60)
    session.execute("UPDATE headrace.letters SET attempt = 2, claimed_until = NULL WHERE group_name = %s", (group,))
    outbox.confirm([lying(letter) for letter in letters])

    assert [letter.head.attempt for letter in outbox.claim(9, 60)] == [2, 2, 2]


def test_a_letter_says_what_its_record_was(landing: Landing, outboxes: Outboxes, group: str) -> None:
    """Key, value and schema id, and where and why it failed."""
    letter = outboxes().claim(1, 60)[0]

    assert (letter.state, letter.head.group, letter.head.kind) == (State.DEAD, group, "record.decode")
    assert (letter.head.schema_id, letter.head.due, letter.head.pointer) == (2, None, False)
    assert letter.key is not None
    assert letter.value is not None


def test_copies_of_a_table_may_only_point(landing: Landing, outboxes: Outboxes, table: TableName) -> None:
    """They have the key and no value."""
    letter = outboxes(str(table)).claim(1, 60)[0]

    assert (letter.head.pointer, letter.value, letter.key is None) == (True, None, False)


class Box:
    """A broker that takes no copies for dead-letter topics, or says that they can't be made."""

    def __init__(self, *, there: bool) -> None:
        self.there = there
        self.taken: list[int] = []
        self.said: list[Posted] = []

    def ensure(self, topics: Sequence[LetterTopic]) -> dict[str, Failure]:
        """All others are there."""
        return {} if self.there else {topic.name: AWAY for topic in topics if topic.name.endswith(".dlq")}

    def post(self, letters: Sequence[Outgoing]) -> int:
        """At once."""
        for letter in letters:
            refused = AWAY if letter.topic.endswith(".dlq") else None
            assert self.there or not refused
            self.taken += [] if refused else [letter.id]
            self.said.append(Posted(id=letter.id, attempt=letter.attempt, topic=letter.topic, failure=refused))
        return len(letters)

    def posted(self) -> list[Posted]:
        """Since the last call."""
        said, self.said = self.said, []
        return said

    def flush(self, timeout: float) -> int:
        """Nothing is queued."""
        return 0


@pytest.mark.parametrize("there", [True, False])
def test_a_topic_that_takes_nothing_holds_up_no_other(
    session: psycopg.Connection, landing: Landing, outboxes: Outboxes, group: str, there: bool
) -> None:
    """However many copies wait for it; why they wait is said once."""
    landing.apply(*(("x", {"id": number}) for number in range(Postman.MOST + 2)))
    to_be_retried = "UPDATE headrace.letters SET state = 'retrying', due_at = now() WHERE group_name = %s AND id IN "
    last = "(SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY id DESC LIMIT 2) RETURNING id"
    retried = session.execute(to_be_retried + last, (group, group)).fetchall()
    box: Any = Box(there=there)
    lane = Lane(group=group, retry="{group}.retry.{n}", dead="{group}.dlq")
    topics = [LetterTopic(name=f"{group}.{name}", partitions=1, retention=1) for name in ("retry.1", "dlq")]
    postman = Postman(outboxes(), box, Codec(encode=encode, decode=decode), lane, topics)
    with capture_logs() as logs:
        for _ in range(3):
            postman.wake()
            postman.turn(0)

    assert sorted(box.taken) == sorted(row[0] for row in retried)
    assert [line["event"] for line in logs] == ["letters not published; they stay in the database"]


@pytest.mark.parametrize(
    ("due", "again"),
    [
        pytest.param("- interval '100 minutes'", 3, id="long over"),
        pytest.param("+ interval '1 hour'", 0, id="not yet due"),
    ],
)
def test_a_copy_that_does_not_come_back_is_published_again(
    session: psycopg.Connection, landing: Landing, outboxes: Outboxes, due: str, again: int
) -> None:
    """By whoever looks first."""
    outbox = outboxes()
    outbox.confirm([lying(letter) for letter in outbox.claim(9, 60)])
    session.execute(
        f"UPDATE headrace.letters SET state = 'retrying', due_at = now() {due}, failed_at = now() - interval '2 hours',"
        " published_at = now() - interval '2 hours' WHERE topic = %s AND partition = %s",
        landing.at,
    )

    assert outbox.republish() == again
    assert len(outbox.claim(9, 60)) == again


def test_copies_that_did_not_come_back_are_published_again_some_at_a_time(
    session: psycopg.Connection, outboxes: Outboxes, bad: Bad, group: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of them at once would take longer than a statement may; those that are due longest go first."""
    monkeypatch.setattr("consumer.edges.postgres.outbox._MOST_OVERDUE", 2)
    outbox = outboxes()
    ids = [bad(number=number) for number in (1, 2, 3)]
    for place, number in enumerate(ids):
        session.execute(
            "UPDATE headrace.letters SET state = 'retrying', published_attempt = attempt,"
            " due_at = now() - make_interval(hours => %s), published_at = now() - interval '1 d' WHERE id = %s",
            (10 + place, number),
        )
    assert outbox.republish() == 2
    left = "SELECT id FROM headrace.letters WHERE group_name = %s AND published_attempt = attempt"
    assert session.execute(left, (group,)).fetchall() == [(ids[0],)]
    assert [outbox.republish(), outbox.republish()] == [1, 0]


def test_an_idle_session_that_was_lost_is_no_failure(
    session: psycopg.Connection, landing: Landing, outboxes: Outboxes
) -> None:
    """A server that was restarted meanwhile is asked again at once; only one that does not answer is away."""
    outbox = outboxes()
    assert len(outbox.claim(1, 60)) == 1
    ended = session.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
        "WHERE application_name = %s AND backend_type = %s",
        (application_name("post"), "client backend"),
    ).fetchall()
    assert ended == [(True,)]

    assert len(outbox.claim(9, 60)) == 2
