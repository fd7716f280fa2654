"""A write whose refused rows are looked for, on a table that a test makes."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import psycopg

from consumer.core.plan import Plan
from consumer.edges.postgres.refusals import Refusal, find
from consumer.edges.postgres.session import SessionSettings, connect, transaction
from consumer.edges.postgres.staging import Staged, Staging
from tests.pg.landing import ID, Landing, rows

UNCHANGED = "__debezium_unavailable_value"
CANARY = "sesame"
FIELDS = [
    ID,
    {"name": "word", "type": ["null", "string"], "default": None},
    {"name": "n", "type": ["null", "int"], "default": None},
]
Change = tuple[str, Mapping[str, Any]]
Refused = dict[int, tuple[str, str]]


def row(number: int, word: str | None = "w", n: int | None = 0) -> dict[str, Any]:
    """A row."""
    return {"id": number, "word": word, "n": n}


def made(*given: dict[str, Any]) -> list[Change]:
    """Creates of these rows."""
    return [("c", each) for each in given]


def partly(*given: dict[str, Any]) -> list[Change]:
    """Updates of these rows whose word did not change."""
    return [("u", {**each, "word": UNCHANGED}) for each in given]


@contextmanager
def filled(server: str, plan: Plan, **settings: Any) -> Iterator[tuple[psycopg.Connection, list[Staged]]]:
    """A batch transaction in which a plan is staged; it is committed at the end."""
    with connect(SessionSettings(dsn=server, worker="refused", **settings)) as connection:
        staging = Staging(connection)
        everything = [
            staged for stage in staging.prepare([stage.staged() for stage in plan.stages]) for staged in stage
        ]
        with transaction(connection, "test"):
            # emptied in the transaction that fills them, so that nothing is put into gaps of earlier pages
            staging.clear(everything)
            for staged in everything:
                staging.fill(staged)
            yield connection, everything


def search(server: str, plan: Plan, most: int = 1000, **options: Any) -> list[Refusal]:
    """What is refused of a plan of one write."""
    with filled(server, plan) as (connection, (staged,)):
        return find(connection, staged, most, **options)


def search_after(server: str, plan: Plan, earlier: str) -> None:
    """The same behind another statement of the batch."""
    with filled(server, plan) as (connection, (staged,)):
        connection.execute(earlier.encode())
        find(connection, staged, 1000)


def said(found: Sequence[Refusal]) -> Refused:
    """Place, kind and code."""
    return {each.place: (each.failure.kind, each.failure.code) for each in found}


Make = Callable[..., Landing]


def landed(session: psycopg.Connection, landing: Landing) -> list[tuple[Any, ...]]:
    """What the table holds."""
    return rows(session, landing.table)
