"""Rows that need rows of other tables, or a value that another row still has: nothing of it becomes a letter."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from confluent_kafka.admin import AdminClient

from consumer.stack.options import Endpoints

from .feed import Feed, fresh_name
from .witness import Target
from .worker import Job, Workers, eventually

# more than it takes to feed what comes while a batch waits
_DEADLINE = 30.0


@contextmanager
def first_batch_held(target: Target, table: str) -> Iterator[None]:
    """Until the block ends nothing is written to a table; it begins when a batch is seen to wait for that."""
    with target.connected() as session, session.transaction():
        session.execute(f"LOCK TABLE {table} IN SHARE MODE".encode())
        eventually(target.blocked, "a batch waits for the table")
        yield


def test_children_that_are_read_before_their_parents_wait_for_them(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """Batches are small and the parents come later and in the opposite order, so most children are far too early."""
    target.do("ALTER TABLE churn ADD FOREIGN KEY (amount) REFERENCES once")
    children, parents = fresh_feed("churn", 2), fresh_feed("once", 1)
    for number in range(1, 401):
        children.send("c", number, "child", number)
    children.flush()
    job = Job(
        at=at, dsn=target.dsn, group=fresh_name("family"), topics=(children.topic, parents.topic), deadline=_DEADLINE
    )
    process = workers.run(job)
    with first_batch_held(target, "churn"):
        for number in range(400, 0, -1):
            parents.send("c", number, "parent", 0)
        parents.flush()

    eventually(lambda: target.reached(job.group, children, parents), "all is applied")
    assert process.leave() == 0
    target.must_equal(job.group, children, parents)
    assert target.ask("SELECT count(*) FROM headrace.letters") == [(0,)]
    assert process.lines("partition waits")


def test_a_wait_ends_with_the_topic_that_is_waited_for(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """Nothing more can come of it, so what needs it becomes letters; else it would wait for ever."""
    target.do("ALTER TABLE churn ADD FOREIGN KEY (amount) REFERENCES once")
    children, parents = fresh_feed("churn", 1), fresh_feed("once", 1)
    # a truncate that nobody has decided about stops its partition, and what is behind it never comes
    parents.raw(parents.encode("t", 0, None), 0)
    parents.send("c", 1, "parent", 0)
    parents.flush()
    children.send("c", 1, "child", 1)
    children.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("orphan"), topics=(children.topic, parents.topic))
    process = workers.run(job)
    process.said("partition waits")
    admin = AdminClient({"bootstrap.servers": at.kafka, "log_level": 0})
    admin.delete_topics([parents.topic])[parents.topic].result(30)

    eventually(lambda: target.reached(job.group, children), "the child is passed")
    assert target.ask("SELECT kind FROM headrace.letters") == [("record.reference",)]
    assert process.leave() == 0


def test_a_value_is_handed_on_from_one_partition_to_another(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """The row that gives it up is far behind the one that takes it over."""
    target.do("ALTER TABLE once ADD UNIQUE (amount)")
    feed = fresh_feed("once", 2)
    giving, taking = (next(key for key in range(1, 99) if key % 2 == parity) for parity in (0, 1))
    feed.send("c", giving, "has it", 7)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("value"), topics=(feed.topic,))
    workers.until_current(job)
    for number in range(200):
        feed.send("u", giving, "has it", 1000 + number)
        feed.send("u", giving, "has it", 7)
    feed.send("u", giving, "gives it up", 8)
    feed.send("c", taking, "takes it over", 7)
    feed.flush()
    workers.until_current(job)

    assert target.rows("once") == feed.rows()
    assert target.ask("SELECT count(*) FROM headrace.letters") == [(0,)]


def test_a_range_is_handed_on_from_one_partition_to_another(
    workers: Workers, target: Target, at: Endpoints, fresh_feed: Callable[..., Feed]
) -> None:
    """As a unique value is, where an exclusion constraint keeps rows from overlapping."""
    target.do("ALTER TABLE once ADD EXCLUDE USING gist (int4range(amount, amount + 10) WITH &&)")
    feed = fresh_feed("once", 2)
    giving, taking = 2, 1
    feed.send("c", giving, "has it", 7)
    feed.flush()
    job = Job(at=at, dsn=target.dsn, group=fresh_name("range"), topics=(feed.topic,), deadline=_DEADLINE)
    workers.until_current(job)
    feed.send("c", taking, "takes it over", 12)
    feed.flush()
    process = workers.run(job)
    with first_batch_held(target, "once"):
        for number in range(100):
            feed.send("u", giving, "has it", 1000 + number)
            feed.send("u", giving, "has it", 7)
        feed.send("u", giving, "gives it up", 50)
        feed.flush()

    eventually(lambda: target.reached(job.group, feed), "all is applied")
    assert process.leave() == 0
    assert target.rows("once") == feed.rows()
    assert target.ask("SELECT count(*) FROM headrace.letters") == [(0,)]
    assert process.lines("partition waits")
