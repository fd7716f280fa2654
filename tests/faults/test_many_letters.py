"""A hundred thousand dead letters are sent again by one job while its workers are killed again and again."""

import time
from collections import Counter

import pytest

from consumer.desk import Note
from consumer.stack.waiting import wait_until
from dlq.jobs import Job, Order, create, job, report
from dlq.preview import Rules, preview
from dlq.selection import Selection
from tests.real.engine.worker import eventually

from .trial import Trial

pytestmark = pytest.mark.long

_LETTERS = 100_000
# what a table refuses is refused again, so a few of them die once more
_HOPELESS = 500
_WORKERS = 2
_KILL_EVERY = 30.0
_DEAD = Selection(states=("dead",))


def _start(trial: Trial) -> int:
    with trial.target.connected() as connection:
        began = time.monotonic()
        goes = preview(connection, trial.job.group, _DEAD, Rules()).goes
        looked = time.monotonic()
        said = Note("me@here", "the check is gone")
        order = Order(selection=_DEAD, rules=Rules(), expect=goes, said=said, rate=5000.0, stop_ratio=0.5)
        number = create(connection, trial.job.group, order)
        print(f"looked at {goes} in {looked - began:.2f} s, made in {time.monotonic() - looked:.2f} s")
    assert goes == _LETTERS
    return number


def _now(trial: Trial, number: int) -> Job:
    with trial.target.connected() as connection:
        found = job(connection, trial.job.group, number)
    assert found is not None
    return found


@pytest.mark.timeout(3600)
def test_a_hundred_thousand_letters_survive_kills(trial: Trial) -> None:
    """Each is sent once and comes to one end, which is what the table has of it; nothing is written twice."""
    trial.target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666)")
    trial.vary(max_rows=2000, level="info", deadline=30.0, letters={"flood_percent": 100, "max_unpublished": 200_000})
    feed = trial.feed("once", 3)
    for number in range(1, _LETTERS + 1):
        feed.raw(feed.encode("c", number, {"id": number, "label": "bad", "amount": 666}), number)
        if number % 20_000 == 0:
            feed.flush()
    first = trial.run()
    count = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt = attempt"
    eventually(lambda: trial.target.ask(count, trial.job.group) == [(_LETTERS,)], "all are dead letters", 900)
    assert first.leave() == 0
    trial.target.do("ALTER TABLE once DROP CONSTRAINT devilish")
    trial.target.do(f"ALTER TABLE once ADD CONSTRAINT hopeless CHECK (id % {_LETTERS // _HOPELESS} <> 0)")

    number = _start(trial)
    began = time.monotonic()
    workers = [trial.run(name=f"w{place}") for place in range(_WORKERS)]
    kills = 0
    while not wait_until(lambda: _now(trial, number).state == "done", _KILL_EVERY, interval=1.0):
        assert time.monotonic() - began < 3000, _now(trial, number)
        print(f"{time.monotonic() - began:6.0f} s  {dict(_now(trial, number).counts)}", flush=True)
        victim = trial.chance.randrange(_WORKERS)
        workers[victim].kill()
        workers[victim] = trial.run(name=f"w{victim}")
        kills += 1
    seconds = time.monotonic() - began
    print(f"{_LETTERS} letters, {kills} kills, {seconds:.0f} s, {_LETTERS / seconds:.0f} a second")

    with trial.target.connected() as connection:
        items = list(report(connection, trial.job.group, number))
    assert Counter(item.state for item in items) == {"applied": _LETTERS - _HOPELESS, "dead": _HOPELESS}
    assert len({item.letter for item in items}) == _LETTERS
    letters = dict(trial.target.ask("SELECT id, state FROM headrace.letters"))  # type: ignore[arg-type]
    assert all(letters[item.letter] == item.state for item in items)
    assert trial.target.ask("SELECT DISTINCT replays FROM headrace.letters") == [(1,)]
    assert len(trial.target.rows("once")) == _LETTERS - _HOPELESS
    assert trial.target.double_writes() == []
