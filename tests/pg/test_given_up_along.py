"""What waits for letters that a job gives up goes along: it is told, agreed to and reported as they are."""

from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest

from consumer.core.decision import Undecidable
from consumer.core.jobs import JobKind
from consumer.core.steering import Steer
from consumer.ports.desk import Note
from consumer.stack.waiting import wait_until
from dlq.actions import discard
from dlq.jobs import decide
from dlq.preview import Fate, Rules
from dlq.selection import Selection
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene

DISCARD = Rules(kind=JobKind.DISCARD)
CHECKED = Selection(kinds=("record.check",))
"""The group of those in front: what waits failed for another reason, and is of another group."""
ALONG = "with the letter that it waited for"
OVERTAKEN = "letters that nobody has agreed to give up wait for it by now; look again"
MANY = 6_000


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Scene:
    """A group without letters."""
    return Scene(session, pools(), group)


def behind(scene: Scene, row: int, number: int = 1, first: int = 100, **other: object) -> list[int]:
    """Changes of a row that wait for its older letter."""
    return scene.letters(number, row=row, first=first, state="held", kind="record.behind", **other)


def test_what_waits_is_told_by_itself_and_counts(scene: Scene) -> None:
    """It is not among the letters that are meant, and has to be agreed to."""
    front, *_ = (scene.letters(row=row, first=row)[0] for row in (7, 8, 9))
    waiting = behind(scene, 7, 40)
    found = scene.look(CHECKED, DISCARD)
    assert found.counts == {Fate.ELIGIBLE: 3, Fate.ALONG: 40}
    assert (found.meant, found.goes, found.along) == (3, 43, 40)
    assert [sample.id for sample in found.samples[Fate.ALONG]] == waiting[:10]
    assert all(sample.why for sample in found.samples[Fate.ALONG])
    assert len(discard(scene.session, scene.group, [front], "as many as one by one").changed) == 41


def test_what_waits_and_is_meant_itself_is_told_once(scene: Scene) -> None:
    """As one that was selected."""
    scene.letters(row=7)
    behind(scene, 7, 2)
    assert scene.look(rules=DISCARD).counts == {Fate.ELIGIBLE: 3}


def test_what_comes_back_by_itself_does_not_go_along(scene: Scene) -> None:
    """Whatever waits behind another letter of the row that stays, and a delete that keeps what its row has."""
    scene.letters(row=7)
    scene.letters(row=7, first=50, kind="record.value")
    behind(scene, 7)
    scene.letters(row=8, first=10)
    kept = behind(scene, 8, first=110)
    scene.session.execute("UPDATE headrace.letters SET operation = 'keep' WHERE id = ANY (%s)", (kept,))
    assert scene.look(CHECKED, DISCARD).counts == {Fate.ELIGIBLE: 2}


def test_only_all_that_go_are_agreed_to(scene: Scene) -> None:
    """A job of as many as were selected is none, and one of as many others neither."""
    (front,) = scene.letters(row=7)
    behind(scene, 7, 40)
    with pytest.raises(Undecidable, match="41 letters now, not 1"):
        scene.start(CHECKED, expect=1, rules=DISCARD)
    seen = scene.look(CHECKED, DISCARD)
    discard(scene.session, scene.group, [front], "elsewhere")
    scene.letters(row=8, first=50)
    behind(scene, 8, 40, first=200)
    assert scene.look(CHECKED, DISCARD).goes == seen.goes
    with pytest.raises(Undecidable, match="other 41 letters"):
        scene.start(CHECKED, rules=DISCARD, these=seen.these)


def test_each_that_goes_along_is_a_letter_of_the_job(scene: Scene) -> None:
    """Behind those that were selected, with its end and why; the audit says how many they are."""
    fronts = [scene.letters(row=row, first=row)[0] for row in (7, 8, 9)]
    waiting = behind(scene, 7, 40)
    number = scene.start(CHECKED, rules=DISCARD)
    scene.rest([])
    items = scene.items(number)
    assert [(item.letter, item.along, item.why) for item in items] == [
        *((letter, False, "") for letter in fronts),
        *((letter, True, ALONG) for letter in waiting),
    ]
    job = scene.job(number)
    assert (job.state, job.items, job.along, job.counts) == ("done", 43, 40, {"discarded": 43})
    assert {scene.state(letter) for letter in (*fronts, *waiting)} == {"discarded"}
    query = (
        "SELECT details -> 'letters', details -> 'along' FROM headrace.audit WHERE details -> 'job' = %s::text::jsonb"
    )
    assert scene.session.execute(query + " AND action = 'create job'", (number,)).fetchall() == [(43, 40)]


