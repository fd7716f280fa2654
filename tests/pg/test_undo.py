"""A batch is taken back row by row, by its before images: what would be done is listed, and done only as a whole."""

import pickle
import signal
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from itertools import count
from pathlib import Path
from typing import Any, Literal

import psycopg
import pytest

from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.failure import Transient
from consumer.core.types import ColumnPolicy
from consumer.core.wording import HIDDEN
from consumer.edges.postgres.recoveries import PostgresRecoveries
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from consumer.edges.postgres.workflows import PostgresWorkflows
from consumer.ports.workflows import CutOff
from dlq.masking import Mask
from tests.pg import undoing_child
from tests.pg.conftest import Pools
from tests.pg.turning_child import POINTS
from tests.pg.undoing import NOTE, Change, Scene
from tests.real.engine.worker import eventually

_ROOT = Path(__file__).parents[2]


def row(key: int, word: str | None = "a", price: float | None = 1.0) -> dict[str, Any]:
    """A row."""
    return {"id": key, "word": word, "price": price}


@pytest.fixture
def the(session: psycopg.Connection, server: str, group: str, schema: str, sink: PostgresSink, pools: Pools) -> Scene:
    """A group with a topic."""
    return Scene(session, server, group, schema, sink, pools())


SOME: list[Change] = [("c", None, row(1)), ("c", None, row(2, "b")), ("c", None, row(3, "c", None))]
BACK: dict[str, tuple[list[Change], list[tuple[int, str, str]]]] = {
    "an update": ([("u", row(1), row(1, "new"))], [(1, "restore", "")]),
    "an insert": ([("c", None, row(7))], [(7, "delete", "")]),
    "a delete": ([("d", row(2, "b"), None)], [(2, "insert", "")]),
    "a delete with its tombstone": ([("d", row(2, "b"), None), ("t", row(2), None)], [(2, "insert", "")]),
    "a value that becomes null": ([("u", row(1), row(1, None, None))], [(1, "restore", "")]),
    "a null that stays one": (
        [("u", row(1), row(1, None, None)), ("u", row(1, None, None), row(1, "z", None))],
        [(1, "restore", "")],
    ),
    "several changes of a row": (
        [("u", row(1), row(1, "x")), ("u", row(1, "x"), row(1, "y")), ("u", row(1, "y"), row(1, "z", 9.5))],
        [(1, "restore", "")],
    ),
    "a row that came and went": ([("c", None, row(8)), ("d", row(8), None)], [(8, "nothing", "")]),
    "a row that went and came": ([("d", row(1), None), ("c", None, row(1, "again"))], [(1, "restore", "")]),
    "many rows": (
        [("u", row(1), row(1, "x")), ("d", row(2, "b"), None), ("c", None, row(4)), ("u", row(3, "c", None), row(3))],
        [(1, "restore", ""), (2, "insert", ""), (3, "restore", ""), (4, "delete", "")],
    ),
}


@pytest.mark.parametrize("compacted", [False, True])
@pytest.mark.parametrize("doubtful", [None, "reject"])
@pytest.mark.parametrize("name", BACK)
def test_rows_are_what_they_were_before_the_batch(
    the: Scene, name: str, doubtful: Literal["reject"] | None, compacted: bool
) -> None:
    """After a person has seen what would be done; up to then nothing is. Also where nulls may stand for values."""
    changes, listed = BACK[name]
    policies = dict.fromkeys(("word", "price"), ColumnPolicy(doubtful_nulls=doubtful))
    line = the.begin(compacted=compacted, columns={f"{the.schema}.orders": policies})
    line.batch(*SOME)
    before = the.rows()
    line.batch(*changes)
    after = the.rows()
    number = the.start()
    looked = the.taken(number)
    assert (looked.state, the.listed(number), the.rows()) == ("stopped", listed, after)
    done = the.resume(number)
    assert (done.state, done.why, the.rows()) == ("done", "", before)


def test_the_first_batch_of_a_table_leaves_none_of_it(the: Scene) -> None:
    """At once, where that was agreed to before."""
    the.begin().batch(*SOME)
    done = the.taken(the.start(apply=True))
    assert (done.state, the.rows(), done.steps[1].progress["delete"]) == ("done", [], 3)


def test_a_version_follows_the_row(the: Scene) -> None:
    """And what comes next is applied."""
    line = the.begin(versions={f"{the.schema}.orders": "_version"})
    line.batch(*SOME)
    before = the.rows()
    line.batch(("u", row(1), row(1, "x")), ("d", row(2, "b"), None))
    done = the.taken(the.start(apply=True))
    assert (done.state, done.why, the.rows()) == ("done", "", before)
    line.batch(("u", row(1), row(1, "next")))
    assert the.rows()[0] == (1, "next", 1.0)


