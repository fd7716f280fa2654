"""Types and which one holds what two of them hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from consumer.core.sqltypes import SqlType, joined, sql_type

LIMITS = st.tuples(st.integers(1, 60), st.integers(0, 20)).map(lambda both: (both[0] + both[1], both[1]))
PLAIN = st.sampled_from(
    [
        *("smallint", "integer", "bigint", "numeric", "real", "double precision", "boolean", "date", "bytea", "uuid"),
        *("text", "citext", "varchar", "json", "jsonb", "time", "timetz", "timestamp", "timestamptz", "interval"),
        *("inet", "public.mood", "int4range", "bit varying"),
    ]
).map(sql_type)
SIZED = st.sampled_from(["character varying", "character"]).flatmap(
    lambda name: st.integers(1, 50).map(lambda size: SqlType(name, (size,)))
)
CLOCKS = st.sampled_from(["time", "timetz", "timestamp", "timestamptz"]).flatmap(
    lambda name: st.integers(0, 6).map(lambda digits: SqlType(sql_type(name).name, (digits,)))
)
SINGLE = PLAIN | SIZED | CLOCKS | LIMITS.map(lambda limits: SqlType("numeric", limits))
TYPES = SINGLE | SINGLE.map(lambda each: SqlType(each.name, each.limits, array=True))


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("int4", "integer"),
        ("timestamp", "timestamp without time zone"),
        ("timestamptz(3)", "timestamp(3) with time zone"),
        ("timestamp(3) without time zone", "timestamp(3) without time zone"),
        ("decimal(7)", "numeric(7,0)"),
        ("numeric( 10 , 2 )", "numeric(10,2)"),
        ("varchar(20)", "character varying(20)"),
        ("char", "character(1)"),
        ("bigint[]", "bigint[]"),
        ("numeric(5,2)[][]", "numeric(5,2)[]"),
        ("interval day to second(3)", "interval day to second(3)"),
        ('shop."an odd name"', 'shop."an odd name"'),
    ],
)
def test_types_are_spelled_as_the_catalog_does(text: str, form: str) -> None:
    """However they are written."""
    assert str(sql_type(text)) == form
    assert sql_type(form) == sql_type(text)


@pytest.mark.parametrize(
    ("have", "want", "then"),
    [
        ("smallint", "integer", "integer"),
        ("smallint", "bigint", "bigint"),
        ("bigint", "smallint", "bigint"),
        ("integer", "numeric(9,0)", "integer"),
        ("integer", "numeric(10,0)", "numeric(10,0)"),
        ("integer", "numeric(12,2)", "numeric(12,2)"),
        ("bigint", "numeric(20,0)", "numeric(20,0)"),
        ("numeric(5,2)", "bigint", "numeric(21,2)"),
        ("numeric(10,2)", "numeric(12,2)", "numeric(12,2)"),
        ("numeric(10,2)", "numeric(10,4)", "numeric(12,4)"),
        ("numeric(12,4)", "numeric(10,2)", "numeric(12,4)"),
        ("numeric(10,2)", "numeric", "numeric"),
        ("numeric(3,-2)", "integer", "numeric(10,0)"),
        ("numeric(1000,0)", "numeric(1000,1000)", "numeric"),
        ("real", "double precision", "double precision"),
        ("double precision", "real", "double precision"),
        ("double precision", "integer", "double precision"),
        ("double precision", "bigint", None),
        ("integer", "double precision", None),
        ("numeric", "double precision", "numeric"),
        ("numeric(10,2)", "double precision", None),
        ("varchar(10)", "varchar(20)", "character varying(20)"),
        ("varchar(20)", "varchar(10)", "character varying(20)"),
        ("varchar(10)", "text", "text"),
        ("varchar(10)", "varchar", "text"),
        ("char(10)", "varchar(20)", "character varying(20)"),
        ("char(10)", "char(20)", "character(20)"),
        ("text", "varchar(5)", "text"),
        ("citext", "text", "citext"),
        ("timestamp(3)", "timestamp(6)", "timestamp(6) without time zone"),
        ("timestamp(3)", "timestamp", "timestamp(6) without time zone"),
        ("timestamp", "timestamp(3)", "timestamp without time zone"),
        ("time(0)", "time(3)", "time(3) without time zone"),
        ("timestamp", "timestamptz", None),
        ("timestamp", "date", "timestamp without time zone"),
        ("date", "timestamp", None),
        ("integer", "text", None),
        ("boolean", "text", None),
        ("text", "integer", "text"),
        ("integer", "boolean", "integer"),
        ("boolean", "integer", None),
        ("numeric", "text", "numeric"),
        ("inet", "text", "inet"),
        ("uuid", "text", "uuid"),
        ("uuid", "bigint", None),
        ("jsonb", "json", "jsonb"),
        ("integer[]", "bigint[]", "bigint[]"),
        ("integer[]", "text[]", None),
        ("text", "bigint[]", "text"),
        ("public.mood", "text", "public.mood"),
    ],
)
def test_two_types_have_a_least_wider_one(have: str, want: str, then: str | None) -> None:
    """Or none, where they are of different kinds; what nobody can tell stays as it is."""
    assert joined(sql_type(have), sql_type(want)) == (then and sql_type(then))


@given(have=TYPES, want=TYPES)
def test_a_join_holds_both_and_is_reached_at_once(have: SqlType, want: SqlType) -> None:
    """It takes nothing from what the target holds, and with it nothing more is wanted."""
    wide = joined(have, want)
    if wide is not None:
        assert joined(wide, have) == wide
        assert joined(wide, want) == wide


@given(each=TYPES)
def test_spelling_and_reading_are_inverse(each: SqlType) -> None:
    """What is planned is what the catalog says afterwards."""
    assert sql_type(str(each)) == each
