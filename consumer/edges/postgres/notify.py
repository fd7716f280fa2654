"""Telling workers that something was decided. They look by themselves too, so one that is not told is only late."""

import psycopg

CHANNEL = "headrace"

_TELL = "SELECT pg_notify(%s, %s)"


def tell(connection: psycopg.Connection, group: str) -> None:
    """The workers of a group hear of it with the commit of the transaction that is open, or at once."""
    connection.execute(_TELL, (CHANNEL, group))
