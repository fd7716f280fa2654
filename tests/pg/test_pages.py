"""The pages' SQL, run against the control schema that they speak of."""

import re
from pathlib import Path

import psycopg
import pytest

PAGES = Path(__file__).parents[2] / "docs"
SQL = re.compile(r"^```sql\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize(
    "page", ["how-to/read-positions-and-ledger.md", "how-to/set-a-position.md", "why/one-transaction.md"]
)
def test_every_statement_of_the_page_runs(session: psycopg.Connection, page: str) -> None:
    """Tables, columns and fields that it names are there."""
    statements = SQL.findall((PAGES / page).read_text())

    assert statements
    for statement in statements:
        session.execute(statement.encode())
