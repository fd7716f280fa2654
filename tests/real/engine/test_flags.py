"""Parts that are switched off and on again while `headrace run` runs, without a rebalance."""

import re
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace

import httpx

from consumer.core.flags import FLAGS, Flag
from consumer.edges.postgres.control import PostgresControl
from consumer.edges.postgres.session import SessionSettings
from consumer.inspection.flagging import states, switch
from consumer.ports.desk import Note
from consumer.stack.options import Endpoints
from tests.collector import Collector

from .feed import Feed, fresh_name
from .letters import Scene
from .witness import Target
from .worker import STEADY, Job, Process, Workers, awaited, eventually


class Switch:
    """A person of a job's group, beside its workers."""

    def __init__(self, job: Job) -> None:
        self._job = job

    def __call__(self, flag: Flag, on: bool, table: str | None = None) -> None:
        """Switch a flag; all workers have heard of it."""
        session = SessionSettings(dsn=self._job.dsn, worker="switch")
        with closing(PostgresControl(session, self._job.group)) as control:
            assert switch(control, FLAGS[flag], on, table, Note("me", "a test"))
            if table is None:
                eventually(lambda: heard(control, flag), "all workers have heard of it")


def heard(control: PostgresControl, flag: Flag) -> bool:
    """Whether all workers have, of which there are some."""
    (state,) = (state for state in states(control) if state.kind.flag is flag)
    return state.heard == state.workers > 0


def decoded(target: Target, job: Job) -> Counter[str]:
    """How many data the job's only worker has decoded, by decoder."""
    ((port,),) = target.ask("SELECT metrics_port FROM headrace.workers WHERE group_name = %s", job.group)
    page = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=10).text
    found = re.findall(r'headrace_decoded_total\{decoder="(\w+)"\} ([0-9.]+)', page)
    return Counter({name: int(float(count)) for name, count in found})


def undisturbed(worker: Process) -> bool:
    """Whether the group moved nothing since the worker had its partitions."""
    return len(worker.lines("worker starts")) == 1 and not worker.lines("partitions lost")


