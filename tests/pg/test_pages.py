"""The pages' SQL, run against the control schema that they speak of."""

import re
from pathlib import Path

import psycopg
import pytest

DOCS = Path(__file__).parents[2] / "docs"
PAGES = [DOCS / "how-to" / name for name in ("read-positions-and-ledger.md", "set-a-position.md", "pause-a-table.md")]
PAGES += [DOCS / "why" / "one-transaction.md"]
RUNBOOKS = [path for path in sorted((DOCS / "runbooks").glob("*.md")) if "```sql" in path.read_text()]
SQL = re.compile(r"^```sql\n(.*?)^```", re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("page", [*PAGES, *RUNBOOKS], ids=lambda path: path.stem)
def test_every_statement_of_the_page_runs(session: psycopg.Connection, page: Path) -> None:
    """Tables, columns and fields that it names are there."""
    statements = SQL.findall(page.read_text())

    assert statements
    for statement in statements:
        session.execute(statement.encode())
