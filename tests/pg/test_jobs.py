"""Jobs of letters: made, stepped through by workers, decided about by people, reported."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from consumer.core.decision import Undecidable
from consumer.core.jobs import UNDER_WAY, JobKind, next_step
from consumer.core.steering import Steer
from consumer.edges.postgres.jobs import PostgresJobs, prune
from consumer.edges.postgres.outbox import PostgresOutbox
from consumer.ports.desk import Note
from consumer.stack.waiting import wait_until
from dlq.actions import discard, replay
from dlq.headers import decode, encode
from dlq.jobs import MOST_JOBS, decide, jobs
from dlq.preview import Rules
from dlq.selection import Selection
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene

DISCARD = Rules(kind=JobKind.DISCARD)


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Scene:
    """A group without letters."""
    return Scene(session, pools(), group)


def test_letters_are_sent_in_the_order_of_their_records(scene: Scene) -> None:
    """Whenever they failed, each once, with the next attempt and one replay more."""
    later = scene.letters(2, first=50)
    earlier = scene.letters(2)
    number = scene.start(rate=2.0)
    scene.rested(number)
    assert [item.letter for item in scene.items(number)] == earlier + later
    stepped = scene.step()

    assert stepped is not None
    assert (stepped.acted, scene.ends(number)) == (2, ["sent", "sent", "waiting", "waiting"])
    query = "SELECT state, attempt, replays, published_attempt FROM headrace.letters WHERE id = ANY (%s)"
    assert scene.session.execute(query, (earlier,)).fetchall() == [("replaying", 2, 1, 0)] * 2
    assert [scene.state(letter) for letter in later] == ["dead", "dead"]


def test_copies_of_letters_that_a_job_has_sent_name_it(scene: Scene, pools: Pools) -> None:
    """Until it knows their ends; what it has not sent yet, and what nobody has sent, names none."""
    sent, waiting = scene.letters(2)
    number = scene.start(rate=1.0)
    scene.rested(number)
    scene.step()
    outbox = PostgresOutbox(pools(), scene.group)

    def replays() -> dict[int, str | None]:
        return {one.id: decode(encode(one.head, ())).replay for one in outbox.claim(9, 0.0)}

    assert replays() == {sent: str(number), waiting: None}
    scene.comes_back(sent, fits=False)
    assert replays() == {sent: None, waiting: None}


def test_what_became_of_a_letter_is_written_with_it(scene: Scene) -> None:
    """By whichever transaction ends it; why it failed again is what the letter says then."""
    ids = scene.letters(4)
    number = scene.start()
    scene.step()
    scene.comes_back(ids[0])
    scene.comes_back(ids[1], fits=False)
    discard(scene.session, scene.group, [ids[2]], "known nonsense")
    found = [(item.state, item.why) for item in scene.items(number)]

    assert found[0] == ("applied", "")
    assert found[1] == ("dead", "record.check: it does not fit")
    assert found[2] == ("discarded", "known nonsense")
    assert found[3] == ("sent", "")
    assert scene.job(number).counts == {"applied": 1, "dead": 1, "discarded": 1, "sent": 1}


def test_a_transaction_that_is_undone_leaves_no_outcome(scene: Scene) -> None:
    """The letter and its item are one."""
    (letter,) = scene.letters()
    number = scene.start()
    scene.step()
    with scene.session.transaction(force_rollback=True):
        scene.comes_back(letter)
        assert scene.ends(number) == ["applied"]
    assert (scene.state(letter), scene.ends(number)) == ("replaying", ["sent"])


def test_outcomes_are_written_where_triggers_are_off(scene: Scene, session: psycopg.Connection) -> None:
    """As with target.constraints = "trust-source"; groups are counted there too."""
    (letter,) = scene.letters()
    number = scene.start()
    scene.step()
    session.execute("SET session_replication_role = replica")
    scene.comes_back(letter)
    assert scene.ends(number) == ["applied"]
    query = "SELECT state FROM headrace.letter_tallies WHERE group_name = %s GROUP BY state HAVING sum(letters) > 0"
    assert session.execute(query, (scene.group,)).fetchall() == [("applied",)]


def test_the_canary_is_waited_for(scene: Scene) -> None:
    """Nothing else is sent meanwhile; then the rest is."""
    ids = scene.letters(6)
    number = scene.start(canary=2)
    for _ in range(3):
        scene.step()
    assert scene.ends(number) == ["sent", "sent", *["waiting"] * 4]
    scene.comes_back(ids[0])
    scene.step()
    assert scene.job(number).state == "canary"
    scene.comes_back(ids[1])
    scene.step()
    assert (scene.job(number).state, scene.ends(number)) == ("running", [*["applied"] * 2, *["sent"] * 4])


def test_a_canary_that_fails_stops_the_job(scene: Scene) -> None:
    """It is resumed by a person, with a canary again, which is judged by itself."""
    ids = scene.letters(6)
    number = scene.start(canary=2, stop_ratio=0.5)
    scene.step()
    for letter in ids[:2]:
        scene.comes_back(letter, fits=False)
    scene.step()
    job = scene.job(number)
    assert (job.state, job.why) == ("stopped", "2 of the last 2 letters failed again, more than 50%")
    assert scene.step() is None

    assert decide(scene.session, scene.group, number, Steer.RESUME, Note("me@here", "table was healed"))
    scene.step()
    assert scene.ends(number) == ["dead", "dead", "sent", "sent", "waiting", "waiting"]
    scene.rest(ids)
    assert (scene.job(number).state, scene.ends(number)[2:]) == ("done", ["applied"] * 4)


def test_too_many_failures_of_late_stop_the_job(scene: Scene) -> None:
    """What succeeded long before does not make up for them."""
    ids = scene.letters(400)
    number = scene.start(rate=100.0, stop_ratio=0.3)
    for index in range(0, 400, 100):
        scene.rested(number)
        scene.step()
        for letter in ids[index : index + 100]:
            scene.comes_back(letter, fits=index < 200)
    assert scene.job(number).state == "stopped"
    assert scene.ends(number) == [*["applied"] * 200, *["dead"] * 100, *["waiting"] * 100]


def test_only_so_many_are_under_way(scene: Scene) -> None:
    """So many may still fail after it has stopped."""
    scene.letters(UNDER_WAY + 50)
    number = scene.start(rate=100.0)
    for _ in range(20):
        scene.rested(number)
        scene.step()
    assert scene.job(number).counts == {"sent": UNDER_WAY, "waiting": 50}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("state = 'superseded', closed_at = now()", "it is superseded by now"),
        ("state = 'replaying'", "it is replaying by now"),
        ("replays = 3", "it was sent 3 times already"),
    ],
)
def test_a_letter_that_is_not_what_it_was_is_passed_over(scene: Scene, change: str, why: str) -> None:
    """And it is said why; its neighbours are sent."""
    ids = scene.letters(3)
    number = scene.start()
    scene.session.execute(f"UPDATE headrace.letters SET {change} WHERE id = %s".encode(), (ids[1],))
    before = scene.state(ids[1])
    scene.step()
    assert scene.ends(number) == ["sent", "skipped", "sent"]
    assert scene.items(number)[1].why == why
    assert scene.state(ids[1]) == before


def test_a_letter_that_is_not_kept_any_more_is_passed_over(scene: Scene) -> None:
    """The report still says where its record was."""
    ids = scene.letters(2)
    number = scene.start()
    scene.session.execute("DELETE FROM headrace.letters WHERE id = %s", (ids[0],))
    scene.step()
    (item, _) = scene.items(number)
    assert (item.state, item.why, item.offset) == ("skipped", "the letter is not kept any more", 0)


def test_letters_of_one_row_go_together_and_end_each(scene: Scene) -> None:
    """The newer one may come back first: it waits, and comes with the older one."""
    ids = scene.letters(3, row=7)
    number = scene.start()
    scene.step()
    scene.comes_back(ids[2])
    assert (scene.state(ids[2]), scene.ends(number)) == ("held", ["sent"] * 3)
    for letter in ids:
        scene.comes_back(letter)
    assert scene.ends(number) == ["applied"] * 3


@pytest.mark.parametrize("first", [0, 2], ids=["the older comes first", "the newer comes first"])
def test_what_waits_for_a_letter_that_failed_again_has_come_to_its_end(scene: Scene, first: int) -> None:
    """It comes by itself when the older one does."""
    ids = scene.letters(3, row=7)
    number = scene.start()
    scene.step()
    for letter in (ids[first], *ids):
        scene.comes_back(letter, fits=letter != ids[0])
    assert scene.ends(number) == ["dead", "skipped", "skipped"]
    assert scene.items(number)[1].why == f"it waits for letter {ids[0]}, which is dead"
    scene.step()
    assert scene.job(number).state == "done"


def test_a_letter_behind_one_that_failed_is_not_sent(scene: Scene) -> None:
    """It would only wait."""
    front = scene.letters(row=7)
    others = scene.letters(9, first=10)
    behind = scene.letters(row=7, first=90)
    number = scene.start(canary=1)
    scene.step()
    scene.comes_back(front[0], fits=False)
    scene.rest(others)
    last = scene.items(number)[-1]
    assert (last.letter, last.state, last.why) == (
        behind[0], "skipped", f"an older change of its row waits, letter {front[0]}"
    )  # fmt: skip
    assert scene.state(behind[0]) == "dead"


def test_a_letter_is_in_one_job_at_most(scene: Scene) -> None:
    """Another one has the others. The number of jobs has a bound."""
    scene.letters(MOST_JOBS)
    for place in range(MOST_JOBS):
        (letter,) = scene.session.execute(
            'SELECT id FROM headrace.letters WHERE group_name = %s AND "offset" = %s', (scene.group, place)
        ).fetchone() or (0,)
        scene.start(Selection(ids=(letter,)))
    assert scene.look().counts == {"in_job": MOST_JOBS}
    scene.letters(first=100)
    with pytest.raises(Undecidable, match="cancel some"):
        scene.start()


def test_letters_are_given_up_in_bulk(scene: Scene) -> None:
    """With what waits for them, for the job's reason."""
    ids = scene.letters(3)
    (front,) = scene.letters(row=7, first=50)
    (follower,) = scene.letters(row=7, first=60, state="held")
    number = scene.start(Selection(states=("dead", "held")), rules=DISCARD, rate=4.0)
    for _ in range(3):
        scene.rested(number)
        scene.step()
    assert scene.ends(number) == ["discarded"] * 5
    assert scene.items(number)[4].why == "with the letter that it waited for"
    assert {scene.state(letter) for letter in (*ids, front, follower)} == {"discarded"}
    query = "SELECT DISTINCT reason FROM headrace.letters WHERE group_name = %s"
    assert scene.session.execute(query, (scene.group,)).fetchall() == [("ticket 1",)]
    assert scene.job(number).state == "done"


