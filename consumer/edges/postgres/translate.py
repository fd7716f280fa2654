"""PostgreSQL's errors as failures, decided by SQLSTATE: the exceptions to a class first, then the class.

Message texts leave here only for classes that no row can speak through, and only of the statement itself: whatever the
state, a trigger may say what it likes. DETAIL and CONTEXT lines never do. Otherwise the error's name and the column's
and constraint's stand for it.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg

from consumer.core.classify import may_be_the_tables, of_sqlstate
from consumer.core.failure import Failure, HeadraceError, Persistent, Transient, blaming, failed
from consumer.core.failure_kind import ErrorType, FailureKind, Scope
from consumer.core.kinds import KINDS
from consumer.core.target import TableName
from consumer.ports.refusals import ConnectionLost, DataFault, TableBusy, TableFault

# classes whose messages are the server's own, with names in them but never values
_PLAIN = ("08", "25", "28", "3D", "40", "53", "55", "57", "58")
# a failed login carries no SQLSTATE, only the server's words
_REFUSED_LOGIN = ("password authentication failed", "no password supplied", "pg_hba.conf", "does not exist")
# libpq's words where no secure connection comes about; a certificate that is of nobody is a failed login
_NO_TLS = re.compile(r"certificate(?! authentication)|SSL error: (?!unexpected eof)|does not support SSL")
# a prepared statement that is not there, or is already; a plan of a table that has changed
_UNPREPARED, _REVALIDATES = ("26000", "42P05"), "RevalidateCachedQuery"
# a table that is not there, or is already, where only staging tables are named
_UNSTAGED = ("42P01", "42P07", "3F000")
_STAGING = ("create staging", "drop staging", "empty staging", "divide staging", "stage rows")
# the one of them that has to do with rows
_OF_ROWS = "stage rows"
# PL/pgSQL's RAISE; what such code passes on keeps the place where it arose
_RAISE = "exec_stmt_raise"
# what looks for refused rows is our own code
_OURS = re.compile(r"(?:apply_in_sets|refused_rows)\(")


@contextmanager
def translated(operation: str, table: TableName | None = None) -> Iterator[None]:
    """Turn psycopg's errors into ours.

    Raises ConnectionLost, Transient (of a table's statement TableBusy), DataFault, TableFault or Persistent.
    """
    try:
        yield
    except psycopg.Error as error:
        raise _failure(error, operation, table) from error


def _failure(error: psycopg.Error, operation: str, table: TableName | None) -> HeadraceError:
    state = error.sqlstate
    if state is None:
        return _without_state(error, operation)
    said = error.diag
    in_code = _in_code(said.context or "")
    if not in_code and _spoilt(state, said.source_function, operation):
        # as if it had been lost: all that it had is made anew
        detail = _detail(error, state, table, in_code=in_code)
        return ConnectionLost(failed(KINDS["target.session"], "postgres", operation, detail, code=state))
    kind = of_sqlstate(
        state,
        in_code=in_code,
        chosen=said.source_function == _RAISE,
        # the severity is translated, its copy is not
        ended=said.severity_nonlocalized != "ERROR",
    )
    if _rowless(operation):
        kind = _of_staging(kind, in_code=in_code)
    failure = failed(kind, "postgres", operation, _detail(error, state, table, in_code=in_code), code=state)
    return _raisable(kind, failure if in_code else blaming(failure, _path(said.column_name)), table)


def _spoilt(state: str, function: str | None, operation: str) -> bool:
    """Whether what the session had prepared is not there any more, or outdated, whoever did that."""
    return (
        state in _UNPREPARED
        or (state == "0A000" and function == _REVALIDATES)
        or (state in _UNSTAGED and operation in _STAGING)
    )


def _rowless(operation: str) -> bool:
    """Whether it makes, drops, empties or divides staging tables: no record is at fault for that, nor its table."""
    return operation in _STAGING and operation != _OF_ROWS


def _of_staging(kind: FailureKind, *, in_code: bool) -> FailureKind:
    """The kind where there are no rows: what code of the target's raises there, as an event trigger, forbids tables."""
    if kind.scope is Scope.ENVIRONMENT:
        return kind
    if in_code:
        return KINDS["target.staging"]
    return KINDS["table.unknown"] if kind.scope is Scope.RECORD else kind


def _in_code(context: str) -> bool:
    """Whether code of the target's failed, and not the statement itself, by the lines that say where."""
    # whatever their language, each line of a function names its own: PL/pgSQL, PL/Python function ...
    inner, *ours = _OURS.split(context, maxsplit=1)
    return inner.count("PL/") > len(ours)


def _raisable(kind: FailureKind, failure: Failure, table: TableName | None) -> HeadraceError:
    if kind.scope is Scope.RECORD:
        return DataFault(failure, table)
    if kind.scope is Scope.TABLE:
        return TableFault(failure, table)
    if kind is KINDS["target.connection"]:
        return ConnectionLost(failure)
    if table is not None and may_be_the_tables(failure) and not _rowless(failure.operation):
        return TableBusy(failure, table)
    return Transient(failure) if kind.type is ErrorType.TRANSIENT else Persistent(failure)


def _without_state(error: psycopg.Error, operation: str) -> HeadraceError:
    if operation == "connect" and _NO_TLS.search(str(error)):
        kind = KINDS["target.tls"]
    elif operation == "connect" and any(words in str(error) for words in _REFUSED_LOGIN):
        kind = KINDS["target.login"]
    elif isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
        kind = KINDS["target.connection"]
    else:
        kind = KINDS["worker.defect"]
    # libpq's own connection messages hold host and user, never rows
    text = str(error).strip().splitlines()[0] if isinstance(error, psycopg.OperationalError) else type(error).__name__
    return _raisable(kind, failed(kind, "postgres", operation, text), None)


def _detail(error: psycopg.Error, state: str, table: TableName | None, *, in_code: bool) -> str:
    diagnosis = error.diag
    said = diagnosis.message_primary if state[:2] in _PLAIN and not diagnosis.context else None
    text = said or type(error).__name__
    # what code of the target's calls a column or a constraint may be anything, a row's value too
    names = (None, None) if in_code else (diagnosis.column_name, diagnosis.constraint_name)
    return _named(f"SQLSTATE {state}: {text}", table, *names)


def refusal(state: str, operation: str, table: TableName, column: str | None, constraint: str | None) -> Failure:
    """A refused row as a failure, from what the server named without an error of its own.

    A state that no rule knows is a trigger's: else it would not be taken for the row's.
    """
    try:
        text = psycopg.errors.lookup(state).__name__
    except KeyError:
        text = psycopg.DatabaseError.__name__
    detail = _named(f"SQLSTATE {state}: {text}", table, column, constraint)
    return failed(of_sqlstate(state, in_code=True), "postgres", operation, detail, code=state)


def _path(column: str | None) -> str:
    return f"after.{column}" if column else ""


def _named(said: str, table: TableName | None, column: str | None, constraint: str | None) -> str:
    names = [f"{word} {value!r}" for word, value in (("column", column), ("constraint", constraint)) if value]
    where = f" on table {table}" if table else ""
    return f"{said}{where}" + (f" ({', '.join(names)})" if names else "")
