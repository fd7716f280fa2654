"""Refused rows are found where they stand: all others land, and what is said of them quotes no value."""

import random

import psycopg
import pytest

from consumer.core.classify import BY_SQLSTATE, of_sqlstate
from consumer.core.failure import HeadraceError, Transient
from consumer.core.failure_kind import Scope
from consumer.edges.postgres.refusals import RowThere, TooManyRefused, find
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault, TableFault
from tests.pg.refused_cases import CASES, LOOSE, MIXED, PARENT, PLAIN, both, raising
from tests.pg.searching import (
    CANARY,
    Change,
    Make,
    Refused,
    filled,
    landed,
    made,
    row,
    said,
    search,
    search_after,
)


@pytest.mark.provokes(*(kind for _, _, expected in CASES.values() for kind, _ in expected.values()))
@pytest.mark.parametrize(("setup", "changes", "expected"), CASES.values(), ids=CASES)
def test_refused_rows_are_named_and_all_others_land(
    server: str, session: psycopg.Connection, make: Make, setup: str, changes: list[Change], expected: Refused
) -> None:
    """Whatever the table has against them; nothing that is said quotes a value."""
    landing = make(setup)
    untouched = landed(session, landing)
    plan = landing.plan(*changes)
    found = search(server, plan)

    assert said(found) == expected
    assert not any(CANARY in str(each.failure) for each in found)
    assert all(str(landing.table) in each.failure.detail and each.failure.remedy for each in found)
    for place, (op, change) in enumerate(changes):
        now = [each for each in landed(session, landing) if each[0] == change["id"]]
        before = [each for each in untouched if each[0] == change["id"]]
        assert (now == before) if place in expected else (len(now) == (op != "d") and now != before)


def test_names_are_said(server: str, make: Make) -> None:
    """Table, column and constraint, so that a person knows where to look."""
    landing = make(
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text CONSTRAINT short CHECK (word <> 'sesame'), n int4)"
    )
    assert "constraint 'short'" in search(server, landing.plan(*MIXED))[0].failure.detail
    landing = make("ALTER TABLE {s}.t ALTER word SET NOT NULL")
    found = search(server, landing.plan(*made(row(5, None))))[0].failure
    assert "SQLSTATE 23502: NotNullViolation" in found.detail
    assert "column 'word'" in found.detail


def test_a_refused_replacement_leaves_the_old_row(server: str, session: psycopg.Connection, make: Make) -> None:
    """Its delete is undone with it."""
    landing = make(LOOSE[:-1] + ", CHECK (word <> 'sesame')); INSERT INTO {s}.t VALUES (1, 'old', 1), (2, 'old', 1)")

    assert said(search(server, landing.plan(*MIXED[:3]))) == {1: ("record.check", "23514")}
    assert landed(session, landing) == [(0, "w", 0), (1, "old", 1), (2, "w", 0)]


def test_a_row_that_only_its_older_self_is_in_the_way_of_is_there(
    server: str, session: psycopg.Connection, sink: PostgresSink, make: Make
) -> None:
    """An index that was made in front of the key's is looked at first, and a new row is written plainly at first."""
    landing = make(
        "CREATE TABLE {s}.t (id int8, word text, n int4, EXCLUDE (word WITH =));"
        " ALTER TABLE {s}.t ADD PRIMARY KEY (id); INSERT INTO {s}.t VALUES (1, 'w', 0)"
    )
    with pytest.raises(RowThere):
        search(server, landing.plan(*made(row(1, n=5))), plain=True)
    landing.apply(*made(row(1, n=5)))
    assert landed(session, landing) == [(1, "w", 5)]


@pytest.mark.parametrize("there", [False, True], ids=["new", "there"])
def test_a_row_that_was_taken_for_a_new_one_is_told_by_name(
    server: str, session: psycopg.Connection, make: Make, there: bool
) -> None:
    """It is no refusal: nothing is written, so that the rows can be written over what is there."""
    landing = make(PLAIN[:-1] + ", CHECK (word <> 'sesame'))")
    if there:
        session.execute(f"INSERT INTO {landing.table.schema}.t VALUES (2, 'old', 1)")
    plan = landing.plan(*MIXED)
    if there:
        with pytest.raises(RowThere):
            search(server, plan, plain=True)
        assert landed(session, landing) == [(2, "old", 1)]
    else:
        assert said(search(server, plan, plain=True)) == both("record.check", "23514")


@pytest.mark.parametrize("most", [0, 1, 2])
def test_more_than_the_bound_are_not_looked_for(
    server: str, session: psycopg.Connection, make: Make, most: int
) -> None:
    """Then it's no matter of single rows."""
    landing = make(PLAIN[:-1] + ", CHECK (word <> 'sesame'))")
    if most == 2:
        assert len(search(server, landing.plan(*MIXED), most)) == 2
    else:
        with pytest.raises(TooManyRefused) as caught:
            search(server, landing.plan(*MIXED), most)
        assert (caught.value.table, caught.value.most) == (landing.table, most)
    assert bool(landed(session, landing)) is (most == 2)


STATES = {
    "40P01": Transient,
    "40001": Transient,
    "55P03": Transient,
    "57014": Transient,
    # the server itself would end the session, or a statement of its own
    "53200": TableFault,
    "57P01": TableFault,
    "42P01": TableFault,
    "42501": TableFault,
}


