"""The source's database, only read: a session of its own, rows at a position of its log, how far the connector is."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass

import psycopg
from psycopg.conninfo import conninfo_to_dict

from consumer.core.failure import Failure, Persistent, Refused, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.reconcile import Key, Seen
from consumer.edges.postgres.session import keepalives, rollback
from consumer.edges.postgres.sides import PostgresRows
from consumer.edges.postgres.value_settings import configure
from consumer.ports.reconcile import Came, Mark

# a failed login carries no SQLSTATE, only the server's words
_REFUSED_LOGIN = ("password authentication failed", "no password supplied", "no pg_hba.conf entry", "does not exist")
# what time heals: connections, resources, a server that starts or stops, conflicts and timeouts
_HEALS = ("08", "53", "57", "58", "40", "55")
_SNAPSHOT = "BEGIN TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
_POSITION = "SELECT pg_current_wal_insert_lsn()::text"
# headers of pages of the log: the next record begins behind one, while nothing is written up to there
_PAGE, _HEADERS = 8192, (24, 40)
_WHOLE = """
SELECT n.nspname || '.' || c.relname, c.relreplident = 'f' FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname || '.' || c.relname = ANY (%s) AND c.relkind IN ('r', 'p')
"""
_SLOTS = """
SELECT s.slot_name, s.confirmed_flush_lsn::text,
    s.confirmed_flush_lsn >= %(lsn)s::pg_lsn, r.write_lsn >= %(lsn)s::pg_lsn
FROM pg_replication_slots s LEFT JOIN pg_stat_replication r ON r.pid = s.active_pid
WHERE s.slot_type = 'logical' AND s.database = current_database() AND (%(slot)s = '' OR s.slot_name = %(slot)s)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceSettings:
    """How the source is reached. Times in seconds; `slot`: the connector's, empty for the only one that there is."""

    dsn: str
    slot: str = ""
    connect_timeout: int = 10
    statement_timeout: float = 30.0


@contextmanager
def asking(operation: str) -> Iterator[None]:
    """Turn psycopg's errors into ours: no text of the server's leaves here but that of a connection that failed.

    Raises Transient, Persistent.
    """
    try:
        yield
    except psycopg.Error as error:
        state = error.sqlstate
        refused = state is None and any(words in str(error) for words in _REFUSED_LOGIN)
        if refused or (state is not None and state[:2] not in _HEALS):
            kind = KINDS["source.refused"]
            detail = f"SQLSTATE {state}: {type(error).__name__}" if state else "the login failed"
            raise Persistent(failed(kind, "source", operation, detail, code=state or "")) from error
        kind = KINDS["source.away"]
        detail = f"SQLSTATE {state}: {type(error).__name__}" if state else _first_line(error)
        raise Transient(failed(kind, "source", operation, detail, code=state or "")) from error


def whole_rows(settings: SourceSettings, tables: Sequence[str]) -> Mapping[str, bool]:
    """Of tables as schema.table whether their whole old rows are written to the log. Raises Transient, Persistent."""
    with closing(connect_source(settings)) as connection, asking("read replica identities"):
        return dict(connection.execute(_WHOLE, (list(tables),)).fetchall())


def connect_source(settings: SourceSettings) -> psycopg.Connection:
    """An autocommit session that can't write. Raises Transient, Persistent, Refused for a standby or no address."""
    try:
        conninfo_to_dict(settings.dsn)
    except psycopg.ProgrammingError:
        # its message has parts of the string, which may be the password
        raise Refused(_no_way("source.dsn is neither a URL nor keywords and values as libpq takes them")) from None
    with asking("connect"):
        connection = psycopg.connect(
            settings.dsn,
            autocommit=True,
            connect_timeout=settings.connect_timeout,
            application_name="headrace reconcile",
            **keepalives(settings.statement_timeout),
        )
    with ExitStack() as opening:
        opening.callback(connection.close)
        with asking("connect"):
            _prepare(connection, settings.statement_timeout)
            ((standby,),) = connection.execute("SELECT pg_is_in_recovery()").fetchall()
        if standby:
            raise Refused(_no_way("source.dsn leads to a standby, which may be behind what was applied here"))
        opening.pop_all()
    return connection


def _prepare(connection: psycopg.Connection, seconds: float) -> None:
    values = {
        "default_transaction_read_only": "on",
        "statement_timeout": f"{int(seconds * 1000)}ms",
        "lock_timeout": f"{int(seconds * 1000)}ms",
        "idle_in_transaction_session_timeout": f"{int(seconds * 1000)}ms",
    }
    configure(connection, values)


class PostgresSourceRows(PostgresRows):
    """Implements `consumer.ports.reconcile.SourceRows`."""

    def seen_at(self, keys: Sequence[Key]) -> tuple[Mapping[Key, Seen], Mark]:
        with asking("look at the source"):
            self._connection.execute(_SNAPSHOT)
        try:
            found = self.seen(keys)
            with asking("read the source's position"):
                ((lsn,),) = self._connection.execute(_POSITION).fetchall()
        finally:
            if not self._connection.closed:
                rollback(self._connection)
        return found, Mark(ended(lsn))


@dataclass(frozen=True, slots=True)
class Slot:
    """How far the connector's slot is. Raises HeadraceError."""

    connection: psycopg.Connection
    name: str

    def came(self, mark: Mark) -> tuple[Came, str]:
        """How far the connector is with a mark, and where its slot is."""
        with asking("look at the connector's slot"):
            rows = self.connection.execute(_SLOTS, {"lsn": mark.lsn, "slot": self.name}).fetchall()
        if len(rows) != 1:
            names = ", ".join(row[0] for row in rows) or "none"
            detail = f"expected the connector's slot (source.slot), found {names} in the source's database"
            raise Persistent(failed(KINDS["source.refused"], "source", "look at the connector's slot", detail))
        ((_, at, confirmed, received),) = rows
        came = Came.CONFIRMED if confirmed else Came.RECEIVED if received else Came.NOT_YET
        return came, at or ""


def ended(lsn: str) -> str:
    """Where the record in front of this position ends: not behind the header of a page that nobody has begun."""
    high, low = (int(part, 16) for part in lsn.split("/"))
    whole = (high << 32) + low
    if whole % _PAGE in _HEADERS:
        whole -= whole % _PAGE
    return f"{whole >> 32:X}/{whole & 0xFFFFFFFF:X}"


def _no_way(detail: str) -> Failure:
    return failed(KINDS["worker.settings"], "source", "connect", detail, remedy="Correct source.dsn.")


def _first_line(error: psycopg.Error) -> str:
    # libpq's own connection messages hold host and user, never rows
    lines = str(error).strip().splitlines()
    return lines[0] if lines and isinstance(error, psycopg.OperationalError) else type(error).__name__
