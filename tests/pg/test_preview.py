"""What a job would do with letters is said before it does it."""

import psycopg
import pytest

from consumer.core.jobs import JobKind
from consumer.core.pausing import Subject
from consumer.edges.postgres.pauses import pause
from consumer.ports.desk import Note
from dlq.preview import SAMPLES, Fate, Rules
from dlq.selection import Selection
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene

DISCARD = Rules(kind=JobKind.DISCARD)
_BYTES = "INSERT INTO headrace.letter_bytes (letter_id, value) VALUES (%s, 'x')"


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Scene:
    """A group without letters."""
    return Scene(session, pools(), group)


@pytest.mark.parametrize(
    ("letter", "change", "fate"),
    [
        ({}, "", Fate.ELIGIBLE),
        ({"placed": False}, "", Fate.SEARCHED),
        ({"state": "held"}, "", Fate.HELD),
        ({"state": "retrying"}, "", Fate.UNDER_WAY),
        ({"state": "replaying"}, "", Fate.UNDER_WAY),
        ({"state": "applied"}, "", Fate.CLOSED),
        ({"state": "superseded"}, "", Fate.CLOSED),
        ({"state": "discarded"}, "", Fate.CLOSED),
        ({}, "replays = 2", Fate.ELIGIBLE),
        ({}, "replays = 3", Fate.OVER_CAP),
        # a record that only the log had
        ({}, "origin_log = 'gone'", Fate.STALE),
        ({}, "origin_log = 'leaving'", Fate.ELIGIBLE),
        ({"placed": False}, "origin_log = 'gone'", Fate.STALE),
        ({"placed": False, "kind": "record.unplaced"}, "", Fate.STALE),
        ({}, "search_doubt = 'partial'", Fate.STALE),
        # as what was imported of a topic that is not read here
        ({"placed": False}, "topic = 'elsewhere'", Fate.STALE),
        ({}, "topic = 'elsewhere'", Fate.ELIGIBLE),
    ],
)
def test_fates(scene: Scene, letter: dict[str, object], change: str, fate: Fate) -> None:
    """By what the letter's row says."""
    (number,) = scene.letters(**letter)
    if change:
        scene.session.execute(f"UPDATE headrace.letters SET {change} WHERE id = %s".encode(), (number,))
    found = scene.look()
    assert found.counts == {fate: 1}
    (sample,) = found.samples[fate]
    assert (sample.id, bool(sample.why)) == (number, fate is not Fate.ELIGIBLE)
    assert found.goes == (fate in (Fate.ELIGIBLE, Fate.SEARCHED))


def test_a_letter_with_its_bytes_needs_no_log(scene: Scene) -> None:
    """It is its copy that points nowhere."""
    (letter,) = scene.letters()
    scene.session.execute(_BYTES, (letter,))
    scene.session.execute("UPDATE headrace.letters SET origin_log = 'gone' WHERE id = %s", (letter,))
    assert scene.look().counts == {Fate.ELIGIBLE: 1}


def test_what_looks_stale_goes_if_a_person_wants_it(scene: Scene) -> None:
    """The engine decides by itself what it applies."""
    scene.letters(placed=False, kind="record.unplaced")
    assert scene.look(rules=Rules(stale=True)).counts == {Fate.SEARCHED: 1}


@pytest.mark.parametrize(("kind", "fate"), [("table.shape", Fate.STOPPED), ("kafka.letters", Fate.ELIGIBLE)])
def test_letters_of_a_table_that_is_refused_wait_for_it(scene: Scene, kind: str, fate: Fate) -> None:
    """They would fail at once; a server that is away is waited for."""
    scene.letters()
    scene.session.execute(
        "UPDATE headrace.positions SET stopped = jsonb_build_object('kind', %s::text) WHERE group_name = %s",
        (kind, scene.group),
    )
    assert scene.look().counts == {fate: 1}


@pytest.mark.parametrize(
    ("subject", "fate"),
    [
        (Subject(table="s.t"), Fate.STOPPED),
        (Subject(topic="t"), Fate.STOPPED),
        (Subject(topic="t", partition=0), Fate.STOPPED),
        (Subject(topic="t", partition=1), Fate.ELIGIBLE),
    ],
)
def test_letters_of_what_a_person_has_paused_wait_for_it(scene: Scene, subject: Subject, fate: Fate) -> None:
    """A table, a topic, or one partition."""
    scene.letters()
    bound = "INSERT INTO headrace.target_tables (group_name, table_name, topic) VALUES (%s, 's.t', 't')"
    scene.session.execute(bound, (scene.group,))
    pause(scene.session, scene.group, subject, Note("me@here", "because"))
    assert scene.look().counts == {fate: 1}


