"""F18: the first change of a row fails and is tried again while later ones come: no older one follows a newer."""

import pytest

from tests.real.engine.worker import eventually

from .oracle import Origin
from .trial import Trial

_SOON = {"delays": [0.3, 0.6], "transient_attempts": 100}
_LAST = 10
_ORPHAN = 500
_WATCH = """
CREATE TABLE parent (id int PRIMARY KEY);
INSERT INTO parent SELECT generate_series(0, 99);
ALTER TABLE churn ADD CONSTRAINT family FOREIGN KEY (amount) REFERENCES parent;
CREATE TABLE witness.amounts (n bigint GENERATED ALWAYS AS IDENTITY, id bigint, amount int);
CREATE FUNCTION witness.note_amount() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
    INSERT INTO witness.amounts (id, amount) VALUES (NEW.id, NEW.amount); RETURN NULL; END $$;
CREATE TRIGGER amounts AFTER INSERT OR UPDATE ON churn FOR EACH ROW EXECUTE FUNCTION witness.note_amount();
"""


def _attempts(trial: Trial) -> int:
    """The number of the attempt that the first change waits for."""
    query = "SELECT max(attempt) FROM headrace.letters WHERE group_name = %s AND kind = 'record.reference'"
    return int(str(trial.target.ask(query, trial.job.group)[0][0]))


@pytest.mark.short
@pytest.mark.parametrize("later", ["all partial", "one whole", "one delete"])
def test_f18_later_changes_come_while_the_first_is_tried_again(trial: Trial, later: str) -> None:
    """Partial images wait and follow in order; a whole one or a delete makes all before it pointless."""
    trial.target.do(_WATCH)
    trial.vary(letters=_SOON)
    feed = trial.feed("churn", 1)
    key = trial.chance.randrange(1, 50)
    feed.send("c", key, "first", _ORPHAN)
    feed.flush()
    worker = trial.run()
    first = feed.topic, 0, 0
    eventually(lambda: trial.oracle.letters() == {first: "retrying"}, "the first change has failed")
    turn = trial.chance.randrange(4, _LAST) if later != "all partial" else _LAST + 1
    expected: dict[Origin, str] = {first: "applied"}
    for number in range(2, _LAST + 1):
        if number == turn:
            eventually(lambda: _attempts(trial) > 3, "it has failed three times")
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
    eventually(lambda: later != "all partial" or _attempts(trial) > 3, "it has failed three times")
    trial.recovers()
    trial.target.do(f"INSERT INTO parent VALUES ({_ORPHAN})")
    trial.over()
    eventually(lambda: trial.oracle.letters() == expected, f"the letters come to their ends: {trial.oracle.letters()}")
    written = [row[0] for row in trial.target.ask("SELECT amount FROM witness.amounts WHERE id = %s ORDER BY n", key)]
    in_order = [0 if amount == _ORPHAN else int(str(amount)) for amount in written]
    assert in_order == sorted(set(in_order))
    assert worker.leave() == 0
    trial.verify(expected)
