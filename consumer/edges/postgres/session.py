"""One real session on the target: opened with timeouts, checked, closed."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import conninfo_to_dict

from consumer.core.failure import Failure, Refused, Transient, failed
from consumer.core.kinds import KINDS
from consumer.core.target import LEAST_SERVER
from consumer.edges.postgres.translate import translated
from consumer.edges.postgres.value_settings import configure


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionSettings:
    """How sessions are opened. Times in seconds."""

    dsn: str
    worker: str
    connect_timeout: int = 10
    # no statement, no lock and no idle transaction outlives this
    batch_deadline: float = 30.0
    # most seconds that a change of a table waits for others who use it
    change_lock_timeout: float = 2.0
    synchronous_commit: str = "on"
    trust_source: bool = False
    # a session that only looks may be on a server that takes no writes
    writes: bool = True


# seconds in which the server is told to undo what runs
_CUT = 1.0

# what PostgreSQL keeps of a session's name, without our part of it
MOST_NAMED = 63 - len("headrace ")


def application_name(worker: str) -> str:
    """What pg_stat_activity shows for a worker's sessions."""
    return f"headrace {worker[:MOST_NAMED]}"


CALLED = "left('headrace ' || {worker}, 63)"
"""The same in SQL, of a column that holds a worker's name."""
OF_OWNER = f"a.pid = p.owner_pid AND a.application_name = {CALLED.format(worker='p.owner')}"
"""Whether a session `a` is the one that took the position `p` last, as a condition in SQL."""
OWNER_LIVES = f"EXISTS (SELECT FROM pg_stat_activity a WHERE {OF_OWNER})"
"""Whether that session lives."""


def keepalives(seconds: float) -> dict[str, Any]:
    """How soon a server that has vanished is noticed, as libpq's keywords: sent bytes wait no longer than `seconds`."""
    return {
        "keepalives_idle": 10,
        "keepalives_interval": 5,
        "keepalives_count": 3,
        "tcp_user_timeout": int(seconds * 1000),
    }


def connect(settings: SessionSettings) -> psycopg.Connection:
    """Open an autocommit session in which values are read and written as `value_settings` say.

    Raises ConnectionLost, Persistent (credentials), Refused (a pooler, an old server, a connection string that is none,
    or a role that may not trust the source), or Transient for a server that takes no writes.
    """
    _require_dsn(settings.dsn)
    with translated("connect"):
        connection = psycopg.connect(
            settings.dsn,
            autocommit=True,
            connect_timeout=settings.connect_timeout,
            application_name=application_name(settings.worker),
            **keepalives(settings.batch_deadline),
        )
    with ExitStack() as opening:
        opening.callback(connection.close)
        with translated("connect"):
            _prepare(connection, settings)
        _check_server(connection, settings)
        opening.pop_all()
    return connection


def _require_dsn(dsn: str) -> None:
    try:
        parts = conninfo_to_dict(dsn)
    except psycopg.ProgrammingError:
        # its message has parts of the string, which may be the password
        raise Refused(_no_dsn("it is neither a URL nor a list of keywords and values as libpq takes them")) from None
    if not all(port.isdecimal() for port in str(parts.get("port") or "0").split(",")):
        raise Refused(_no_dsn("its port is no number"))


def _no_dsn(why: str) -> Failure:
    remedy = "Write it as postgresql://user@host:5432/database, or as host=… port=… dbname=… user=…"
    return failed(KINDS["worker.settings"], "postgres", "connect", f"target.dsn: {why}", remedy=remedy)


def _prepare(connection: psycopg.Connection, settings: SessionSettings) -> None:
    timeouts = _timeouts(settings.batch_deadline)
    values = {
        **timeouts,
        "idle_in_transaction_session_timeout": timeouts["lock_timeout"],
        "synchronous_commit": settings.synchronous_commit,
        "client_min_messages": "warning",
        # a statement sees what was committed while its transaction waited for a lock
        "default_transaction_isolation": "read committed",
    }
    if settings.trust_source:
        values["session_replication_role"] = "replica"
    try:
        configure(connection, values)
    except psycopg.errors.InsufficientPrivilege as error:
        # any role may set the others
        if not settings.trust_source:
            raise
        raise Refused(_not_trusted(connection.info.user)) from error


