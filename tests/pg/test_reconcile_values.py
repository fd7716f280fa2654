"""Values of two types that mean the same are equal to a comparison, and others are not."""

from collections.abc import Iterator

import psycopg
import pytest

from tests.pg.comparing import Scene
from tests.pg.conftest import Pools

# the source's type and the target's, a value there and the same here, and another one here
SAME = [
    ("int4", "int8", "7", "7", "8"),
    ("int8", "numeric(20,0)", "9223372036854775807", "9223372036854775807", "9223372036854775806"),
    ("numeric(10,2)", "numeric", "1.50", "1.5", "1.51"),
    ("numeric", "numeric(12,4)", "-0.1", "-0.1", "0.1"),
    ("numeric", "numeric", "'NaN'", "'NaN'", "0"),
    ("money", "numeric(19,2)", "'12.30'", "12.3", "12.31"),
    ("float4", "float4", "'1.1'", "'1.1'", "'1.1000001'"),
    ("float4", "float8", "'1.1'", "'1.1'::float4", "'1.1'"),
    ("float8", "float8", "'0.1'", "'0.1'", "'0.10000000000000002'"),
    ("float8", "float8", "'-Infinity'", "'-Infinity'", "'Infinity'"),
    ("bool", "bool", "true", "true", "false"),
    ("bit(1)", "bool", "B'1'", "true", "false"),
    ("bit(5)", "bit(5)", "B'10101'", "B'10101'", "B'10100'"),
    ("varbit", "varbit", "B'1'", "B'1'", "B'10'"),
    ("varchar(5)", "text", "'aé'", "'aé'", "'ae'"),
    ("char(5)", "text", "'ab'", "'ab   '", "'ac'"),
    ("char(5)", "varchar(9)", "'ab'", "'ab'", "'a b'"),
    ("text", "text", "''", "''", "NULL"),
    ("{mood}", "text", "'b'", "'b'", "'a'"),
    ("{mood}", "{mood}", "'b'", "'b'", "'a'"),
    ("{name}", "text", "'x'", "'x'", "'X'"),
    ("uuid", "text", "'A0EEBC99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'", "'a'"),
    ("inet", "text", "'10.0.0.1'", "'10.0.0.1'", "'10.0.0.1/32'"),
    ("cidr", "cidr", "'10.0.0.0/8'", "'10.0.0.0/8'", "'10.0.0.0/9'"),
    ("json", "jsonb", """'{"b": 1, "a": [1.0, "x"]}'""", """'{"a":[1.0,"x"],"b":1}'""", """'{"a":[1,"x"],"b":2}'"""),
    ("jsonb", "text", """'{"b":1,"a":2}'""", """'{"a": 2, "b": 1}'""", "'{}'"),
    ("json", "json", """'{"b": 1 }'""", """'{"b": 1 }'""", """'{"b": 1}'"""),
    ("bytea", "bytea", "'\\\\x00ff'", "'\\\\x00ff'", "'\\\\x00fe'"),
    ("date", "date", "'0044-03-15 BC'", "'0044-03-15 BC'", "'0044-03-14 BC'"),
    ("timestamp(3)", "timestamp", "'2026-01-01 00:00:00.120'", "'2026-01-01 00:00:00.12'", "'2026-01-01'"),
    ("timestamp", "timestamptz", "'2026-07-01 12:00'", "'2026-07-01 14:00+02'", "'2026-07-01 12:00+02'"),
    ("timestamptz", "timestamp", "'2026-07-01 14:00+02'", "'2026-07-01 12:00'", "'2026-07-01 14:00'"),
    ("timestamptz", "timestamptz", "'infinity'", "'infinity'", "'-infinity'"),
    ("time", "time", "'24:00'", "'24:00'", "'00:00'"),
    ("timetz", "timetz", "'10:00+02'", "'08:00+00'", "'10:00+00'"),
    # as Debezium reckons: months of 365.25 / 12 days
    ("interval", "interval", "'1 year 2 days'", "'367.25 days'", "'367 days'"),
    ("interval", "interval", "'1 mon'", "'730.5 hours'", "'720 hours'"),
    ("int4[]", "int4[]", "'{1,NULL,3}'", "'{1,NULL,3}'", "'{1,2,3}'"),
    ("text[]", "text[]", """'{"a b",NULL,"NULL"}'""", """'{"a b",NULL,"NULL"}'""", "'{a}'"),
    ("float8[]", "float8[]", "'{0.1}'", "'{0.1}'", "'{0.2}'"),
    ("tsvector", "tsvector", "'a b'", "'b a'", "'a'"),
    ("int4range", "int4range", "'[1,3]'", "'[1,4)'", "'[1,3)'"),
    ("point", "point", "'(1,2)'", "'(1,2)'", "'(1,3)'"),
]
UNSURE = [
    ("text", "int4"),
    ("timetz[]", "timetz[]"),
    ("bytea", "text"),
    ("float8", "numeric"),
    ("interval", "int8"),
    # the target's type writes them its own way
    ("text", "uuid"),
    ("varchar(40)", "inet"),
    ("text", "int4range"),
    ("text", "xml"),
    ("inet", "cidr"),
    ("cidr", "inet"),
]


