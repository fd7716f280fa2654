"""A dead-letter topic that takes nothing: letters stay in their table up to the bound, and come out of it later."""

from collections.abc import Callable

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry
from confluent_kafka.admin._config import ConfigResource

from consumer.stack.options import Endpoints

from .feed import Feed, create_topic, fresh_name
from .witness import Target
from .worker import Job, Workers, awaited, eventually

MOST = 3
# bytes that no record has so few of
NOTHING = 1


def allow(at: Endpoints, topic: str, size: int) -> None:
    """Have a topic take records of so many bytes at most; returns when the broker goes by it."""
    wanted = ConfigEntry("max.message.bytes", str(size), incremental_operation=AlterConfigOpType.SET)
    resource = ConfigResource(ConfigResource.Type.TOPIC, topic, incremental_configs=[wanted])
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    admin.incremental_alter_configs([resource])[resource].result(60)
    producer = Producer({"bootstrap.servers": at.kafka, "log_level": 0})

    def is_taken() -> bool:
        said: list[object] = []
        producer.produce(topic, b"probe", on_delivery=lambda error, message: said.append(error))
        assert producer.flush(60) == 0
        return said[0] is None

    eventually(lambda: is_taken() == (size > NOTHING), "the broker goes by it")


def test_letters_stay_in_their_table_up_to_the_bound_and_come_out_when_the_topic_takes_them_again(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """Rows go on until then; what is beyond waits in front of its letter, and goes on by itself."""
    group = fresh_name("unwritable")
    create_topic(at.kafka, f"{group}.dlq", 1)
    allow(at, f"{group}.dlq", NOTHING)
    target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666)")
    feed = fresh_feed("once", 1)
    job = Job(
        at=at,
        dsn=target.dsn,
        group=group,
        topics=(feed.topic,),
        letters={"max_unpublished": MOST, "flood_percent": 100},
        sections={"retry": {"table_first": 0.5, "table_most": 1}},
    )
    worker = workers.run(job)
    unpublished = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt < attempt"
    for key in range(1, MOST + 1):
        feed.send("c", key, "bad", 666)
        feed.send("c", 100 + key, "good", 1)
        feed.flush()
        eventually(lambda: target.reached(group, feed), "it goes on")
    assert target.ask(unpublished, group) == [(MOST,)]
    feed.send("c", 50, "bad", 666)
    feed.send("c", 200, "good", 1)
    feed.flush()
    # it is looked at again and again
    (stopped,) = awaited(lambda: target.stopped(group), "it waits at the bound").values()
    assert stopped["kind"] == "kafka.letters"
    allow(at, f"{group}.dlq", 1 << 20)
    eventually(lambda: target.reached(group, feed), "it goes on by itself")
    eventually(lambda: target.ask(unpublished, group) == [(0,)], "all are published")
    assert sorted(target.rows("once")) == [101, 102, 103, 200]
    assert worker.leave() == 0