@pytest.mark.parametrize(("state", "raised"), STATES.items(), ids=STATES)
def test_what_is_no_matter_of_rows_is_not_taken_for_one(
    server: str, session: psycopg.Connection, make: Make, state: str, raised: type[Exception]
) -> None:
    """Time, the table or a person heals it; no row may be refused for it."""
    landing = make(raising(f"RAISE EXCEPTION USING ERRCODE = '{state}';"))
    with pytest.raises(raised) as caught:
        search(server, landing.plan(*MIXED))

    assert caught.value.failure.code == state  # type: ignore[attr-defined]
    assert landed(session, landing) == []


WHOLE = {"08": "08006", "25P": "25P03", "57P": "57P01"}


@pytest.mark.parametrize("rule", BY_SQLSTATE)
def test_states_are_judged_as_everywhere(server: str, make: Make, rule: str) -> None:
    """A state of each rule, raised for a row that stands alone, is its refusal if the rule says so."""
    state = WHOLE.get(rule, rule.ljust(5, "Z"))
    kind = of_sqlstate(state, in_code=True, chosen=True, ended=False)
    landing = make(raising(f"RAISE EXCEPTION USING ERRCODE = '{state}';"))
    plan = landing.plan(*made(row(0, CANARY)))
    if kind.scope is Scope.RECORD:
        assert said(search(server, plan)) == {0: (kind.name, state)}
    else:
        with pytest.raises(HeadraceError) as caught:
            search(server, plan)
        assert caught.value.failure.kind == kind.name


def test_keys_that_merge_only_in_the_table_are_not_told_apart(
    server: str, session: psycopg.Connection, make: Make
) -> None:
    """A trigger makes them one: apart both would pass, so the write is refused as a whole."""
    landing = make(raising("NEW.id := 0;"))
    with pytest.raises(DataFault) as caught:
        search(server, landing.plan(*MIXED))

    assert caught.value.failure.code == "21000"
    assert landed(session, landing) == []


def test_a_lock_and_a_slow_statement_end_the_search(server: str, session: psycopg.Connection, make: Make) -> None:
    """Both timeouts are the server's own, and neither is a refusal."""
    landing = make(PLAIN + "; INSERT INTO {s}.t VALUES (1)")
    plan = landing.plan(*MIXED)
    session.execute("BEGIN")
    session.execute(f"SELECT 1 FROM {landing.table.schema}.t FOR UPDATE")
    for waits, kind in (("lock_timeout", "target.locked"), ("statement_timeout", "target.timeout")):
        with pytest.raises(Transient) as caught:
            search_after(server, plan, f"SET LOCAL {waits} = '50ms'")
        assert caught.value.failure.kind == kind
    session.execute("ROLLBACK")
    assert landed(session, landing) == [(1, None, None)]


def test_what_is_deferred_may_stay_so(server: str, session: psycopg.Connection, make: Make) -> None:
    """A row whose parent comes with a later write of the batch is not refused for it."""
    deferred = PARENT + PLAIN[:-1] + ", FOREIGN KEY (n) REFERENCES {s}.parent DEFERRABLE INITIALLY DEFERRED)"
    landing = make(deferred)
    with filled(server, landing.plan(*made(row(0, n=7)))) as (connection, (staged,)):
        assert find(connection, staged, 10, immediate=False) == []
        connection.execute(f"INSERT INTO {landing.table.schema}.parent VALUES (7)".encode())

    assert landed(session, landing) == [(0, "w", 7)]


def test_what_earlier_writes_left_to_be_checked_is_no_refusal_of_these_rows(
    server: str, session: psycopg.Connection, make: Make
) -> None:
    """It is raised as what it is."""
    landing = make(
        PARENT + PLAIN + "; CREATE TABLE {s}.other (n int4 REFERENCES {s}.parent DEFERRABLE INITIALLY DEFERRED)"
    )
    with pytest.raises(DataFault) as caught:
        search_after(server, landing.plan(*MIXED), f"INSERT INTO {landing.table.schema}.other VALUES (7)")

    assert caught.value.failure.code == "23503"
    assert landed(session, landing) == []


@pytest.mark.parametrize("seed", range(12))
def test_any_set_of_bad_rows_is_found_exactly(server: str, session: psycopg.Connection, make: Make, seed: int) -> None:
    """Sparse, dense, all or none; in rows of every width, so that pages hold few and many."""
    chance = random.Random(seed)
    share = chance.choice([0, 0.003, 0.05, 0.5, 1])
    count = chance.choice([1, 2, 255, 256, 257, 1500])
    bad = {place for place in range(count) if chance.random() < share}
    table = chance.choice([PLAIN, LOOSE])
    landing = make(
        PARENT + table[:-1] + ", CHECK (word <> 'sesame'), FOREIGN KEY (n) REFERENCES {s}.parent,"
        " CONSTRAINT deferred FOREIGN KEY (n) REFERENCES {s}.parent DEFERRABLE INITIALLY DEFERRED)"
    )
    given = [
        row(place, CANARY)
        if place in bad and chance.random() < 0.7
        else row(place, "w" * chance.choice([1, 100, 900, 1900]), 7 * (place in bad))
        for place in range(count)
    ]
    found = search(server, landing.plan(*made(*given)), count)

    assert {each.place for each in found} == bad
    assert [each[0] for each in landed(session, landing)] == [place for place in range(count) if place not in bad]


def test_places_are_those_of_the_copy_whatever_the_rows_widths(server: str, make: Make) -> None:
    """A page's gap is not filled by a later row that is narrow enough for it."""
    chance = random.Random(1)
    landing = make(PLAIN[:-1] + ", CHECK (n = 0))")
    given = [row(place, "w" * chance.choice([1, 20, 300, 700, 1500]), int(place % 50 == 7)) for place in range(6000)]
    found = search(server, landing.plan(*made(*given)))

    assert [each.place for each in found] == list(range(7, 6000, 50))
