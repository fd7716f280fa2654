"""What people decide about jobs of letters, and what of it does not fit any more."""

import psycopg
import pytest

from consumer.core.decision import Undecidable
from consumer.core.jobs import JobKind, JobState
from consumer.core.steering import Steer
from consumer.ports.desk import Note
from dlq.actions import discard
from dlq.jobs import decide, jobs
from dlq.preview import Rules
from tests.pg.conftest import Pools
from tests.pg.job_scene import Scene

DISCARD = Rules(kind=JobKind.DISCARD)


@pytest.fixture
def scene(session: psycopg.Connection, pools: Pools, group: str) -> Scene:
    """A group without letters."""
    return Scene(session, pools(), group)


def test_it_is_cancelled_at_any_record(scene: Scene) -> None:
    """What was sent ends as it ends; the rest is as it was, and may go with another job."""
    ids = scene.letters(5)
    number = scene.start(canary=2)
    scene.step()
    assert decide(scene.session, scene.group, number, Steer.CANCEL, Note("me@here", "wrong group"))
    assert scene.step() is None
    assert scene.ends(number) == ["sent", "sent", *["cancelled"] * 3]
    assert [scene.state(letter) for letter in ids[2:]] == ["dead"] * 3
    scene.comes_back(ids[0])
    scene.comes_back(ids[1], fits=False)
    assert scene.ends(number)[:2] == ["applied", "dead"]
    assert scene.look().goes == 4
    job = scene.job(number)
    assert (job.state, job.why, job.left) == ("cancelled", "wrong group", 0)
    assert scene.audit() == [("create job", "ticket 1"), ("cancel job", "wrong group")]


def test_a_paused_job_sends_nothing_and_goes_on_with_a_canary(scene: Scene) -> None:
    """Each decision is kept with its reason."""
    ids = scene.letters(6)
    number = scene.start(canary=2)
    scene.step()
    assert decide(scene.session, scene.group, number, Steer.PAUSE, Note("me@here", "lunch"))
    assert scene.step() is None
    assert decide(scene.session, scene.group, number, Steer.RESUME, Note("me@here", "eaten"))
    scene.step()
    assert scene.job(number).state == "canary"
    assert scene.ends(number) == [*["sent"] * 4, "waiting", "waiting"]
    scene.rest(ids)
    assert scene.ends(number) == ["applied"] * 6
    assert scene.audit() == [("create job", "ticket 1"), ("pause job", "lunch"), ("resume job", "eaten")]


@pytest.mark.parametrize(
    ("decision", "states"),
    [
        (Steer.PAUSE, {"planned", "canary", "running"}),
        (Steer.RESUME, {"paused", "stopped"}),
        (Steer.CANCEL, {"planned", "canary", "running", "paused", "stopped"}),
    ],
)
def test_a_decision_that_does_not_fit_is_refused(scene: Scene, decision: Steer, states: set[str]) -> None:
    """Nothing changes, and nothing is noted."""
    scene.letters()
    number = scene.start()
    for state in JobState:
        scene.session.execute("UPDATE headrace.jobs SET state = %s WHERE id = %s", (state, number))
        if state in states:
            assert decide(scene.session, scene.group, number, decision, Note("me@here", "because"))
            continue
        with pytest.raises(Undecidable, match=f"is {state}"):
            decide(scene.session, scene.group, number, decision, Note("me@here", "because"))
    assert len(scene.audit()) == 1 + len(states)
    with pytest.raises(Undecidable, match="reason"):
        decide(scene.session, scene.group, number, decision, Note("me@here", " "))
    assert not decide(scene.session, "another group", number, decision, Note("me@here", "because"))


def test_what_is_not_what_was_seen_is_not_done(scene: Scene) -> None:
    """Not even a job is there."""
    scene.letters(3)
    with pytest.raises(Undecidable, match="3 letters now, not 2"):
        scene.start(expect=2)
    assert jobs(scene.session, scene.group, 10) == []
    assert scene.audit() == []


def test_other_letters_than_were_seen_are_left_alone_though_they_are_as_many(scene: Scene) -> None:
    """One of those came to its end meanwhile, and another one failed."""
    gone, *_ = scene.letters(3)
    seen = scene.look()
    discard(scene.session, scene.group, [gone], "elsewhere")
    scene.letters(first=100)
    assert scene.look().goes == seen.goes
    with pytest.raises(Undecidable, match="other 3 letters"):
        scene.start(expect=seen.goes, these=seen.these)
    assert jobs(scene.session, scene.group, 10) == []
    scene.start(these=scene.look().these)


def test_what_is_paused_meanwhile_is_not_said_to_have_failed_again(scene: Scene) -> None:
    """It was not tried, which the item says, with the reason."""
    (letter,) = scene.letters()
    number = scene.start()
    scene.step()
    scene.leave_alone(letter, "table t: paused by me@here: an index")
    (item,) = scene.items(number)
    assert (item.state, "an index" in item.why, scene.state(letter)) == ("skipped", True, "dead")