def test_two_workers_share_a_jobs_rate(scene: Scene, pools: Pools) -> None:
    """Each letter is sent once, and what one is at the other leaves alone."""
    ids = scene.letters(300)
    number = scene.start(rate=100.0)
    others = [Scene(scene.session, pools(worker=f"w{place}"), scene.group).jobs for place in range(2)]

    def steps(mine: PostgresJobs) -> int:
        return sum(stepped.acted for _ in range(100) if (stepped := mine.step(next_step)) is not None)

    ((before,),) = scene.session.execute("SELECT clock_timestamp()").fetchall()
    with ThreadPoolExecutor(2) as threads:
        sent = sum(threads.map(steps, others))
    ((seconds,),) = scene.session.execute(
        "SELECT extract(epoch FROM clock_timestamp() - %s)::float8", (before,)
    ).fetchall()
    assert 0 < sent <= 100 * (seconds + 1) + 1
    assert scene.job(number).counts.get("sent", 0) == sent
    query = "SELECT max(attempt), sum(replays) FROM headrace.letters WHERE id = ANY (%s)"
    assert scene.session.execute(query, (ids,)).fetchall() == [(2, sent)]


def test_a_worker_leaves_a_job_alone_that_another_one_is_at(scene: Scene, server: str) -> None:
    """It does not wait; a person who cancels does, until nothing more is sent."""
    scene.letters(2)
    number = scene.start()
    with psycopg.connect(server) as other, psycopg.connect(server) as person, ThreadPoolExecutor(1) as thread:
        other.execute("SELECT FROM headrace.jobs WHERE id = %s FOR UPDATE", (number,))
        assert scene.step() is None
        cancelled = thread.submit(decide, person, scene.group, number, Steer.CANCEL, Note("me@here", "enough"))
        pid = person.info.backend_pid
        waits = "SELECT 1 FROM pg_stat_activity WHERE pid = %s AND wait_event_type = 'Lock'"
        assert wait_until(lambda: scene.session.execute(waits, (pid,)).fetchone() is not None, 20)
        other.rollback()
        assert cancelled.result(20)
        person.commit()
    assert scene.ends(number) == ["cancelled", "cancelled"]


