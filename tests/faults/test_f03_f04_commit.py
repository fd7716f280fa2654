"""F3, F4: COMMIT is sent and not answered, or is answered for a transaction that had failed."""

import pytest

from tests.real.engine.wire import BATCH_COMMIT, Hold, Proxy
from tests.real.engine.worker import Process, eventually

from .trial import Trial

_OUTCOMES = ("not committed", "committed")
_CUTS = 3
# batches that may pass before each, so that there are enough: 800 records in batches of 50 at most
_MOST = 3


@pytest.mark.short
@pytest.mark.parametrize("outcome", _OUTCOMES)
def test_f03_the_connection_is_cut_while_commit_is_in_doubt(trial: Trial, proxy: Proxy, outcome: str) -> None:
    """Several times in one run, at batches that the seed chooses: each outcome is found out, none is guessed."""

    def at_a_commit() -> Hold:
        hold = proxy.before if outcome == "not committed" else proxy.after
        return hold(BATCH_COMMIT, trial.chance.randrange(_MOST + 1))

    trial.both(400)
    hold = at_a_commit()
    worker = trial.run(dsn=proxy.dsn)
    for number in range(_CUTS):
        hold.wait()
        held = hold
        if number + 1 < _CUTS:
            # before this one goes on, so that the worker can't be through by then
            hold = at_a_commit()
        held.discard()
        trial.over()
        worker.said("commit resolved", number + 1)
    trial.recovers()
    assert [line["outcome"] for line in worker.lines("commit resolved")] == [outcome] * _CUTS
    trial.verify()


def _believed(worker: Process) -> int:
    return sum(int(line["records"]) for line in worker.lines("batch applied"))


def _stored(trial: Trial) -> int:
    query = "SELECT coalesce(sum(records), 0) FROM headrace.batches WHERE group_name = %s AND state = 'applied'"
    return int(str(trial.target.ask(query, trial.job.group)[0][0]))


@pytest.mark.short
def test_f04_commit_of_a_failed_transaction(trial: Trial) -> None:
    """The server answers ROLLBACK and no error: nothing moves, and the batch is repeated."""
    trial.both(300)
    worker = trial.child("failed-statement")
    trial.recovers()
    assert "target.commit" in {line["kind"] for line in worker.lines("waiting")}
    assert _believed(worker) == _stored(trial)
    trial.verify()


def test_f04_without_the_look_at_the_tag_it_is_noticed(trial: Trial) -> None:
    """The same with that look removed: the worker takes batches for applied of which the target knows nothing."""
    trial.both(300)
    worker = trial.child("failed-statement", "no-tag")
    eventually(lambda: _believed(worker) > _stored(trial), "more is believed than stored")
    worker.kill()
