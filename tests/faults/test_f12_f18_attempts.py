"""F12, F18: what is tried again: batches in conflict with other sessions, and changes that wait for something."""

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from tests.real.engine.worker import STEADY, Process, eventually

from .books import Origin
from .shortly import cases
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
_SOON = {"delays": [0.3, 0.6], "unknown_attempts": 100}
_LAST = 10
_WATCH = """
CREATE TABLE welcome (label text PRIMARY KEY);
CREATE FUNCTION refuse_stranger() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    IF NEW.label = 'stranger' AND NOT EXISTS (SELECT 1 FROM welcome w WHERE w.label = NEW.label) THEN
        RAISE EXCEPTION 'unwelcome'; END IF;
    RETURN NEW; END $$;
CREATE TRIGGER refuse_stranger BEFORE INSERT OR UPDATE ON churn FOR EACH ROW EXECUTE FUNCTION refuse_stranger();
CREATE TABLE witness.amounts (n bigint GENERATED ALWAYS AS IDENTITY, id bigint, amount int);
CREATE FUNCTION witness.note_amount() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness.amounts (id, amount) VALUES (NEW.id, NEW.amount); RETURN NULL; END $$;
CREATE TRIGGER amounts AFTER INSERT OR UPDATE ON churn FOR EACH ROW EXECUTE FUNCTION witness.note_amount();
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
    trial.vary(deadline=30.0)
    # the worker looks for it once, when the other one waits too
    (database,) = trial.target.ask("SELECT current_database()")[0]
    trial.target.do(f"ALTER DATABASE {database} SET deadlock_timeout = '3s'")
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
    """It costs that table's time and no letter: the other one goes on, polling too, and no partition is lost."""
    table, other = trial.chance.choice((("once", "churn"), ("churn", "once")))
    with trial.load():
        worker = trial.run(deadline=4.0, client=STEADY)
        worker.said("batch applied", 3)
        with _locked(trial, table):
            worker.said("partition stopped")
            before = _passed(trial, other)
            trial.lasts(_HELD)
            assert {line["kind"] for line in worker.lines("waiting")} == {"target.locked"}
            stops = worker.lines("partition stopped")
            assert {(line["kind"], str(line["topic"]).startswith(table)) for line in stops} == {("table.busy", True)}
            assert _passed(trial, other) > before
        trial.over()
    trial.recovers()
    assert worker.lines("partitions lost") == []
    trial.verify()


def _passed(trial: Trial, table: str) -> int:
    """How many records of a table's topic were passed."""
    positions = trial.target.positions(trial.job.group)
    return sum(int(str(offset)) for (topic, _), offset in positions.items() if str(topic).startswith(table))


def _tries(trial: Trial) -> int:
    """The number of the attempt that the first change waits for."""
    query = "SELECT max(attempt) FROM headrace.letters WHERE group_name = %s AND kind = 'record.trigger'"
    return int(str(trial.target.ask(query, trial.job.group)[0][0]))


@pytest.mark.parametrize("later", cases(["all partial", "one whole", "one delete"], "one whole"))
def test_f18_later_changes_come_while_the_first_is_tried_again(trial: Trial, later: str) -> None:
    """Partial images wait and follow in order; a whole one or a delete makes all before it pointless."""
    trial.target.do(_WATCH)
    trial.vary(letters=_SOON)
    feed = trial.feed("churn", 1)
    key = trial.chance.randrange(1, 50)
    feed.send("c", key, "stranger", 1)
    feed.flush()
    worker = trial.run()
    first = feed.topic, 0, 0
    eventually(lambda: trial.oracle.letters() == {first: "retrying"}, "the first change has failed")
    turn = trial.chance.randrange(4, _LAST) if later != "all partial" else _LAST + 1
    expected: dict[Origin, str] = {first: "applied"}
    for number in range(2, _LAST + 1):
        if number == turn:
            eventually(lambda: _tries(trial) > 3, "it has failed three times")
            expected = dict.fromkeys(expected, "superseded")
            if later == "one delete":
                feed.send("d", key)
            else:
                feed.send("u", key, "whole", number)
        elif number > turn and later == "one delete" and number == turn + 1:
            feed.send("c", key, "again", number)
        else:
            if number < turn:
                expected[feed.topic, 0, number - 1] = "applied"
            feed.partial(key, number)
        feed.flush()
    eventually(lambda: later != "all partial" or _tries(trial) > 3, "it has failed three times")
    trial.recovers()
    trial.target.do("INSERT INTO welcome VALUES ('stranger')")
    trial.over()
    eventually(lambda: trial.oracle.letters() == expected, f"the letters come to their ends: {trial.oracle.letters()}")
    rows = trial.target.ask("SELECT amount FROM witness.amounts WHERE id = %s ORDER BY n", key)
    written = [int(str(row[0])) for row in rows]
    assert written == sorted(set(written))
    assert worker.leave() == 0
    trial.verify(expected)
