"""A key's value stands in a condition as itself, whatever it is, or not at all."""

import json

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from consumer.core.envelope import Column
from dlq.signals import MOST_KEYS, Dialect, Unquotable, collection, condition, literal, portions, signal

PG, MY = Dialect.POSTGRESQL, Dialect.MYSQL
TEXT = Column(name="word", avro="string")
NUMBER = Column(name="id", avro="long")
UUID = Column(name="ref", avro="string", semantic="io.debezium.data.Uuid")


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet=st.one_of(st.characters(), st.sampled_from("'\\\"`;-/*$Ee")), max_size=30), st.booleans())
def test_a_text_reads_as_itself(session: psycopg.Connection, value: str, standard: bool) -> None:
    """However the server reads backslashes in plain strings."""
    try:
        written = literal(PG, TEXT, value)
    except Unquotable:
        assert any(char < " " or char == "\x7f" or "\ud800" <= char <= "\udfff" for char in value)
        return
    session.execute(f"SET standard_conforming_strings = {standard}".encode())
    session.execute("SET escape_string_warning = off")
    query = f"SELECT {written}, 1".encode()
    assert session.execute(query).fetchall() == [(value, 1)]


@pytest.mark.parametrize(
    ("dialect", "column", "value", "written"),
    [
        (PG, NUMBER, -(1 << 63), "-9223372036854775808"),
        (PG, TEXT, "it's", "'it''s'"),
        (PG, TEXT, "a\\'b", "E'a\\\\''b'"),
        (PG, UUID, "6f1a2b3c-0000-0000-0000-000000000000", "'6f1a2b3c-0000-0000-0000-000000000000'"),
        (PG, Column(name="on", avro="boolean"), True, "TRUE"),
        (MY, TEXT, 'it\'s "x" `y`', "'it''s \"x\" `y`'"),
    ],
)
def test_what_is_written(dialect: Dialect, column: Column, value: object, written: str) -> None:
    """As both servers read it."""
    assert literal(dialect, column, value) == written


@pytest.mark.parametrize(
    ("dialect", "column", "value"),
    [
        (MY, TEXT, "a\\b"),
        (PG, TEXT, "a\nb"),
        (PG, TEXT, "a\x00b"),
        (PG, TEXT, "x" * 1001),
        (PG, TEXT, None),
        (PG, TEXT, 5),
        (PG, NUMBER, "1"),
        (PG, NUMBER, True),
        (PG, Column(name="at", avro="long", semantic="io.debezium.time.MicroTimestamp"), 5),
        (PG, Column(name="day", avro="int", semantic="io.debezium.time.Date"), 5),
        (PG, Column(name="raw", avro="bytes"), b"x"),
        (PG, Column(name="price", avro="decimal", precision=5, scale=2), 5),
    ],
)
def test_what_is_not_sure_is_refused(dialect: Dialect, column: Column, value: object) -> None:
    """By the column's name, never by its value."""
    with pytest.raises(Unquotable) as caught:
        literal(dialect, column, value)
    assert column.name in str(caught.value)


def test_a_condition_meets_just_its_rows(session: psycopg.Connection, schema: str) -> None:
    """Also of a key of several columns, with names that have to be quoted."""
    session.execute(f'CREATE TABLE {schema}.t ("or""der" int, word text)'.encode())
    session.execute(f"INSERT INTO {schema}.t VALUES (1, 'a'), (1, 'b'), (2, 'a'), (3, 'c')".encode())
    for columns, keys, found in (
        (['or"der'], [["1"], ["3"]], [(1, "a"), (1, "b"), (3, "c")]),
        (['or"der', "word"], [["1", "'b'"], ["2", "'a'"]], [(1, "b"), (2, "a")]),
    ):
        query = f"SELECT * FROM {schema}.t WHERE {condition(PG, columns, keys)} ORDER BY 1, 2"
        assert session.execute(query.encode()).fetchall() == found
    assert condition(MY, ["a`b"], [["1"]]) == "`a``b` IN (1)"


@pytest.mark.parametrize(
    ("dialect", "names", "called"),
    [
        (PG, {"db": "shop", "schema": "public", "table": "orders"}, r"public\.orders"),
        (PG, {"db": "shop", "schema": "a.b", "table": "c$(d)"}, r"a\.b\.c\$\(d\)"),
        (MY, {"db": "shop", "schema": None, "table": "orders"}, r"shop\.orders"),
    ],
)
def test_a_table_is_called_as_the_connector_calls_it(dialect: Dialect, names: dict[str, str], called: str) -> None:
    """Which reads a regular expression."""
    assert collection(dialect, names) == called


def test_a_table_whose_name_is_not_known_is_refused() -> None:
    """Nothing else is asked for in its place."""
    with pytest.raises(Unquotable):
        collection(PG, {})


def test_a_signal_is_of_some_keys_at_most() -> None:
    """Its form is what Debezium reads."""
    assert [len(part) for part in portions(range(MOST_KEYS * 2 + 1))] == [MOST_KEYS, MOST_KEYS, 1]
    assert json.loads(signal("1", "public.t", '"id" IN (1)')) == {
        "id": "1",
        "type": "execute-snapshot",
        "data": {
            "type": "INCREMENTAL",
            "data-collections": ["public.t"],
            "additional-conditions": [{"data-collection": "public.t", "filter": '"id" IN (1)'}],
        },
    }
