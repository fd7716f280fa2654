"""Many dead letters are sent again by one job, while its workers and the API that steers it are killed at any time."""

import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from consumer.stack.waiting import wait_until
from dlq.jobs import report
from tests.real.engine.worker import Process, eventually

from .office import WHY, Office
from .trial import Trial

# of so many letters one is refused again, and dies once more
_HOPELESS = 200
_WORKERS = 2
_SELECTION = {"state": ["dead"]}
_GOES = {"planned", "canary", "running"}
# seconds without a word
_END = 3000.0


def _dead_letters(trial: Trial, letters: int) -> None:
    """The table refuses as many rows, and then does not any more, but for a few."""
    trial.target.do("ALTER TABLE once ADD CONSTRAINT devilish CHECK (amount <> 666)")
    trial.vary(max_rows=2000, level="info", deadline=30.0, letters={"flood_percent": 100, "max_unpublished": 200_000})
    feed = trial.feed("once", 3)
    for number in range(1, letters + 1):
        feed.raw(feed.encode("c", number, {"id": number, "label": "bad", "amount": 666}), number)
        if number % 20_000 == 0:
            feed.flush()
    feed.flush()
    first = trial.run()
    count = "SELECT count(*) FROM headrace.letters WHERE group_name = %s AND published_attempt = attempt"
    eventually(lambda: trial.target.ask(count, trial.job.group) == [(letters,)], "all are dead letters", 900)
    assert first.leave() == 0
    trial.target.do("ALTER TABLE once DROP CONSTRAINT devilish")
    trial.target.do(f"ALTER TABLE once ADD CONSTRAINT hopeless CHECK (id % {_HOPELESS} <> 0)")


def _started(trial: Trial, office: Office, letters: int) -> int:
    """A job of them all, whose making the API does not survive at first: it is there as a whole, or not at all."""
    looked = office.answers("POST", "/jobs/preview", {"letters": _SELECTION})
    assert looked["goes"] == letters
    order = {"letters": _SELECTION, "expect": letters, "rate": 5000.0, "stop_ratio": 0.5, **WHY}
    while not (jobs := office.answers("GET", "/jobs")["items"]):
        assert trial.target.ask("SELECT count(*) FROM headrace.job_items") == [(0,)]
        asked = threading.Thread(target=office.ask, args=("POST", "/jobs", order))
        asked.start()
        asked.join(trial.chance.uniform(0.0, letters / 10_000))
        if office.kills < 3:
            office.kill()
        asked.join()
    assert trial.target.ask("SELECT count(*) FROM headrace.job_items") == [(letters,)]
    assert trial.target.ask("SELECT count(*) FROM headrace.audit WHERE action = 'create job'") == [(1,)]
    return int(jobs[0]["id"])


def _moments(trial: Trial, office: Office, number: int, every: float) -> Iterator[float]:
    """Moments at which something is killed, until the job is through."""
    began = time.monotonic()
    while not wait_until(
        lambda: office.looks(number)["state"] == "done", every * trial.chance.uniform(0.5, 1.5), interval=0.5
    ):
        seconds = time.monotonic() - began
        assert seconds < _END, office.looks(number)
        print(f"{seconds:6.0f} s  {office.looks(number)['counts']}", flush=True)
        yield seconds


def _kill(trial: Trial, workers: list[Process], office: Office) -> None:
    """One of them dies at any moment, and another one is started."""
    place = trial.chance.randrange(_WORKERS + 1)
    if place == _WORKERS:
        office.kill()
        return
    workers[place].kill()
    workers[place] = trial.run(name=f"w{place}")


def _paused(trial: Trial, office: Office, number: int) -> None:
    """A person pauses the job through an API that dies meanwhile. Once it is paused nothing more is sent."""
    dying = threading.Timer(trial.chance.uniform(0.0, 0.5), office.kill)
    dying.start()
    office.decides(number, "pause", _GOES, {"paused", "done"})
    dying.join()
    sent = "SELECT count(*) FROM headrace.job_items WHERE sent_at IS NOT NULL"
    before = trial.target.ask(sent)
    trial.lasts(1.0)
    assert trial.target.ask(sent) == before
    office.decides(number, "resume", {"paused"}, {*_GOES, "done"})


@pytest.mark.timeout(7200)
@pytest.mark.parametrize(
    ("letters", "every", "kills"),
    [
        pytest.param(2_000, 4.0, 4, id="2000"),
        pytest.param(100_000, 20.0, 1000, marks=pytest.mark.long, id="100000"),
    ],
)
def test_a_job_survives_kills(trial: Trial, letters: int, every: float, kills: int) -> None:
    """Each letter is sent once and comes to one end, which is what the table has of it; nothing is written twice."""
    _dead_letters(trial, letters)
    office = Office(trial.workers, trial.job)
    number = _started(trial, office, letters)
    began = time.monotonic()
    workers = [trial.run(name=f"w{place}") for place in range(_WORKERS)]
    deaths = 0
    for _ in _moments(trial, office, number, every):
        if deaths == 1:
            _paused(trial, office, number)
        # a worker needs some seconds to begin
        if deaths < kills:
            _kill(trial, workers, office)
            deaths += 1
    seconds = time.monotonic() - began
    print(f"{letters} letters, {deaths} kills, {seconds:.0f} s, {letters / seconds:.0f} a second")

    with trial.target.connected() as connection:
        items = list(report(connection, trial.job.group, number))
    dead = letters // _HOPELESS
    assert Counter(item.state for item in items) == {"applied": letters - dead, "dead": dead}
    assert len({item.letter for item in items}) == letters
    states = dict(trial.target.ask("SELECT id, state FROM headrace.letters"))
    assert all(states[item.letter] == item.state for item in items)
    assert trial.target.ask("SELECT DISTINCT replays FROM headrace.letters") == [(1,)]
    assert len(trial.target.rows("once")) == letters - dead
    assert trial.target.double_writes() == []
