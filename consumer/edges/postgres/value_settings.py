"""The settings of a session on which it depends how values are read and written.

A role, a database, a server, the environment or the connection string may say otherwise for every one of them.
"""

import psycopg
from psycopg import sql

VALUES = {
    # what COPY and parameters carry, whatever the database holds its texts in
    "client_encoding": "UTF8",
    "TimeZone": "UTC",
    "timezone_abbreviations": "Default",
    "DateStyle": "ISO, YMD",
    "IntervalStyle": "postgres",
    # the fewest digits that are exact
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "array_nulls": "on",
    "standard_conforming_strings": "on",
    # names of types are compared
    "quote_all_identifiers": "off",
}
"""What is alike in all sessions, those of the source too."""


def configure(connection: psycopg.Connection, more: dict[str, str]) -> None:
    """Set all of this for the session, and `more`, in one journey: poolers may refuse options of the handshake."""
    # to compile a question about the catalog takes a server seconds, to answer it milliseconds
    values = {**VALUES, "jit": "off", **more}
    calls = sql.SQL(", ").join([sql.SQL("set_config(%s, %s, false)")] * len(values))
    connection.execute(sql.SQL("SELECT {}").format(calls), [part for pair in values.items() for part in pair])
