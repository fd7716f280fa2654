"""The target: server, role, control schema, tables."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from consumer.core.doctor.cluster import SKEW
from consumer.core.doctor.finding import Area, Check, Finding
from consumer.core.failure import Failure, failed
from consumer.core.kinds import KINDS
from consumer.core.target import LEAST_SERVER
from consumer.core.wording import counted

REACHABLE = Check(
    "target.reachable",
    Area.TARGET,
    "the server takes our login, without a pooler in between",
    "fail: it does not answer, refuses user, password or certificate, or a pooler stands in between",
)
SECURE = Check(
    "target.security",
    Area.TARGET,
    "how the session is encrypted, and whether the server's name is checked (`sslmode`)",
    "warn: not encrypted, or not `verify-full`, beyond this machine",
)
VERSION = Check("target.version", Area.TARGET, "the server's version", "fail: older than 15")
WRITABLE = Check("target.writable", Area.TARGET, "it takes writes", "fail: it is a standby, or told to take none")
ENCODED = Check(
    "target.encoding", Area.TARGET, "the database's encoding is UTF8", "fail: another, which can't hold all texts"
)
CLOCK = Check(
    "target.clock",
    Area.TARGET,
    "its clock, held against ours",
    "warn: more than 5 s apart: due times and ages are worked out there and here",
)
TIMEOUTS = Check(
    "target.timeouts",
    Area.TARGET,
    "what server or role end by themselves: `transaction_timeout`, `idle_session_timeout`",
    "fail: transactions before `target.batch_deadline`; warn: idle sessions before `target.pool_idle`",
)
ROOM = Check(
    "target.connections",
    Area.TARGET,
    "sessions that workers and the admin process may open, held against `max_connections` and the limits of role and "
    "database",
    "warn: there is no room for all of them",
)
SCHEMA = Check(
    "target.schema",
    Area.TARGET,
    "the control schema's version is this program's",
    "fail: newer, or older and the role can't migrate it; warn: a worker migrates it when it starts",
)
CONTROL = Check(
    "target.control",
    Area.TARGET,
    "the role may do all that is needed in the schema `headrace`",
    "fail: a privilege is missing",
)
STAGING = Check(
    "target.staging",
    Area.TARGET,
    "the role may make temporary tables, in which batches are staged",
    "fail: TEMPORARY on the database is not granted",
)
OF_SERVER = (REACHABLE, SECURE, VERSION, WRITABLE, ENCODED, STAGING, CLOCK, TIMEOUTS, ROOM)
OF_CONTROL = (SCHEMA, CONTROL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A server and the session that was opened there. Times in seconds; 0 for limits that there are not.

    `clock_ahead`: of ours.
    """

    version: int
    version_said: str
    role: str
    database: str
    standby: bool
    read_only: bool
    encoding: str
    temporary: bool
    tls: str
    ssl_mode: str
    local: bool
    clock_ahead: float
    transaction_timeout: float
    idle_session_timeout: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Sessions that a limit allows, and those that others have, also other groups."""

    most: int
    others: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Wants:
    """What settings want of the server. Times in seconds; sessions that one worker and the admin process may open."""

    batch_deadline: float
    pool_idle: float
    per_worker: int
    of_admin: int


def server(seen: Server, wants: Wants) -> list[Finding]:
    """Of the server."""
    return [
        REACHABLE.ok(f"database {seen.database} as {seen.role}"),
        _secure(seen),
        _version(seen),
        _writable(seen),
        _encoded(seen),
        _staging(seen),
        _clock(seen),
        *_timeouts(seen, wants),
    ]


def _secure(seen: Server) -> Finding:
    said = f"{seen.tls}, sslmode {seen.ssl_mode}" if seen.tls else "not encrypted"
    if seen.local or (seen.tls and seen.ssl_mode == "verify-full"):
        return SECURE.ok(said + (", on this machine" if seen.local else ""))
    what = "so anybody may stand in for the server" if seen.tls else "so rows and more can be read on the way"
    return SECURE.warn(f"{said}: {what}", "Set sslmode=verify-full and sslrootcert in target.dsn.")


def _version(seen: Server) -> Finding:
    if seen.version < LEAST_SERVER:
        kind = KINDS["target.version"]
        return VERSION.fail(f"PostgreSQL {seen.version_said}", kind.remedy, kind=kind.name)
    return VERSION.ok(f"PostgreSQL {seen.version_said}")


def _writable(seen: Server) -> Finding:
    kind = KINDS["target.read_only"]
    if seen.standby:
        return WRITABLE.fail("it is a standby", kind.remedy, kind=kind.name)
    if seen.read_only:
        remedy = "Take default_transaction_read_only back from server, database or role; or point target.dsn elsewhere."
        return WRITABLE.fail("transactions are read-only by default", remedy, kind=kind.name)
    return WRITABLE.ok("a primary")


def _encoded(seen: Server) -> Finding:
    if seen.encoding != "UTF8":
        remedy = "Make the database anew with ENCODING 'UTF8'."
        return ENCODED.fail(f"{seen.encoding}, which can't hold all that a source may send", remedy)
    return ENCODED.ok(seen.encoding)


def _staging(seen: Server) -> Finding:
    if not seen.temporary:
        remedy = f"GRANT TEMPORARY ON DATABASE {seen.database} TO {seen.role}"
        return STAGING.fail("TEMPORARY on the database is not granted", remedy, kind="table.privilege")
    return STAGING.ok("TEMPORARY is granted")


def _clock(seen: Server) -> Finding:
    apart = abs(seen.clock_ahead)
    if apart > SKEW:
        which = "ahead of" if seen.clock_ahead > 0 else "behind"
        return CLOCK.warn(f"it is {apart:.0f} s {which} ours", "Have both machines keep time (NTP).")
    return CLOCK.ok(f"{apart:.1f} s apart")


def _timeouts(seen: Server, wants: Wants) -> list[Finding]:
    bad = []
    if 0 < seen.transaction_timeout <= wants.batch_deadline * 1.25:
        detail = (
            f"transaction_timeout is {seen.transaction_timeout:g} s, and a statement of a batch may take "
            f"{wants.batch_deadline * 1.25:g} s (target.batch_deadline)"
        )
        remedy = f"ALTER ROLE {seen.role} SET transaction_timeout = 0"
        bad.append(TIMEOUTS.fail(detail, remedy, kind="target.timeout"))
    if 0 < seen.idle_session_timeout <= wants.pool_idle:
        detail = (
            f"idle_session_timeout is {seen.idle_session_timeout:g} s, and sessions may be idle for "
            f"{wants.pool_idle:g} s (target.pool_idle)"
        )
        remedy = f"ALTER ROLE {seen.role} SET idle_session_timeout = 0, or lower target.pool_idle."
        bad.append(TIMEOUTS.warn(detail, remedy))
    return TIMEOUTS.all_ok(bad, "none that would end ours")


def room(seen: Mapping[str, Room], wants: Wants, reported: int) -> list[Finding]:
    """Of sessions, by limit. `reported`: how many workers report themselves; one may always come."""
    workers = max(1, reported)
    needed = workers * wants.per_worker + wants.of_admin
    bad = []
    who = f"{counted(workers, 'worker')} and the admin process"
    for limit, each in seen.items():
        left = max(0, each.most - each.others)
        if needed > left:
            detail = f"{who} may open {needed} sessions, and {limit} leaves {left} of {each.most}"
            remedy = "Raise the limit, or lower target.pool_size or admin.sessions."
            bad.append(ROOM.warn(detail, remedy))
    return ROOM.all_ok(bad, f"up to {needed} for {who}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """The control schema. `version`: 0 where there is none; `refused`: why this program can't work with it.

    `may_migrate`: the role owns it, or may make it. `lacks`: privileges by table.
    """

    version: int
    wanted: int
    refused: Failure | None
    may_migrate: bool
    lacks: Mapping[str, Sequence[str]]
    role: str = ""

    @property
    def readable(self) -> bool:
        """Whether this program may read what is there."""
        return self.refused is None and not any("SELECT" in lacks or "USAGE" in lacks for lacks in self.lacks.values())


def control(seen: Control) -> list[Finding]:
    """Of the control schema."""
    return [_schema(seen), *_lacks(seen)]


def _schema(seen: Control) -> Finding:
    if seen.refused is None:
        return SCHEMA.ok(f"version {seen.version}")
    if seen.refused.kind == "target.older" and seen.may_migrate:
        said = "there is none yet" if not seen.version else f"version {seen.version}, and {seen.wanted} is wanted"
        return SCHEMA.warn(said, "Run headrace migrate, or start a worker, which does the same.")
    if seen.refused.kind == "target.older":
        remedy = "Run headrace migrate as the owner of the schema headrace (docs/how-to/least-privileges.md)."
        detail = f"{seen.refused.detail}, and {seen.role or 'the role'} may not migrate it"
        return SCHEMA.fail(detail, remedy, kind=seen.refused.kind)
    return SCHEMA.failed(seen.refused)


def _lacks(seen: Control) -> list[Finding]:
    if not seen.version:
        return [CONTROL.skipped("there is none yet")]
    bad = [
        CONTROL.failed(_missing(table, lacks, seen.role), f"headrace.{table}") for table, lacks in seen.lacks.items()
    ]
    return CONTROL.all_ok(bad, "all that is needed is granted")


def _missing(table: str, lacks: Sequence[str], role: str) -> Failure:
    remedy = f"GRANT {', '.join(lacks)} ON headrace.{table} TO {role}"
    detail = f"the role lacks {', '.join(lacks)}"
    return failed(KINDS["table.privilege"], "postgres", "read catalog", detail, remedy=remedy)
