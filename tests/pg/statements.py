"""What the program asks of its control schema, statement by statement: recorded while tests run, and prepared again."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from unittest.mock import patch

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from consumer.edges.postgres.migrate import migrate, migrations

FILE = Path(__file__).parent.parent / "fixtures" / "statements.json"
_PLACE = re.compile(r"%(%|s|b|t|\((\w+)\)[sbt])")
_DATABASES = count(1)


@contextmanager
def recording(file: Path | None, dsn: str) -> Iterator[None]:
    """Have what the program sends meanwhile added to the file, as far as it is of the control schema alone."""
    if file is None:
        yield
        return
    found: set[str] = set()
    plain = psycopg.Cursor.execute

    def noted(cursor: psycopg.Cursor[Any], query: Any, *more: Any, **named: Any) -> psycopg.Cursor[Any]:
        text = query.as_string(cursor) if isinstance(query, sql.Composable) else query
        text = text.decode() if isinstance(text, bytes) else text
        who = cursor.connection.info.parameter_status("application_name") or ""
        # tests and their bystanders have other names; a comment would swallow what follows it in its line
        if who.startswith("headrace ") and "headrace." in text and "--" not in text:
            found.add(numbered(text) if more or named else text)
        return plain(cursor, query, *more, **named)

    with patch.object(psycopg.Cursor, "execute", noted):
        yield
    known = json.loads(file.read_text())["statements"] if file.exists() else []
    with _fresh(dsn) as connection:
        migrate(connection)
        every = sorted({*known, *(" ".join(each.split()) for each in found)})
        kept = [each for each in every if each not in refused(connection, [each])]
    content = {"version": migrations()[-1][0], "statements": kept}
    file.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def numbered(text: str) -> str:
    """With the server's places for parameters in those of the driver."""
    places: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        if match[1] == "%":
            return "%"
        name = match[2] or f"place {len(places)}"
        return f"${places.setdefault(name, len(places) + 1)}"

    return _PLACE.sub(place, text)


def refused(connection: psycopg.Connection, statements: Iterable[str]) -> Mapping[str, str]:
    """Those that the server does not take any more, and why. Nothing is executed."""
    wrong = {}
    for each in statements:
        try:
            connection.execute(f"PREPARE recorded AS {each}".encode())
        except psycopg.Error as error:
            wrong[each] = str(error).splitlines()[0]
        else:
            connection.execute("DEALLOCATE recorded")
    return wrong


@contextmanager
def _fresh(dsn: str) -> Iterator[psycopg.Connection]:
    """A database without anything."""
    name = f"statements{next(_DATABASES)}"
    with psycopg.connect(dsn, autocommit=True) as connection:
        connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    with psycopg.connect(make_conninfo(dsn, dbname=name), autocommit=True) as connection:
        yield connection
