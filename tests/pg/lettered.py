"""A table of words and numbers whose letters are looked at, and sinks with bounds of their own."""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from typing import Any

import psycopg

from consumer.edges.postgres.aside import LetterBounds
from consumer.edges.postgres.session import SessionSettings
from consumer.edges.postgres.sink import PostgresSink
from tests.pg.landing import ID

FIELDS = [ID, {"name": "word", "type": ["null", "string"], "default": None}, {"name": "n", "type": ["null", "int"]}]
States = Callable[[], str]
"""Offset and first character of each letter's state."""


def row(number: int, word: str | None = "w", n: int | None = 1) -> dict[str, Any]:
    """A row."""
    return {"id": number, "word": word, "n": n}


@contextmanager
def opened(server: str, group: str, bounds: LetterBounds) -> Iterator[PostgresSink]:
    """A sink with bounds of its own, of a group that has started."""
    with closing(PostgresSink(SessionSettings(dsn=server, worker="bounded"), group, bounds)) as sink:
        sink.open()
        sink.seed({})
        yield sink


def letters(session: psycopg.Connection, group: str) -> list[tuple[int, str, str]]:
    """Offset, state and kind of every letter of the group."""
    query = 'SELECT "offset", state, kind FROM headrace.letters WHERE group_name = %s ORDER BY "offset"'
    return session.execute(query, (group,)).fetchall()