@pytest.fixture
def scene(session: psycopg.Connection, server: str, pools: Pools, group: str, schema: str) -> Iterator[Scene]:
    """Two schemas, an enum type and a domain."""
    session.execute(f"CREATE SCHEMA {schema}_source".encode())
    session.execute(f"CREATE TYPE {schema}.mood AS ENUM ('b', 'a')".encode())
    session.execute(f"CREATE DOMAIN {schema}.name AS varchar(9)".encode())
    made = Scene(session, server, pools(), group, f"{schema}_source", schema)
    yield made
    made.close()


def _typed(kind: str, scene: Scene) -> str:
    return kind.replace("{mood}", f"{scene.ours}.mood").replace("{name}", f"{scene.ours}.name")


def _made(scene: Scene, pairs: list[tuple[str, str]]) -> None:
    sides = [
        ", ".join(["id int PRIMARY KEY", *(f"c{n} {_typed(pair[side], scene)}" for n, pair in enumerate(pairs))])
        for side in (0, 1)
    ]
    scene.make(*sides)


@pytest.fixture
def typed(scene: Scene) -> Scene:
    """A column for each case; the first row is the same on both sides, the second is not."""
    # the server's settings and a session's are not what decides
    scene.session.execute("SET TimeZone = 'Asia/Tokyo'")
    _made(scene, [case[:2] for case in SAME])
    there = ", ".join(case[2] for case in SAME)
    scene.session.execute("SET TimeZone = 'UTC'")
    for table, key, values in (
        ("{s}", 1, there),
        ("{s}", 2, there),
        ("{s}", 3, ", ".join("NULL" for _ in SAME)),
        ("{t}", 1, ", ".join(case[3] for case in SAME)),
        ("{t}", 2, ", ".join(case[4] for case in SAME)),
        ("{t}", 3, ", ".join("NULL" for _ in SAME)),
    ):
        scene.do(f"INSERT INTO {table} VALUES ({key}, {values})".replace("\\\\", "\\"))
    return scene


def test_the_same_value_is_the_same_in_other_types_and_another_is_not(typed: Scene) -> None:
    """Each column of its own; null is only null."""
    step = typed.compared()
    assert step.progress["left_out"] == {}
    found = typed.found(step)
    assert {key: verdict for key, (verdict, _) in found.items()} == {("2",): "different"}
    assert found[("2",)][1] == tuple(f"c{n}" for n in range(len(SAME)))


def test_a_pair_of_which_no_common_text_is_known_is_left_out(scene: Scene) -> None:
    """And that is said."""
    _made(scene, UNSURE)
    scene.do("INSERT INTO {s} (id) VALUES (1)")
    scene.do("INSERT INTO {t} (id) VALUES (1)")
    step = scene.compared()
    assert (step.verdict, list(step.progress["left_out"])) == ("equal", [f"c{n}" for n in range(len(UNSURE))])


KEYS = [
    ("int4", "int8", "n"),
    ("text", "text", "'k' || n"),
    ('text COLLATE "C"', 'text COLLATE "C"', "'k' || n"),
    ("varchar(9)", "text", "'ä' || n"),
    ("char(6)", "text", "'k' || n"),
    ("uuid", "uuid", "md5(n::text)::uuid"),
    ("uuid", "text", "md5(n::text)::uuid"),
    ("numeric(9,2)", "numeric", "n / 10.0"),
    ("int8", "numeric", "n"),
    ("date", "date", "date '2000-01-01' + n"),
    ("timestamptz", "timestamptz", "timestamptz '2000-01-01' + n * interval '1 s'"),
    ("bytea", "bytea", "decode(md5(n::text), 'hex')"),
]


@pytest.mark.parametrize(("source", "target", "value"), KEYS, ids=lambda word: str(word))
def test_keys_of_all_kinds_are_walked_in_one_order(scene: Scene, source: str, target: str, value: str) -> None:
    """Alone and with a second part, on both sides the same."""
    scene.make(
        f"a {source}, b int4, word text, PRIMARY KEY (a, b)", f"a {target}, b int8, word text, PRIMARY KEY (a, b)"
    )
    for table in ("{s}", "{t}"):
        scene.do(f"INSERT INTO {table} SELECT {value}, n, 'w' FROM generate_series(1, 700) n")
    assert scene.compared().verdict == "equal"
    scene.do("UPDATE {t} SET word = 'x' WHERE b IN (1, 333, 700)")
    scene.session.execute("DELETE FROM headrace.differing_keys")
    found = scene.found(scene.compared())
    assert sorted((key[1], *said) for key, said in found.items()) == [
        (number, "different", ("word",)) for number in ("1", "333", "700")
    ]


@pytest.mark.parametrize("source", ["text", "varchar(40)", "char(36)"])
def test_a_key_that_the_target_writes_its_own_way_is_not_compared(scene: Scene, source: str) -> None:
    """Each row would be missing, and there under another key, which a rebuild deletes."""
    scene.make(f"id {source} PRIMARY KEY", "id uuid PRIMARY KEY")
    for table in ("{s}", "{t}"):
        scene.do(f"INSERT INTO {table} VALUES ('A0EEBC99-9C0B-4EF8-BB6D-6BB9BD380A11')")
    assert scene.compared().verdict == "not compared"