def test_batches_that_end_letters_do_not_wait_for_a_step_in_a_circle(scene: Scene, server: str) -> None:
    """One has closed a letter, the step waits for it, and the next letter of the batch is the step's already."""
    ids = scene.letters(20)
    number = scene.start()
    query = 'SELECT id FROM headrace.letters WHERE group_name = %s ORDER BY digest_a, digest_b, "offset"'
    first, *_, last = (row[0] for row in scene.session.execute(query, (scene.group,)))
    close = "UPDATE headrace.letters SET state = 'superseded', closed_at = now() WHERE id = %s"
    with psycopg.connect(server) as batch, ThreadPoolExecutor(1) as thread:
        batch.execute(close, (first,))
        stepped = thread.submit(scene.step)
        waits = """
            SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND query LIKE '%%replaying%%' AND pid <> %s
        """
        assert wait_until(
            lambda: scene.session.execute(waits, (scene.session.info.backend_pid,)).fetchone() is not None, 20
        )
        batch.execute(close, (last,))
        batch.commit()
        assert stepped.result(20) is not None
    assert sorted(scene.ends(number)) == [*["sent"] * 18, *["skipped"] * 2]
    assert len(ids) == 20


def test_a_person_who_sends_a_letter_of_a_job_is_before_it(scene: Scene) -> None:
    """Nothing is sent twice."""
    (letter,) = scene.letters()
    number = scene.start()
    assert replay(scene.session, scene.group, [letter]).changed == (letter,)
    scene.step()
    assert scene.ends(number) == ["skipped"]


def test_old_jobs_are_deleted(scene: Scene) -> None:
    """Bit by bit, with their items; those that have not come to their end are not."""
    ids = scene.letters(3)
    old = scene.start()
    scene.rest(ids)
    scene.letters(1, first=100)
    new = scene.start()
    scene.session.execute("UPDATE headrace.jobs SET ended_at = now() - interval '3 h' WHERE id = %s", (old,))
    assert prune(scene.session, scene.group, 4.0, 2) == 0
    assert [prune(scene.session, scene.group, 2.0, 2) for _ in range(3)] == [2, 1, 0]
    assert [each.id for each in jobs(scene.session, scene.group, 10)] == [new]