def _not_trusted(role: str) -> Failure:
    detail = f'target.constraints: the role {role} may not set session_replication_role, as "trust-source" does'
    remedy = f"As a superuser, GRANT SET ON PARAMETER session_replication_role TO {role}; "
    remedy += 'or set target.constraints = "check".'
    return failed(KINDS["worker.settings"], "postgres", "connect", detail, remedy=remedy, code="42501")


def cancel(connection: psycopg.Connection | None) -> None:
    """Have the server undo what runs in a session, if there is one and anything does; for any thread."""
    if connection is not None and not connection.closed:
        with suppress(psycopg.Error):
            connection.cancel_safe(timeout=_CUT)


def limit(connection: psycopg.Connection, seconds: float) -> None:
    """How long a statement may take, and wait for a lock, until the transaction ends."""
    for name, value in _timeouts(seconds).items():
        connection.execute("SELECT set_config(%s, %s, true)", (name, value))


def limit_locks(connection: psycopg.Connection, seconds: float) -> None:
    """How long statements wait for a lock, until the transaction ends."""
    value = _timeouts(seconds)["lock_timeout"]
    connection.execute("SELECT set_config('lock_timeout', %s, true)", (value,))


def hold_shortly(connection: psycopg.Connection) -> None:
    """Others wait for what is locked from now on: until the transaction ends it may be idle as long as any session.

    A process that stands still, or whose machine is gone, lets go then.
    """
    name = "idle_in_transaction_session_timeout"
    connection.execute("SELECT set_config(%s, current_setting('lock_timeout'), true)", (name,))


def _timeouts(seconds: float) -> dict[str, str]:
    # a lock wait must be reported as such, not as a slow statement
    return {"lock_timeout": f"{int(seconds * 1000)}ms", "statement_timeout": f"{int(seconds * 1250)}ms"}


def _check_server(connection: psycopg.Connection, settings: SessionSettings) -> None:
    """A pooler hands out a process id of its own, so the one from the handshake is not the server's.

    A standby, or a server that was told to, takes no writes. From here on operators of extensions are found.
    """
    if connection.info.server_version < LEAST_SERVER:
        detail = f"{KINDS['target.version'].sign}: {connection.info.parameter_status('server_version')}"
        raise Refused(failed(KINDS["target.version"], "postgres", "connect", detail))
    with translated("connect"):
        ((pid, read_only, _),) = connection.execute(_ASKED_FIRST).fetchall()
    if pid != connection.info.backend_pid:
        raise Refused(failed(KINDS["target.pooler"], "postgres", "connect", KINDS["target.pooler"].sign))
    if read_only and settings.writes:
        raise Transient(failed(KINDS["target.read_only"], "postgres", "connect", KINDS["target.read_only"].sign))


# Where an extension is in a schema that no path names, its types are compared by operators of others: citext as text.
_ASKED_FIRST = """
SELECT pg_backend_pid(), current_setting('transaction_read_only') = 'on', set_config('search_path', concat_ws(
    ', ', nullif(current_setting('search_path'), ''), (
        SELECT string_agg(DISTINCT quote_ident(n.nspname), ', ')
        FROM pg_extension e JOIN pg_namespace n ON n.oid = e.extnamespace WHERE n.nspname <> 'pg_catalog'
    )
), false)
"""


@contextmanager
def transaction(connection: psycopg.Connection, operation: str) -> Iterator[None]:
    """A transaction whose COMMIT is believed only by its command tag.

    A commit of a failed transaction answers ROLLBACK and raises nothing. Raises Transient then, and
    whatever the body raised after rolling back.
    """
    with translated(operation):
        connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not connection.closed:
                rollback(connection)
            raise
        tag = connection.execute("COMMIT").statusmessage
    require_commit(tag, operation)


def rollback(connection: psycopg.Connection) -> None:
    """Roll back; a session that can't even do that is closed."""
    try:
        connection.execute("ROLLBACK")
    except psycopg.Error:
        connection.close()


def require_commit(tag: str | None, operation: str) -> None:
    """Raises Transient unless the server answered COMMIT."""
    if tag != "COMMIT":
        raise Transient(failed(KINDS["target.commit"], "postgres", operation, f"COMMIT was answered with {tag}"))
