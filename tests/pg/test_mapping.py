"""Mapped columns in a real table: created and existing ones, both decoders, deletes, and letters of a renamed key."""

import hmac
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import polars as pl
import psycopg
import pytest

from consumer.binding.mapping import ColumnMapping, TableMapping
from consumer.core.checks import Rules
from consumer.core.target import TableName
from consumer.core.transform import Named
from consumer.core.types import ColumnPolicy
from consumer.edges.postgres.lookup import PostgresCatalog
from consumer.edges.postgres.sink import PostgresSink
from consumer.ports.refusals import DataFault
from tests.pg.landing import rows
from tests.pg.pipeline import Pipeline

FIELDS = [
    {"name": "id", "type": "long"},
    {"name": "mail", "type": ["null", "string"], "default": None},
    {"name": "note", "type": ["null", "string"], "default": None},
    {"name": "born", "type": ["null", {"type": "int", "connect.name": "io.debezium.time.Date"}], "default": None},
]
KEY = b"0123456789abcdef"
LEFT_OUT = "__debezium_unavailable_value"
Make = Callable[..., Pipeline]


def row(number: int, mail: str | None = "a@b", note: str | None = "n", born: int | None = 0) -> dict[str, Any]:
    """A row."""
    return {"id": number, "mail": mail, "note": note, "born": born}


def digest(text: str) -> str:
    """What stands in the place of a text."""
    return hmac.new(KEY, text.encode(), "sha256").hexdigest()


@pytest.fixture
def make(sink: PostgresSink, catalog: PostgresCatalog, schema: str) -> Make:
    """A pipeline whose table is mapped so."""
    sink.seed({})

    def made(mapping: TableMapping, **more: Any) -> Pipeline:
        return Pipeline(sink, catalog, schema, FIELDS, compacted=True, mappings={f"{schema}.orders": mapping}, **more)

    return made


HIDDEN = TableMapping(
    exclude=frozenset({"note"}),
    columns={
        "id": ColumnMapping(rename="number"),
        "mail": ColumnMapping(hash=True),
        "born": ColumnMapping(rename="birthday", mask="1900-01-01"),
    },
    constants={"origin": "shop", "level": 3},
    key=KEY,
)


@pytest.mark.parametrize("more", [0, 30], ids=["row decoder", "columnar decoder"])
@pytest.mark.parametrize("existing", [False, True], ids=["created", "existing"])
def test_rows_are_in_the_table_as_they_are_mapped(
    session: psycopg.Connection, make: Make, schema: str, more: int, existing: bool
) -> None:
    """In the columns' own types where the table was there before."""
    if existing:
        columns = "origin varchar(9), number int8 PRIMARY KEY, level int2, mail text, birthday date"
        session.execute(f"CREATE TABLE {schema}.orders ({columns})".encode())
    line = make(HIDDEN)
    others = [("c", row(100 + number)) for number in range(more)]
    line.apply(("c", row(1)), ("c", row(2, None)), ("c", row(3)), ("u", row(2, "x")), ("d", row(3)), *others)
    line.apply(("t", row(1)), ("u", row(2, LEFT_OUT, LEFT_OUT)))
    columns = "number, mail, birthday::text, origin, level"
    found = session.execute(f"SELECT {columns} FROM {schema}.orders WHERE number < 100".encode()).fetchall()

    assert found == [(2, digest("x"), "1900-01-01", "shop", 3)]
    assert len(rows(session, TableName(schema, "orders"))) == 1 + more


def test_letters_of_a_renamed_key_keep_the_order_of_their_row(
    session: psycopg.Connection, make: Make, schema: str, group: str
) -> None:
    """What has to wait for one waits, and a newer image supersedes it, in other batches too."""
    line = make(HIDDEN, checks={f"{schema}.orders": {"mail": Rules(max_length=5)}})
    line.apply(("c", row(1)), ("u", row(1, "much too long")))
    line.apply(("u", row(1, LEFT_OUT)))

    def letters() -> list[str]:
        query = 'SELECT state FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
        return [state for (state,) in session.execute(query, (group,)).fetchall()]

    assert letters() == ["dead", "held"]
    line.apply(("u", row(1, "new")))
    assert letters() == ["superseded", "superseded"]
    assert [found[1] for found in rows(session, TableName(schema, "orders"))] == [digest("new")]


class Years:
    """Makes a number of a date, and a text of two."""

    made_from: Mapping[str, tuple[str, ...]] = MappingProxyType({"year": ("born",), "text": ("mail", "note")})

    def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
        """Days are days since 1970."""
        year = pl.col("born").cast(pl.Date).dt.year().alias("year")
        return rows.select("id", year, (pl.col("mail") + "/" + pl.col("note")).alias("text"))


def test_a_transform_makes_the_tables_columns(session: psycopg.Connection, make: Make, schema: str) -> None:
    """What it can't know stays as it is in the table."""
    line = make(TableMapping(transform=Named(name="years", call=Years())))
    line.apply(("c", row(1, born=365)), ("c", row(2, None)))
    line.apply(("u", row(1, LEFT_OUT, LEFT_OUT, 800)), ("u", row(2, LEFT_OUT, "known", 800)))

    assert rows(session, TableName(schema, "orders")) == [(1, 1972, "a@b/n"), (2, 1970, None)]
    kinds = session.execute(f"SELECT pg_typeof(year)::text, pg_typeof(text)::text FROM {schema}.orders".encode())
    assert kinds.fetchone() == ("integer", "text")


def test_rows_that_a_transform_fails_for_are_told_from_others(session: psycopg.Connection, make: Make) -> None:
    """Planned alone the others pass."""

    class Picky(Years):
        """Fails for one mail."""

        def __call__(self, rows: pl.DataFrame) -> pl.DataFrame:
            """Raises when it sees it."""
            assert "bad" not in rows["mail"].to_list()
            return super().__call__(rows)

    line = make(TableMapping(transform=Named(name="picky", call=Picky())))
    with pytest.raises(DataFault) as caught:
        line.apply(("c", row(1)), ("c", row(2, "bad")))
    assert caught.value.failure.kind == "record.transform"
    line.apply(("c", row(1)))
    assert [found[0] for found in rows(session, line.table)] == [1]


def test_bytes_that_come_as_text_are_hashed_as_they_come(session: psycopg.Connection, make: Make, schema: str) -> None:
    """How the source wrote them says nothing of the hash; what was left out is known in its own spelling."""
    policies = {f"{schema}.orders": {"note": ColumnPolicy(binary="hex")}}
    hashed = TableMapping(columns={"note": ColumnMapping(hash=True)}, key=KEY)
    line = make(hashed, columns=policies)
    line.apply(("c", row(1, note="00ff")))
    line.apply(("u", row(1, mail="new", note=LEFT_OUT.encode().hex())))

    assert [found[1:3] for found in rows(session, line.table)] == [("new", digest("00ff"))]
