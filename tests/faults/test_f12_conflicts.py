"""F12: deadlocks, serialization failures and foreign locks repeat the batch; nothing is lost or becomes a letter."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.real.engine.worker import Process, eventually

from .trial import Trial

_STATES = {"serialization failure": "40001", "deadlock": "40P01"}
_MOST_ATTEMPTS = 5
_HELD = 30.0
# a sequence is not rolled back, so the next attempt has the next number
_REFUSAL = """
CREATE SEQUENCE attempts;
CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF nextval('attempts') % 10 = {which} THEN RAISE EXCEPTION USING ERRCODE = '{state}'; END IF;
    RETURN NULL; END $$;
CREATE TRIGGER refuse AFTER UPDATE OF next_offset ON headrace.positions FOR EACH STATEMENT EXECUTE FUNCTION refuse();
"""


def _attempts(worker: Process) -> list[int]:
    return [int(line["attempt"]) for line in worker.lines("waiting")]


@pytest.mark.parametrize("what", _STATES)
def test_f12_a_tenth_of_the_batches_is_in_conflict(trial: Trial, what: str) -> None:
    """The code comes from the target itself, at every tenth attempt."""
    trial.both(600)
    trial.vary(max_rows=20)
    trial.target.do(_REFUSAL.format(which=trial.chance.randrange(10), state=_STATES[what]))
    worker = trial.run()
    trial.recovers()
    assert {line["code"] for line in worker.lines("waiting")} == {_STATES[what]}
    assert len(_attempts(worker)) >= 3
    assert max(_attempts(worker)) <= _MOST_ATTEMPTS
    trial.verify()


@pytest.mark.short
def test_f12_a_deadlock_with_another_session(trial: Trial) -> None:
    """A real one: the other session has a row of the batch and wants its positions."""
    once, churn = trial.both(200)
    worker = trial.run()
    trial.recovers()
    key = trial.chance.choice(sorted(churn.rows()))
    with psycopg.connect(trial.target.dsn) as other:
        # the other one must not be the first to notice
        other.execute("SET deadlock_timeout = '1min'")
        other.execute("UPDATE churn SET amount = amount WHERE id = %s", (key,))
        churn.send("u", key, "in between", 5)
        churn.churn(50, seed=trial.seed + 1)
        eventually(lambda: _waits(trial), "the batch waits for the row")
        other.execute("SELECT 1 FROM headrace.positions FOR UPDATE")
        other.rollback()
    trial.over()
    trial.recovers()
    assert [line["code"] for line in worker.lines("waiting")] == ["40P01"]
    once.create(10)
    trial.recovers()
    trial.verify()


def _waits(trial: Trial) -> bool:
    query = "SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    return bool(trial.target.ask(query))


@contextmanager
def _locked(trial: Trial, table: str) -> Iterator[None]:
    with psycopg.connect(trial.target.dsn) as other:
        other.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE".encode())
        yield


def test_f12_a_table_is_locked_for_half_a_minute(trial: Trial) -> None:
    """It costs its time and no letter: polling goes on, no partition is lost."""
    with trial.load():
        worker = trial.run(deadline=4.0)
        worker.said("batch applied", 3)
        with _locked(trial, trial.chance.choice(("once", "churn"))):
            trial.lasts(_HELD)
            assert {line["kind"] for line in worker.lines("waiting")} == {"target.locked"}
        trial.over()
    trial.recovers()
    assert worker.lines("partitions lost") == []
    assert len(worker.lines("partitions taken")) == 1
    trial.verify()
