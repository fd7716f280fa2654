"""Letters come back through the retry topics and are applied when their turn has come, once and in order."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from confluent_kafka import OFFSET_END, Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from consumer.stack.options import Endpoints
from dlq.actions import discard
from dlq.edit import NotEdited

from .feed import Feed, create_topic
from .letters import SOON, Scene
from .witness import Target
from .worker import Process, Workers, eventually


@pytest.fixture
def scene(at: Endpoints, target: Target, fresh_feed: Callable[..., Feed]) -> Scene:
    """A topic of one partition."""
    return Scene(at, target, fresh_feed("once", 1))


def running(scene: Scene, workers: Workers) -> Process:
    """A worker of the scene's group."""
    return workers.run(scene.job)


def test_what_refers_to_a_row_that_comes_later_is_tried_until_it_is_there(scene: Scene, workers: Workers) -> None:
    """The letter retries by itself and ends as applied; nothing else waited for it."""
    scene.target.do("CREATE TABLE parent (id int PRIMARY KEY)")
    scene.target.do("ALTER TABLE once ADD CONSTRAINT family FOREIGN KEY (amount) REFERENCES parent")
    scene.target.do("INSERT INTO parent SELECT generate_series(0, 99)")
    scene.feed.send("c", 1, "orphan", 500)
    scene.feed.send("c", 2, "child", 5)
    scene.feed.flush()
    # however long it takes until the row is there
    scene.job = replace(scene.job, letters={**SOON, "dependent_attempts": 1000})
    worker = running(scene, workers)
    eventually(lambda: scene.target.rows("once") == {2: ("child", 5)}, "the child of a known parent is there")
    scene.comes_to("0/0r")
    scene.target.do("INSERT INTO parent VALUES (500)")
    scene.comes_to("0/0a")
    assert scene.target.rows("once") == scene.feed.rows()
    assert scene.target.double_writes() == []
    assert worker.leave() == 0


def test_a_dead_letter_is_sent_again_when_its_cause_is_gone(scene: Scene, workers: Workers) -> None:
    """What waited for it is applied behind it, in the order of the source."""
    scene.bad()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    scene.partial(2)
    scene.partial(3)
    scene.comes_to("0/0d 0/1h 0/2h")
    scene.heal()
    assert scene.replay() == (scene.ids()[0],)
    scene.comes_to("0/0a 0/1a 0/2a")
    assert scene.target.rows("once")[1] == ("bad", 3)
    query = "SELECT reason, count(*) FROM headrace.letters WHERE group_name = %s GROUP BY reason ORDER BY reason"
    together = [("at attempt 3", 1), ("with the letter that it waited for", 2)]
    assert scene.target.ask(query, scene.job.group) == together
    assert worker.leave() == 0


def test_what_fails_behind_a_letter_does_not_keep_it_from_being_applied(scene: Scene, workers: Workers) -> None:
    """The letter alone is applied, and what waited for it is judged for itself."""
    scene.bad()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    scene.partial(777)
    scene.comes_to("0/0d 0/1h")
    scene.heal()
    scene.target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 777)")
    scene.replay()
    scene.comes_to("0/0a 0/1d")
    assert scene.target.rows("once") == {1: ("bad", 666)}
    assert worker.leave() == 0


def test_a_letter_that_fails_again_is_dead_again(scene: Scene, workers: Workers) -> None:
    """With one more attempt, and the position of the retry topic behind it."""
    scene.bad()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    scene.replay()
    query = "SELECT state, attempt, published_attempt FROM headrace.letters WHERE group_name = %s"
    eventually(lambda: scene.target.ask(query, scene.job.group) == [("dead", 3, 3)], "it failed and is published again")
    assert scene.target.rows("once") == {}
    assert worker.leave() == 0


def test_until_current_waits_for_what_is_sent_again(scene: Scene, workers: Workers) -> None:
    """A dead letter is at rest; one that is under way comes to its end first."""
    scene.bad()
    assert "1 letter is open" in workers.until_current(scene.job).text()
    assert scene.states() == "0/0d"
    scene.heal()
    scene.replay()
    assert "open" not in workers.until_current(scene.job).text()
    assert scene.states() == "0/0a"