@pytest.mark.parametrize(
    ("older", "counts"),
    [
        ({"state": "dead"}, {Fate.ELIGIBLE: 1, Fate.BLOCKED: 1}),
        ({"state": "retrying"}, {Fate.ELIGIBLE: 1, Fate.BLOCKED: 1}),
        ({"state": "held"}, {Fate.ELIGIBLE: 2}),
        ({"state": "superseded"}, {Fate.ELIGIBLE: 2}),
        ({"state": "dead", "first": 70}, {Fate.ELIGIBLE: 2}),
        ({"state": "dead", "row": 8}, {Fate.ELIGIBLE: 2}),
        ({"state": "dead", "table": "s.u"}, {Fate.ELIGIBLE: 2}),
        # what failed first is older, where offsets of two partitions say nothing
        ({"state": "dead", "partition": 1, "first": 70}, {Fate.ELIGIBLE: 1, Fate.BLOCKED: 1}),
    ],
)
def test_an_older_letter_of_the_row_blocks(scene: Scene, older: dict[str, object], counts: dict[Fate, int]) -> None:
    """Where it is not among those that go."""
    (front,) = scene.letters(**{"row": 7, **older})
    (behind,) = scene.letters(row=7, first=50)
    (other,) = scene.letters(first=60)
    found = scene.look(Selection(ids=(behind, other)))
    assert found.counts == counts
    if blocked := found.samples.get(Fate.BLOCKED):
        assert [(sample.id, sample.why.rsplit(maxsplit=1)[-1]) for sample in blocked] == [(behind, str(front))]


def test_letters_of_a_row_go_together(scene: Scene) -> None:
    """If all of them do: one that can't go blocks those behind it, and not those in front."""
    ids = scene.letters(4, row=7)
    assert scene.look().counts == {Fate.ELIGIBLE: 4}
    scene.session.execute("UPDATE headrace.letters SET replays = 3 WHERE id = %s", (ids[1],))
    found = scene.look()
    assert found.counts == {Fate.ELIGIBLE: 1, Fate.BLOCKED: 2, Fate.OVER_CAP: 1}
    assert [sample.id for sample in found.samples[Fate.ELIGIBLE]] == [ids[0]]


def test_what_a_job_has_is_not_in_another_one(scene: Scene) -> None:
    """Until the job is through with it."""
    ids = scene.letters(2)
    scene.start(Selection(ids=(ids[0],)))
    assert scene.look().counts == {Fate.ELIGIBLE: 1, Fate.IN_JOB: 1}
    scene.step()
    scene.comes_back(ids[0], fits=False)
    assert scene.look().counts == {Fate.ELIGIBLE: 2}


def test_any_open_letter_is_given_up(scene: Scene) -> None:
    """Whatever stands in front of it."""
    scene.letters(4, row=7)
    scene.letters(row=7, first=50, state="held")
    scene.letters(first=60, state="retrying")
    scene.letters(first=70, state="applied")
    assert scene.look(rules=DISCARD).counts == {Fate.ELIGIBLE: 6, Fate.CLOSED: 1}


def test_a_few_of_many_are_shown(scene: Scene) -> None:
    """The oldest, in their order wherever the table has them, and all of them counted."""
    ids = scene.letters(50)
    # a new version of a row stands behind the others
    scene.session.execute("UPDATE headrace.letters SET kind = 'record.value' WHERE id = ANY (%s)", (ids[:2],))
    found = scene.look()
    shown = [sample.id for sample in found.samples[Fate.ELIGIBLE]]
    assert (found.meant, shown) == (50, sorted(ids)[:SAMPLES])


def test_nothing_is_changed_by_looking(scene: Scene) -> None:
    """Not even a version of a row."""
    scene.letters(3)
    query = "SELECT array_agg(xmin::text || ctid::text) FROM headrace.letters WHERE group_name = %s"
    before = scene.session.execute(query, (scene.group,)).fetchone()
    scene.look()
    assert scene.session.execute(query, (scene.group,)).fetchone() == before