def test_letters_stay_in_their_table_while_their_topics_are_switched_off(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """Dead ones unpublished, those sent again waiting; both go on when it is on again, and rows go on all the time."""
    scene = Scene(at, target, fresh_feed("once", 1))
    worker = workers.run(replace(scene.job, client=STEADY))
    turn = Switch(scene.job)
    scene.feed.create(5)
    eventually(lambda: target.rows("once") == scene.feed.rows(), "rows arrive")
    turn(Flag.DEAD_LETTERS, False)
    turn(Flag.RETRY_LANE, False)
    scene.feed.send("c", 100, "bad", 666)
    scene.feed.create(5)
    published = "SELECT state, published_attempt FROM headrace.letters WHERE group_name = %s"
    eventually(lambda: target.ask(published, scene.job.group) == [("dead", 0)], "it is dead and stays unpublished")
    eventually(lambda: len(target.rows("once")) == 10, "the others go on")
    turn(Flag.DEAD_LETTERS, True)
    eventually(lambda: target.ask(published, scene.job.group) == [("dead", 1)], "it is published")
    scene.heal()
    scene.replay()
    scene.feed.create(5)
    eventually(lambda: len(target.rows("once")) == 15, "rows go on")
    assert target.ask(published, scene.job.group) == [("replaying", 1)]
    turn(Flag.RETRY_LANE, True)
    scene.comes_to("0/5a")
    assert target.rows("once") == scene.feed.rows()
    assert undisturbed(worker)
    assert worker.leave() == 0


def test_copies_that_lie_in_the_retry_topics_wait_while_the_lane_is_off(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """Nothing of their letters changes, not even their attempts."""
    scene = Scene(at, target, fresh_feed("once", 1))
    target.do("CREATE TABLE parent (id int PRIMARY KEY)")
    target.do("ALTER TABLE once ADD CONSTRAINT family FOREIGN KEY (amount) REFERENCES parent")
    scene.feed.send("c", 1, "orphan", 500)
    scene.feed.flush()
    # the first copy is due in so many seconds, and lies there when it is switched off
    worker = workers.run(replace(scene.job, letters={"delays": [12.0, 13.0]}))
    turn = Switch(scene.job)
    letters = "SELECT state, attempt, published_attempt FROM headrace.letters WHERE group_name = %s"
    eventually(lambda: target.ask(letters, scene.job.group) == [("retrying", 1, 1)], "its copy is published")
    turn(Flag.RETRY_LANE, False)
    target.do("INSERT INTO parent VALUES (500)")
    due = "SELECT due_at < clock_timestamp() - interval '1 s' FROM headrace.letters WHERE group_name = %s"
    eventually(lambda: target.ask(due, scene.job.group) == [(True,)], "it has been due for long")
    assert target.ask(letters, scene.job.group) == [("retrying", 1, 1)]
    turn(Flag.RETRY_LANE, True)
    scene.comes_to("0/0a")
    assert worker.leave() == 0


def test_checks_decoder_traces_and_one_table_are_switched_while_changes_flow(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """Each from the next batch on."""
    feed, collector = fresh_feed("mapped", 1), Collector()
    job = Job(
        at=at,
        dsn=target.dsn,
        group=fresh_name("flags"),
        topics=(feed.topic,),
        smallest_block=1,
        client=STEADY,
        sections={
            'tables."public.mapped".checks.amount': {"max": 900},
            "trace": {"endpoint": collector.endpoint},
            "telemetry": {"port": 0},
        },
    )
    worker, turn = workers.run(job), Switch(job)

    def arrives(key: int, amount: int) -> None:
        feed.send("c", key, "row", amount)
        feed.flush()
        eventually(lambda: target.reached(job.group, feed), "it is applied")

    def there() -> list[object]:
        return [row[0] for row in target.ask("SELECT id FROM mapped ORDER BY id")]

    arrives(1, 1)
    arrives(2, 901)
    assert decoded(target, job)["row"] == 0
    turn(Flag.COLUMN_CHECKS, False)
    turn(Flag.COLUMNAR_DECODER, False)
    arrives(3, 902)
    turn(Flag.COLUMN_CHECKS, True)
    arrives(4, 903)
    assert decoded(target, job)["row"] > 0
    assert there() == [1, 3]
    turn(Flag.COLUMNAR_DECODER, True)
    turn(Flag.TRACING, False)
    eventually(lambda: any(span.name.startswith("process") for span in collector.spans()), "traces arrive")
    arrives(5, 5)
    turn(Flag.TABLE_APPLY, False, "public.mapped")
    worker.said("partition paused")
    feed.send("c", 6, "row", 6)
    feed.flush()
    (paused,) = target.ask("SELECT reason FROM headrace.table_states WHERE group_name = %s", job.group)
    assert paused == ("a test",)
    assert not target.reached(job.group, feed)
    turn(Flag.TABLE_APPLY, True, "public.mapped")
    eventually(lambda: target.reached(job.group, feed), "it goes on")
    assert worker.leave() == 0
    collector.close()
    counted = [span.attributes for span in collector.spans() if span.name.startswith("process")]
    assert len(counted) < 6, "batches of later are not traced"
    switched = [(line["flag"], line["on"]) for line in worker.lines("flag switched")]
    assert switched == [
        ("column-checks", False),
        ("columnar-decoder", False),
        ("column-checks", True),
        ("columnar-decoder", True),
        ("tracing", False),
    ]
    assert undisturbed(worker)


def test_a_table_is_not_made_while_changes_of_tables_are_off_and_made_once_they_are_on(
    at: Endpoints, target: Target, workers: Workers, fresh_feed: Callable[..., Feed]
) -> None:
    """A worker that starts knows it before its first record; what is planned is listed."""
    feed = fresh_feed("new_one", 1)
    feed.create(3)
    job = Job(at=at, dsn=target.dsn, group=fresh_name("flags"), topics=(feed.topic,))
    silently = """
        INSERT INTO headrace.flags (group_name, flag, is_on, actor, reason)
        VALUES ('{}', 'schema-evolution', false, 'me', 'r')
    """
    target.do(silently.format(job.group))
    worker, turn = workers.run(job), Switch(job)
    (stopped,) = awaited(lambda: target.stopped(job.group), "its partition stops").values()
    assert (stopped["kind"], "switched off" in stopped["detail"]) == ("table.approval", True)
    planned = "SELECT change, state FROM headrace.schema_changes WHERE group_name = %s"
    assert target.ask(planned, job.group) == [("create", "planned")]
    assert target.ask("SELECT to_regclass('public.new_one')") == [(None,)]
    turn(Flag.SCHEMA_EVOLUTION, True)
    eventually(lambda: target.reached(job.group, feed), "the table is made and filled")
    assert target.ask(planned, job.group) == [("create", "applied")]
    assert worker.leave() == 0
