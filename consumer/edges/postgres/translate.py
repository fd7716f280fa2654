"""PostgreSQL's errors as failures, decided by SQLSTATE: the exceptions to a class first, then the class.

Message texts leave here only for classes that no row and no trigger can speak through; DETAIL and CONTEXT
lines never do. Otherwise the error's name and the column's and constraint's stand for it.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg

from consumer.core.failure import Failure, HeadraceError, Persistent, Transient
from consumer.core.plan import TableName
from consumer.ports import ConnectionLost, DataFault, TableFault

# longest prefix wins
_REMEDIES: dict[str, tuple[Callable[..., HeadraceError], str]] = {
    "08": (ConnectionLost, "Headrace reconnects by itself; look at the database and the network between."),
    "08P01": (
        DataFault,
        "A value has no form that the column takes; compare the source column's type with the target's.",
    ),
    "57P": (ConnectionLost, "Headrace reconnects by itself; the server was stopped or ended the session."),
    "57014": (Transient, "A statement ran into its timeout and is repeated; look for long locks on the table."),
    "53": (
        Transient,
        "The server is out of a resource (disk, memory, connections); Headrace goes on when it has some.",
    ),
    "40": (Transient, "Another transaction was in the way; the batch is repeated."),
    "55P03": (Transient, "A lock was not granted in time; the batch is repeated."),
    "58": (Transient, "The server's system failed it (disk, files); the batch is repeated when it recovers."),
    "P0": (DataFault, "A trigger or function of the target refuses the row."),
    "25006": (Transient, "The server is read-only, as after a failover; Headrace goes on when it takes writes."),
    "25P": (Transient, "The transaction was ended by the server; the batch is repeated."),
    "28": (Persistent, "Check user, password and database of target.dsn, and the server's pg_hba.conf."),
    "3D000": (Persistent, "Check the database name in target.dsn."),
    "21000": (DataFault, "Two rows of one statement are one row for the target; they are applied one by one."),
    "22": (DataFault, "Compare the source column's type and values with the target column's type."),
    "23502": (DataFault, "The target wants a value where the source has none: drop NOT NULL or give the source one."),
    "23503": (DataFault, "The referenced row is missing: apply its table too, or drop the foreign key in the target."),
    "23505": (DataFault, "A further unique constraint of the target is violated: compare it with the source's."),
    "23": (DataFault, "A constraint of the target refuses what the source holds: compare both."),
    "44": (DataFault, "A view's check option refuses the row."),
    "42501": (TableFault, "Grant the role of target.dsn the missing privilege on the table."),
    "42P01": (TableFault, "The target table is gone; create it again."),
    "42": (TableFault, "The target table does not fit its topic; compare their columns."),
    "0A000": (TableFault, "The target table changed or does not support the statement; the batch is planned again."),
}
_ELSE: tuple[Callable[..., HeadraceError], str] = (TableFault, "Look the SQLSTATE up in PostgreSQL's appendix A.")


# classes whose messages are the server's own, with names in them but never values; what a trigger raises may quote rows
_PLAIN = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")
# a failed login carries no SQLSTATE, only the server's words
_REFUSED_LOGIN = ("password authentication failed", "no password supplied", "no pg_hba.conf entry", "does not exist")


@contextmanager
def translated(operation: str, table: TableName | None = None) -> Iterator[None]:
    """Turn psycopg's errors into ours. Raises ConnectionLost, Transient, DataFault, TableFault or Persistent."""
    try:
        yield
    except psycopg.Error as error:
        raise _failure(error, operation, table) from error


def _failure(error: psycopg.Error, operation: str, table: TableName | None) -> HeadraceError:
    state = error.sqlstate
    if state is None:
        return _without_state(error, operation)
    kind, remedy = next((_REMEDIES[p] for p in (state, state[:3], state[:2]) if p in _REMEDIES), _ELSE)
    failure = Failure(
        component="postgres",
        operation=operation,
        kind=f"postgres.{state}",
        detail=_detail(error, state, table),
        remedy=remedy,
    )
    if kind in (DataFault, TableFault):
        return kind(failure, table)
    return kind(failure)


def _without_state(error: psycopg.Error, operation: str) -> HeadraceError:
    kind: type[HeadraceError]
    if operation == "connect" and any(words in str(error) for words in _REFUSED_LOGIN):
        kind, word, remedy = Persistent, "postgres.login", _REMEDIES["28"][1]
    elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        kind, word, remedy = ConnectionLost, "postgres.connection", _REMEDIES["08"][1]
    else:
        kind, word, remedy = Persistent, "postgres.client", "This is a defect of Headrace; report it with the log."
    # libpq's own connection messages hold host and user, never rows
    text = str(error).strip().splitlines()[0] if isinstance(error, psycopg.OperationalError) else type(error).__name__
    return kind(Failure(component="postgres", operation=operation, kind=word, detail=text, remedy=remedy))


def _detail(error: psycopg.Error, state: str, table: TableName | None) -> str:
    diagnosis = error.diag
    names = [
        f"{word} {value!r}"
        for word, value in (("column", diagnosis.column_name), ("constraint", diagnosis.constraint_name))
        if value
    ]
    said = diagnosis.message_primary if state[:2] in _PLAIN else None
    text = said or type(error).__name__
    where = f" on table {table}" if table else ""
    return f"SQLSTATE {state}: {text}{where}" + (f" ({', '.join(names)})" if names else "")