def test_a_record_that_is_cut_spoils_no_other_whenever_it_is_looked_at(scene: Scene, workers: Workers) -> None:
    """First of its topic, and each time that it is sent again while others come."""
    scene.feed.raw(scene.feed.encode("c", 9_999, {"id": 9_999, "label": "cut", "amount": 1})[:12], 9_999)
    scene.feed.flush()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    attempts = "SELECT attempt, state FROM headrace.letters WHERE group_name = %s"
    for turn in (1, 2):
        scene.feed.create(100)
        assert scene.replay() == (scene.ids()[0],)
        eventually(
            lambda turn=turn: scene.target.ask(attempts, scene.job.group) == [(1 + 2 * turn, "dead")],
            "it is dead again, and no other",
        )
        scene.feed.create(100)
        eventually(lambda: scene.target.rows("once") == scene.feed.rows(), "all others are there")
    assert scene.states() == "0/0d"
    assert worker.leave() == 0


def test_a_copy_that_comes_twice_counts_once(scene: Scene, workers: Workers) -> None:
    """The row is the truth, not the copy."""
    scene.bad()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    scene.heal()
    scene.target.do(
        "CREATE FUNCTION again() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        " NEW.published_attempt = OLD.published_attempt; RETURN NEW; END $$"
    )
    # confirmations are lost, so that copies are published again and again
    scene.target.do(
        "CREATE TRIGGER again BEFORE UPDATE OF published_attempt ON headrace.letters FOR EACH ROW"
        " WHEN (NEW.state = 'replaying') EXECUTE FUNCTION again()"
    )
    scene.replay()
    scene.comes_to("0/0a")
    assert scene.target.rows("once") == {1: ("bad", 666)}
    assert scene.target.double_writes() == []
    assert worker.leave() == 0


def _lose_unread(admin: AdminClient, topic: str, kafka: str) -> None:
    """Retention removes what the group has not read yet."""
    producer = Producer({"bootstrap.servers": kafka})
    for _ in range(9):
        producer.produce(topic, b"no letter")
    assert producer.flush(30) == 0
    lost = TopicPartition(topic, 0, OFFSET_END)
    admin.delete_records([lost])[lost].result(30)


def _make_anew(admin: AdminClient, topic: str, kafka: str) -> None:
    """An empty topic of the same name."""
    admin.delete_topics([topic])[topic].result(30)
    eventually(lambda: topic not in admin.list_topics(timeout=10).topics, "the topic is gone")
    create_topic(kafka, topic, 1)


@pytest.mark.parametrize("lose", [_lose_unread, _make_anew])
def test_a_retry_topic_that_lost_its_copies_begins_anew(
    scene: Scene, workers: Workers, lose: Callable[[AdminClient, str, str], None]
) -> None:
    """Nobody has to decide about it: the letters' rows know what is still to be published."""
    scene.job = replace(scene.job, letters={**SOON, "partitions": 1})
    scene.bad()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    scene.replay()
    copies = (f"{scene.job.group}.retry.1", 0)
    eventually(lambda: scene.target.positions(scene.job.group).get(copies) == 1, "its copy was read")
    assert worker.leave() == 0
    kafka = scene.job.at.kafka
    lose(AdminClient({"bootstrap.servers": kafka, "log_level": 0}), copies[0], kafka)
    scene.heal()
    again = running(scene, workers)
    again.said("retry topic begins anew")
    scene.replay()
    scene.comes_to("0/0a")
    assert scene.target.stopped(scene.job.group) == {}
    assert again.leave() == 0


def test_a_letter_without_bytes_is_read_at_its_origin(scene: Scene, workers: Workers) -> None:
    """The copy has no value, and the record is applied all the same; that it may leave its log is said."""
    scene.job = replace(scene.job, letters={**SOON, "inline_bytes": 0, "expiry_warning_hours": 8760})
    scene.bad()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    worker.said("letter's record will leave its log")
    scene.heal()
    scene.replay()
    scene.comes_to("0/0a")
    assert scene.target.rows("once") == {1: ("bad", 666)}
    assert worker.leave() == 0


