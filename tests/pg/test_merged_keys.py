"""Keys that differ at the source and are one in the target's types are refused together."""

from typing import Any

import psycopg
import pytest

from consumer.edges.postgres.refusals import TooManyRefused
from tests.pg.searching import CANARY, FIELDS, UNCHANGED, Make, landed, said, search

CODE = {"name": "code", "type": "string"}
DOMAIN = "CREATE DOMAIN {s}.amount AS numeric(9,2) CHECK (value > 0); "
# the table changes a key on its way in
TRIMMING = """
CREATE FUNCTION {s}.trimming() RETURNS trigger LANGUAGE plpgsql
AS 'BEGIN NEW.code := trim(NEW.code); RETURN NEW; END';
CREATE TABLE {s}.t (code text, n int4);
CREATE TRIGGER trimming BEFORE INSERT ON {s}.t FOR EACH ROW EXECUTE FUNCTION {s}.trimming()
"""
MERGED: dict[str, tuple[str, str, dict[str, Any], list[Any], set[int]]] = {
    "blanks": ("char(3)", "PRIMARY KEY", CODE, ["a", "a ", "b"], {0, 1}),
    "blanks, without an index": ("char(3)", "", CODE, ["a", "a ", "b"], {0, 1}),
    "scale": ("numeric", "PRIMARY KEY", CODE, ["1.3", "1.30", "1.50"], {0, 1}),
    "a domain": ("{s}.amount", "PRIMARY KEY", CODE, ["1.3", "1.30", "1.50"], {0, 1}),
    "a month": ("interval", "PRIMARY KEY", CODE, ["P1M", "P30D", "P31D"], {0, 1}),
    "and a value of no key": ("char(3)", "PRIMARY KEY", CODE, ["a", "a ", "b", "toolong"], {0, 1, 3}),
    "and a key that is no number": ("numeric", "PRIMARY KEY", CODE, ["1.0", "1", "2", "sesame"], {0, 1, 3}),
}


@pytest.mark.parametrize("column", MERGED, ids=MERGED)
def test_keys_that_are_one_in_the_table_are_refused_together(
    server: str, session: psycopg.Connection, make: Make, column: str
) -> None:
    """Apart both would pass, and one would silently have taken the other's place."""
    kind, key, code, values, expected = MERGED[column]
    landing = make(DOMAIN + f"CREATE TABLE {{s}}.t (code {kind} {key}, n int4)", [code, FIELDS[2]], "code")
    found = search(server, landing.plan(*(("c", {"code": value, "n": 1}) for value in values)))

    assert {each.place for each in found} == expected
    assert {each.failure.kind for each in found[:2]} == {"record.key_merged"}
    assert not any(CANARY in str(each.failure) for each in found)
    assert len(landed(session, landing)) == len(values) - len(expected)


def test_partial_updates_of_one_row_are_refused_together(server: str, session: psycopg.Connection, make: Make) -> None:
    """Neither is missing its base."""
    landing = make(
        "CREATE TABLE {s}.t (code char(3) PRIMARY KEY, word text, n int4); INSERT INTO {s}.t VALUES ('a', 'w', 0)",
        [CODE, *FIELDS[1:]],
        "code",
    )
    changes = [("u", {"code": code, "word": UNCHANGED, "n": 1}) for code in ("a", "a ")]

    assert said(search(server, landing.plan(*changes))) == dict.fromkeys(range(2), ("record.key_merged", "21000"))
    assert landed(session, landing) == [("a  ", "w", 0)]


def test_a_key_that_the_table_would_change_is_refused(server: str, session: psycopg.Connection, make: Make) -> None:
    """Without an index it would never be found again."""
    landing = make(TRIMMING, [CODE, FIELDS[2]], "code")
    found = search(server, landing.plan(*(("c", {"code": code, "n": 1}) for code in (" a", "b"))))

    assert said(found) == {0: ("record.key_merged", "")}
    assert landed(session, landing) == [("b", 1)]


def test_a_table_of_keys_alone_merges_as_ever(server: str, session: psycopg.Connection, make: Make) -> None:
    """Nothing is lost, so nothing is refused."""
    landing = make("CREATE TABLE {s}.t (code char(3) PRIMARY KEY)", [CODE], "code")

    assert search(server, landing.plan(("c", {"code": "a"}), ("c", {"code": "a "}))) == []
    assert landed(session, landing) == [("a  ",)]


def test_merged_keys_count_for_the_bound(server: str, make: Make) -> None:
    """However they are found."""
    landing = make("CREATE TABLE {s}.t (code char(3) PRIMARY KEY, n int4)", [CODE, FIELDS[2]], "code")
    with pytest.raises(TooManyRefused):
        search(server, landing.plan(*(("c", {"code": code, "n": 1}) for code in ("a", "a "))), 1)