def test_what_goes_along_has_come_to_its_end_with_what_it_waited_for(scene: Scene) -> None:
    """Though its turn had not come when somebody cancelled the job; it is paid for, too."""
    scene.letters(row=7)
    (other,) = scene.letters(row=8, first=50)
    behind(scene, 7, 3)
    number = scene.start(CHECKED, rules=DISCARD, rate=1.0)
    scene.rested(number)
    stepped = scene.step()
    assert stepped is not None
    assert stepped.acted == 4
    assert decide(scene.session, scene.group, number, Steer.CANCEL, Note("me@here", "enough"))
    assert scene.ends(number) == ["discarded", "cancelled", *["discarded"] * 3]
    assert scene.state(other) == "dead"


def test_a_letter_for_which_others_wait_by_now_is_left(scene: Scene) -> None:
    """With all of its row, since nobody has agreed to those; its neighbours are given up."""
    (front,) = scene.letters(row=7)
    (other,) = scene.letters(row=8, first=50)
    (waiting,) = behind(scene, 7)
    number = scene.start(CHECKED, rules=DISCARD)
    (came,) = behind(scene, 7, first=101)
    scene.rest([])
    assert [(item.letter, item.state, item.why) for item in scene.items(number)] == [
        (front, "skipped", OVERTAKEN),
        (other, "discarded", ""),
        (waiting, "skipped", "the letter that it waited for was not given up"),
    ]
    assert [scene.state(letter) for letter in (front, waiting, came)] == ["dead", "held", "held"]
    assert scene.job(number).state == "done"
    again = scene.look(CHECKED, DISCARD)
    assert (again.meant - 1, again.goes) == (1, 3)


def test_what_comes_while_a_step_waits_is_not_taken(scene: Scene, server: str) -> None:
    """Whoever leaves a letter behind another one has locked that; the step sees what came of it."""
    (front,) = scene.letters(row=7)
    number = scene.start(CHECKED, rules=DISCARD)
    scene.rested(number)
    with psycopg.connect(server) as batch, ThreadPoolExecutor(1) as thread:
        batch.execute("SELECT FROM headrace.letters WHERE id = %s FOR UPDATE", (front,))
        stepped = thread.submit(scene.step)
        waits = "SELECT 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND %s = ANY (pg_blocking_pids(pid))"
        pid = batch.info.backend_pid
        assert wait_until(lambda: scene.session.execute(waits, (pid,)).fetchone() is not None, 20)
        (came,) = Scene(batch, scene.jobs._pool, scene.group).letters(
            row=7, first=100, state="held", kind="record.behind"
        )
        batch.commit()
        assert stepped.result(20) is not None
    assert scene.ends(number) == ["skipped"]
    assert [scene.state(letter) for letter in (front, came)] == ["dead", "held"]


def test_what_is_not_behind_it_any_more_stays(scene: Scene) -> None:
    """What it waited for was applied meanwhile: it comes by itself, and was to be given up with that one only."""
    (front,) = scene.letters(row=7)
    (waiting,) = behind(scene, 7)
    number = scene.start(CHECKED, rules=DISCARD)
    close = "UPDATE headrace.letters SET state = 'applied', closed_at = now() WHERE id = %s"
    scene.session.execute(close, (front,))
    scene.rest([])
    assert scene.ends(number) == ["skipped", "skipped"]
    assert scene.state(waiting) == "held"


def test_what_another_job_has_does_not_go_along(scene: Scene) -> None:
    """Nor does what it waits for, until that job is through."""
    scene.letters(row=7)
    scene.letters(row=8, first=50)
    (waiting,) = behind(scene, 7)
    behind(scene, 8, first=150)
    scene.start(Selection(ids=(waiting,)), rules=DISCARD)
    assert scene.look(CHECKED, DISCARD).counts == {Fate.IN_JOB: 1, Fate.ELIGIBLE: 1, Fate.ALONG: 1}


def test_what_waits_for_thousands_of_rows_is_found(scene: Scene) -> None:
    """Of those of which something waits, and only there."""
    scene.letters(MANY)
    # the same rows, whose keys went to another partition
    scene.letters(MANY // 2, partition=1, state="held", kind="record.behind")
    scene.letters(100, partition=2, first=MANY, state="held", kind="record.behind")
    assert scene.look(CHECKED, DISCARD).counts == {Fate.ELIGIBLE: MANY, Fate.ALONG: MANY // 2}


def test_thousands_that_wait_are_looked_at_once_each(scene: Scene) -> None:
    """By people, whose statements have a second here, and by the step that gives them up, which writes them too."""
    scene.letters(row=7)
    behind(scene, 7, MANY)
    scene.session.execute("SET statement_timeout = '1s'")
    number = scene.start(CHECKED, rules=DISCARD)
    scene.rested(number)
    scene.jobs._pool.ask(lambda connection: connection.execute("SET statement_timeout = '5s'"))
    scene.step()
    assert scene.job(number).counts == {"discarded": MANY + 1}
    scene.session.execute("RESET statement_timeout")