@pytest.mark.parametrize("versioned", [False, True])
def test_batches_of_a_row_are_taken_back_one_behind_the_other(the: Scene, versioned: bool) -> None:
    """The newest first. What has been taken back of it has another version than the one before has left."""
    line = the.begin(versions={f"{the.schema}.orders": "_version"} if versioned else {})
    line.batch(*SOME)
    states, batches = [the.rows()], []
    for word in ("x", "y", "z"):
        line.batch(("u", row(1, the.rows()[0][1]), row(1, word)))
        states.append(the.rows())
        batches.append(the.newest())
    for batch, before in zip(reversed(batches), reversed(states[:-1]), strict=True):
        done = the.taken(the.start(batch, apply=True))
        assert (done.state, done.why, the.rows()) == ("done", "", before)


def test_a_row_with_an_older_version_than_the_batch_has_left_is_not_as_it_left_it(the: Scene) -> None:
    """Something else has written it."""
    line = the.begin(versions={f"{the.schema}.orders": "_version"})
    line.batch(*SOME)
    line.batch(("u", row(1), row(1, "x")))
    _sql("UPDATE {t} SET _version = 0 WHERE id = 1")(the)
    number = the.start(apply=True)
    assert (the.taken(number).state, the.listed(number)[0][2]) == (
        "stopped",
        "it was written since: _version differ",
    )


Hurt = Callable[[Scene], object]


def _sql(text: str) -> Hurt:
    return lambda the: the.session.execute(text.replace("{t}", f"{the.schema}.orders").encode())


def _letter(the: Scene) -> None:
    the.session.execute(
        """INSERT INTO headrace.letters (
            group_name, topic, partition, "offset", state, kind, error_type, component, operation, detail, remedy
        ) VALUES (%s, %s, 0, 3, 'applied', 'record.check', 'persistent', 'test', 'test', 'd', 'r')""",
        (the.group, the.line.at.topic),
    )


CANT: dict[str, tuple[list[Change], Hurt | None, str]] = {
    "written since": ([("u", row(1), row(1, "x"))], _sql("UPDATE {t} SET word = 'mine' WHERE id = 1"), "word differ"),
    "gone since": ([("u", row(1), row(1, "x"))], _sql("DELETE FROM {t} WHERE id = 1"), "it is gone"),
    "there again": ([("d", row(1), None)], _sql("INSERT INTO {t} VALUES (1)"), "it is there again"),
    "no before image": ([("u", None, row(1, "x"))], None, "no before image"),
    "a before image of the key alone": ([("d", row(1, None, None), None)], None, "not a whole row"),
    "zeros beside the key": ([("d", row(1, "", 0.0), None)], None, "not a whole row"),
    "a snapshot's read": ([("r", None, row(1, "x"))], None, "snapshot"),
    "a letter": ([("u", row(1), row(1, "x"))], _letter, "it became letter"),
}


@pytest.mark.parametrize("name", CANT)
def test_one_row_that_can_not_be_taken_back_keeps_all_others(the: Scene, name: str) -> None:
    """It is said which, and why."""
    changes, hurt, why = CANT[name]
    line = the.begin()
    line.batch(*SOME)
    line.batch(*changes, ("u", row(2, "b"), row(2, "fine")))
    if hurt is not None:
        hurt(the)
    after = the.rows()
    number = the.start(apply=True)
    stopped = the.taken(number)
    assert (stopped.state, "1 of 2 rows can't" in stopped.why, the.rows()) == ("stopped", True, after)
    first, second = the.listed(number)
    assert why in first[2] + second[2]
    assert "" in (first[2], second[2])


def test_what_is_written_between_looking_and_doing_stops_it(the: Scene) -> None:
    """The rows are looked at again in the transaction that changes them."""
    line = the.begin()
    line.batch(*SOME)
    line.batch(("u", row(1), row(1, "x")), ("u", row(2, "b"), row(2, "y")))
    number = the.start()
    the.taken(number)
    batch = the.newest()
    line.batch(("u", row(1, "x"), row(1, "later")))
    after = the.rows()
    stopped = the.resume(number)
    assert (batch != the.newest(), stopped.state, the.rows()) == (True, "stopped", after)
    assert [each[2] for each in the.listed(number)] == ["it was written since: word differ", ""]


def test_who_is_in_the_middle_of_a_batch_is_waited_for(the: Scene, pools: Pools) -> None:
    """Positions are held first, so nothing of the batch is looked at while somebody else has them."""
    line = the.begin()
    line.batch(*SOME)
    number = the.start(apply=True)
    with psycopg.connect(the.server) as other:
        other.execute("SELECT FROM headrace.positions WHERE group_name = %s FOR UPDATE", (the.group,))
        takes = PostgresWorkflows(pools(batch_deadline=0.3), the.group, the.acts())
        with pytest.raises(Transient):
            takes.turn(number)
        assert the.rows() != []
    the.session.execute("UPDATE headrace.workflows SET due_at = now() WHERE id = %s", (number,))
    assert (the.taken(number).state, the.rows()) == ("done", [])