def test_a_letter_is_given_up_with_what_waits_for_it(scene: Scene, workers: Workers) -> None:
    """The reason stays with each; later changes of the row are applied as ever."""
    scene.bad()
    worker = running(scene, workers)
    scene.comes_to("0/0d")
    scene.partial(2)
    scene.comes_to("0/0d 0/1h")
    with scene.target.connected() as connection:
        done = discard(connection, scene.job.group, scene.ids()[:1], "known nonsense")
    assert done.changed == tuple(scene.ids())
    scene.feed.send("u", 1, "new", 4)
    scene.feed.flush()
    eventually(lambda: scene.target.rows("once") == {1: ("new", 4)}, "the next change is applied")
    assert scene.states() == "0/0d 0/1d"
    query = "SELECT DISTINCT state, reason FROM headrace.letters WHERE group_name = %s"
    assert scene.target.ask(query, scene.job.group) == [("discarded", "known nonsense")]
    assert worker.leave() == 0


def test_an_edited_letter_is_applied_as_it_was_edited(scene: Scene, workers: Workers) -> None:
    """The constraint that refused it still stands; what did not decode has no values to edit, and stays dead."""
    scene.bad()
    scene.feed.raw(scene.feed.encode("c", 2, {"id": 2, "label": "cut", "amount": 2})[:-1], 2)
    scene.feed.flush()
    worker = running(scene, workers)
    scene.comes_to("0/0d 0/1d")
    refused, cut = scene.ids()
    with pytest.raises(NotEdited, match="does not decode") as caught:
        scene.edit(cut, "amount", 3)
    assert "Ask the source" in caught.value.remedy
    with pytest.raises(NotEdited, match=r"after\.id: it says which row this is"):
        scene.edit(refused, "id", 3)
    assert scene.edit(refused, "amount", 7) == ("amount",)
    scene.replay()
    scene.comes_to("0/0a 0/1d")
    assert scene.target.rows("once") == {1: ("bad", 7)}
    query = "SELECT value FROM headrace.letter_bytes WHERE letter_id = %s"
    original = scene.feed.encode("c", 1, {"id": 1, "label": "bad", "amount": 666})
    assert scene.target.ask(query, refused) == [(original,)]
    assert worker.leave() == 0


def test_a_tier_that_is_not_due_holds_nothing_else_up(scene: Scene, workers: Workers) -> None:
    """Its partition is given back until then; a due letter of another tier and the main topic go on meanwhile."""
    scene.job = replace(scene.job, letters={"delays": [0.3, 3600]})
    scene.target.do("CREATE TABLE parent (id int PRIMARY KEY)")
    scene.target.do("INSERT INTO parent VALUES (1), (666)")
    scene.target.do("ALTER TABLE once ADD CONSTRAINT family FOREIGN KEY (amount) REFERENCES parent")
    scene.bad()
    scene.feed.send("c", 2, "orphan", 500)
    scene.feed.flush()
    worker = running(scene, workers)
    later = f"{scene.job.group}.retry.2"

    def given_back() -> list[float]:
        lines = worker.lines("retry topic waits")
        return [line["seconds"] for line in lines if line["topic"] == later and line["seconds"] > 60]

    eventually(given_back, "the orphan's second tier is given back")
    scene.comes_to("0/0d 0/1r")
    scene.heal()
    scene.replay()
    scene.comes_to("0/0a 0/1r")
    scene.feed.send("c", 3, "new", 1)
    scene.feed.flush()
    eventually(lambda: scene.target.rows("once") == {1: ("bad", 666), 3: ("new", 1)}, "the main topic goes on")
    # a rebalance may bring it back, but nobody asks all the time
    assert len(given_back()) < 5
    assert scene.target.positions(scene.job.group)[later, 0] == 0
    assert worker.leave() == 0
