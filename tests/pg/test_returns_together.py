"""Letters that come back together: one transaction, an outcome for each, and what is at fault costs itself alone."""

from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

import psycopg
import pytest
from structlog.testing import capture_logs

from consumer.applying.returns import TurnLimits
from consumer.core.flags import Flag
from consumer.core.flood import FloodLimits
from consumer.core.records import TopicPartition
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.facts import Committed, Fact
from consumer.reading.handover import Later, Moved, Notice, Stopped
from dlq.actions import replay
from tests.pg.applying import Applying, Bounds
from tests.pg.conftest import Catalogs, Pools, Sinks
from tests.real.engine.wire import Proxy, cutting
from tests.unit.counted import counted

LANE = "retry"
FLOOD = FloodLimits(percent=100)
# bytes of a letter of these tests
SIZE = 48
CHECK = "ALTER TABLE {s}.t ADD CONSTRAINT devilish CHECK (word NOT LIKE 'bad%') NOT VALID"
Change = tuple[str, int, str]


@dataclass
class Scene:
    """A table whose topic has letters, all of them dead, and a worker that tries them again."""

    session: psycopg.Connection
    applying: Applying
    outbox: PostgresOutbox
    schema: str
    group: str

    def do(self, statement: str) -> None:
        """Of the table t."""
        self.session.execute(statement.format(s=self.schema).encode())

    def letters(self, changes: Sequence[Change], begin: int = 0) -> None:
        """The table takes nothing of these, at offsets from there on; then it does again."""
        self.do("CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
        self.do("CREATE TRIGGER no BEFORE INSERT OR UPDATE OR DELETE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.no()")
        for first in range(0, len(changes), 50):
            self.applying.offer({"t": changes[first : first + 50]})
        self.turn("t", begin + len(changes))
        self.do("DROP FUNCTION {s}.no() CASCADE")
        assert set(self.states()) <= {"dead", "held"}
        self.outbox.claim(10_000, 3600)

    def come_back(self, *, reverse: bool = False) -> None:
        """All are sent again and come back as one batch."""
        self.turn(LANE, self.send(reverse=reverse))

    def send(self, *, reverse: bool = False) -> int:
        """All are sent again, and their copies lie in the retry topic; where it ends."""
        query = "SELECT id FROM headrace.letters WHERE group_name = %s AND state = 'dead'"
        ids = [row[0] for row in self.session.execute(query, (self.group,))]
        assert len(replay(self.session, self.group, ids).changed) == len(ids)
        return self.applying.come_back(self.outbox, LANE, reverse=reverse)

    def turn(self, topic: str, end: int) -> None:
        """Until its position is there."""
        at = TopicPartition(topic, 0)

        def moved(told: list[Notice]) -> bool:
            return any(isinstance(one, Moved) and one.positions.get(at) == end for one in told)

        assert moved(self.applying.turns(moved))

    def states(self) -> list[str]:
        """Of the letters, in the order of their records."""
        query = 'SELECT state FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
        return [row[0] for row in self.session.execute(query, (self.group,))]

    def rows(self) -> dict[int, str]:
        """The table's."""
        return dict(self.session.execute(f"SELECT id, word FROM {self.schema}.t".encode()).fetchall())

    def batches(self) -> list[int]:
        """How many records each transaction of the retry topic applied."""
        query = (
            "SELECT records FROM headrace.batches WHERE group_name = %s AND state = 'applied' AND ranges->0->>0 = %s"
        )
        return [row[0] for row in self.session.execute(query, (self.group, LANE))]


@pytest.fixture
def bounds() -> Bounds:
    """All may be bad."""
    return Bounds(flood=FLOOD)


@pytest.fixture
def applying(sinks: Sinks, catalogs: Catalogs, schema: str, bounds: Bounds) -> Applying:
    """A worker."""
    return Applying(sinks(), catalogs(), schema, ["t", LANE], bounds)


@pytest.fixture
def scene(session: psycopg.Connection, applying: Applying, pools: Pools, schema: str, group: str) -> Scene:
    """An empty table."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word varchar(5))".encode())
    return Scene(session, applying, PostgresOutbox(pools(), group), schema, group)


def test_letters_of_many_rows_are_one_transaction(scene: Scene) -> None:
    """Each has its outcome by itself."""
    scene.letters([("c", number, "a") for number in range(300)])
    scene.come_back()
    assert Counter(scene.states()) == {"applied": 300}
    assert scene.rows() == dict.fromkeys(range(300), "a")
    assert scene.batches() == [300]


def test_how_old_changes_were_is_told_once_when_they_are_applied(scene: Scene) -> None:
    """Not while they are letters."""
    heard: list[Fact] = []
    scene.applying.sink.tell = heard.append
    scene.letters([("c", number, "a") for number in range(30)])
    scene.come_back()
    told = [counted([fact])["headrace_source_latency_seconds_count[]"] for fact in heard]
    assert [count for fact, count in zip(heard, told, strict=True) if isinstance(fact, Committed) and count] == [30]


def test_letters_whose_commit_got_no_answer_are_told_as_applied(
    session: psycopg.Connection, server: str, catalogs: Catalogs, pools: Pools, schema: str, group: str
) -> None:
    """Once it was found to be done: nobody tries them again who could tell it then."""
    session.execute(f"CREATE TABLE {schema}.t (id bigint PRIMARY KEY, word varchar(5))".encode())
    with Proxy(server) as proxy, closing(PostgresSink(SessionSettings(dsn=proxy.dsn, worker="one"), group)) as sink:
        sink.open()
        applying = Applying(sink, catalogs(), schema, ["t", LANE], Bounds(flood=FLOOD))
        scene = Scene(session, applying, PostgresOutbox(pools(), group), schema, group)
        scene.letters([("c", number, "a") for number in range(5)])
        heard: list[Fact] = []
        sink.tell = heard.append
        scene.send()
        with cutting(proxy.after("^COMMIT")):
            applying.turns(lambda _: any(isinstance(fact, Committed) for fact in heard))
    assert scene.states() == ["applied"] * 5
    assert counted(heard)["headrace_letters_total['applied']"] == 5


@pytest.mark.parametrize(
    ("bounds", "batches"),
    [
        (Bounds(flood=FLOOD, turn=TurnLimits(bytes=room)), batches)
        for room, batches in ((5 * SIZE // 2, [2, 2, 2]), (SIZE // 2, [1] * 6))
    ],
)
def test_letters_are_read_by_their_bytes(scene: Scene, batches: list[int]) -> None:
    """However many come back; a single one may have more."""
    scene.letters([("c", number, "a") for number in range(6)])
    query = """SELECT max(octet_length(key) + octet_length(value))
        FROM headrace.letter_bytes b JOIN headrace.letters l ON l.id = b.letter_id WHERE group_name = %s"""
    assert scene.session.execute(query, (scene.group,)).fetchall() == [(SIZE,)]
    scene.come_back()
    assert scene.states() == ["applied"] * 6
    assert scene.batches() == batches


@pytest.mark.parametrize("bad", [{7}, {0, 150, 299}, set(range(0, 300, 2)), set(range(300))])
def test_a_letter_that_fails_again_costs_itself_alone(scene: Scene, bad: set[int]) -> None:
    """Few are found by the target, of many it says only that there are too many."""
    scene.letters([("c", number, "bad" if number in bad else "a") for number in range(300)])
    scene.do(CHECK)
    scene.come_back()
    assert scene.states() == ["dead" if number in bad else "applied" for number in range(300)]
    assert scene.rows() == {number: "a" for number in range(300) if number not in bad}
    query = (
        "SELECT kind, attempt, count(*) FROM headrace.letters WHERE group_name = %s AND state = 'dead' GROUP BY 1, 2"
    )
    assert scene.session.execute(query, (scene.group,)).fetchall() == [("record.check", 3, len(bad))]


@pytest.mark.parametrize("reverse", [False, True])
def test_letters_of_one_row_are_applied_in_the_order_of_their_records(scene: Scene, reverse: bool) -> None:
    """In whatever order their copies come."""
    scene.letters([("c", 1, "a"), ("u", 1, "b"), ("c", 2, "x"), ("u", 1, "c")])
    scene.come_back(reverse=reverse)
    assert scene.states() == ["applied"] * 4
    assert scene.rows() == {1: "c", 2: "x"}
    assert scene.batches() == [4]


def test_what_is_in_front_of_a_letter_that_fails_again_is_applied(scene: Scene) -> None:
    """What need not wait for it is tried, and fails by itself; other rows have nothing to do with it."""
    scene.do("INSERT INTO {s}.t VALUES (1, 'old')")
    scene.letters([("u", 1, "a"), ("u", 1, "b"), ("u", 1, "bad"), ("d", 1, ""), ("c", 2, "x")])
    scene.do("ALTER TABLE {s}.t ADD CONSTRAINT devilish CHECK (word NOT LIKE 'bad%')")
    scene.do("CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no'; END $$")
    scene.do("CREATE TRIGGER no BEFORE DELETE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.no()")
    scene.come_back()
    while {"retrying", "replaying"} & set(scene.states()):
        scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert scene.states() == ["superseded", "applied", "dead", "dead", "applied"]
    assert scene.rows() == {1: "b", 2: "x"}


@pytest.mark.parametrize(
    ("later", "rows"), [(("u", 1, "good"), {1: "good"}), (("d", 1, ""), {})], ids=["a full image", "a delete"]
)
def test_what_leaves_nothing_of_what_was_before_does_not_wait(
    scene: Scene, later: Change, rows: dict[int, str]
) -> None:
    """A letter in front of it that can't be applied ends then, as it would by a change that is no letter."""
    scene.do("INSERT INTO {s}.t VALUES (1, 'old')")
    scene.letters([("u", 1, "bad")])
    scene.do(CHECK)
    scene.letters([later, ("u", 2, "other")], begin=1)
    query = 'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = 1'
    ((behind,),) = scene.session.execute(query, (scene.group,)).fetchall()
    replay(scene.session, scene.group, [behind])
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert scene.states() == ["superseded", "applied", "dead"]
    assert scene.rows() == rows


def test_what_fails_leaves_what_is_in_front_of_it_open(scene: Scene) -> None:
    """It has not replaced anything."""
    scene.do("INSERT INTO {s}.t VALUES (1, 'old')")
    scene.letters([("u", 1, "bad")])
    scene.do(CHECK)
    scene.letters([("u", 1, "bad2")], begin=1)
    query = 'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = 1'
    ((behind,),) = scene.session.execute(query, (scene.group,)).fetchall()
    replay(scene.session, scene.group, [behind])
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert scene.states() == ["dead", "dead"]
    assert scene.rows() == {1: "old"}


def test_values_that_are_swapped_are(scene: Scene) -> None:
    """Order between transactions is that of the records; together neither row could be written."""
    scene.do("ALTER TABLE {s}.t ADD UNIQUE (word)")
    scene.do("INSERT INTO {s}.t VALUES (1, 'a'), (2, 'b')")
    scene.letters([("u", 1, "none"), ("u", 2, "a"), ("u", 1, "b"), ("c", 3, "c")])
    scene.come_back()
    assert scene.states() == ["applied"] * 4
    assert scene.rows() == {1: "b", 2: "a", 3: "c"}


def test_a_table_that_was_put_right_is_looked_at_before_a_letter_fails(scene: Scene) -> None:
    """What is known of it is used as long as all is well."""
    scene.do("ALTER TABLE {s}.t ALTER word TYPE uuid USING word::uuid")
    some = "0b3d7b66-4d5c-4f1e-9a37-6f7f3a1f2a10"
    scene.applying.offer({"t": [("c", 1, some), ("c", 2, "no uuid")]})
    scene.turn("t", 2)
    assert scene.states() == ["dead"]
    scene.outbox.claim(10, 3600)
    scene.do("ALTER TABLE {s}.t ALTER word TYPE text")
    scene.come_back()
    assert scene.states() == ["applied"]
    assert scene.rows() == {1: some, 2: "no uuid"}


@pytest.mark.parametrize("bounds", [Bounds(flood=FLOOD, patience=0.1)])
def test_the_registry_holds_up_only_letters_that_need_it(scene: Scene) -> None:
    """Nobody knows the schema of one; the others are applied, and it comes again by itself, as often as it takes."""
    late = 9
    scene.applying.offer({"t": [("c", 0, "a")]}, late)
    scene.turn("t", 1)
    scene.letters([("c", 1, "a"), ("c", 2, "a")], begin=1)
    scene.come_back()
    assert scene.states() == ["retrying", "applied", "applied"]
    query = 'SELECT kind, excused, digest_a IS NOT NULL FROM headrace.letters WHERE group_name = %s AND "offset" = 0'
    assert scene.session.execute(query, (scene.group,)).fetchall() == [("registry.away", 1, False)]

    scene.applying.schemas[late] = scene.applying.schemas[2]
    scene.applying.ahead.turn(0)
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    # it is known which row it is of, and what is newer is searched for
    assert scene.session.execute(query, (scene.group,)).fetchall() == [("registry.away", 1, True)]


def test_what_the_letters_themselves_refuse_stops_their_retry_topic(scene: Scene) -> None:
    """No record is at fault, so trying them one by one would never end; when it is put right they are applied."""
    scene.letters([("c", number, "a") for number in range(3)])
    scene.do(f"""CREATE FUNCTION {{s}}.never() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF NEW.group_name = '{scene.group}' AND NEW.state <> 'replaying' THEN
            RAISE insufficient_privilege;
        END IF;
        RETURN NEW; END $$""")
    scene.do("CREATE TRIGGER never BEFORE UPDATE ON headrace.letters FOR EACH ROW EXECUTE FUNCTION {s}.never()")
    scene.send()
    told = scene.applying.turns(lambda told: any(isinstance(one, Stopped) for one in told))
    scene.do("DROP FUNCTION {s}.never() CASCADE")
    assert [(one.at.topic, one.failure.kind) for one in told if isinstance(one, Stopped)] == [(LANE, "table.privilege")]
    assert set(scene.states()) == {"replaying"}
    scene.applying.take()
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert scene.states() == ["applied"] * 3


# one letter after the other, and little time for them
@pytest.mark.parametrize("bounds", [Bounds(flood=FLOOD, turn=TurnLimits(seconds=0.02, most=1))])
def test_letters_that_take_long_let_others_have_their_turn(scene: Scene) -> None:
    """What is left of them goes on behind the next batch, from where it was."""
    scene.letters([("c", number, "a") for number in range(40)])
    scene.come_back()
    assert scene.states() == ["applied"] * 40
    assert scene.batches() == [1] * 40


def test_a_lane_that_is_switched_off_waits_and_says_so(scene: Scene) -> None:
    """Nothing is tried, no attempt is counted, and what is logged is the reason; then it goes on."""
    scene.letters([("c", 1, "a")])
    scene.applying.heard.learn({Flag.RETRY_LANE})
    end = scene.send()
    with capture_logs() as logs:
        told = scene.applying.turns(lambda told: any(isinstance(one, Later) for one in told))
    assert [one.at.topic for one in told if isinstance(one, Later)] == [LANE]
    waits = [entry["reason"] for entry in logs if entry["event"] == "retry topic waits"]
    assert (waits, scene.states()) == (["the retry lane is switched off"], ["replaying"])
    scene.applying.heard.learn(())
    assert scene.applying.take()[TopicPartition(LANE, 0)] < end
    scene.turn(LANE, scene.applying.come_back(scene.outbox, LANE))
    assert scene.states() == ["applied"]
