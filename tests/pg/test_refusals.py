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
from tests.pg.searching import (
    CANARY,
    Change,
    Make,
    Refused,
    filled,
    landed,
    made,
    partly,
    row,
    said,
    search,
    search_after,
)

PLAIN = "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text, n int4)"
LOOSE = "CREATE TABLE {s}.t (id int8, word text, n int4)"
PARENT = "CREATE TABLE {s}.parent (n int4 PRIMARY KEY); INSERT INTO {s}.parent VALUES (0); "
TRIGGER = (
    "; CREATE FUNCTION {s}.no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN IF NEW.word = 'sesame' THEN {raise}"
    " END IF; RETURN NEW; END $$;"
    " CREATE TRIGGER no BEFORE INSERT OR UPDATE ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.no()"
)
MIXED = made(row(0), row(1, CANARY), row(2), row(3), row(4, CANARY))


def raising(statement: str, table: str = PLAIN) -> str:
    """A table whose trigger does that for the canary."""
    return table + TRIGGER.replace("{raise}", statement)


def both(kind: str, code: str) -> Refused:
    """The refused rows of `MIXED`."""
    return {1: (kind, code), 4: (kind, code)}


CASES: dict[str, tuple[str, list[Change], Refused]] = {
    "nothing": (PLAIN, MIXED, {}),
    "check": (PLAIN[:-1] + ", CHECK (word <> 'sesame'))", MIXED, both("record.check", "23514")),
    "not null": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text NOT NULL, n int4)",
        made(row(0, None), row(1)),
        {0: ("record.null", "23502")},
    ),
    "too long": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word varchar(3), n int4)",
        MIXED,
        both("record.value", "22001"),
    ),
    "out of range": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word text, n numeric(3))",
        made(row(0), row(1, n=1000), row(2)),
        {1: ("record.value", "22003")},
    ),
    "no number": (
        "CREATE TABLE {s}.t (id int8 PRIMARY KEY, word numeric, n int4)",
        made(row(0, "1"), row(1, CANARY)),
        {1: ("record.value", "22P02")},
    ),
    "reference": (
        PARENT + PLAIN[:-1] + ", FOREIGN KEY (n) REFERENCES {s}.parent)",
        made(row(0), row(1, n=7), row(2), row(3, n=8)),
        {1: ("record.reference", "23503"), 3: ("record.reference", "23503")},
    ),
    "deferred reference": (
        PARENT + PLAIN[:-1] + ", FOREIGN KEY (n) REFERENCES {s}.parent DEFERRABLE INITIALLY DEFERRED)",
        made(row(0), row(1, n=7), row(2)),
        {1: ("record.reference", "23503")},
    ),
    "rows that refer to later ones": (
        PLAIN[:-1].replace("n int4", "n int8") + ", FOREIGN KEY (n) REFERENCES {s}.t (id))",
        made(row(0, n=2), row(1, n=9), row(2, n=4), row(3, n=1), row(4, n=None)),
        {1: ("record.reference", "23503"), 3: ("record.reference", "23503")},
    ),
    "rows that refer to one another": (
        PLAIN[:-1].replace("n int4", "n int8") + ", FOREIGN KEY (n) REFERENCES {s}.t (id), CHECK (word <> 'sesame'))",
        made(row(0, n=3), row(1, CANARY, None), row(3, n=0)),
        {1: ("record.check", "23514")},
    ),
    "further unique": (
        PLAIN[:-1] + ", UNIQUE (word)); INSERT INTO {s}.t VALUES (9, 'sesame')",
        made(row(0, "a"), row(1, CANARY), row(2, "a"), row(3, "b")),
        {1: ("record.unique", "23505"), 2: ("record.unique", "23505")},
    ),
    "unique once a later row is there": (
        PLAIN[:-1] + ", UNIQUE (word)); INSERT INTO {s}.t VALUES (1, 'a')",
        made(row(0, "a"), row(1, "b")),
        {},
    ),
    "exclusion": (
        PLAIN[:-1] + ", EXCLUDE (word WITH =)); INSERT INTO {s}.t VALUES (9, 'sesame')",
        made(row(0, "a"), row(1, CANARY), row(2, "a"), row(3, "b")),
        {1: ("record.unique", "23P01"), 2: ("record.unique", "23P01")},
    ),
    "excluded until a later row is there": (
        PLAIN[:-1] + ", EXCLUDE (word WITH =)); INSERT INTO {s}.t VALUES (1, 'a')",
        made(row(0, "a"), row(1, "b")),
        {},
    ),
    "trigger": (
        raising("RAISE EXCEPTION 'no %', NEW.word;"),
        MIXED,
        both("record.trigger", "P0001"),
    ),
    "state of a trigger's own": (
        raising("RAISE EXCEPTION 'no %', NEW.word USING ERRCODE = 'MY001';"),
        MIXED,
        both("record.trigger", "MY001"),
    ),
    "unknown state in a trigger's statement": (
        raising("EXECUTE 'SELECT currval(''{s}.never'')';", "CREATE SEQUENCE {s}.never; " + PLAIN),
        MIXED,
        both("record.trigger", "55000"),
    ),
    "trigger of a replacement's delete": (
        LOOSE
        + TRIGGER.replace("{raise}", "RAISE EXCEPTION 'no' USING ERRCODE = 'MY001';")
        .replace("NEW", "OLD")
        .replace("INSERT OR UPDATE", "DELETE")
        + "; INSERT INTO {s}.t VALUES (0, 'a'), (1, 'sesame'), (2, 'a')",
        made(row(0), row(1), row(2)),
        {1: ("record.trigger", "MY001")},
    ),
    "assertion of a trigger": (raising("ASSERT false, NEW.word;"), MIXED, both("record.trigger", "P0004")),
    "unknown state of a trigger": (
        raising("RAISE EXCEPTION 'no' USING ERRCODE = '23999', COLUMN = 'word';"),
        MIXED,
        both("record.check", "23999"),
    ),
    "all": (
        PLAIN[:-1] + ", CHECK (id < 0))",
        made(*map(row, range(5))),
        dict.fromkeys(range(5), ("record.check", "23514")),
    ),
    "no base": (
        PLAIN + "; INSERT INTO {s}.t VALUES (0), (2)",
        partly(row(0), row(1), row(2), row(3)),
        {1: ("record.missing_base", ""), 3: ("record.missing_base", "")},
    ),
    "two bases": (
        LOOSE + "; INSERT INTO {s}.t VALUES (0), (1), (1), (2)",
        partly(row(0), row(1), row(2), row(3)),
        {1: ("record.many_bases", ""), 3: ("record.missing_base", "")},
    ),
    "check of an update": (
        PLAIN[:-1] + ", CHECK (n < 5)); INSERT INTO {s}.t VALUES (0), (1), (2)",
        partly(row(0), row(1, n=5), row(2)),
        {1: ("record.check", "23514")},
    ),
    "replacement": (LOOSE[:-1] + ", CHECK (word <> 'sesame'))", MIXED, both("record.check", "23514")),
    "replacement that refers": (
        PARENT + LOOSE[:-1] + ", FOREIGN KEY (n) REFERENCES {s}.parent, UNIQUE (word));"
        " INSERT INTO {s}.t VALUES (1, 'old', 0), (4, 'a', 0), (9, 'sesame', 0)",
        made(row(0, "a"), row(1, "b", 7), row(2, CANARY), row(3, "c"), row(4, "d")),
        {1: ("record.reference", "23503"), 2: ("record.unique", "23505")},
    ),
    "replaced row that is referred to": (
        "CREATE TABLE {s}.t (id int8, word text, n int4 UNIQUE); INSERT INTO {s}.t VALUES (0, 'old', 0), (1, 'old', 1);"
        " CREATE TABLE {s}.c (n int4 REFERENCES {s}.t (n)); INSERT INTO {s}.c VALUES (1)",
        made(row(0, n=0), row(1, n=1), row(2, n=2)),
        {1: ("record.reference", "23503")},
    ),
    "delete": (
        PLAIN + "; INSERT INTO {s}.t VALUES (0), (1), (2), (3); CREATE TABLE {s}.c (id int8 REFERENCES {s}.t);"
        " INSERT INTO {s}.c VALUES (2)",
        [("d", row(number)) for number in range(4)],
        {2: ("record.reference", "23503")},
    ),
    "restricted delete": (
        PLAIN + "; INSERT INTO {s}.t VALUES (0), (1), (2), (3);"
        " CREATE TABLE {s}.c (id int8 REFERENCES {s}.t ON DELETE RESTRICT); INSERT INTO {s}.c VALUES (2)",
        [("d", row(number)) for number in range(4)],
        {2: ("record.reference", "23001")},
    ),
    "restricted delete of what refers to itself": (
        PLAIN[:-1].replace("n int4", "n int8") + ", FOREIGN KEY (n) REFERENCES {s}.t (id) ON DELETE RESTRICT);"
        " INSERT INTO {s}.t VALUES (0, 'a', NULL), (1, 'a', 0), (2, 'a', 1), (3, 'a', 2)",
        [("d", row(number)) for number in range(3)],
        {0: ("record.reference", "23001"), 1: ("record.reference", "23001"), 2: ("record.reference", "23001")},
    ),
}


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