def test_a_process_that_is_to_end_leaves_it_in_the_middle_of_the_log(the: Scene) -> None:
    """Another one takes it back."""
    line = the.begin()
    line.batch(*SOME)
    number, looks = the.start(apply=True), count(1)

    def look() -> None:
        if next(looks) == len(SOME):
            raise CutOff

    the.look = look
    left = the.taken(number)
    assert (left.state, next(looks), the.rows() == []) == ("planned", len(SOME) + 1, False)
    the.look = lambda: None
    assert (the.taken(number).state, the.rows()) == ("done", [])


def _cut(the: Scene) -> None:
    the.line.log.start = 4


def _set_back(the: Scene) -> None:
    the.session.execute("UPDATE headrace.positions SET next_offset = 0 WHERE group_name = %s", (the.group,))


STOPS: dict[str, tuple[list[Change], Hurt, str]] = {
    "a log that was cut": ([("u", row(1), row(1, "x"))], _cut, "does not reach"),
    "a position in front of it": ([("u", row(1), row(1, "x"))], _set_back, "set back"),
    "a constraint": (
        [("u", row(1), row(1, "x"))],
        _sql("ALTER TABLE {t} ADD CONSTRAINT w CHECK (word <> 'a') NOT VALID"),
        "the target refuses it",
    ),
    "other columns": ([("u", row(1), row(1, "x"))], _sql("ALTER TABLE {t} DROP COLUMN price"), ""),
}


@pytest.mark.parametrize("name", STOPS)
def test_what_stands_in_the_way_of_all_is_said(the: Scene, name: str) -> None:
    """Nothing is done."""
    changes, hurt, why = STOPS[name]
    line = the.begin()
    line.batch(*SOME)
    line.batch(*changes)
    hurt(the)
    stopped = the.taken(the.start(apply=True))
    assert (stopped.state, why in stopped.why) == ("stopped", True), stopped.why


def test_the_source_says_that_its_old_rows_are_not_whole(the: Scene) -> None:
    """Inserts need none."""
    the.whole = False
    line = the.begin()
    line.batch(*SOME)
    line.batch(("u", row(1), row(1, "x")), ("c", None, row(9)))
    number = the.start()
    the.taken(number)
    assert [(key, bool(why)) for key, _, why in the.listed(number)] == [(-1, True), (9, False)]


KILLS = [(turn, point) for turn in (0, 1) for point in POINTS]


@pytest.mark.parametrize(("turn", "point"), KILLS)
def test_a_process_that_is_killed_leaves_all_of_it_or_nothing(the: Scene, turn: int, point: str) -> None:
    """In whichever turn, in front of what it does, behind it, and behind its commit; another goes on."""
    line = the.begin()
    line.batch(*SOME)
    before = the.rows()
    line.batch(("u", row(1), row(1, "x")), ("d", row(2, "b"), None), ("c", None, row(4)))
    after = the.rows()
    number = the.start(apply=True)
    words = [the.server, the.group, the.schema, line.at.topic, str(number), str(turn), point]
    log = pickle.dumps(line.log.records)
    child = subprocess.run(
        [sys.executable, "-m", undoing_child.__name__, *words], input=log, check=False, timeout=60, cwd=_ROOT
    )
    assert child.returncode == -signal.SIGKILL
    assert the.rows() == (before if (turn, point) == (1, POINTS[2]) else after)
    # the server may hold what is locked by the one that was killed for a moment
    eventually(lambda: the.taken(number).state == "done", "another has gone on")
    assert the.rows() == before
    query = "SELECT count(*) FROM headrace.audit WHERE group_name = %s AND action = 'take batch back'"
    assert the.session.execute(query, (the.group,)).fetchone() == (1,)


@pytest.mark.parametrize("pattern", ["id", "no"])
def test_a_key_that_is_masked_is_not_shown_under_another_name(the: Scene, pattern: str) -> None:
    """By the source's name of its column or by the table's."""
    renamed = {f"{the.schema}.orders": TableMapping(columns={"id": ColumnMapping(rename="no")})}
    line = the.begin(mappings=renamed)
    line.batch(*SOME)
    line.batch(("u", row(1), row(1, "new")))
    number = the.start()
    the.taken(number)
    hides = Mask([f"{the.schema}.orders.{pattern}"]).hides
    with closing(PostgresRecoveries(SessionSettings(dsn=the.server, worker="desk"), the.group, hides)) as desk:
        (found,) = desk.rows(number, NOTE)
    assert found.key == {"no": HIDDEN}
